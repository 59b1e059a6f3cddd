"""From a model of Keras to a source text and its weights: `from_keras` (reader.py).

steps.py       what was read: bodies of steps that apply layers, functions and blocks to tensors
network.py     a functional model, node by node, as a body
layers.py      a layer of Keras as a constructor of ours; arguments.py its arguments; applying.py its application
operations.py  an operation of keras.ops as an expression
scopes.py      layers whose names have a part before a dot, put into a block of that name
source.py      the file as text; lines.py a body of it, blocks.py blocks of one shape as one block with parameters
hoisting.py    long arguments that all calls have alike, as defaults
measured.py    functions of sizes that only a run tells, as `to_keras` writes them
weights.py     the variables of Keras as weights of ours; back.py those of a model that `to_keras` made
"""
