"""Zip archives as files of weights use them: records that are not compressed, so that any part of one can be read."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from archonnx.compiler.weights.files.base import TensorFileError

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    KeyError,
    IndexError,
    OSError,
)


class Archive:
    """The records of a zip archive, which of each where its bytes begin and how many they are."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.size = os.fstat(file.fileno()).st_size
        try:
            members = zipfile.ZipFile(file).infolist()
        except ZIP_ERRORS as error:
            what = f"it begins like a zip archive, but is none that can be read ({error or type(error).__name__})"
            raise TensorFileError(path, what, help="it is cut short or damaged") from error
        self.members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            if member.filename in self.members:
                raise TensorFileError(path, f"two records in it are named {member.filename!r}")
            self.members[member.filename] = member

    def place(self, name: str) -> tuple[int, int]:
        """Where a record's bytes begin, and how many they are. Errors: TensorFileError."""
        member = self.members.get(name)
        if member is None:
            raise TensorFileError(self.path, f"it lacks the record {name!r}", help="it is cut short or damaged")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            kind = "encrypted" if member.flag_bits & 1 else "compressed"
            help = "unpack it and pack it again with `zip -0`"
            raise TensorFileError(self.path, f"its record {name!r} is {kind}", help=help)
        head = b""
        if 0 <= member.header_offset < self.size:
            self.file.seek(member.header_offset)
            head = self.file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04" or member.compress_size != member.file_size:
            raise TensorFileError(self.path, f"the record {name!r} is damaged")
        start = member.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
        if start + member.file_size > self.size:
            raise TensorFileError(self.path, f"the record {name!r} reaches beyond the end of the file")
        return start, member.file_size

    def content(self, name: str) -> bytes:
        """The bytes of a small record, checked against its sum."""
        start, size = self.place(name)
        self.file.seek(start)
        data = self.file.read(size)
        if zlib.crc32(data) != self.members[name].CRC:
            raise TensorFileError(self.path, f"the record {name!r} is damaged: its check sum is another")
        return data
