"""VoiceDetector of models/voice.arch beside the package silero-vad: its windows, its rules of where speech begins and ends."""

from __future__ import annotations

import re
import warnings
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from keras_harness import error
from packages import file_of
from transformers_harness import MODELS, Array, session_of

import archonnx
from archonnx.cli import main

RATE, WINDOW = 16_000, 512
RULES = """
from zoo.voice import segments

model Rules(threshold, least, pause, margin):
    input audio: float32[S]
    input likely: float32[ceil(S / 512)]
    output spans = likely -> segments(S, threshold, least, pause, margin)
"""


def speech() -> Array:
    with wave.open(str(MODELS / "sounds" / "inaugural.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        return (np.frombuffer(file.readframes(-1), "<i2") / 32768).astype(np.float32)


def others() -> dict[str, Array]:
    """Sounds of several seconds in which nobody speaks."""
    draw = np.random.default_rng(0)
    time = np.arange(4 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) * 0.2
    return {
        "noise": draw.normal(0, 0.1, time.size).astype(np.float32),
        "chord": (chord * np.exp(-2 * (time % 0.5))).astype(np.float32),
        "silence": np.zeros(time.size, np.float32),
    }


def theirs(audio: Array) -> list[float]:
    """The probabilities of the package's own file, window by window."""
    session = onnxruntime.InferenceSession(
        file_of("silero_vad", "data/silero_vad.onnx"), providers=["CPUExecutionProvider"]
    )
    padded = np.pad(audio, (64, -len(audio) % WINDOW))
    state, found = np.zeros((2, 1, 128), np.float32), []
    for start in range(0, len(audio), WINDOW):
        window = padded[None, start : start + WINDOW + 64]
        likely, state = session.run(None, {"input": window, "state": state, "sr": np.array(RATE)})
        found.append(float(likely.item()))
    return found


def timestamps(likely: list[float], **options: Any) -> list[list[int]]:
    """The package's own rules, in samples."""
    file_of("silero_vad", "utils_vad.py")
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from silero_vad.utils_vad import get_speech_timestamps_from_probs
    return [[one["start"], one["end"]] for one in get_speech_timestamps_from_probs(likely, **options)]


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    weights = file_of("silero_vad", "data/silero_vad_16k_op15.onnx")
    with session_of(weights, tmp_path_factory.mktemp("voice"), "voice", "VoiceDetector", None) as session:
        yield session


@pytest.mark.parametrize("name", ["speech", "begin", "noise", "chord", "silence", "short", "sample"])
def test_it_hears_what_the_package_hears(name: str, detector: Any) -> None:
    whole = speech()
    sounds = {
        "speech": whole,
        "begin": whole[:30_000],
        "short": whole[5200:5300],
        "sample": whole[5200:5201],
    } | others()
    found = detector(audio=sounds[name])
    likely = theirs(sounds[name])
    assert found.probabilities.shape == (len(likely),)
    assert error(found.probabilities, np.array(likely)) <= 1e-4
    spans = timestamps(likely, audio_length_samples=len(sounds[name]))
    assert (found.speech * RATE).round().astype(int).tolist() == spans
    assert bool(spans) == (name in ("speech", "begin"))


def test_nothing_is_said_against_the_model() -> None:
    assert not archonnx.compile(MODELS / "voice.arch", "VoiceDetector").diagnostics


def test_noise_holds_no_speech_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with wave.open(str(tmp_path / "noise.wav"), "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        sound.writeframes((others()["noise"] * 32767).astype("<i2").tobytes())
    source = [str(MODELS / "voice.arch"), "--model", "VoiceDetector"]
    weights = str(file_of("silero_vad", "data/silero_vad_16k_op15.onnx"))
    assert main(["run", *source, "--weights", weights, "--input", f"audio={tmp_path}/noise.wav"]) == 0
    assert capsys.readouterr().out.startswith("speech: float32[0, 2]\n  nothing\nprobabilities: float32[125]\n")


def test_the_phrases_of_the_address_are_told_apart(detector: Any) -> None:
    expected = [[0.322, 2.27], [3.266, 4.446], [5.378, 7.678], [8.162, 10.622]]
    assert detector(audio=speech()).speech.tolist() == pytest.approx(np.array(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("threshold", "least", "pause", "margin"),
    [(0.5, 0.25, 0.1, 0.03), (0.5, 0, 0, 0), (0.3, 0.1, 0.25, 0.05), (0.9, 0.032, 0.064, 0.01), (0.1, 0.5, 1, 0.1)],
)
def test_speech_begins_and_ends_where_the_package_says(
    threshold: float, least: float, pause: float, margin: float
) -> None:
    in_samples = {name: round(value * RATE) for name, value in (("least", least), ("pause", pause), ("margin", margin))}
    session = archonnx.load(archonnx.compile(text=RULES, threshold=threshold, **in_samples))
    options = {"min_speech_duration_ms": least * 1000, "min_silence_duration_ms": pause * 1000}
    draw, seen = np.random.default_rng(5), 0
    for _ in range(60):
        samples = int(draw.integers(1, 60_000))
        count = -(-samples // WINDOW)
        smooth = np.convolve(draw.normal(0, 1, count + 8), np.ones(9) / 3, "valid")
        likely = (1 / (1 + np.exp(-3 * smooth))).astype(np.float32)
        found = session(audio=np.zeros(samples, np.float32), likely=likely)
        expected = timestamps(
            [float(value) for value in likely],
            threshold=threshold,
            speech_pad_ms=margin * 1000,
            audio_length_samples=samples,
            **options,
        )
        assert found.tolist() == expected
        seen += len(expected)
    assert seen > 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": 8000}, "the network hears 16,000 samples a second, not 8000"),
        ({"pause": 0.05}, "margins of 0.03 s may overlap where speech pauses for 0.05 s"),
    ],
)
def test_what_the_detector_refuses(options: dict[str, float], message: str) -> None:
    with pytest.raises(archonnx.CompileError, match=re.escape(message)):
        archonnx.compile(MODELS / "voice.arch", "VoiceDetector", **options)
