"""Where recipes start: a weight, a tensor of a file, an array, or a type whose data comes later."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights import drawing
from archonnx.compiler.weights.philox import BitStream
from archonnx.compiler.weights.recipe import ML_DTYPES, Array, Evaluation, Recipe, numpy_dtype, pick
from archonnx.compiler.weights.regions import Box, Shape
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight
    from archonnx.compiler.weights.files.base import TensorFile


class Draw(Recipe):
    """The numbers of a weight: those that the evaluation gives it, else what its initializer says it starts from."""

    def __init__(self, weight: Weight) -> None:
        self.weight, self.dtype, self.shape = weight, weight.dtype, tuple(weight.shape)

    def weights(self) -> Iterator[Weight]:
        yield self.weight

    def key(self) -> Hashable:
        return "weight", self.weight.path, self.dtype, self.shape

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        given = evaluation.given.get(self.weight.path)
        return super().box(evaluation, box) if given is None else given.box(evaluation, box)

    def whole(self, evaluation: Evaluation) -> Array:
        given = evaluation.given.get(self.weight.path)
        return super().whole(evaluation) if given is None else given.whole(evaluation)

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        given = evaluation.given.get(self.weight.path)
        if given is not None:
            return given.gather(evaluation, starts, length)
        initializer = self.weight.initializer
        elements = initializer.elements(self.shape)
        dtype = numpy_dtype(self.dtype)
        seed = evaluation.seed if initializer.own_seed is None else initializer.own_seed
        stream = BitStream(seed, self.weight.path)
        if drawing.is_random_access(elements):
            return drawing.gather(elements, self.shape, dtype, stream, starts, length)
        flat = evaluation.keep(self.key(), lambda: drawing.whole(elements, self.shape, dtype, stream))
        return pick(flat, starts, length)


class FileTensor(Recipe):
    """A tensor of an open file of weights, read slice by slice: raises TensorFileError where the file ends early.

    owner: lives as long as this; see `tensors_of`.
    """

    def __init__(self, file: TensorFile, name: str, owner: object = None) -> None:
        entry = file.entries[name]
        self.file, self.name, self.dtype, self.shape = file, name, entry.dtype, tuple(entry.shape)
        self.owner = owner

    @property
    def is_literal(self) -> bool:
        return False

    def key(self) -> Hashable:
        return "file", id(self.file), self.name

    def whole(self, evaluation: Evaluation) -> Array:
        with self.file.turn:
            return self.file.whole(self.name)

    def reshaped_box(self, evaluation: Evaluation, shape: Shape, box: Box) -> Array:
        if self.nbytes <= evaluation.slice_bytes:
            return super().reshaped_box(evaluation, shape, box)
        with self.file.turn:
            return self.file.box(self.name, shape, box)

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        if len(starts) == 1:
            return self._read(int(starts[0]), length)
        if self.nbytes <= evaluation.slice_bytes:
            return pick(evaluation.keep(self.key(), lambda: self.whole(evaluation).reshape(-1)), starts, length)
        most = max(evaluation.slice_bytes * 8 // DTYPES[self.dtype].bits, length)
        parts, first = [np.empty(0, dtype=numpy_dtype(self.dtype))], 0
        while first < len(starts):  # one read spans as many runs as a slice holds
            after = int(np.searchsorted(starts, starts[first] + most - length, side="right"))
            low, high = int(starts[first]), int(starts[after - 1]) + length
            parts.append(pick(self._read(low, high - low), starts[first:after] - low, length))
            first = after
        return np.concatenate(parts)

    def _read(self, start: int, length: int) -> Array:
        with self.file.turn:
            return self.file.read(self.name, start, length)


class _Owner:
    """Closes a file when nothing refers to this any more."""

    def __init__(self, file: TensorFile) -> None:
        weakref.finalize(self, file.close)


def tensors_of(file: TensorFile) -> dict[str, Recipe]:
    """Every tensor of an open file, in its order. The file is closed when the last of them is gone."""
    owner = _Owner(file)
    return {name: FileTensor(file, name, owner) for name in file.entries}


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
