"""What targets look like, and what the output that they are for computes last: by both, a loss is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from archonnx.compiler.keras.training.data import Array
from archonnx.compiler.keras.training.matching import parts_of

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value

Last = Literal["softmax", "sigmoid", "linear", "other"]
ROUNDING = 1e-3  # by which the probabilities of an example may miss 1

# Layers and functions that leave what was computed before them as it is.
THROUGH = ("Identity", "Dropout", "Reshape", "Flatten", "cast", "reshape", "squeeze", "expand_dims")
# Functions of one tensor that bend: their results are no logits. A softmax's logarithm is, its softmax is the same.
BENDING = ("tanh", "exp", "abs", "sqrt", "erf", "sin", "cos", "clip")


def last_of(value: Value) -> Last:
    """What computes a value: softmax over the last axis, sigmoid, something linear, or something else."""
    while value.producer is not None and value.producer.layer.type_name in THROUGH:
        before = value.producer.inputs[0]
        if before is None:
            break
        value = before
    if value.producer is None:
        return "linear"
    layer = value.producer.layer
    if "activation" in layer.declared:
        given = layer.arguments["activation"]
        activation, axis = given, -1
        if given is not None and not isinstance(given, str):
            activation, axis = given.type_name, given.arguments.get("axis", -1)
    elif getattr(layer, "acts_elementwise", False) or layer.type_name in ("softmax", "sigmoid", *BENDING):
        activation, axis = layer.type_name, layer.arguments.get("axis", -1)
    else:
        return "linear"
    if activation in (None, "log_softmax", "LogSoftmax"):
        return "linear"
    if activation.lower() == "softmax":
        return "softmax" if axis in (-1, (-1,), value.type.rank - 1, (value.type.rank - 1,)) else "other"
    return "sigmoid" if activation.lower() == "sigmoid" else "other"


@dataclass(frozen=True, slots=True)
class Look:
    """Targets at a glance. Rows are along the last axis."""

    least: float
    most: float
    whole: bool  # every number is a whole one
    bits: bool  # every number is 0 or 1
    one_hot: bool  # each row has one 1, the others are 0
    probabilities: bool  # each row is of numbers from 0 on that sum to 1


def look(array: Array) -> Look:
    """Read targets once, in parts."""
    least, most = float("inf"), float("-inf")
    whole = bits = one_hot = probabilities = True
    for _, part in parts_of(array):
        part = part.astype(np.float32) if part.dtype.kind in "bV" else part
        least, most = min(least, float(part.min())), max(most, float(part.max()))
        whole = whole and bool(part.dtype.kind in "iu" or (part == np.floor(part)).all())
        bits = bits and bool(((part == 0) | (part == 1)).all())
        total = part.sum(axis=-1, dtype=np.float64)
        probabilities = probabilities and least >= 0 and bool((np.abs(total - 1) < ROUNDING).all())
        one_hot = one_hot and bits and bool((total == 1).all())
    return Look(least, most, whole, bits, one_hot, probabilities)
