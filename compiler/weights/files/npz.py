"""NumPy's .npz: a zip archive of .npy files, each a header that says type and shape, then the elements.

Definition: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Nothing is unpickled: an array of
Python objects is refused.
"""

from __future__ import annotations

import ast
import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import CannotHoldError, Entry, Format, Tensor, TensorFile, TensorFileError
from archonnx.compiler.weights.files.stored import StoredFile, encode, is_shape
from archonnx.compiler.weights.recipe import SLICE_BYTES, Array, numpy_dtype

HOLDS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
LONGEST_HEADER = 1 << 16
WHOLE = 1 << 30  # bytes: a column-major array that is compressed is read whole up to here
DAMAGED = "the file is damaged"
DEFLATE = 1100  # more than a byte of deflated data can become

# What reading a damaged archive raises in zipfile and zlib.
ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError),
    *(RuntimeError, ValueError, OverflowError, IndexError),
)


@dataclass(slots=True)
class _Member:
    """Where an array stands. `start` is where its elements begin in what is unpacked, `place` in the archive."""

    info: zipfile.ZipInfo
    dtype: np.dtype[np.generic]
    columns: bool
    start: int
    place: int | None


class _NotNumbersError(TensorFileError):
    """An array of texts, records or Python objects."""


class NpzFile(StoredFile):
    """An open archive. What is stored is read in place; what is compressed is unpacked from its start on.

    pass_over: arrays that hold no numbers are no error, and listed in `passed_over`.
    """

    def __init__(self, path: Path, pass_over: bool = False) -> None:
        super().__init__(path, FORMAT.name)
        self.pass_over = pass_over
        self.passed_over: list[str] = []
        self._members: dict[str, _Member] = {}
        self._unpacking: tuple[str, IO[bytes]] | None = None
        self._sum: tuple[str, int, int] | None = None
        try:
            with _unpacking(path, "it"):
                self._archive = zipfile.ZipFile(self.stream)
            for info in self._archive.infolist():
                self._enter(info)
        except BaseException:
            self.close()
            raise

    def _enter(self, info: zipfile.ZipInfo) -> None:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in self._members:
            what = "is no .npy file" if name == info.filename else "is in it twice"
            raise TensorFileError(self.path, f"{info.filename!r} {what}", help="an .npz holds .npy files alone")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            what = f"{name!r} is compressed in a way that NumPy does not use"
            raise TensorFileError(self.path, what, help="save it with numpy.savez_compressed")
        with _unpacking(self.path, repr(name)):
            try:
                with self._archive.open(info) as member:
                    dtype, columns, shape, start = self._header(name, member)
            except _NotNumbersError:
                if not self.pass_over:
                    raise
                self.passed_over.append(name)
                return
            place = self._place(info) if info.compress_type == zipfile.ZIP_STORED else None
        entry = Entry(dtype.name, shape)
        most = info.file_size if place is not None else min(info.file_size, (info.compress_size + 1) * DEFLATE)
        if (
            start + entry.bytes != info.file_size
            or start + entry.bytes > most
            or (place is not None and place + start + entry.bytes > self.length)
        ):
            raise TensorFileError(
                self.path, f"{name!r} is {entry} and takes {entry.bytes} bytes, {max(0, most - start)} are there"
            )
        self.entries[name] = entry
        self._members[name] = _Member(info, dtype, columns, start, None if place is None else place + start)

    def _header(self, name: str, member: IO[bytes]) -> tuple[np.dtype[np.generic], bool, tuple[int, ...], int]:
        """(dtype, whether columns come first, shape, length of the header)."""
        head = member.read(8)
        width = 2 if head[6:7] == b"\x01" else 4
        if head[:6] != b"\x93NUMPY" or head[6:7] not in (b"\x01", b"\x02", b"\x03"):
            raise TensorFileError(self.path, f"{name!r} is no array: it does not begin as an .npy file does")
        length = int.from_bytes(member.read(width), "little")
        if length > LONGEST_HEADER:
            raise TensorFileError(self.path, f"{name!r} has a header of {length} bytes", help=DAMAGED)
        text = member.read(length).decode("latin1" if head[6] < 3 else "utf-8")
        try:
            # Python 2 wrote long numbers as 3L.
            about = ast.literal_eval(re.sub(r"(\d)L", r"\1", text).strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            about = None
        if not isinstance(about, dict) or about.keys() != {"descr", "fortran_order", "shape"}:
            raise TensorFileError(self.path, f"{name!r} has a header that is none", help=DAMAGED)
        descr, shape = about["descr"], about["shape"]
        if not isinstance(shape, tuple) or not is_shape(shape):
            raise TensorFileError(self.path, f"{name!r} has the shape {shape!r}, which is none")
        found = re.fullmatch(r"[<>|=]?([biufcV?OUS])(\d*)", descr) if isinstance(descr, str) else None
        known = {np.dtype(held).str[1:]: held for held in HOLDS}
        if found is None or f"{found[1]}{found[2]}" not in known:
            raise _NotNumbersError(self.path, f"{name!r} holds {_described(descr)}, not numbers", help=_way_out(descr))
        return np.dtype(descr), bool(about["fortran_order"]), shape, 8 + width + length

    def _place(self, info: zipfile.ZipInfo) -> int:
        """Where a member's bytes begin, after a header of its own whose length may differ from the directory's."""
        header = self.bytes_at(info.header_offset, 30)
        return (
            info.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        )

    def read(self, name: str, start: int, length: int) -> Array:
        member, entry = self._members[name], self.entries[name]
        if member.columns and len(entry.shape) > 1 and entry.size:
            return self._read_columns(name, start, length)
        return _native(np.frombuffer(self._bytes(name, start * member.dtype.itemsize, length), member.dtype))

    def _bytes(self, name: str, offset: int, length: int) -> bytes:
        """The bytes of `length` elements."""
        member = self._members[name]
        count = length * member.dtype.itemsize
        if member.place is not None:
            return self._checked(name, offset, self.bytes_at(member.place + offset, count))
        with _unpacking(self.path, repr(name)):
            if self._unpacking is None or self._unpacking[0] != name:
                self._unpacking = (name, self._archive.open(member.info))
            stream = self._unpacking[1]
            stream.seek(member.start + offset)
            data = stream.read(count)
        if len(data) != count:
            raise TensorFileError(self.path, f"{name!r} ends too early", help=DAMAGED)
        return data

    def _checked(self, name: str, offset: int, data: bytes) -> bytes:
        """The data, added to the checksum of an array that is read from its start on, which is compared at its end."""
        member = self._members[name]
        assert member.place is not None
        if offset == 0:
            self._sum = (name, 0, zlib.crc32(self.bytes_at(member.place - member.start, member.start)))
        if self._sum is None or self._sum[:2] != (name, offset):
            self._sum = None
            return data
        self._sum = (name, offset + len(data), zlib.crc32(data, self._sum[2]))
        if self._sum[1] == self.entries[name].bytes and self._sum[2] != member.info.CRC:
            raise TensorFileError(self.path, f"{name!r} does not have the checksum that it came with", help=DAMAGED)
        return data

    def _read_columns(self, name: str, start: int, length: int) -> Array:
        """Out of an array that is stored column by column."""
        member, entry = self._members[name], self.entries[name]
        if member.place is not None:
            if start == 0:
                for at in range(0, entry.bytes, SLICE_BYTES):
                    self._checked(name, at, self.bytes_at(member.place + at, min(SLICE_BYTES, entry.bytes - at)))
            file = np.memmap(self.stream, member.dtype, "r", member.place, entry.shape, "F")
            return _native(np.asarray(file.flat[start : start + length]))
        if entry.bytes > WHOLE:
            raise TensorFileError(
                self.path,
                f"{name!r} is compressed and stored column by column, {entry.bytes} bytes: it cannot be read in slices",
                help="save it row by row: numpy.ascontiguousarray",
            )
        whole = np.frombuffer(self._bytes(name, 0, entry.size), member.dtype).reshape(entry.shape, order="F")
        return _native(whole.reshape(-1)[start : start + length])

    def mapped(self, name: str) -> Array | None:
        """The array where it stands in the file, mapped and not read; None where it is compressed."""
        member, entry = self._members[name], self.entries[name]
        if member.place is None:
            return None
        if not entry.size:
            return np.empty(entry.shape, member.dtype)
        return np.memmap(self.stream, member.dtype, "r", member.place, entry.shape, "F" if member.columns else "C")

    def close(self) -> None:
        if self._unpacking is not None:
            self._unpacking[1].close()
            self._unpacking = None
        super().close()


@contextmanager
def _unpacking(path: Path, what: str) -> Iterator[None]:
    """Turn what zipfile raises on a damaged archive into a TensorFileError."""
    try:
        yield
    except (*ZIP_ERRORS, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place before the file's start
            raise
        raise TensorFileError(path, f"{what} cannot be unpacked ({error})", help=DAMAGED) from None


def _native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _described(descr: object) -> str:
    if not isinstance(descr, str):
        return "records"
    return {"O": "Python objects", "U": "text", "S": "text", "V": "bytes of a type that NumPy has no name for"}.get(
        descr.strip("<>|=")[:1], f"elements of the type {descr!r}"
    )


def _way_out(descr: object) -> str:
    if isinstance(descr, str) and descr.strip("<>|=")[:1] == "O":
        return "they are a pickle, which is never run"
    if isinstance(descr, str) and descr.strip("<>|=")[:1] == "V":
        return "bfloat16 and float8 are kept by safetensors"
    return f"it may hold {', '.join(HOLDS)}"


def open_file(path: Path) -> TensorFile:
    """Open an archive of arrays. Errors: TensorFileError, OSError."""
    return NpzFile(path)


def write(stream: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write an archive as numpy.savez does, uncompressed; metadata have no place in it."""
    names = [f"{name}.npy" for name in tensors]
    for name in names:
        if "\0" in name or len(name.encode()) > 0xFFFF or zipfile.ZipInfo(name).filename != name:
            raise CannotHoldError(f"{name.removesuffix('.npy')!r} cannot be a name in a zip archive")
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, tensor in zip(names, tensors.values(), strict=True):
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                descr = np.dtype(numpy_dtype(tensor.entry.dtype)).newbyteorder("<").str
                about = {"descr": descr, "fortran_order": False, "shape": tensor.entry.shape}
                np.lib.format.write_array_header_1_0(member, about)
                for part in encode(name, tensor):
                    member.write(part)


FORMAT = Format(
    name="npz",
    title="NumPy archive",
    suffixes=(".npz",),
    open=open_file,
    holds=frozenset(HOLDS),
    write=write,
    magic=(b"PK\x03\x04", b"PK\x05\x06"),
)
