"""Filling a model with weights: which tensor of a file is which weight, and whether all of both are accounted for."""

from archonnx.compiler.weights.filling.matching import recipes_of

__all__ = ["recipes_of"]
