"""Sounds as inputs: channels, sampling rate, shape, and sounds that do not fit; what is done is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wav_files import FLOAT, pcm, wav

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError
from archonnx.runtime.inputs import decode
from archonnx.runtime.modelfile import Spec

LOUDNESS = """
model Loudness(sampling_rate = 16000):
    input audio: float32[S]
    output level = mean(abs(audio))
"""


def spec(*shape: int | str | None, dtype: str = "float32", kind: str = "tensor") -> Spec:
    return Spec("audio", dtype, shape, kind=kind)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a.wav holds 100 ms of 16,000 samples a second, two.wav the same and silence, fast.wav of 48,000."""
    monkeypatch.chdir(tmp_path)
    tone = 0.5 * np.sin(np.arange(1600) / 10)
    Path("a.wav").write_bytes(wav(pcm(tone, 16)))
    Path("two.wav").write_bytes(wav(pcm(np.stack([tone, 0 * tone], axis=1), 16), channels=2))
    Path("fast.wav").write_bytes(wav(pcm(0.5 * np.sin(np.arange(4800) / 30), 24), rate=48000, bits=24))
    return tmp_path


def decoded(spec: Spec, path: str, rate: int | None = 16000) -> tuple[Any, list[str]]:
    said: list[str] = []
    return decode(spec, path, said.append, rate), said


def test_a_sound_is_decoded_and_told(folder: Path) -> None:
    value, said = decoded(spec("S"), "a.wav")
    assert value.dtype == np.float32
    assert value.shape == (1600,)
    np.testing.assert_allclose(value, 0.5 * np.sin(np.arange(1600) / 10), atol=1e-4)
    assert said == [
        "audio: a.wav, WAV sound of 0.1 s, 1 channel, 16,000 16-bit samples a second",
        "audio: float32[1600], values -0.5 to 0.5",
    ]


def test_channels_are_mixed(folder: Path) -> None:
    value, said = decoded(spec("N", "S"), "two.wav")
    np.testing.assert_allclose(value, 0.25 * np.sin(np.arange(1600) / 10)[None], atol=1e-4)
    assert said[1:] == [
        "audio: the mean of its 2 channels is taken",
        "audio: first axis added: a batch of 1",
        "audio: float32[1, 1600], values -0.25 to 0.25",
    ]


def test_another_rate_is_resampled_where_the_model_tells_its_own(folder: Path) -> None:
    value, said = decoded(spec("S"), "fast.wav")
    assert "audio: resampled from 48,000 to 16,000 samples a second" in said
    np.testing.assert_allclose(value[100:1500], 0.5 * np.sin(np.arange(100, 1500) / 10), atol=1e-4)
    value, said = decoded(spec("S"), "fast.wav", None)
    assert value.shape == (4800,)
    assert "audio: taken at 48,000 samples a second, as it is: the model does not tell its sampling_rate" in said


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_values_are_of_the_inputs_type(folder: Path, dtype: str) -> None:
    assert decoded(spec(1, 1600, dtype=dtype), "a.wav")[0].dtype.name == dtype


def test_a_last_part_of_a_sample_is_told(folder: Path) -> None:
    Path("odd.wav").write_bytes(wav(bytes(5)))
    assert "audio: what is behind its last whole sample is left out" in decoded(spec("S"), "odd.wav")[1]


def test_loud_channels_are_mixed_within_their_range(folder: Path) -> None:
    Path("loud.wav").write_bytes(wav(np.full(6, 3e38, "<f4").tobytes(), form=FLOAT, channels=2, bits=32))
    np.testing.assert_allclose(decoded(spec("S"), "loud.wav")[0], np.full(3, 3e38, np.float32))


def test_a_sound_that_the_inputs_type_does_not_hold_is_refused(folder: Path) -> None:
    Path("loud.wav").write_bytes(wav(np.array([1, -1e6], "<f4").tobytes(), form=FLOAT, bits=32))
    with pytest.raises(InputError, match=r"float16\[S\] does not hold the sound, which goes up to 1e\+06; sounds are"):
        decoded(spec("S", dtype="float16"), "loud.wav")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (spec("N", "H", "W"), "takes no sound: it has 1 axis, or 2 with a batch's; give an array"),
        (spec(), "takes no sound: it has 1 axis, "),
        (spec("S", kind="sequence"), "takes no sound: it has 1 axis, "),
        (spec("S", dtype="int16"), "input audio: int16[S] takes no sound: int16 does not hold -1 to 1; give an array"),
        (spec("T", 576), "input audio: float32[T, 576] takes 576 samples, and the sound has 1,600; cut it, or give an"),
    ],
)
def test_inputs_that_take_no_sound_say_why(spec: Spec, words: str, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        decode(spec, "a.wav")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "s.wav: the file is empty; expected a sound"),
        (b"not a sound at all", "s.wav: this is no WAV file: it begins with b'not ', not with b'RIFF'"),
        (wav(b""), "s.wav: the sound has no samples"),
        (wav(bytes(6), channels=4), "s.wav: the sound has no samples"),
        (wav(bytes(100))[:-20], "s.wav: the WAV file is cut short: 80 of 100 bytes of samples are there"),
        (wav(bytes(100), form=17, bits=4), "s.wav: the WAV file is compressed (IMA ADPCM); write it as PCM: "),
        (
            wav(np.array([0, 1, np.nan], "<f4").tobytes(), form=FLOAT, bits=32),
            "s.wav: sample 2 of the sound is not fin",
        ),
    ],
)
def test_sounds_that_are_none_say_why(data: bytes, words: str, folder: Path) -> None:
    Path("s.wav").write_bytes(data)
    with pytest.raises(InputError) as caught:
        decode(spec("S"), "s.wav")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sound_of_another_kind_says_what_to_do(folder: Path) -> None:
    Path("s.mp3").touch()
    with pytest.raises(UsageError, match=r"'s.mp3' is a sound of a kind that is not read: write it as .wav \(ffmpeg"):
        decode(spec("S"), "s.mp3")


def test_a_model_tells_its_rate_by_a_parameter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("l.arch").write_text(LOUDNESS)
    assert main(["build", "l.arch", "-o", "l.onnx"]) == 0
    with archonnx.load("l.onnx") as session:
        assert session.sampling_rate == 16000
    other = archonnx.compile(text=LOUDNESS.replace("sampling_rate", "rate"))
    assert archonnx.load(other).sampling_rate is None
    capsys.readouterr()
    assert main(["run", "l.onnx", "--input", "audio=fast.wav"]) == 0
    captured = capsys.readouterr()
    assert "audio: resampled from 48,000 to 16,000 samples a second" in captured.err
    assert float(captured.out.split()[-1]) == pytest.approx(0.5 * 2 / np.pi, abs=0.01)
    assert main(["run", "l.onnx", "--input", "audio=none.wav"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: none.wav: there is no such file"
