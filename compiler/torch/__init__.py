"""From the layer graph to a module of PyTorch: `to_torch` (building.py). PyTorch is imported inside functions only."""
