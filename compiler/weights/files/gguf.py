"""GGUF, the files of llama.cpp: metadata, names with types, then the elements, which may be quantized in blocks.

Definition: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Blocks are read as the float32 numbers
that they stand for, see gguf_blocks.py. Sizes stand in a file with the fastest axis first; here, as everywhere, it is
the last. Of the metadata, numbers and texts are kept; of long lists (a tokenizer's words) how long they are.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from archonnx.compiler.weights.files.base import CannotHoldError, Entry, Format, Tensor, TensorFile, TensorFileError
from archonnx.compiler.weights.files.gguf_blocks import BLOCKS, Block
from archonnx.compiler.weights.files.gguf_split import SplitFile, is_split
from archonnx.compiler.weights.files.stored import StoredFile, encode, is_shape
from archonnx.compiler.weights.recipe import Array

ALIGNMENT = 32
MOST = 1 << 24  # items of metadata and tensors: a damaged count must not be believed
VALUES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UINT32, FLOAT32, TEXT, LIST = 4, 6, 8, 9
DEEPEST = 4  # lists in lists
SHORT = 8  # items of a list that are kept

PLAIN = {
    0: "float32",
    1: "float16",
    24: "int8",
    25: "int16",
    26: "int32",
    27: "int64",
    28: "float64",
    30: "bfloat16",
}
CODES = {dtype: code for code, dtype in PLAIN.items()}
OTHERS = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    21: "IQ3_S",
    22: "IQ2_S",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    40: "NVFP4",
}


class GgufFile(StoredFile):
    """An open file of GGUF."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, FORMAT.name)
        self._blocks: dict[str, Block] = {}
        self._at, self._items = 0, 0
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        if self._take(4) != b"GGUF":
            raise TensorFileError(self.path, "it does not begin with GGUF", help="it is no GGUF file")
        version = self._number("I")
        if version not in (2, 3):
            swapped = version & 0xFFFF == 0
            what = "big-endian" if swapped else f"of version {version}"
            raise TensorFileError(self.path, f"it is {what}; little-endian files of version 2 and 3 are read")
        tensors, values = self._number("Q"), self._number("Q")
        alignment = ALIGNMENT
        for _ in range(self._count(values)):
            key, kind = self._text(), self._number("I")
            value = self._value(key, kind)
            if key == "general.alignment":
                if kind != UINT32 or not isinstance(value, int) or value < 1 or value & (value - 1):
                    raise TensorFileError(self.path, f"general.alignment is {value!r}, not a power of 2")
                alignment = value
            else:
                self.metadata[key] = str(value)
        for _ in range(self._count(tensors)):
            self._enter()
        if self._blocks:
            counts = Counter(block.name for block in self._blocks.values())
            self.metadata["quantized"] = ", ".join(f"{count:,} of {name}" for name, count in counts.items())
        start = -(-self._at // alignment) * alignment
        for name, offset in self.places.items():
            self.places[name] = start + offset
            if start + offset + self._stored(name) > self.length:
                raise TensorFileError(
                    self.path,
                    f"{name!r} ends at byte {start + offset + self._stored(name)}, the file before",
                    help="it is cut short",
                )

    def _enter(self) -> None:
        name, rank = self._text(), self._number("I")
        if name in self.entries or rank > 64:
            what = f"{name!r} stands in it twice" if name in self.entries else f"{name!r} has {rank} axes"
            raise TensorFileError(self.path, what, help="it is damaged")
        shape = tuple(self._number("Q") for _ in range(rank))[::-1]
        code, offset = self._number("I"), self._number("Q")
        if code not in PLAIN and code not in BLOCKS:
            known = ", ".join([*CODES, *(block.name for block in BLOCKS.values())])
            found = OTHERS.get(code, f"type {code}")
            raise TensorFileError(
                self.path, f"{name!r} is stored as {found}, which is not read", help=f"read are {known}"
            )
        if not is_shape(shape):
            raise TensorFileError(self.path, f"{name!r} has the shape {list(shape)}, which is none")
        if code in BLOCKS:
            each = BLOCKS[code].elements
            if not shape or shape[-1] % each:
                raise TensorFileError(
                    self.path,
                    f"{name!r} is quantized in blocks of {each}, which its shape {list(shape)} does not divide into",
                )
            self._blocks[name] = BLOCKS[code]
        self.entries[name] = Entry(PLAIN.get(code, "float32"), shape)
        self.places[name] = offset

    def _stored(self, name: str) -> int:
        """The bytes that a tensor takes in the file."""
        entry, block = self.entries[name], self._blocks.get(name)
        return entry.bytes if block is None else entry.size // block.elements * block.bytes

    def _value(self, key: str, kind: int, depth: int = 0) -> bool | int | float | str:
        """A value of the metadata; of a list, what it is a list of."""
        if kind in VALUES:
            number = self._number(VALUES[kind])
            return float(str(np.float32(number))) if kind == FLOAT32 else number  # 0.1, not 0.10000000149
        if kind == TEXT:
            return self._text()
        if kind != LIST or depth == DEEPEST:
            raise TensorFileError(self.path, f"its metadata {key!r} is of a type that GGUF does not have ({kind})")
        inner, count = self._number("I"), self._number("Q")
        if count <= SHORT:
            shown = [self._value(key, inner, depth + 1) for _ in range(count)]
            return f"[{', '.join(map(str, shown))}]"
        if inner in VALUES:
            self._skip(count * struct.calcsize(VALUES[inner]))
            return f"{count:,} numbers"
        for _ in range(self._count(count)):
            if inner == TEXT:
                self._skip(self._number("Q"))
            else:
                self._value(key, inner, depth + 1)
        return f"{count:,} {'texts' if inner == TEXT else 'lists'}"

    def _count(self, count: int) -> int:
        self._items += count
        if self._items > MOST:
            raise TensorFileError(self.path, f"it says that it has {count} values or tensors", help="it is damaged")
        return count

    def _text(self) -> str:
        return self._take(self._number("Q")).decode("utf-8", "replace")

    def _number(self, kind: str) -> int:
        (value,) = struct.unpack("<" + kind, self._take(struct.calcsize("<" + kind)))
        return value  # type: ignore[no-any-return]

    def _take(self, count: int) -> bytes:
        at = self._at
        self._skip(count)
        self.stream.seek(at)
        data = self.stream.read(count)
        if len(data) != count:
            raise TensorFileError(self.path, f"the file ends at byte {at + len(data)}", help="it is cut short")
        return data

    def _skip(self, count: int) -> None:
        if self._at + count > self.length:
            raise TensorFileError(
                self.path,
                f"{count} bytes at byte {self._at} are past its end, byte {self.length}",
                help="it is cut short",
            )
        self._at += count

    def transformed(self, name: str) -> bool:
        return name in self._blocks

    def read(self, name: str, start: int, length: int) -> Array:
        if name not in self._blocks:
            return super().read(name, start, length)
        block = self._blocks[name]
        first, last = start // block.elements, -(-(start + length) // block.elements)
        data = self.bytes_at(self.places[name] + first * block.bytes, (last - first) * block.bytes)
        skip = start - first * block.elements
        with np.errstate(invalid="ignore", over="ignore"):  # a scale that is infinite or no number
            found = block.numbers(np.frombuffer(data, np.uint8).reshape(-1, block.bytes)).reshape(-1)
        return found[skip : skip + length]


def open_file(path: Path) -> TensorFile:
    """Open a file of GGUF, and those that belong to it. Errors: TensorFileError, OSError."""
    file = GgufFile(path)
    return SplitFile(file, GgufFile) if is_split(file.metadata) else file


def write(stream: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as they are, unquantized. Metadata are left out: their types in GGUF are not known any more."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0)
    at = 0
    for name, tensor in tensors.items():
        entry, text = tensor.entry, name.encode()
        if len(text) > 63:
            raise CannotHoldError(f"the name {name!r} is longer than the 63 bytes that llama.cpp reads")
        if len(entry.shape) > 4:
            raise CannotHoldError(f"{name!r} has {len(entry.shape)} axes, the most is 4")
        head += struct.pack("<Q", len(text)) + text
        head += struct.pack(f"<I{len(entry.shape)}QIQ", len(entry.shape), *entry.shape[::-1], CODES[entry.dtype], at)
        at += -(-entry.bytes // ALIGNMENT) * ALIGNMENT
    stream.write(head + bytes(-len(head) % ALIGNMENT))
    for name, tensor in tensors.items():
        for part in encode(name, tensor):
            stream.write(part)
        stream.write(bytes(-tensor.entry.bytes % ALIGNMENT))


FORMAT = Format(
    name="gguf",
    title="GGUF",
    suffixes=(".gguf",),
    open=open_file,
    holds=frozenset(CODES),
    write=write,
    magic=(b"GGUF",),
)
