"""Where bytes of a file go: written and hashed on the way, settled on the disk, read back for their digest.

The digest tells files apart and finds what a disk or a memory did to one: nobody who could change a file is kept from
it. XXH3 does that as fast as memory is read, where BLAKE2 and SHA-256 would take longer than drawing the numbers.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO

import xxhash

READ = 1 << 19  # bytes read back at once: they stay in the processor's cache
BEHIND = 64 << 20  # bytes after which the disk is given what was written, while more is being made


class Sink:
    """Writes and hashes. digest_size: bytes of the digest, at most 16: the first of XXH3-128, high end first."""

    def __init__(self, stream: IO[bytes], *, digest_size: int) -> None:
        self.stream, self.length, self.digest_size = stream, 0, digest_size
        self._digest = xxhash.xxh3_128()
        self._flushed = 0
        self._flushing: threading.Thread | None = None
        self._failure: OSError | None = None

    def write(self, data: bytes | memoryview) -> None:
        self.stream.write(data)
        self._digest.update(data)
        self.length += len(data)
        if self.length - self._flushed >= BEHIND and not (self._flushing and self._flushing.is_alive()):
            self._flushed = self.length
            # It ends by itself, also when the writer fails meanwhile.
            self._flushing = threading.Thread(target=self._flush, args=(self.stream.fileno(),), daemon=True)
            self._flushing.start()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()[: 2 * self.digest_size]

    def settle(self) -> None:
        """Hand what was written to the disk itself. Raises OSError where that failed, also on the way."""
        self.stream.flush()
        if self._flushing is not None:
            self._flushing.join()
        if self._failure is not None:  # the system tells each failure once
            raise self._failure
        os.fsync(self.stream.fileno())

    def _flush(self, descriptor: int) -> None:
        try:
            getattr(os, "fdatasync", os.fsync)(descriptor)
        except OSError as error:
            self._failure = self._failure or error


def settle(sink: Sink) -> None:
    """Hand what was written to the disk itself."""
    sink.settle()


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
    digest = xxhash.xxh3_128()
    buffer = memoryview(bytearray(READ))
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()[: 2 * digest_size]
