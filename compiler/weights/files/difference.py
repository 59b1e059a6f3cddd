"""How two files of weights differ, tensor by tensor: a slice of each is in memory at a time.

Numbers differ by the error max|a - b| / max(1e-6, max|b|), b being the second file's, over what is finite. Where both
have NaN, or the same infinity, they agree; where one alone has, the error is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from archonnx.compiler.weights.files.base import Entry, TensorFile
from archonnx.compiler.weights.recipe import SLICE_BYTES, Array, bytes_of, numpy_dtype
from archonnx.contract.dtypes import DTYPES

SMALLEST = 1e-6  # the error is relative to no less
PIECE = 1 << 18  # numbers compared at a time: as float64, with what lies between, they stay in a processor's cache
Progress = Callable[[int, int], None]  # bytes done, bytes in all


class Kind(StrEnum):
    """How a tensor fares in two files, the worst first."""

    ONLY_FIRST = "only in the first"
    ONLY_SECOND = "only in the second"
    SHAPE = "shapes differ"
    VALUES = "numbers differ"
    DTYPE = "types differ"  # and the numbers agree
    BITS = "bits differ"  # and the numbers agree: -0.0 and 0.0, or two kinds of NaN
    EQUAL = "equal bit by bit"


@dataclass(frozen=True, slots=True)
class Difference:
    """A tensor in two files. `largest` is max|a - b|, first met at the index `at`; `nan` is how many NaN both have."""

    name: str
    kind: Kind
    first: Entry | None
    second: Entry | None
    largest: float = 0.0
    error: float = 0.0
    at: tuple[int, ...] | None = None
    nan: int = 0

    def within(self, tolerance: float | None) -> bool:
        """Whether it counts as the same: bit by bit without a tolerance, else the numbers' error is at most that."""
        if tolerance is None or self.kind is Kind.EQUAL:
            return self.kind is Kind.EQUAL
        return self.kind in (Kind.VALUES, Kind.DTYPE, Kind.BITS) and self.error <= tolerance


def differences(first: TensorFile, second: TensorFile, progress: Progress | None = None) -> Iterator[Difference]:
    """Every tensor of either file, in the first's order, then the second's. Errors: TensorFileError while reading."""
    common = [name for name, entry in first.entries.items() if second.entries.get(name, entry).shape == entry.shape]
    total = sum(first.entries[name].bytes for name in common if name in second.entries)
    done = 0
    for name, entry in first.entries.items():
        other = second.entries.get(name)
        if other is None:
            yield Difference(name, Kind.ONLY_FIRST, entry, None, math.inf, math.inf)
        elif other.shape != entry.shape:
            yield Difference(name, Kind.SHAPE, entry, other, math.inf, math.inf)
        else:
            found = _Comparison(entry, other)
            step = max(4, SLICE_BYTES // max(numpy_dtype(e.dtype).itemsize for e in (entry, other))) // 4 * 4
            for start in range(0, entry.size, step):
                length = min(step, entry.size - start)
                a, b = first.read(name, start, length), second.read(name, start, length)
                for at in range(0, length, PIECE):
                    found.take(start + at, a[at : at + PIECE], b[at : at + PIECE])
                if progress is not None:
                    progress(min(total, done + entry.bytes * (start + length) // entry.size), total)
            done += entry.bytes
            yield found.result(name)
    for name, other in second.entries.items():
        if name not in first.entries:
            yield Difference(name, Kind.ONLY_SECOND, None, other, math.inf, math.inf)


class _Comparison:
    """Two tensors of one shape, seen slice by slice."""

    def __init__(self, first: Entry, second: Entry) -> None:
        self.first, self.second = first, second
        self.text = "string" in (first.dtype, second.dtype)
        self.equal = True  # as far as seen, bit by bit
        self.largest, self.scale, self.place, self.nan = 0.0, 0.0, -1, 0

    def take(self, start: int, a: Array, b: Array) -> None:
        """One more slice, from the flat position `start` on."""
        if self.text:
            unlike = np.array([x != y for x, y in zip(a.tolist(), b.tolist(), strict=True)], bool)
            self._note(start, np.where(unlike, math.inf, 0.0))
            self.equal = self.equal and not unlike.any()
            return
        alike = a.dtype == b.dtype and np.array_equal(_bytes(a, self.first), _bytes(b, self.second))
        self.equal = self.equal and alike
        if DTYPES[self.first.dtype].kind in _EXACT and DTYPES[self.second.dtype].kind in _EXACT:
            b = _whole(b)
            self.scale = max(self.scale, float(max(abs(int(b.max())), abs(int(b.min())))))
            if not alike:
                self._note(start, _apart(_whole(a), b))
            return
        b = _wide(b)
        size = np.abs(b)
        self.scale = max(self.scale, float(np.max(size, where=np.isfinite(size), initial=0.0)))
        self.nan += int(np.isnan(b).sum())
        if alike:
            return
        a = _wide(a)
        self.nan -= int((np.isnan(b) & ~np.isnan(a)).sum())
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.abs(a - b)
        gap[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
        gap[np.isnan(gap)] = math.inf
        self._note(start, gap)

    def _note(self, start: int, gap: Array) -> None:
        at = int(gap.argmax())
        if float(gap[at]) > self.largest:
            self.largest, self.place = float(gap[at]), start + at

    def result(self, name: str) -> Difference:
        if self.largest > 0:
            kind = Kind.VALUES
        elif self.first.dtype != self.second.dtype:
            kind = Kind.DTYPE
        else:
            kind = Kind.EQUAL if self.equal else Kind.BITS
        error = self.largest / max(SMALLEST, self.scale)
        at = None
        if self.place >= 0:
            at = tuple(int(i) for i in np.unravel_index(self.place, self.first.shape))
        return Difference(name, kind, self.first, self.second, self.largest, error, at, self.nan)


_EXACT = ("int", "uint", "bool")


def _bytes(array: Array, entry: Entry) -> Array:
    return np.frombuffer(bytes_of(array, DTYPES[entry.dtype].bits), np.uint8)


def _wide(array: Array) -> Array:
    """Numbers as wide as differences are measured in."""
    goal = np.complex128 if array.dtype.kind == "c" else np.float64
    if array.dtype.kind == "V":  # ml_dtypes' own: float32 holds every one
        array = array.astype(np.float32)
    return array.astype(goal)


def _whole(array: Array) -> Array:
    """Whole numbers as wide as there are."""
    return array.astype(np.uint64 if array.dtype == np.uint64 else np.int64)


def _apart(a: Array, b: Array) -> Array:
    """How far whole numbers are apart: exact, where float64 would lose the last digits of large ones."""
    if a.dtype != b.dtype:  # int64 beside uint64
        signed, unsigned = (a, b) if a.dtype == np.int64 else (b, a)
        below = np.where(signed < 0, (-1 - signed).view(np.uint64).astype(np.float64) + 1, 0.0)
        positive = np.maximum(signed, 0).view(np.uint64)
        return np.where(signed < 0, below + unsigned.astype(np.float64), _apart(positive, unsigned))
    one, other = a.view(np.uint64), b.view(np.uint64)
    # Modulo 2^64 the larger less the smaller is what it should be, for signed numbers too.
    return np.where(a > b, one - other, other - one).astype(np.float64)
