"""Filling a model with weights: which tensor of a file is which weight, and whether all of both are accounted for."""

from archonnx.compiler.weights.filling.fill import Filling, WeightsError, fill

__all__ = ["Filling", "WeightsError", "fill"]
