"""The second route: a model as Keras builds it and tf2onnx writes it, with our names, through our gate.

conversion.py   the model of Keras, traced by TensorFlow, as tf2onnx writes it
reading.py      that message as an operator graph, in an order of its own
recognizing.py  which of its constants are weights of the model
saving.py       `save`: the whole route, and what is refused on it
"""
