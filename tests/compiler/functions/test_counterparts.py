"""Keras' functions that ours say they are: they exist, and their arguments have the same names and order."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.registry import find_function, function_names

FUNCTIONS = [f for f in map(find_function, function_names()) if f is not None and f.keras is not None]

# numpy's own names, where Keras has others.
NUMPYS = {"concat": {"xs": "tensors"}, "reshape": {"newshape": "shape"}, "stack": {"x": "tensors"}}
NUMPYS["concatenate"] = NUMPYS["concat"]
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
NUMPYS.update({name: {"x": "x1", "y": "x2"} for name in BITS})
LEFT_OUT = {"dtype", "initial", "decimals", "kwargs", "sparse"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_arguments_are_those_of_keras(function: type[Layer]) -> None:
    keras: Any = pytest.importorskip("keras")
    family, _, name = str(function.keras).partition(".")
    assert family == "ops"
    theirs = inspect.signature(getattr(keras.ops, name)).parameters
    renamed = NUMPYS.get(function.__name__, {})
    wanted = [renamed.get(p, p) for p in theirs if p not in LEFT_OUT]
    assert [p for p in function.parameters if p not in LEFT_OUT] == wanted
