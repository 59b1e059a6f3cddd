"""Spectrograms: the values their arguments take, and what Keras cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnosing import error_of
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.contract.diagnostics import Diagnostic
from archonnx.contract.dims import evaluate

ort = pytest.importorskip("onnxruntime", reason="what is computed is run")

SOUND = "float32[N, 400, 2]"
LINE = "float32[N, 4000]"


def text(line: str, kind: str) -> str:
    return f"model A():\n    input x: {kind}\n    {line}\n"


def diagnose(line: str, kind: str) -> Diagnostic:
    return error_of(text(line, kind))


def run(folder: Path, line: str, kind: str, x: Any) -> Any:
    archonnx.compile(text=text(line, kind)).save(folder / "a.onnx")
    session = ort.InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


BAD = [
    (
        'STFTSpectrogram("power")',
        SOUND,
        "E0403",
        'mode of STFTSpectrogram is "log", "magnitude", "psd", "real", "imag"',
    ),
    ("STFTSpectrogram(frame_length=1)", SOUND, "E0403", "frame_length of STFTSpectrogram is a whole number from 2 to"),
    ("STFTSpectrogram(frame_step=0)", SOUND, "E0403", "frame_step of STFTSpectrogram is a whole number from 1 to"),
    ("STFTSpectrogram(fft_length=1)", SOUND, "E0403", "fft_length of STFTSpectrogram is a whole number from 2 to"),
    ('STFTSpectrogram(window="hanning")', SOUND, "E0403", 'window of STFTSpectrogram is "hann", "hamming", "blackman"'),
    ("STFTSpectrogram(window=[])", SOUND, "E0403", 'window of STFTSpectrogram is "hann"'),
    ("STFTSpectrogram(window=2)", SOUND, "E0403", 'window of STFTSpectrogram is "hann"'),
    ("STFTSpectrogram(periodic=1)", SOUND, "E0403", "periodic of STFTSpectrogram is True or False, got 1"),
    ('STFTSpectrogram(scaling="power")', SOUND, "E0403", 'scaling of STFTSpectrogram is "density" or "spectrum", or N'),
    ('STFTSpectrogram(padding="causal")', SOUND, "E0403", 'padding of STFTSpectrogram is "valid" or "same", got'),
    ("STFTSpectrogram(expand_dims=0)", SOUND, "E0403", "expand_dims of STFTSpectrogram is True or False, got 0"),
    ('STFTSpectrogram(data_format="first")', SOUND, "E0403", 'data_format of STFTSpectrogram is "channels_last"'),
    (
        "STFTSpectrogram(frame_length=16, frame_step=17)",
        SOUND,
        "E0346",
        "STFTSpectrogram steps over 17 places, and its frames have 16",
    ),
    (
        "STFTSpectrogram(frame_length=17, fft_length=16)",
        SOUND,
        "E0346",
        "STFTSpectrogram has frames of 17 places for a transform of 16",
    ),
    (
        "STFTSpectrogram(frame_length=4, window=[1, 2, 3])",
        SOUND,
        "E0346",
        "STFTSpectrogram has a window of 3 numbers for frames of 4",
    ),
    ("STFTSpectrogram(frame_length=2)", SOUND, "E0346", "STFTSpectrogram divides a window of 2 zeros by its density"),
    (
        'STFTSpectrogram(frame_length=3, window=[0, 0, 0], scaling="spectrum")',
        SOUND,
        "E0346",
        "STFTSpectrogram divides a window of 3 zeros by its spectrum",
    ),
    ("STFTSpectrogram(frame_length=401)", SOUND, "E0304", "STFTSpectrogram looks at 401 places along the steps, and"),
    ("STFTSpectrogram()", "float32[N, 400]", "E0302", "STFTSpectrogram needs 3 axes (batch, steps, channels), got"),
    ("STFTSpectrogram()", "int32[N, 400, 2]", "E0303", "STFTSpectrogram needs floats, got int32[N, 400, 2]"),
    ("MelSpectrogram(1)", LINE, "E0403", "fft_length of MelSpectrogram is a whole number from 2 to 65536, got 1"),
    (
        "MelSpectrogram(sequence_stride=0)",
        LINE,
        "E0403",
        "sequence_stride of MelSpectrogram is a whole number from 1 to",
    ),
    ("MelSpectrogram(sequence_length=0)", LINE, "E0403", "sequence_length of MelSpectrogram is a whole number from 1"),
    ('MelSpectrogram(window="blackman")', LINE, "E0403", 'window of MelSpectrogram is "hann" or "hamming", a tuple of'),
    ("MelSpectrogram(sampling_rate=0)", LINE, "E0403", "sampling_rate of MelSpectrogram is a whole number from 1 to"),
    ("MelSpectrogram(num_mel_bins=0)", LINE, "E0403", "num_mel_bins of MelSpectrogram is a whole number from 1 to"),
    ("MelSpectrogram(min_freq=-1)", LINE, "E0403", "min_freq of MelSpectrogram is a number from 0 to 1e+09, got -1"),
    (
        "MelSpectrogram(max_freq=0)",
        LINE,
        "E0403",
        "max_freq of MelSpectrogram is a number, at most 1e+09, above 0, or None, got 0",
    ),
    ("MelSpectrogram(power_to_db=1)", LINE, "E0403", "power_to_db of MelSpectrogram is True or False, got 1"),
    ("MelSpectrogram(top_db=None)", LINE, "E0403", "top_db of MelSpectrogram is a number, got None"),
    ("MelSpectrogram(mag_exp=0)", LINE, "E0403", "mag_exp of MelSpectrogram is a number, above 0, got 0"),
    ("MelSpectrogram(min_power=0)", LINE, "E0403", "min_power of MelSpectrogram is a number, above 0, got 0"),
    ('MelSpectrogram(ref_power="max")', LINE, "E0403", 'ref_power of MelSpectrogram is a number, got "max"'),
    (
        "MelSpectrogram(256, 64, 257)",
        LINE,
        "E0346",
        "MelSpectrogram has a window of 257 samples for a transform of 256",
    ),
    (
        "MelSpectrogram(256, window=[1, 2])",
        LINE,
        "E0346",
        "MelSpectrogram has a window of 2 numbers for frames of 256",
    ),
    ("MelSpectrogram(min_freq=9000)", LINE, "E0347", "MelSpectrogram has 128 bands from 9000 to 8000 hertz"),
    ("MelSpectrogram(min_freq=7999.99)", LINE, "E0347", "MelSpectrogram has 128 bands from 7999.99 to 8000 hertz"),
    ("MelSpectrogram(max_freq=10)", LINE, "E0347", "MelSpectrogram has 128 bands from 20 to 10 hertz"),
    (
        "MelSpectrogram()",
        "float32[N, 1024]",
        "E0304",
        "MelSpectrogram mirrors 1024 samples at each end, and float32[N,",
    ),
    ("MelSpectrogram()", "float32[N, 4000, 1]", "E0302", "MelSpectrogram needs 1 or 2 axes (batch, samples), got"),
    ("MelSpectrogram()", "string[N, 4000]", "E0303", "MelSpectrogram needs numbers, got string[N, 4000]"),
]


@pytest.mark.parametrize(("line", "kind", "code", "message"), BAD, ids=[f"{case[0]}-{case[1]}" for case in BAD])
def test_what_does_not_fit(line: str, kind: str, code: str, message: str) -> None:
    found = diagnose(line, kind)
    assert (found.code, message) == (code, message if message in found.message else found.message)


def test_a_misspelt_window_is_answered() -> None:
    assert diagnose('STFTSpectrogram(window="blackmen")', SOUND).help == 'did you mean "blackman" or "blackmanharris"?'


@pytest.mark.parametrize("quadrant", range(4))
def test_an_angle_lies_in_its_quadrant(quadrant: int, tmp_path: Path) -> None:
    """A frame of one wave, begun in each quadrant: the angle of its bin is where it begins."""
    start = (quadrant + 0.25) * np.pi / 2
    start = start if start < np.pi else start - 2 * np.pi
    x = np.cos(2 * np.pi * 3 * np.arange(16) / 16 + start).astype(np.float32)
    y = run(tmp_path, 'STFTSpectrogram("angle", 16, window="boxcar")', "float32[N, 16, 1]", x[None, :, None])
    assert y[0, 0, 3] == pytest.approx(start, abs=1e-5)


def test_what_has_no_size_has_no_angle(tmp_path: Path) -> None:
    y = run(tmp_path, 'STFTSpectrogram("angle", 16)', "float32[N, 16, 1]", np.zeros((1, 16, 1), np.float32))
    np.testing.assert_array_equal(y, np.zeros((1, 1, 9)))


def mel_by_definition(x: Any, fft: int, stride: int, rate: int, count: int) -> Any:
    """Decibels of the bands of each frame, in float64."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    padded = np.pad(x, ((0, 0), (fft // 2, fft // 2)), mode="reflect")
    starts = range(0, padded.shape[1] - fft + 1, stride)
    power = np.stack([np.abs(np.fft.rfft(padded[:, s : s + fft] * window)) ** 2 for s in starts], -1)

    def mel(f: Any) -> Any:
        return 1127.0 * np.log1p(f / 700.0)

    edges = np.linspace(mel(20.0), mel(rate / 2), count + 2)
    places = mel(np.linspace(0, rate / 2, fft // 2 + 1))
    bands = np.zeros((count, fft // 2 + 1))
    for band, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        bands[band] = np.maximum(0, np.minimum((places - low) / (middle - low), (high - places) / (high - middle)))
    level = 10 * np.log10(np.maximum(bands @ power, 1e-10))
    return np.maximum(level, level.max() - 80)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-5)])
@pytest.mark.parametrize(("fft", "stride"), [(200, 80), (256, 100), (1024, 300)])
def test_mel_bands_are_those_of_the_definition(
    fft: int, stride: int, dtype: str, tolerance: float, tmp_path: Path
) -> None:
    """In both forms of the transform, and in float64, where Keras takes no decibels; the bands are float32 in both."""
    x = np.random.default_rng(4).normal(size=(2, 2000)).astype(dtype)
    line = f'MelSpectrogram({fft}, {stride}, num_mel_bins=20, dtype="{dtype}")'
    y = run(tmp_path, line, f"{dtype}[N, T]", x)
    reference = mel_by_definition(x.astype(np.float64), fft, stride, 16000, 20)
    assert y.dtype == dtype
    assert y.shape == reference.shape
    assert np.max(np.abs(y - reference)) <= tolerance * np.max(np.abs(reference))


def test_a_signal_too_short_to_be_mirrored_is_an_error_when_it_comes(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)pad"):
        run(tmp_path, "MelSpectrogram(256, 64)", "float32[N, T]", np.ones((1, 100), np.float32))


@pytest.mark.parametrize(
    ("line", "kind", "macs"),
    [
        ('STFTSpectrogram("real", 16, 8)', "float32[1, 32, 2]", 3 * 2 * 9 * 16),
        ('STFTSpectrogram("stft", 16, 8)', "float32[1, 32, 2]", 3 * 2 * 18 * 16),
        ("STFTSpectrogram(frame_length=16, frame_step=8)", "float32[1, 32, 2]", 3 * 2 * 18 * 16),
        ("MelSpectrogram(16, 8, num_mel_bins=4)", "float32[1, 32]", 5 * 4 * 9 + 5 * 18 * 16),
    ],
)
def test_multiply_accumulates(line: str, kind: str, macs: int) -> None:
    (node,) = archonnx.compile(text=text(line, kind)).graph.nodes
    types = tuple(value.type for value in node.inputs if value is not None)
    assert node.layer.macs(types, (node.outputs[0].type,)) == macs


def line_of(data: st.DataObject) -> tuple[str, str]:
    """A spectrogram and its input's type over T."""
    frame = data.draw(st.integers(2, 40))
    step = data.draw(st.integers(1, frame))
    if data.draw(st.booleans()):
        return f"MelSpectrogram({frame}, {step}, num_mel_bins=3)", "float32[N, {}]"
    padding = data.draw(st.sampled_from(["valid", "same"]))
    return f'STFTSpectrogram("stft", {frame}, {step}, window=None, padding="{padding}")', "float32[N, {}, 2]"


@given(st.data(), st.integers(41, 200))
def test_symbols_agree_with_numbers(data: st.DataObject, samples: int) -> None:
    line, kind = line_of(data)
    known, symbolic = (
        archonnx.compile(text=text(line, kind.format(size))).graph.outputs[0].value.type.shape
        for size in (samples, "T")
    )
    assert tuple(evaluate(d, {"N": 3, "T": samples}) for d in symbolic) == tuple(evaluate(d, {"N": 3}) for d in known)
