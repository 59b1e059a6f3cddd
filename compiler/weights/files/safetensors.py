"""Safetensors: 8 bytes of length, a JSON header of names, types and offsets, then the elements.

Definition: https://huggingface.co/docs/safetensors. A file is refused where the safetensors library refuses it: holes,
overlaps and bytes that belong to no tensor are wrong. What is written is what the library would write.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from archonnx.compiler.weights.files.base import CannotHoldError, Entry, Format, Tensor, TensorFile, TensorFileError
from archonnx.compiler.weights.files.stored import StoredFile, encode, is_shape
from archonnx.contract.dtypes import DTYPES

LONGEST_HEADER = 100_000_000  # the library's own limit

# Names in the library's order, in which tensors stand in a file, the last first.
TYPES = {
    "BOOL": "bool",
    "F4": "float4e2m1",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8e5m2",
    "F8_E4M3": "float8e4m3fn",
    "F8_E8M0": "float8e8m0",
    "F8_E4M3FNUZ": "float8e4m3fnuz",
    "F8_E5M2FNUZ": "float8e5m2fnuz",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "C64": "complex64",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
}
NAMES = {dtype: name for name, dtype in TYPES.items()}
RANKS = {dtype: rank for rank, dtype in enumerate(TYPES.values())}


class SafetensorsFile(StoredFile):
    """An open file of safetensors."""

    shared = True

    def __init__(self, path: Path) -> None:
        super().__init__(path, FORMAT.name)
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        if self.length < 8:
            raise self._wrong(f"it has {self.length} bytes", "a safetensors file begins with 8 bytes of length")
        (length,) = struct.unpack("<Q", self.bytes_at(0, 8))
        if length > LONGEST_HEADER or length > self.length - 8:
            raise self._wrong(
                f"its first 8 bytes say that the header has {length} bytes, the file has {self.length}",
                "it is cut short, or no safetensors file",
            )
        header = self._parse(self.bytes_at(8, length))
        given = header.pop("__metadata__", {})
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise self._wrong("__metadata__ in its header is no mapping of texts to texts")
        self.metadata = given
        ends = [(*self._offsets(name, about), name) for name, about in header.items()]
        at = 0
        for start, end, name in sorted(ends):
            if start != at:
                kind = "overlaps the one before" if start < at else f"leaves {start - at} bytes before it unused"
                raise self._wrong(f"{name!r} at data offset {start} {kind}", "its header lies about its offsets")
            at = end
        if 8 + length + at != self.length:
            raise self._wrong(
                f"its header speaks of {at} bytes of data, {self.length - 8 - length} follow",
                "it is cut short" if 8 + length + at > self.length else "something was appended to it",
            )
        for start, _, name in ends:
            self.places[name] = 8 + length + start

    def _parse(self, text: bytes) -> dict[str, Any]:
        try:
            header = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
            json.dumps(header, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            raise self._wrong(
                f"its header is no JSON object ({error})", "it is damaged, or no safetensors file"
            ) from None
        if not isinstance(header, dict):
            raise self._wrong("its header is no JSON object", "it is damaged, or no safetensors file")
        return header

    def _offsets(self, name: str, about: Any) -> tuple[int, int]:
        """Note the entry and give where its data begins and ends."""
        if not isinstance(about, dict) or not {"dtype", "shape", "data_offsets"} <= about.keys():
            raise self._wrong(f"{name!r} has no dtype, shape and data_offsets in its header")
        dtype, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
        if not isinstance(dtype, str) or dtype not in TYPES:
            raise self._wrong(f"{name!r} is of the type {dtype!r}", f"known are {', '.join(TYPES)}")
        if not is_shape(shape):
            raise self._wrong(f"{name!r} has the shape {_short(shape)}, which is none")
        if not _is_stretch(offsets):
            raise self._wrong(f"{name!r} has the data_offsets {_short(offsets)}, which are none")
        entry = Entry(TYPES[dtype], tuple(shape))
        if entry.size * DTYPES[entry.dtype].bits != (offsets[1] - offsets[0]) * 8:
            raise self._wrong(
                f"{name!r} is {entry} and takes {entry.bytes} bytes, its offsets span {offsets[1] - offsets[0]}",
                "its header lies about its offsets",
            )
        self.entries[name] = entry
        return offsets[0], offsets[1]

    def _wrong(self, what: str, help: str | None = None) -> TensorFileError:
        return TensorFileError(self.path, what, help=help)


def _is_stretch(value: object) -> bool:
    """Whether a value out of a header is where something begins and ends, in bytes; either may be past 4 GB."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 63 for n in value)
        and value[0] <= value[1]
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands in it twice")
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def open_file(path: Path) -> TensorFile:
    """Open a file of safetensors. Errors: TensorFileError, OSError."""
    return SafetensorsFile(path)


def write(stream: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file of safetensors: the largest types first, so that all are aligned, then by name."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    order = sorted(tensors, key=lambda name: (-RANKS[tensors[name].entry.dtype], name.encode()))
    at = 0
    for name in order:
        entry = tensors[name].entry
        if name == "__metadata__":
            raise CannotHoldError("no tensor may be called __metadata__ in it")
        if entry.size * DTYPES[entry.dtype].bits % 8:
            raise CannotHoldError(f"{name}: {entry.size} elements of {entry.dtype} end within a byte")
        header[name] = {"dtype": NAMES[entry.dtype], "shape": list(entry.shape), "data_offsets": [at, at + entry.bytes]}
        at += entry.bytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise CannotHoldError(f"its header would take {len(text)} bytes, the most is {LONGEST_HEADER}")
    stream.write(struct.pack("<Q", len(text)) + text)
    for name in order:
        for part in encode(name, tensors[name]):
            stream.write(part)


FORMAT = Format(
    name="safetensors",
    title="safetensors",
    suffixes=(".safetensors",),
    open=open_file,
    holds=frozenset(NAMES),
    write=write,
    keeps=True,
)
