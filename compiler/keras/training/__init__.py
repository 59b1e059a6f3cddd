"""Training a compiled model with Keras: `archonnx.fit` (fitting.py). Keras is imported inside functions only."""
