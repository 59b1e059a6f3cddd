"""Where bytes of a file go: written and hashed on the way, settled on the disk, read back for their digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

READ = 1 << 22


class Sink:
    """Writes and hashes."""

    def __init__(self, stream: IO[bytes], *, digest_size: int) -> None:
        self.stream, self.length = stream, 0
        self._digest = hashlib.blake2b(digest_size=digest_size)

    def write(self, data: bytes | memoryview) -> None:
        self.stream.write(data)
        self._digest.update(data)
        self.length += len(data)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def settle(stream: IO[bytes]) -> None:
    """Hand what was written to the disk itself."""
    stream.flush()
    os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where folders can be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest_of(path: Path, *, digest_size: int) -> str:
    """The digest of a file's bytes, as a Sink makes it."""
    digest = hashlib.blake2b(digest_size=digest_size)
    with open(path, "rb", buffering=0) as stream:
        while part := stream.read(READ):
            digest.update(part)
    return digest.hexdigest()
