"""Sounds at another sampling rate: tones stay what they are, and what the lower rate cannot hold is gone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archonnx.runtime.resampling import resample


def tone(pitch: float, rate: int, seconds: float = 1) -> np.ndarray[Any, Any]:
    return np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate + 0.3)


RATES = [(44100, 16000), (48000, 16000), (8000, 16000), (22050, 16000), (11025, 16000), (96000, 16000), (16000, 44100)]


@pytest.mark.parametrize(("old", "new"), RATES)
def test_tones_stay_what_they_are(old: int, new: int) -> None:
    for pitch in (50, 440, 0.8 * min(old, new) / 2):
        found = resample(tone(pitch, old), old, new)
        assert found.dtype == np.float32
        assert len(found) == new
        inside = slice(new // 4, 3 * new // 4)
        assert np.abs(found - tone(pitch, new))[inside].max() < 1e-5


@pytest.mark.parametrize(("old", "pitch"), [(44100, 8600), (44100, 15000), (48000, 9000), (22050, 10000)])
def test_what_the_lower_rate_cannot_hold_is_gone(old: int, pitch: int) -> None:
    found = resample(tone(pitch, old), old, 16000)
    assert np.abs(found[4000:12000]).max() < 2e-5


@pytest.mark.parametrize(("old", "new"), RATES)
def test_scipy_does_the_same(old: int, new: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="it comes with scikit-learn")
    draw = np.random.default_rng(1)
    smooth = np.convolve(draw.normal(0, 0.3, old // 4), np.hanning(63) / 31, "same")  # below a tenth of the rate
    found = resample(smooth, old, new)
    expected = signal.resample_poly(smooth, new, old)
    assert len(found) == len(expected)
    assert np.abs(found - expected)[200:-200].max() < 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_short_sounds(count: int) -> None:
    samples = np.ones(count)
    assert len(resample(samples, 44100, 16000)) == -(-count * 160 // 441)
    assert len(resample(samples, 8000, 16000)) == 2 * count
    np.testing.assert_allclose(resample(samples, 8000, 8000), samples, atol=0.1)
