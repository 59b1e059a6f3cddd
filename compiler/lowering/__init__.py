"""Layers to operators: the layer graph becomes ONNX operators over typed tensors, channels last throughout."""
