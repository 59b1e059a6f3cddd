"""WAV files: every form of samples, and files that are damaged or of another kind."""

from __future__ import annotations

import random
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from wav_files import EXTENSIBLE, FLOAT, GUID, PCM, chunk, pcm, wav

from archonnx.runtime.wavfile import LIMIT, Wav, WavError, read_wav

TONE = (0.8 * np.sin(np.arange(600) / 7)).reshape(-1, 2)  # two channels


def read(data: bytes, folder: Path) -> Wav:
    path = folder / "sound.wav"
    path.write_bytes(data)
    with open(path, "rb") as stream:
        return read_wav(stream)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("form", [PCM, EXTENSIBLE])
def test_integers(bits: int, form: int, tmp_path: Path) -> None:
    found = read(wav(pcm(TONE, bits), form=form, channels=2, rate=44100, bits=bits, sub=PCM), tmp_path)
    assert (found.rate, found.stored, found.lost) == (44100, f"{bits}-bit samples", 0)
    assert found.samples.dtype == np.float32
    assert np.abs(found.samples - TONE).max() < 2.0 ** (2 - bits) + 1e-6


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("form", [FLOAT, EXTENSIBLE])
def test_floating_point_numbers(bits: int, form: int, tmp_path: Path) -> None:
    data = (2 * TONE).astype(f"<f{bits // 8}").tobytes()
    found = read(wav(data, form=form, channels=2, bits=bits, sub=FLOAT), tmp_path)
    assert found.stored == f"{bits}-bit floating-point samples"
    np.testing.assert_allclose(found.samples, 2 * TONE, atol=1e-6)


def test_the_largest_and_smallest_integers(tmp_path: Path) -> None:
    found = read(wav(struct.pack("<3h", -32768, 0, 32767)), tmp_path).samples
    assert found[:, 0].tolist() == [-1, 0, 32767 / 32768]
    assert read(wav(b"\0\x80\xff", bits=8), tmp_path).samples[:, 0].tolist() == [-1, 0, 127 / 128]


def test_what_the_standard_library_writes(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "lib.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm(TONE, 16))
    with open(tmp_path / "lib.wav", "rb") as stream:
        found = read_wav(stream)
    assert (found.rate, found.samples.shape) == (8000, (300, 2))


def test_other_chunks_are_passed_over(tmp_path: Path) -> None:
    odd = chunk(b"LIST", b"INFO!") + chunk(b"fact", struct.pack("<I", 600))
    found = read(wav(pcm(TONE, 16), channels=2, before=odd) + chunk(b"id3 ", b"abc"), tmp_path)
    assert found.samples.shape == (300, 2)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x7FFFF000], ids=hex)
def test_a_length_that_was_not_known_is_the_rest(length: int, tmp_path: Path) -> None:
    assert read(wav(pcm(TONE, 16), channels=2, length=length), tmp_path).samples.shape == (300, 2)


def test_a_length_of_0_before_samples_is_told(tmp_path: Path) -> None:
    with pytest.raises(WavError, match="it tells of no samples, and 1,200 bytes follow: what wrote it did not come to"):
        read(wav(pcm(TONE, 16), channels=2, length=0), tmp_path)
    assert read(wav(b"", length=0) + chunk(b"id3 ", b"abc"), tmp_path).samples.shape == (0, 1)


def test_what_float32_does_not_hold_is_infinite(tmp_path: Path) -> None:
    assert np.isinf(read(wav(np.array([1e300]).tobytes(), form=FLOAT, bits=64), tmp_path).samples).all()


def test_bytes_that_are_no_whole_sample_are_counted(tmp_path: Path) -> None:
    found = read(wav(pcm(TONE, 16) + b"\1\2\3", channels=2), tmp_path)
    assert (found.samples.shape, found.lost) == ((300, 2), 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty; expected a sound"),
        (b"ID3\x04" + bytes(40), "this is no WAV file: it begins with b'ID3\\x04', not with b'RIFF'"),
        (b"RIFF\4\0\0\0AVI ", "this is no WAV file: "),
        (b"RIFF\4\0\0\0WAVE", "the WAV file is cut short: it holds no samples"),
        (b"RF64\xff\xff\xff\xffWAVE", "RF64 files are not read; write it as a plain WAV file"),
        (b"RIFF\4\0\0\0WAVE" + chunk(b"fmt ", b"\1\0\1\0"), "it does not say what its samples are"),
        (b"RIFF\4\0\0\0WAVE" + chunk(b"data", bytes(8)), "its samples come before what they are"),
        (wav(bytes(8), form=7, bits=8), "the WAV file is compressed (mu-law); write it as PCM: ffmpeg -i FILE -c:a"),
        (wav(bytes(8), form=0x55), "the WAV file is compressed (MP3); "),
        (wav(bytes(8), form=0x1234), "the WAV file is compressed (form 0x1234); "),
        (wav(bytes(8), form=EXTENSIBLE, sub=6, bits=8), "the WAV file is compressed (A-law); "),
        (wav(bytes(8), form=EXTENSIBLE, sub=1).replace(GUID, bytes(14)), "the WAV file is compressed (form 0xfffe); "),
        (wav(bytes(8), channels=0), "the WAV file is damaged: channels 0, samples a second 16,000"),
        (wav(bytes(8), rate=0), "the WAV file is damaged: channels 1, samples a second 0"),
        (wav(bytes(8), rate=2**32 - 1), "the WAV file is damaged: channels 1, samples a second 4,294,967,295"),
        (wav(bytes(8), bits=64), "integers of 64 bits, 1 in 8 bytes, are not read; integers of 8 to 32 bits and "),
        (wav(bytes(8), form=FLOAT, bits=16), "floating-point numbers of 16 bits, 1 in 2 bytes, are not read; "),
        (wav(bytes(8), length=352_000), "the WAV file is cut short: 8 of 352,000 bytes of samples are there"),
    ],
)
def test_what_is_not_read_says_why(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(WavError) as caught:
        read(data, tmp_path)
    assert message in str(caught.value)


def test_a_sound_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(wav(b"", length=LIMIT + 2))
    with open(path, "r+b") as stream:
        stream.truncate(LIMIT + 1000)  # a hole, which takes no room
    with open(path, "rb") as stream, pytest.raises(WavError, match="cut the sound into pieces"):
        read_wav(stream)


def test_damage_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    whole = wav(pcm(TONE, 24), form=EXTENSIBLE, channels=2, bits=24, sub=PCM, before=chunk(b"LIST", b"INFO"))
    draw = random.Random(3)
    read_all = 0
    for _ in range(600):
        data = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randrange(4)):
            if data:
                data[draw.randrange(min(100, len(data)))] = draw.randrange(256)
        try:
            found = read(bytes(data), tmp_path)
        except WavError as error:
            assert "\n" not in str(error)
        else:
            assert found.samples.ndim == 2
            read_all += 1
    assert 20 < read_all < 580
