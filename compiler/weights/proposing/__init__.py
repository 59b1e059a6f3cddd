"""Proposing a map: which tensors of a file might be which weights, by shapes, names and order, and how sure it is."""
