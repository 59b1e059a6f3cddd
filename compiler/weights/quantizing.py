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
    """The base: one of the tensors of a source [N, K], whose rows are cut into blocks, the last filled with zeros."""

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
        """The elements of a box, a few rows of the source in memory at a time."""
        (first, last), *inner = box
        row = self.how.size * max(inner[0][1] - inner[0][0], 1) * 4
        step = max(evaluation.slice_bytes // row, 1)
        parts = [self.part(evaluation, low, min(low + step, last), inner) for low in range(first, last, step)]
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def part(self, evaluation: Evaluation, first: int, last: int, inner: list[tuple[int, int]]) -> Array:
        """The elements of a box of these rows."""
        raise NotImplementedError

    def blocks(self, evaluation: Evaluation, first: int, last: int, begin: int, end: int) -> Array:
        """Blocks begin to end of rows first to last: [rows, blocks, block size]."""
        size = self.how.size
        stop = min(end * size, self.width)
        values = self.source.box(evaluation, ((first, last), (begin * size, stop)))
        if stop < end * size:
            values = np.pad(values, ((0, 0), (0, end * size - stop)))
        return values.reshape(last - first, end - begin, size)


class BlockNumbers(Blockwise):
    """The quantized numbers, packed."""

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.dtype, self.shape = "uint8", (self.rows, self.count, how.size * how.bits // 8)

    def part(self, evaluation: Evaluation, first: int, last: int, inner: list[tuple[int, int]]) -> Array:
        (begin, end), (low, high) = inner
        found, _, _ = blocks.quantized(
            self.blocks(evaluation, first, last, begin, end), self.how.bits, symmetric=self.how.symmetric
        )
        return blocks.packed(found, self.how.bits)[..., low:high]


class BlockScales(Blockwise):
    """The scale of each block."""

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.dtype, self.shape = source.dtype, (self.rows, self.count)

    def part(self, evaluation: Evaluation, first: int, last: int, inner: list[tuple[int, int]]) -> Array:
        ((begin, end),) = inner
        _, scales, _ = blocks.quantized(
            self.blocks(evaluation, first, last, begin, end), self.how.bits, symmetric=self.how.symmetric
        )
        return scales


class BlockZeros(Blockwise):
    """The zero point of each block, packed as the numbers are."""

    def __init__(self, source: Recipe, how: Blocks) -> None:
        super().__init__(source, how)
        self.each = 8 // how.bits  # zero points a byte
        self.dtype, self.shape = "uint8", (self.rows, math.ceil(self.count / self.each))

    def part(self, evaluation: Evaluation, first: int, last: int, inner: list[tuple[int, int]]) -> Array:
        ((begin, end),) = inner
        chosen = begin * self.each, min(end * self.each, self.count)
        _, _, zeros = blocks.quantized(self.blocks(evaluation, first, last, *chosen), self.how.bits, symmetric=False)
        return blocks.packed(zeros, self.how.bits)
