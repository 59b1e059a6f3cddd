"""A weight in float16 or bfloat16, rounded to the nearest while it is written, and what that changed.

Ties go to the even number. Nothing is flushed: what float16 holds as a subnormal number stays one. What the half cannot
hold at all is an error, as an infinite weight would spoil every result.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archonnx.compiler.weights.recipe import Array, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.regions import Box
from archonnx.compiler.weights.transforms import Cast
from archonnx.contract.diagnostics import ArchonnxError

LARGEST = {"float16": 65504.0, "bfloat16": float(np.uint32(0x7F7F0000).view(np.float32))}
# Half a step past the largest number: from here on the nearest number is infinite.
BOUND = {"float16": 65520.0, "bfloat16": float(np.uint32(0x7F7F8000).view(np.float32))}
PIECE = 1 << 16  # numbers looked at together: they stay in the processor's cache


@dataclass(slots=True)
class Rounding:
    """What rounding changed in a weight, or a slice of it.

    largest: of its numbers, finite ones. error: |rounded - number| at most. zeros: numbers that became 0.
    """

    largest: float = 0.0
    error: float = 0.0
    zeros: int = 0

    @property
    def relative(self) -> float:
        """The error as it is told everywhere: over the largest number, or over 1e-6 where that is larger."""
        return self.error / max(1e-6, self.largest)

    @staticmethod
    def over(parts: Iterable[Rounding]) -> Rounding:
        """What rounding changed in all of these."""
        found = Rounding()
        for part in parts:
            found.largest, found.error = max(found.largest, part.largest), max(found.error, part.error)
            found.zeros += part.zeros
        return found


Notes: TypeAlias = dict[str, dict[int, Rounding]]  # by the weight's name and the first element of the slice


class Halved(Recipe):
    """The numbers of a float32 recipe in half.

    name: what the error of a number that is too large calls it. notes: where it is kept what rounding changed in each
    slice that was written.
    """

    def __init__(self, source: Recipe, dtype: str, name: str, notes: Notes) -> None:
        self.source, self.dtype, self.shape, self.name, self.notes = source, dtype, source.shape, name, notes

    def inputs(self) -> tuple[Recipe, ...]:
        return (self.source,)

    def key(self) -> Hashable:
        return "halved", self.dtype, self.source.key()

    def over(self, source: Recipe) -> Recipe:
        """The same of another source: the numbers of a file that holds them in this very type as they stand there."""
        if isinstance(source, Cast) and source.source.dtype == self.dtype:
            return source.source
        return Halved(source, self.dtype, self.name, self.notes)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        return self._rounded(self.source.box(evaluation, box), Rounding())

    def whole(self, evaluation: Evaluation) -> Array:
        return self._rounded(self.source.whole(evaluation), Rounding())

    def slices(self, evaluation: Evaluation) -> Iterator[tuple[int, int]]:
        """Those of the source, which are what takes memory."""
        return self.source.slices(evaluation)

    def stored(self, evaluation: Evaluation, start: int, stop: int) -> memoryview:
        """The data of a slice as it stands in a file; afterwards `notes` has what rounding changed in it."""
        found = Rounding()
        part = self.source.stored(evaluation, start, stop)
        halves = self._rounded(np.frombuffer(part, dtype="<f4").astype(np.float32, copy=False), found)
        self.notes.setdefault(self.name, {})[start] = found  # threads make slices, each its own
        return halves.view(np.uint16).astype("<u2", copy=False).view(np.uint8).data

    def _rounded(self, values: Array, found: Rounding) -> Array:
        dtype = numpy_dtype(self.dtype)
        flat = np.ascontiguousarray(values).reshape(-1)
        halves = np.empty(flat.size, dtype=dtype)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for start in range(0, flat.size, PIECE):
                piece, half = flat[start : start + PIECE], halves[start : start + PIECE]
                half[...] = piece
                self._note(piece, half, found)
        return halves.reshape(values.shape)

    def _note(self, piece: Array, half: Array, found: Rounding) -> None:
        """Add what rounding changed. ArchonnxError for a number past the largest."""
        largest = float(np.abs(piece).max())
        if not np.isfinite(largest):  # NaN and infinite numbers stay what they are (filling/odd.py tells of them)
            finite = np.isfinite(piece)
            piece, half = piece[finite], half[finite]
            largest = float(np.abs(piece).max(initial=0.0))
        if largest >= BOUND[self.dtype]:
            raise ArchonnxError(self._too_large(float(piece[np.abs(piece).argmax()])))
        found.largest = max(found.largest, largest)
        found.error = max(found.error, float(np.abs(half.astype(np.float32) - piece).max(initial=0.0)))
        bits = half.view(np.uint16) & np.uint16(0x7FFF)
        found.zeros += int(np.count_nonzero(piece)) - int(np.count_nonzero(bits))

    def _too_large(self, number: float) -> str:
        instead = "bfloat16 has float32's range"
        if self.dtype == "bfloat16":
            instead = "float32 holds it"
        return (
            f"the weight {self.name} holds {number:.7g}, past {self.dtype}'s largest number, "
            f"{LARGEST[self.dtype]:.6g}; {instead}"
        )
