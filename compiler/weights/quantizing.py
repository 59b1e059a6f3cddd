"""Recipes of a matrix in 4 or 8 bits, the three tensors that MatMulNBits takes for one: made slice by slice too.

source           float[N, K], a row for each column of the result
BlockNumbers     uint8[N, blocks, bytes a block]
BlockScales      float[N, blocks], in the source's dtype
BlockZeros       uint8[N, bytes]: zero points, packed
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from archonnx.compiler.weights import blocks
from archonnx.compiler.weights.recipe import Array, Evaluation, Recipe
from archonnx.compiler.weights.regions import Box


@dataclass(frozen=True, slots=True)
class Blocks:
    """How numbers are quantized: bits of each, how many share a scale, and whether without zero points."""

    bits: int
    size: int
    symmetric: bool = False


class Blockwise(Recipe):
    """The base: one of the tensors of a source [N, K], whose rows are cut into blocks, the last filled with zeros.

    All three are made of a source at once, and kept while they follow each other, where they fit into a slice.
    """

    place: int  # which of the three it is

    def __init__(self, source: Recipe, how: Blocks) -> None:
        self.source, self.how = source, how
        self.rows, self.width = source.shape
        self.count = math.ceil(self.width / how.size)

    def inputs(self) -> tuple[Recipe, ...]:
        return (self.source,)

    def key(self) -> Hashable:
        return type(self).__name__, self.how, self.source.key()

    def over(self, source: Recipe) -> Recipe:
        """The same tensor of another source."""
        return type(self)(source, self.how)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        """The elements of a box."""
        (first, last), *inner = box
        inside = (slice(None), *(slice(low, high) for low, high in inner))
        if self.rows * self.count * (self.how.size * self.how.bits // 8 + 5) <= evaluation.slice_bytes:
            key = "blocks", self.how, self.source.key()
            found = evaluation.keep(key, lambda: self._rows(evaluation, 0, self.rows))[self.place][first:last]
        else:
            found = self._rows(evaluation, first, last, self.place)[0]
        return found[inside]

    def _rows(self, evaluation: Evaluation, first: int, last: int, place: int | None = None) -> list[Array]:
        """Numbers, scales and zero points of these rows, or one of them: as much of the source in memory as a slice."""
        step = max(evaluation.slice_bytes // (self.count * self.how.size * 4), 1)
        parts: list[list[Array]] = []
        for low in range(first, max(last, first + 1), step):
            made = self._made(evaluation, low, min(low + step, last))
            parts.append(made if place is None else [made[place]])
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _made(self, evaluation: Evaluation, first: int, last: int) -> list[Array]:
        values = self.source.box(evaluation, ((first, last), (0, self.width)))
        filled = self.count * self.how.size
        if filled > self.width:
            values = np.pad(values, ((0, 0), (0, filled - self.width)))
        cut = values.reshape(last - first, self.count, self.how.size)
        numbers, scales, zeros = blocks.quantized(cut, self.how.bits, symmetric=self.how.symmetric)
        return [blocks.packed(numbers, self.how.bits), scales, blocks.packed(zeros, self.how.bits)]


class BlockNumbers(Blockwise):
    """The quantized numbers, packed."""

    place = 0

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.dtype, self.shape = "uint8", (self.rows, self.count, how.size * how.bits // 8)


class BlockScales(Blockwise):
    """The scale of each block."""

    place = 1

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.dtype, self.shape = source.dtype, (self.rows, self.count)


class BlockZeros(Blockwise):
    """The zero point of each block, packed as the numbers are."""

    place = 2

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.dtype, self.shape = "uint8", (self.rows, math.ceil(self.count * how.bits / 8))
