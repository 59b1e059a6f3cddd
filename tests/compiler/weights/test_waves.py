"""Waves and windows: what numpy computes, within an ulp or so, by arithmetic that is the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.waves import COSINE_SUMS, STFT, WINDOWS, cosines, fourier, scale, sines, window_values


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 12, 100, 255, 256, 1000, 4096])
def test_waves_are_within_an_ulp(count: int) -> None:
    angles = 2 * np.pi * np.arange(count) / count
    # numpy's own angle is rounded, and the wave moves with it: 2 pi * 2**-53 at most.
    np.testing.assert_allclose(cosines(count), np.cos(angles), rtol=0, atol=2e-15)
    np.testing.assert_allclose(sines(count), np.sin(angles), rtol=0, atol=2e-15)


@pytest.mark.parametrize("count", [4, 8, 360, 1024])
def test_right_angles_are_exact_and_quarters_mirror_each_other(count: int) -> None:
    wave, other = cosines(count), sines(count)
    assert wave[[0, count // 4, count // 2, 3 * count // 4]].tolist() == [1, 0, -1, 0]
    assert other[[0, count // 4, count // 2, 3 * count // 4]].tolist() == [0, 1, 0, -1]
    np.testing.assert_array_equal(wave[1:], wave[:0:-1])
    np.testing.assert_array_equal(other, np.roll(wave, count // 4))


NUMPY = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett, "boxcar": np.ones}


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 255])
@pytest.mark.parametrize("name", sorted(NUMPY))
def test_windows_are_numpys(name: str, length: int) -> None:
    np.testing.assert_allclose(window_values(name, length, False), NUMPY[name](length), rtol=0, atol=1e-14)
    # A periodic window is a symmetric one, longer by one, without its last value.
    np.testing.assert_allclose(window_values(name, length, True), NUMPY[name](length + 1)[:-1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_are_symmetric_and_largest_in_the_middle(name: str) -> None:
    values = window_values(name, 33, False)
    np.testing.assert_allclose(values, values[::-1], rtol=0, atol=1e-15)
    assert values.max() == pytest.approx(values[16]) == pytest.approx(1.0)


def test_sums_of_cosines_begin_at_their_alternating_sum() -> None:
    for name, factors in COSINE_SUMS.items():
        first = sum(-f if k % 2 else f for k, f in enumerate(factors))
        assert window_values(name, 12, True)[0] == pytest.approx(first, abs=1e-15)


def drawn(arguments: str, dtype: str = "float32") -> dict[str, Any]:
    """The kernels that a spectrogram starts from."""
    text = f"model A():\n    input x: float32[N, 900, 1]\n    STFTSpectrogram({arguments})\n"
    found = {}
    for weight in archonnx.compile(text=text).graph.weights():
        found[weight.path.rpartition("/")[2]] = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
        assert weight.dtype == dtype
    return found


@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("name", ["hann", "hamming", "blackman"])
def test_kernels_are_windowed_waves(name: str, scaling: str | None) -> None:
    given = f'"{scaling}"' if scaling else "None"
    kernels = drawn(f'frame_length=20, fft_length=32, window="{name}", periodic=True, scaling={given}')
    window = NUMPY[name](21)[:-1]
    size = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(window), None: 1.0}[scaling]
    wave = np.exp(-2j * np.pi * np.arange(20)[:, None] * np.arange(17) / 32) * (window / size)[:, None]
    np.testing.assert_allclose(kernels["real_kernel"][:, 0], wave.real, rtol=0, atol=1e-7)
    np.testing.assert_allclose(kernels["imag_kernel"][:, 0], wave.imag, rtol=0, atol=1e-7)


def test_kernels_are_those_that_keras_starts_from() -> None:
    """Keras multiplies its angles in float32, and its waves err by what they are rounded to: 1e-5 at 64 places."""
    keras = pytest.importorskip("keras", reason="Keras is the oracle")
    window = [0.1 + 0.01 * k for k in range(64)]
    kernels = drawn(f"frame_length=64, window={window}")
    for side in ("real", "imag"):
        theirs = np.asarray(keras.initializers.STFT(side, window, "density")((64, 1, 33)))
        np.testing.assert_allclose(kernels[f"{side}_kernel"], theirs, rtol=0, atol=1e-5)


def test_a_kernel_is_drawn_in_parts_as_in_one() -> None:
    from archonnx.compiler.weights import drawing
    from archonnx.compiler.weights.philox import BitStream

    elements, shape = STFT("imag", "hann", "spectrum", True).elements((12, 1, 9)), (12, 1, 9)
    stream = BitStream(0, "x")
    every = drawing.whole(elements, shape, np.dtype(np.float64), stream)
    some = drawing.gather(elements, shape, np.dtype(np.float64), stream, np.array([5, 40]), 7)
    np.testing.assert_array_equal(some, np.concatenate([every[5:12], every[40:47]]))


def test_a_transform_is_a_product_with_its_waves() -> None:
    x = np.random.default_rng(2).normal(size=24)
    found = (fourier(24, np.ones(24))[:, 0] @ x).reshape(2, 13)
    np.testing.assert_allclose(found[0] + 1j * found[1], np.fft.rfft(x), atol=1e-12)


def test_a_scale_is_of_what_is_squared_or_magnitudes() -> None:
    values = np.array([3.0, -4.0])
    assert [scale(values, s) for s in ("density", "spectrum", None)] == [5.0, 7.0, 1.0]
