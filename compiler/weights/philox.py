"""Random bits that any element can be asked for on its own: the counter-based generator Philox4x64-10.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, as numpy.random.Philox has it: block b of a stream
is 256 bits, a function of the key and b. Element i of a weight takes 32 bits, word i % 8 of block i // 8.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]

WORDS_PER_BLOCK = 8
SPAN = 1 << 20  # elements made at once
GAP = 1024  # elements between two runs that are cheaper to make and drop than to skip


class BitStream:
    """The bits of one weight, keyed by a seed and the weight's path."""

    def __init__(self, seed: int, path: str) -> None:
        digest = hashlib.blake2b(f"{seed}\0{path}".encode(), digest_size=16, person=b"archonnx").digest()
        self.key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def reader(self) -> Reader:
        """What reads stretch after stretch."""
        return Reader(self.key)

    def read(self, start: int, count: int) -> Words:
        """Words start to start + count."""
        return self.reader().read(start, count)

    def gather(self, starts: NDArray[np.int64], length: int) -> Words:
        """Runs of `length` words from each of `starts`, ascending; one after another."""
        out = np.empty((len(starts), length), dtype=np.uint32)
        if out.size:
            reader = self.reader()
            cuts = (np.flatnonzero(np.diff(starts) >= length + GAP) + 1).tolist()
            positions = starts.tolist()
            for low, high in zip([0, *cuts], [*cuts, len(positions)], strict=True):
                if high == low + 1:
                    out[low] = reader.read(positions[low], length)
                else:
                    _read_near(reader, starts[low:high], out[low:high])
        return out.reshape(-1)


def _read_near(reader: Reader, starts: NDArray[np.int64], out: Words) -> None:
    """Fill the rows of `out` from runs so close that what lies between them is made too, and dropped."""
    length = out.shape[1]
    row = 0
    while row < len(starts):
        base = starts[row]
        end = max(int(np.searchsorted(starts, base + max(SPAN - length, 0), side="right")), row + 1)
        span = reader.read(int(base), int(starts[end - 1] - base) + length)
        out[row:end] = np.lib.stride_tricks.sliding_window_view(span, length)[starts[row:end] - base]
        row = end


class Reader:
    """Reads forward or back in a stream, which costs less than starting afresh. What it gives may be written over."""

    def __init__(self, key: NDArray[np.uint64]) -> None:
        # numpy counts up before it makes a block: from counter c the first block is c + 1. Blocks here count from 1.
        self.generator = np.random.Philox(key=key, counter=0)
        self.block = 0

    def read(self, start: int, count: int) -> Words:
        first, skip = divmod(start, WORDS_PER_BLOCK)
        blocks = -(-(skip + count) // WORDS_PER_BLOCK)
        if first != self.block:
            self.generator.advance(first - self.block)
        self.block = first + blocks
        raw = self.generator.random_raw(4 * blocks)
        words = raw.astype("<u8", copy=False).view("<u4")[skip : skip + count]
        return words.astype(np.uint32, copy=False)
