"""Protobuf's wire format, read field by field out of a file or of bytes, without loading what is skipped.

The format: https://protobuf.dev/programming-guides/encoding/. A message is a run of fields, each a varint key
(number << 3 | wire type) and a value: a varint (0), 8 bytes (1), a length and as many bytes (2), or 4 bytes (5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WINDOW = 1 << 16


class WireError(ValueError):
    """The bytes are no protobuf message. cut: whether they end before the message does."""

    def __init__(self, reason: str, cut: bool = False) -> None:
        self.cut = cut
        super().__init__(reason)


class Field(NamedTuple):
    """One field. `value` is the number of a varint, else 0; bytes lie at start..stop of the source."""

    number: int
    type: int
    value: int
    start: int
    stop: int


class Source:
    """Bytes at any place of an open file or of a bytes object; a window of the file is kept, so that small reads cost
    nothing."""

    def __init__(self, data: bytes | BinaryIO) -> None:
        self._file: BinaryIO | None = None
        self._at = 0
        if isinstance(data, bytes):
            self._window, self.size = data, len(data)
        else:
            self._file = data
            self._window, self.size = b"", data.seek(0, os.SEEK_END)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes start..stop, fewer where the source ends before. Raises OSError."""
        if self._file is None:
            return self._window[start:stop]
        if not self._at <= start <= stop <= self._at + len(self._window):
            self._file.seek(start)
            if stop - start > WINDOW:
                return self._file.read(stop - start)
            self._window, self._at = self._file.read(WINDOW), start
        return self._window[start - self._at : stop - self._at]

    def varint(self, at: int, limit: int) -> tuple[int, int]:
        """The varint at `at`, and where it ends. Raises WireError where `limit` or ten bytes do not hold it."""
        value = shift = 0
        for offset, byte in enumerate(self.read(at, min(at + 10, limit))):
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at + offset + 1
            shift += 7
        if shift < 70:
            raise WireError(f"a number at byte {at:,} is cut off", cut=limit == self.size)
        raise WireError(f"the number at byte {at:,} is longer than ten bytes")

    def fields(self, start: int = 0, stop: int | None = None) -> Iterator[Field]:
        """The fields of the message at start..stop, by default of the whole source. Raises WireError, OSError."""
        limit = self.size if stop is None else stop
        at = start
        while at < limit:
            key, begin = self.varint(at, limit)
            number, kind = key >> 3, key & 7
            value, end = 0, begin
            if kind == VARINT:
                value, end = self.varint(begin, limit)
            elif kind == BYTES:
                length, begin = self.varint(begin, limit)
                end = begin + length
            elif kind in (FIXED32, FIXED64):
                end = begin + (4 if kind == FIXED32 else 8)
            else:
                raise WireError(f"byte {at:,} begins no field (wire type {kind})")
            if not number:
                raise WireError(f"byte {at:,} begins no field (number 0)")
            if end > limit:
                raise WireError(f"field {number} at byte {at:,} reaches to byte {end:,}", cut=limit == self.size)
            yield Field(number, kind, value, begin, end)
            at = end

    def text(self, field: Field) -> str:
        """The field's bytes as UTF-8 text. Raises WireError."""
        if field.type != BYTES:
            raise WireError(f"field {field.number} at byte {field.start:,} is no text")
        try:
            return self.read(field.start, field.stop).decode()
        except UnicodeDecodeError:
            raise WireError(f"the text at byte {field.start:,} is no UTF-8") from None

    def inside(self, field: Field) -> Iterator[Field]:
        """The fields of the message that is the field's value. Raises WireError."""
        if field.type != BYTES:
            raise WireError(f"field {field.number} at byte {field.start:,} is no message")
        return self.fields(field.start, field.stop)


def signed(value: int) -> int:
    """A varint as the int64 that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
