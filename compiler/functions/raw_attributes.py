"""The attributes of raw operators: what a call may write for each type that ONNX's schemas know."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archonnx.compiler.layers.domains import Domain
from archonnx.contract.diagnostics import did_you_mean
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from onnx import SparseTensorProto

# Attribute types of onnx.defs.OpSchema.AttrType, by the names that messages use.
_SINGLE = {"FLOAT": "a number", "INT": "a whole number", "STRING": "a string"}
_LISTS = {"FLOATS": "FLOAT", "INTS": "INT", "STRINGS": "STRING"}
_WORDS = {
    **_SINGLE,
    **{name: f"a list, each {_SINGLE[kind]}" for name, kind in _LISTS.items()},
    "TENSOR": "a number, a string, nested lists of them, or a cast of one: cast([1], int32)",
    "SPARSE_TENSOR": "a tuple (values, indices, shape) of lists",
}


FLOAT32_MAX = 3.4028234663852886e38


class Attribute(Domain):
    """The domain of one attribute, by its type in the schema.

    A dtype goes for its number, a flag for 0 or 1. A tensor is nested lists, or the array of one that the elaborator
    knows (`takes_tensor`). A sparse tensor is `(values, indices, shape)`, the indices flat or one list a value.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.takes_tensor = kind == "TENSOR"

    def parse(self, value: Any) -> Any:
        if self.kind in _LISTS:
            if not isinstance(value, (list, tuple)):
                raise self.fail()
            return [self._one(v, _LISTS[self.kind]) for v in value]
        if self.kind == "TENSOR":
            if not hasattr(value, "dtype"):
                self._leaves(value, self._leaf_types(value))
            return value
        if self.kind == "SPARSE_TENSOR":
            return self._sparse(value)
        return self._one(value, self.kind)

    def _leaf_types(self, value: Any) -> tuple[type, ...]:
        """Strings throughout where the first is one, else numbers throughout."""
        while isinstance(value, (list, tuple)) and value:
            value = value[0]
        return (str,) if isinstance(value, str) else (int, float)

    def _leaves(self, value: Any, types: tuple[type, ...]) -> None:
        if isinstance(value, (list, tuple)):
            for inner in value:
                self._leaves(inner, types)
            if len({len(v) if isinstance(v, (list, tuple)) else -1 for v in value}) > 1:
                raise self.fail()
        elif not isinstance(value, types):
            raise self.fail()
        elif isinstance(value, int):
            self._within(value)
        elif isinstance(value, float):
            self._real(value)

    def _sparse(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)) or len(value) != 3:
            raise self.fail()
        values, indices, shape = value
        if not all(isinstance(part, (list, tuple)) for part in value):
            raise self.fail()
        self._leaves(values, (int, float))
        whole = [*shape, *(i for entry in indices for i in (entry if isinstance(entry, (list, tuple)) else [entry]))]
        if len(indices) != len(values) or not all(isinstance(n, int) and not isinstance(n, bool) for n in whole):
            raise self.fail("the indices are whole numbers, one for each value, or a list of one for each axis")
        for number in whole:
            self._within(number)
        return tuple(values), tuple(indices), tuple(shape)

    def _one(self, value: Any, kind: str) -> int | float | str:
        if kind == "INT" and isinstance(value, str) and value in DTYPES:
            return DTYPES[value].onnx  # Cast(to=float16) and the like
        if kind == "INT" and isinstance(value, bool):
            return int(value)  # ONNX writes its flags as 0 and 1
        if kind == "INT" and isinstance(value, str):
            near = did_you_mean(value, list(DTYPES))
            raise self.fail(f"did you mean {near[0]}?" if near else None)
        if kind == "STRING" and isinstance(value, str):
            return value
        if kind == "FLOAT" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._real(value)
        if kind == "INT" and isinstance(value, int):
            return self._within(value)
        raise self.fail()

    def _real(self, value: int | float) -> float:
        if FLOAT32_MAX < abs(value) != math.inf:
            raise self.fail("attributes are float32, which ends at 3.4e38")
        return float(value)

    def _within(self, value: int) -> int:
        if not -(2**63) <= value < 2**63:
            raise self.fail("whole numbers are int64, from -2**63 to 2**63 - 1")
        return value

    def describe(self) -> str:
        return _WORDS.get(self.kind, f"{self.kind.lower()}, which has no form in the language")


def tensor_attribute(value: Any) -> Any:
    """The array of a tensor: whole numbers int64, fractions float32, strings objects, an array as it is."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return array.astype(object)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def sparse_attribute(value: tuple[Any, ...]) -> SparseTensorProto:
    """The message of a sparse tensor `(values, indices, shape)`."""
    import numpy as np
    from onnx import SparseTensorProto, numpy_helper

    values, indices, shape = value
    return SparseTensorProto(
        values=numpy_helper.from_array(tensor_attribute(values)),
        indices=numpy_helper.from_array(np.asarray(indices, dtype=np.int64)),
        dims=shape,
    )
