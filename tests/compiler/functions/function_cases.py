"""Expressions that numpy reads as the language does, and what numpy has no function for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cases_axes
import cases_elementwise
import cases_shapes
import numpy as np
from function_harness import Array


def _softmax(x: Array, axis: int = -1) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _one_hot(x: Array, num_classes: int, axis: int = -1, dtype: str = "float32") -> Array:
    rank = x.ndim + 1
    places = np.arange(num_classes).reshape([-1 if a == axis % rank else 1 for a in range(rank)])
    return np.asarray((np.expand_dims(x, axis) == places).astype(dtype))


def _elementwise(function: Callable[[float], float]) -> Callable[[Array], Array]:
    return lambda x: np.vectorize(function)(x).astype(x.dtype)


# What numpy has no function for, or calls otherwise.
REFERENCES: dict[str, Any] = {
    "erf": _elementwise(math.erf),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "relu": lambda x: np.maximum(x, 0),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "softmax": _softmax,
    "log_softmax": lambda x, axis=-1: np.log(_softmax(x, axis)),
    "logsumexp": lambda x, axis=None, keepdims=False: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
    "cast": lambda x, dtype: x.astype(dtype),
    "shape": np.shape,
    "one_hot": _one_hot,
    "top_k": lambda x, k: (-np.sort(-x, axis=-1)[..., :k], np.argsort(-x, axis=-1, kind="stable")[..., :k]),
    "ceil": np.ceil,
}

CASES = [
    *(cases_elementwise.ARITHMETIC + cases_elementwise.COMPARISONS + cases_elementwise.UNARY),
    *(cases_axes.REDUCTIONS + cases_axes.PRODUCTS + cases_axes.FILLING),
    *(cases_shapes.SHAPING + cases_shapes.INDEXING),
]
