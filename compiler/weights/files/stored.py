"""Elements as most formats store them: little-endian, row-major, fewer than 8 bits packed, the first in the lowest."""

from __future__ import annotations

import math
import stat
import sys
from collections.abc import Iterator
from os import fstat
from pathlib import Path
from typing import BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import Buffer, Entry, Tensor, TensorFile, TensorFileError, read_exactly
from archonnx.compiler.weights.files.windows import fill
from archonnx.compiler.weights.recipe import Array, bytes_of, numpy_dtype
from archonnx.compiler.weights.regions import Box, Shape, extents, strides
from archonnx.contract.dtypes import DTYPES


def opened(path: Path) -> BinaryIO:
    """The file, to be read at any place. OSError where it cannot be opened, TensorFileError where it is a pipe."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise TensorFileError(path, "this is a pipe or a device", help="weights are read from a file")
    return open(path, "rb")


def decode(data: bytes | memoryview, dtype: str, length: int, skip: int = 0) -> Array:
    """`length` elements out of stored bytes, the first `skip` (of less than a byte each) passed over: flat."""
    bits = DTYPES[dtype].bits
    if bits >= 8:
        array: Array = np.frombuffer(data, numpy_dtype(dtype), length)
        return array.byteswap() if sys.byteorder == "big" else array
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = ((np.frombuffer(data, np.uint8)[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[skip : skip + length]
    if DTYPES[dtype].kind == "int":
        sign = np.uint8(1 << (bits - 1))
        parts = (parts ^ sign) - sign  # the sign's bit through the whole byte
    found: Array = np.ascontiguousarray(parts).view(numpy_dtype(dtype))
    return found


def encode(name: str, tensor: Tensor) -> Iterator[memoryview]:
    """A tensor's bytes as they are stored, slice after slice. ValueError where the slices are not what it says."""
    dtype, bits = numpy_dtype(tensor.entry.dtype), DTYPES[tensor.entry.dtype].bits
    given, rest = 0, np.empty(0, dtype)
    for part in tensor.slices():
        if part.dtype != dtype:
            raise ValueError(f"{name} is declared {tensor.entry.dtype} and gives {part.dtype}")
        given += part.size
        if bits < 8:  # only whole bytes go out before the end
            joined = np.concatenate([rest, part.reshape(-1)])
            whole = joined.size // (8 // bits) * (8 // bits)
            part, rest = joined[:whole], joined[whole:]
        yield bytes_of(part, bits)
    if rest.size:
        yield bytes_of(rest, bits)
    if given != tensor.entry.size:
        raise ValueError(f"{name} is declared {tensor.entry} and gives {given} elements")


class StoredFile(TensorFile):
    """A file in which tensors stand as stretches of bytes: `places` are their offsets."""

    def __init__(self, path: Path, format: str) -> None:
        self.path, self.format = path, format
        self.stream = opened(path)
        status = fstat(self.stream.fileno())
        self.length = status.st_size if stat.S_ISREG(status.st_mode) else 0
        self.entries: dict[str, Entry] = {}
        self.metadata: dict[str, str] = {}
        self.places: dict[str, int] = {}
        self._buffer = Buffer()

    def bytes_at(self, offset: int, count: int) -> bytes:
        """`count` bytes at an offset. TensorFileError, before anything is read, where the file is shorter."""
        if offset + count > self.length:
            raise TensorFileError(
                self.path,
                f"{count} bytes at byte {offset} are past its end, byte {self.length}",
                help="it is cut short",
            )
        return read_exactly(self.stream.fileno(), offset, count, self.path)

    def read(self, name: str, start: int, length: int) -> Array:
        dtype = self.entries[name].dtype
        bits = DTYPES[dtype].bits
        first, skip = start * bits // 8, start * bits % 8 // min(bits, 8)
        data = self.bytes_at(self.places[name] + first, ((skip + length) * bits + 7) // 8)
        return decode(data, dtype, length, skip)

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        dtype = self.entries[name].dtype
        if name not in self.places or DTYPES[dtype].bits < 8 or self.transformed(name):
            return super().box(name, shape, box)
        out: Array = np.empty(extents(box), numpy_dtype(dtype))
        steps, size = strides(shape), out.itemsize

        def window(start: int, length: int) -> Array:
            at, count = self.places[name] + start * size, length * size
            return decode(self._buffer.read(self.stream.fileno(), at, count, self.path), dtype, length)

        fill(out, steps, sum(low * step for (low, _), step in zip(box, steps, strict=True)), window)
        return out

    def transformed(self, name: str) -> bool:
        """Whether the bytes at a tensor's place are more than its elements, one after another."""
        return False

    def close(self) -> None:
        self.stream.close()


def is_shape(value: object) -> bool:
    """Whether a value out of a file is a list of sizes whose product fits 64 bits."""
    return (
        isinstance(value, list | tuple)
        and len(value) <= 64
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 63 for n in value)
        and math.prod(max(1, n) for n in value) < 1 << 63
    )
