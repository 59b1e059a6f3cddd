"""The base of recipes: a tensor that any slice can be asked of, without ever having all of it in memory."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights.regions import Box, Shape, boxes, extents, full, runs
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight

Array: TypeAlias = NDArray[Any]
Made = TypeVar("Made")

SLICE_BYTES = 16 << 20
ML_DTYPES = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "uint4": "uint4",
    "int4": "int4",
    "float4e2m1": "float4_e2m1fn",
    "float8e8m0": "float8_e8m0fnu",
    "uint2": "uint2",
    "int2": "int2",
}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """numpy's dtype for a name of contract.dtypes: ml_dtypes' where numpy has none, object for strings."""
    if name in ML_DTYPES:
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, ML_DTYPES[name]))
        return dtype
    return np.dtype(object if name == "string" else name)


def pick(flat: Array, starts: NDArray[np.int64], length: int) -> Array:
    """Runs of a flat array, one after another."""
    if len(starts) == 1:
        return flat[int(starts[0]) : int(starts[0]) + length]
    chosen: Array = flat[(starts[:, None] + np.arange(length)).reshape(-1)]
    return chosen


class Evaluation:
    """What reading a recipe needs: where the weights' numbers come from, and how much memory a slice may take.

    given: recipes of weights by path, each of its weight's dtype and shape; others are drawn, by `seed`. Threads may
    share one: `keeps` is how many things that they make for several slices are kept at once. `watch` is asked, of each
    recipe that is written, for what should see the bytes of its slices, in no order.
    """

    def __init__(self, seed: int, given: Mapping[str, Recipe] | None = None, *, slice_bytes: int = SLICE_BYTES) -> None:
        self.seed, self.given, self.slice_bytes = seed, given or {}, slice_bytes
        self.keeps = 1
        self.watch: Callable[[Recipe], Callable[[memoryview], None] | None] | None = None
        self._kept: dict[Hashable, _Kept] = {}
        self._lock = threading.Lock()

    def keep(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` makes, kept until others are asked for: a tensor's slices follow each other."""
        with self._lock:
            kept = self._kept.pop(key, None) or _Kept()
            while len(self._kept) >= self.keeps:
                del self._kept[next(iter(self._kept))]  # the one that was asked for longest ago
            self._kept[key] = kept
        return kept.get(make)


class _Kept:
    """One thing, made once, by the thread that asks first. Where making fails, the next tries again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._made: Any = None

    def get(self, make: Callable[[], Made]) -> Made:
        with self._lock:
            if self._made is None:
                self._made = make()
            made: Made = self._made
            return made


class Recipe:
    """The base: `dtype` is a name of contract.dtypes, `shape` known numbers. Immutable.

    in_order: it can only be read once, from its beginning to its end, by iter_bytes.
    """

    in_order = False
    dtype: str
    shape: Shape

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The length of the data in a file, elements of less than a byte packed."""
        return (self.size * DTYPES[self.dtype].bits + 7) // 8

    @property
    def is_literal(self) -> bool:
        """Whether it draws on no weight: what it gives belongs to the graph, like a Reshape's shape."""
        return not any(True for _ in self.weights())

    def inputs(self) -> tuple[Recipe, ...]:
        """The recipes that it transforms."""
        return ()

    def weights(self) -> Iterator[Weight]:
        """The weights that it draws on."""
        for recipe in self.inputs():
            yield from recipe.weights()

    def key(self) -> Hashable:
        """The same for two recipes only if they give the same bytes."""
        raise TypeError(f"{type(self).__name__} declares no key")

    def read(self, evaluation: Evaluation, start: int, stop: int) -> Array:
        """Elements start to stop, flat in C order."""
        return self.gather(evaluation, np.array([start], dtype=np.int64), stop - start)

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        """Runs of `length` elements from each of `starts`, ascending, one after another: flat."""
        if self.nbytes <= evaluation.slice_bytes and len(starts) > 1:
            flat = evaluation.keep(self.key(), lambda: self.whole(evaluation).reshape(-1))
            return pick(flat, starts, length)
        parts = [box for start in starts.tolist() for box in boxes(self.shape, start, start + length)]
        if len(parts) == 1:
            return self.box(evaluation, parts[0]).reshape(-1)
        out: Array = np.empty(len(starts) * length, dtype=numpy_dtype(self.dtype))
        at = 0
        for box in parts:
            shape = extents(box)
            after = at + math.prod(shape)
            self.put(evaluation, box, out[at:after].reshape(shape))
            at = after
        return out

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        """The elements of a box, with its shape."""
        return self.reshaped_box(evaluation, self.shape, box)

    def put(self, evaluation: Evaluation, box: Box, out: Array) -> None:
        """Fill `out`, of the box's shape and in C order, with the elements of a box."""
        out[...] = self.box(evaluation, box)

    def reshaped_box(self, evaluation: Evaluation, shape: Shape, box: Box) -> Array:
        """The elements of a box of this under another shape."""
        return self.gather(evaluation, *runs(shape, box)).reshape(extents(box))

    def whole(self, evaluation: Evaluation) -> Array:
        """Everything, in memory."""
        return self.box(evaluation, full(self.shape))

    def slices(self, evaluation: Evaluation) -> Iterator[tuple[int, int]]:
        """Where each slice that is evaluated at a time begins and ends, in elements: all of it, where that is small."""
        if self.nbytes <= evaluation.slice_bytes:
            if self.nbytes:
                yield 0, self.size
            return
        bits = DTYPES[self.dtype].bits
        step = max(evaluation.slice_bytes * 8 // bits, 4) // 4 * 4  # so that what is packed stays together
        for start in range(0, self.size, step):
            yield start, min(start + step, self.size)

    def stored(self, evaluation: Evaluation, start: int, stop: int) -> memoryview:
        """The data of a slice as it stands in a file: little-endian."""
        everything = (start, stop) == (0, self.size) and self.nbytes <= evaluation.slice_bytes
        array = self.whole(evaluation) if everything else self.read(evaluation, start, stop)
        return bytes_of(array, DTYPES[self.dtype].bits)

    def iter_bytes(self, evaluation: Evaluation) -> Iterator[memoryview]:
        """The data as it stands in a file, slice after slice."""
        for start, stop in self.slices(evaluation):
            yield self.stored(evaluation, start, stop)

    def transpose(self, perm: Sequence[int]) -> Recipe:
        """numpy's transpose: axis i of the result is axis perm[i] of this."""
        from archonnx.compiler.weights.transforms import transpose

        return transpose(self, tuple(perm))

    def reshape(self, shape: Sequence[int]) -> Recipe:
        """The same elements under another shape of the same size; one extent may be -1."""
        from archonnx.compiler.weights.transforms import reshape

        return reshape(self, tuple(shape))

    def cast(self, dtype: str) -> Recipe:
        from archonnx.compiler.weights.transforms import cast

        return cast(self, dtype)

    def __getitem__(self, key: Any) -> Recipe:
        """numpy's basic slicing: whole numbers, slices and `...`."""
        from archonnx.compiler.weights.transforms import take

        return take(self, key)


def bytes_of(array: Array, bits: int) -> memoryview:
    """The bytes of an array: little-endian, elements of four or two bits packed, the first in the lowest bits."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if bits < 8:
        each = 8 // bits
        parts = flat.view(np.uint8) & ((1 << bits) - 1)
        parts = np.append(parts, np.zeros(-len(parts) % each, np.uint8))
        packed = parts[0::each].copy()
        for i in range(1, each):
            packed |= parts[i::each] << (bits * i)
        return packed.data
    if sys.byteorder == "big" and flat.dtype.itemsize > 1:
        flat = flat.byteswap()
    return flat.view(np.uint8).data
