"""Where recipes start: a weight's initializer, an array, or a type whose data comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights import drawing
from archonnx.compiler.weights.philox import BitStream
from archonnx.compiler.weights.recipe import ML_DTYPES, Array, Evaluation, Recipe, numpy_dtype, pick
from archonnx.compiler.weights.regions import Box
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight


class Draw(Recipe):
    """The numbers that a weight's initializer says it starts from."""

    def __init__(self, weight: Weight) -> None:
        self.weight, self.dtype, self.shape = weight, weight.dtype, tuple(weight.shape)

    def weights(self) -> Iterator[Weight]:
        yield self.weight

    def key(self) -> Hashable:
        return "weight", self.weight.path, self.dtype, self.shape

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        initializer = self.weight.initializer
        elements = initializer.elements(self.shape)
        dtype = numpy_dtype(self.dtype)
        seed = evaluation.seed if initializer.own_seed is None else initializer.own_seed
        stream = BitStream(seed, self.weight.path)
        if drawing.is_random_access(elements):
            return drawing.gather(elements, self.shape, dtype, stream, starts, length)
        flat = evaluation.keep(self.key(), lambda: drawing.whole(elements, self.shape, dtype, stream))
        return pick(flat, starts, length)


class Constant(Recipe):
    """An array. `dtype` is needed only where the array's own does not say it."""

    def __init__(self, value: Any, dtype: str | None = None) -> None:
        given = np.asarray(value)
        self.dtype = dtype or _name_of(given.dtype)
        self.array: Array = np.array(given, dtype=numpy_dtype(self.dtype), order="C")  # a copy: nobody else's to change
        self.array.flags.writeable = False
        self.shape = self.array.shape
        self._key: Hashable = None

    def key(self) -> Hashable:
        if self._key is None:
            if self.dtype == "string":
                data = repr(self.array.tolist()).encode()
            else:
                data = self.array.reshape(-1).view(np.uint8).tobytes()
            self._key = ("constant", self.dtype, self.shape, hashlib.blake2b(data, digest_size=16).digest())
        return self._key

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        return pick(self.array.reshape(-1), starts, length)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        if not box:
            return self.array  # indexed by nothing, it would be what it holds
        part: Array = self.array[tuple(slice(low, high) for low, high in box)]
        return part


class Placeholder(Recipe):
    """A tensor of which only the type is known here; its data is filled into the file later."""

    def __init__(self, name: str, dtype: str, shape: Sequence[int]) -> None:
        self.name, self.dtype, self.shape = name, dtype, tuple(shape)

    @property
    def is_literal(self) -> bool:
        return False

    def key(self) -> Hashable:
        return "placeholder", self.name

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        raise ArchonnxError(f"the data of {self.name!r} is not part of this model: write it with weights='none'")


def _name_of(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "OUS":
        return "string"
    name = dtype.name
    if name in DTYPES:
        return name
    for ours, theirs in ML_DTYPES.items():
        if name == theirs:
            return ours
    raise TypeError(f"a tensor cannot hold {dtype}")
