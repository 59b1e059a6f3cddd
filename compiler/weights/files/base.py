"""What a file of tensors is: names with types, whose elements are read slice by slice; and what a format declares.

    with open_tensors(path) as tensors:               # formats.py
        for name, entry in tensors.entries.items():
            flat = tensors.read(name, 0, entry.size)

Only headers are read until `read` is called. A format is a module with one `Format`; formats.py lists them.
"""

from __future__ import annotations

import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from archonnx.compiler.weights.files.windows import WINDOW, fill
from archonnx.compiler.weights.recipe import SLICE_BYTES, Array, numpy_dtype
from archonnx.compiler.weights.regions import Box, Shape, extents, strides
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dtypes import DTYPES

Stamp = tuple[int, ...]


class TensorFileError(ArchonnxError):
    """A file of weights that cannot be read or written: one line: which file, what is wrong, what to do."""

    def __init__(self, path: Path | str, what: str, *, help: str | None = None) -> None:
        self.path, self.what, self.help = Path(path), what, help
        super().__init__(f"{path}: {what}" + (f"; {help}" if help else ""))


class EndingError(TensorFileError):
    """A path to write whose ending names no format that is written: the command or the call is wrong, not a file."""

    exit_code = 2


class CannotHoldError(Exception):
    """What a format cannot hold, raised by its `write`; formats.write_tensors says of which file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The type of a tensor in a file. `dtype` is a name of contract.dtypes."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What the elements take, two or more of fewer than 8 bits packed into one byte."""
        return (self.size * DTYPES[self.dtype].bits + 7) // 8

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class TensorFile(ABC):
    """An open file. `entries` are in the file's order; `metadata` are strings that came with it, by name.

    shared: whether several threads may read at once; where not, each does so within `turn`.
    """

    shared = False
    format: str
    path: Path
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]

    def watched(self) -> dict[Path, Stamp]:
        """The files that tensors are read from, each as it was before it was first opened."""
        found: dict[Path, Stamp] = self.__dict__.setdefault("_stamps", {})
        return found

    @property
    def turn(self) -> AbstractContextManager[Any]:
        """What a thread holds while it reads."""
        return nullcontext() if self.shared else self.__dict__.setdefault("_turn", threading.RLock())

    def check_unchanged(self) -> None:
        """Raise TensorFileError where a file was written to since it was opened: what was read of it may be of both."""
        for path, before in self.watched().items():
            if (now := stamp(path)) != before:
                what = "is gone" if not now else f"was {'replaced' if now[:2] != before[:2] else 'written to'}"
                raise TensorFileError(path, f"it {what} while it was read", help="run this again when it is complete")

    @abstractmethod
    def read(self, name: str, start: int, length: int) -> Array:
        """`length` elements from the flat position `start` on, in row-major order, of the entry's own dtype.

        Errors: TensorFileError where the file ends before them or has changed.
        """

    def slices(self, name: str, slice_bytes: int = SLICE_BYTES) -> Iterator[Array]:
        """All elements, one slice of at most `slice_bytes` after another."""
        entry = self.entries[name]
        step = max(slice_bytes // numpy_dtype(entry.dtype).itemsize, 4) // 4 * 4  # what is packed stays together
        for start in range(0, entry.size, step):
            yield self.read(name, start, min(step, entry.size - start))

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        """A box of the elements under a shape of the same size, the entry's own or another: of the box's shape."""
        out: Array = np.empty(extents(box), numpy_dtype(self.entries[name].dtype))
        steps = strides(shape)
        first = sum(low * step for (low, _), step in zip(box, steps, strict=True))
        fill(out, steps, first, lambda start, length: self.read(name, start, length))
        return out

    def whole(self, name: str) -> Array:
        """The whole tensor, of its shape."""
        return self.read(name, 0, self.entries[name].size).reshape(self.entries[name].shape)

    def place(self, name: str) -> tuple[str, str] | None:
        """Where a tensor stands in a file of Keras 3: its group, `layers/dense/vars/0`, and its layer's name."""
        return None

    def close(self) -> None:  # noqa: B027 (a file that holds nothing open needs none)
        """Let go of the file. Nothing is read afterwards."""

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def stamp(path: Path) -> Stamp:
    """What changes when a file is written to or replaced: device, number, size, time. () where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


# Gives the elements of a tensor in slices, in order, each flat and of the entry's dtype.
Source = Callable[[], Iterator[Array]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor to be written. `place` is TensorFile.place's, where it has one."""

    entry: Entry
    slices: Source
    place: tuple[str, str] | None = None


@dataclass(frozen=True)
class Format:
    """A format. `suffixes` end the names of its files; `magic` are beginnings of its files, where they have one.

    open     gives the file of a path; raises TensorFileError
    write    writes tensors into an open binary file that is replaced when it is complete; raises CannotHoldError
    write_file  the same to a path, for a format that lays several files; whole or not at all. Formats that are only
             read have neither
    holds    the dtypes that the format has
    keeps    whether it has a place for metadata
    instead  what to do, where it is only read
    pieces   the format of the files that an index speaks of, by its module's name
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    open: Callable[[Path], TensorFile]
    holds: frozenset[str]
    write: Callable[[BinaryIO, Mapping[str, Tensor], Mapping[str, str]], None] | None = None
    write_file: Callable[[Path, Mapping[str, Tensor], Mapping[str, str]], None] | None = None
    magic: tuple[bytes, ...] = ()
    keeps: bool = False
    instead: str | None = None
    pieces: str | None = None
    extra: str | None = None  # the extra of pyproject.toml that it needs

    @property
    def written(self) -> bool:
        """Whether it is written, not only read."""
        return self.write is not None or self.write_file is not None or self.pieces is not None


def read_exactly(file: int, offset: int, count: int, path: Path) -> bytes:
    """`count` bytes at an offset, by pread: the file may be changed by others meanwhile. TensorFileError at its end."""
    parts = []
    while count:
        part = os.pread(file, min(count, 1 << 30), offset)
        if not part:
            raise cut_short(path, offset, count)
        parts.append(part)
        offset, count = offset + len(part), count - len(part)
    return b"".join(parts)


class Buffer(threading.local):
    """Memory that one stretch of a file after another is read into: of each thread its own."""

    def __init__(self) -> None:
        self._data = bytearray()

    def read(self, file: int, offset: int, count: int, path: Path) -> memoryview:
        """`count` bytes at an offset, at most WINDOW, there until the next are read. TensorFileError at the end."""
        self._data = self._data or bytearray(WINDOW)
        data, done = memoryview(self._data)[:count], 0
        while done < count:
            got = os.preadv(file, [data[done:]], offset + done)
            if not got:
                raise cut_short(path, offset + done, count - done)
            done += got
        return data


def cut_short(path: Path, offset: int, missing: int) -> TensorFileError:
    """What to raise where a file ends before what it should hold."""
    return TensorFileError(path, f"the file ends at byte {offset}, {missing} bytes too early", help="it is cut short")
