"""WAV files as tests need them: of any form, whole or damaged."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def wav(
    data: bytes,
    *,
    form: int = PCM,
    channels: int = 1,
    rate: int = 16000,
    bits: int = 16,
    before: bytes = b"",
    **more: Any,
) -> bytes:
    """A file of these samples. before: chunks ahead of them; sub: the form within an extensible header; length: what the
    header of the samples says instead of their length."""
    width = (bits + 7) // 8
    header = struct.pack("<HHIIHH", form, channels, rate, rate * channels * width % 2**32, channels * width, bits)
    if form == EXTENSIBLE:
        header += struct.pack("<HHIH", 22, bits, 0, more["sub"]) + GUID
    samples = chunk(b"data", data)
    if "length" in more:
        samples = b"data" + struct.pack("<I", more["length"]) + data
    body = b"WAVE" + chunk(b"fmt ", header) + before + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm(samples: np.ndarray[Any, Any], bits: int) -> bytes:
    """Samples of -1 to 1 as integers of 8, 16, 24 or 32 bits."""
    if bits == 8:
        return np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    whole = np.round(samples * (2.0 ** (bits - 1) - 1)).astype("<i8")
    return whole.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
