"""WAV files: the samples of every channel as numbers from -1 to 1, whatever they are stored as."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

LIMIT = 1 << 30  # bytes of samples; as float32 they may take four times as much
RATES = range(1000, 1_000_001)  # samples a second
_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_STREAMED = 0x7FFFF000  # from here on: what writers put for a length that they do not know yet; above LIMIT anyway
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # behind the two bytes of a form, in extensible files
_OTHERS = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x00FF: "AAC",
}


class WavError(Exception):
    """Why a file is not read, to stand behind its name."""


@dataclass(frozen=True, slots=True)
class Wav:
    """A sound. samples: float32[samples, channels]; rate: samples a second; stored: what a sample is in the file;
    lost: bytes at the end that were no whole sample of every channel."""

    samples: np.ndarray[Any, Any]
    rate: int
    stored: str
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Format:
    form: int
    channels: int
    rate: int
    width: int  # bytes of a sample


def read_wav(stream: BinaryIO) -> Wav:
    """The sound of a WAV file: integers of 8, 16, 24 or 32 bits, floating-point numbers of 32 or 64.

    Integers are divided by their largest magnitude, numbers are taken as they are. Raises WavError.
    """
    import numpy as np

    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise WavError("the file is empty; expected a sound")
    magic = stream.read(12)
    if magic[:4] in (b"RF64", b"RIFX", b"BW64") and magic[8:12] == b"WAVE":
        raise WavError(f"{magic[:4].decode()} files are not read; write it as a plain WAV file")
    if magic[:4] != b"RIFF" or magic[8:12] != b"WAVE":
        raise WavError(f"this is no WAV file: it begins with {magic[:4]!r}, not with b'RIFF'")
    form = None
    for kind, length, left in _chunks(stream, size):
        if kind == b"fmt ":
            form = _format(stream.read(min(length, left)))
        elif kind == b"data":
            if form is None:
                raise WavError("the WAV file is damaged: its samples come before what they are")
            if length >= _STREAMED and left < length:
                length = left
            if length == 0 and left and not stream.read(4).strip().isalnum():  # which would name another part
                tells = f"it tells of no samples, and {left:,} bytes follow: what wrote it did not come to its end"
                raise WavError(f"the WAV file is damaged: {tells}; write it anew: ffmpeg -i FILE NEW.wav")
            if length > left:
                raise WavError(f"the WAV file is cut short: {left:,} of {length:,} bytes of samples are there")
            if length > LIMIT:
                raise WavError(f"{length:,} bytes of samples are more than {LIMIT:,}; cut the sound into pieces")
            frame = form.width * form.channels
            data = stream.read(length - length % frame)
            samples = _numbers(np.frombuffer(data, np.uint8), form).reshape(-1, form.channels)
            numbers = "floating-point " if form.form == _FLOATS else ""
            return Wav(samples, form.rate, f"{8 * form.width}-bit {numbers}samples", length % frame)
    raise WavError("the WAV file is cut short: it holds no samples")


def _chunks(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Each part's name and length, and the bytes that are left from its beginning; the stream stands there."""
    place = 12
    while place + 8 <= size:
        stream.seek(place)
        kind, length = struct.unpack("<4sI", stream.read(8))
        yield kind, length, size - place - 8
        place += 8 + length + length % 2


def _format(data: bytes) -> _Format:
    """What the samples are. Raises WavError for what is not read."""
    if len(data) < 16:
        raise WavError("the WAV file is cut short: it does not say what its samples are")
    form, channels, rate, _, block, bits = struct.unpack("<HHIIHH", data[:16])
    if form == _EXTENSIBLE and len(data) >= 40 and data[26:40] == _GUID:
        form = int.from_bytes(data[24:26], "little")
    if form not in (_INTEGERS, _FLOATS):
        name = _OTHERS.get(form, f"form 0x{form:04x}")
        raise WavError(f"the WAV file is compressed ({name}); write it as PCM: ffmpeg -i FILE -c:a pcm_s16le NEW.wav")
    if channels == 0 or rate not in RATES:
        raise WavError(f"the WAV file is damaged: channels {channels}, samples a second {rate:,}")
    width = (bits + 7) // 8
    if width not in ((1, 2, 3, 4) if form == _INTEGERS else (4, 8)) or block != width * channels:
        kind = "floating-point numbers" if form == _FLOATS else "integers"
        reads = "integers of 8 to 32 bits and floating-point numbers of 32 or 64 are"
        raise WavError(f"{kind} of {bits} bits, {channels} in {block} bytes, are not read; {reads}")
    return _Format(form, channels, rate, width)


def _numbers(data: np.ndarray[Any, Any], form: _Format) -> np.ndarray[Any, Any]:
    """The bytes of samples as float32."""
    import numpy as np

    if form.form == _FLOATS:
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite, which is refused
            return data.view(f"<f{form.width}").astype(np.float32)
    if form.width == 1:  # without a sign, 128 is silence
        return (data.astype(np.float32) - 128) / 128
    if form.width == 3:
        wide = np.zeros((data.size // 3, 4), np.uint8)
        wide[:, 1:] = data.reshape(-1, 3)
        return wide.reshape(-1).view("<i4").astype(np.float32) / 2**31
    samples: np.ndarray[Any, Any] = data.view(f"<i{form.width}").astype(np.float32) / 2 ** (8 * form.width - 1)
    return samples
