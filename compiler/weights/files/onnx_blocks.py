"""Matrices in few bits in an ONNX model, as onnxruntime's MatMulNBits takes them: read as the numbers they stand for.

A matrix is called as its numbers are; its scales and zero points are no tensors of their own any more. It has the axes
[K, N] that MatMul would have it in, [N, K] where archonnx says so in the metadata: tables, and what Gemm transposes.

What is stored otherwise stays as it is: other bits, groups in another order, an operator's own layout, numbers that two
operators read with different scales.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archonnx.compiler.weights import blocks
from archonnx.compiler.weights.files.base import Entry, TensorFile
from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.regions import Box, Shape, full
from archonnx.contract import metadata

if TYPE_CHECKING:
    from onnx import GraphProto

FLOATS = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class Packed:
    """A matrix [N, K] in blocks: the names of its tensors, and whether it is read as it is stored, not as [K, N]."""

    numbers: str
    scales: str
    zeros: str | None
    bits: int
    size: int
    width: int  # K
    by_rows: bool = False


def packed_in(graph: GraphProto, entries: Mapping[str, Entry], said: Mapping[str, str]) -> dict[str, Packed]:
    """The matrices of a graph that are stored so, by the names of their numbers. `said`: the model's metadata."""
    bits, _, rows = said_in(said)
    found: dict[str, Packed] = {}
    odd: set[str] = set()
    multiplied = list(_multiplied(graph, rows))
    known = {one.numbers for one in multiplied}
    for one in [*multiplied, *(one for one in _looked_up(bits, rows, entries) if one.numbers not in known)]:
        if found.setdefault(one.numbers, one) != one or not _fits(one, entries):
            odd.add(one.numbers)
    return {name: one for name, one in found.items() if name not in odd}


def said_in(said: Mapping[str, str]) -> tuple[int, int, dict[str, str]]:
    """Bits, block size and rows of a model's metadata; 0, 0 and none where there are none, or something else."""
    try:
        held = json.loads(said.get(metadata.QUANTIZED, "{}"))
        bits, size, rows = (held.get(key) for key in ("bits", "block_size", "rows"))
    except (ValueError, AttributeError):
        return 0, 0, {}
    if bits not in blocks.BITS or size not in blocks.BLOCK_SIZES or not isinstance(rows, dict):
        return 0, 0, {}
    return bits, size, {k: v for k, v in rows.items() if isinstance(v, str)}


def _multiplied(graph: GraphProto, rows: Mapping[str, str]) -> Iterator[Packed]:
    for node in graph.node:
        if (node.domain, node.op_type) != ("com.microsoft", "MatMulNBits") or len(node.input) < 3:
            continue
        given: dict[str, Any] = {a.name: a.i for a in node.attribute}
        zeros, order = (node.input[i] if len(node.input) > i else "" for i in (3, 4))
        width, rows_of, size = (int(given.get(name, 0)) for name in ("K", "N", "block_size"))
        plain = not order and not given.get("weight_prepacked", 0) and width > 0 and rows_of > 0 and size > 0
        bits = int(given.get("bits", 4)) if plain else 0
        numbers = node.input[1]
        yield Packed(numbers, node.input[2], zeros or None, bits, size, width, numbers in rows)


def _looked_up(bits: int, rows: Mapping[str, str], entries: Mapping[str, Entry]) -> Iterator[Packed]:
    """Tables, as if nothing were multiplied with them."""
    for numbers, scales in rows.items():
        entry = entries.get(numbers)
        if entry is not None and len(entry.shape) == 3 and bits:
            _, count, stored = entry.shape
            size = stored * 8 // bits
            yield Packed(numbers, scales, None, bits, size, count * size, True)


def _fits(one: Packed, entries: Mapping[str, Entry]) -> bool:
    """Whether the tensors are there, of the types and sizes that they should have."""
    numbers, scales = entries.get(one.numbers), entries.get(one.scales)
    if numbers is None or scales is None or one.bits not in blocks.BITS or len(numbers.shape) != 3:
        return False
    height, count, stored = numbers.shape
    fits = numbers.dtype == "uint8" and scales.dtype in FLOATS
    fits = fits and count == math.ceil(one.width / one.size) and stored * 8 == one.size * one.bits
    fits = fits and scales.size == height * count
    if one.zeros is not None:
        zeros = entries.get(one.zeros)
        fits = fits and zeros is not None and zeros.dtype == "uint8"
        fits = fits and zeros is not None and zeros.size == height * math.ceil(count * one.bits / 8)
    return fits


class BlocksFile(TensorFile):
    """A file whose packed matrices are read as numbers, all else as it is. One matrix's bytes are held at a time."""

    def __init__(self, file: TensorFile, packed: Mapping[str, Packed]) -> None:
        self._file, self._packed = file, packed
        self.path, self.format = file.path, file.format
        self.watched().update(file.watched())
        parts = {name for one in packed.values() for name in (one.scales, one.zeros) if name is not None}
        self.entries = {
            name: entry if name not in packed else self._entry(packed[name])
            for name, entry in file.entries.items()
            if name not in parts
        }
        kinds = sorted({one.bits for one in packed.values()})
        counts = [f"{sum(one.bits == bits for one in packed.values()):,} of {bits} bits" for bits in kinds]
        self.metadata = {**file.metadata, "quantized": ", ".join(counts)}
        self._kept: tuple[str, tuple[Array, Array, Array | None]] | None = None

    def _entry(self, one: Packed) -> Entry:
        height = self._file.entries[one.numbers].shape[0]
        shape = (height, one.width) if one.by_rows else (one.width, height)
        return Entry(self._file.entries[one.scales].dtype, shape)

    def read(self, name: str, start: int, length: int) -> Array:
        if name not in self._packed:
            return self._file.read(name, start, length)
        columns = self.entries[name].shape[1]
        low, high = start // columns, -(-(start + length) // columns)
        flat = self._numbers(name, ((low, high), (0, columns))).reshape(-1)
        return flat[start - low * columns :][:length]

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        if name not in self._packed:
            return self._file.box(name, shape, box)
        if shape != self.entries[name].shape:
            return super().box(name, shape, box)
        return self._numbers(name, box)

    def whole(self, name: str) -> Array:
        return self.box(name, self.entries[name].shape, full(self.entries[name].shape))

    def _numbers(self, name: str, box: Box) -> Array:
        """The numbers of a box."""
        one = self._packed[name]
        rows, inside = box if one.by_rows else box[::-1]
        numbers, scales, zeros = self._stored(one)
        first, last = inside[0] // one.size, -(-inside[1] // one.size)
        part = slice(*rows), slice(first, last)
        found = blocks.dequantized(
            blocks.unpacked(numbers[part], one.bits), scales[part], None if zeros is None else zeros[part], one.bits
        )
        flat = found.reshape(len(found), -1)[:, inside[0] - first * one.size : inside[1] - first * one.size]
        return np.ascontiguousarray(flat if one.by_rows else flat.T)

    def _stored(self, one: Packed) -> tuple[Array, Array, Array | None]:
        """Packed numbers, scales and zero points of a matrix."""
        if self._kept is None or self._kept[0] != one.numbers:
            self._kept = None
            numbers = self._file.whole(one.numbers)
            height, count, _ = numbers.shape
            scales = self._file.whole(one.scales).reshape(height, count)
            zeros = None
            if one.zeros is not None:
                zeros = blocks.unpacked(self._file.whole(one.zeros).reshape(height, -1), one.bits)[:, :count]
            self._kept = (one.numbers, (numbers, scales, zeros))
        return self._kept[1]

    def close(self) -> None:
        self._file.close()
