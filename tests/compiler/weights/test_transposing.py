"""Transposed copies: numpy's own is the oracle, through tiles and windows too."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.weights import transposing
from archonnx.compiler.weights.transposing import merged, transpose_into

DTYPES = (np.dtype("float32"), np.dtype("uint8"), np.dtype("float64"), np.dtype(ml_dtypes.bfloat16), np.dtype(object))


@st.composite
def transposes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    shape = draw(st.lists(st.integers(0, 6), max_size=5))
    return tuple(shape), tuple(draw(st.permutations(range(len(shape)))))


def numbered(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> np.ndarray:
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


@given(transposes(), st.sampled_from(DTYPES), st.integers(1, 9), st.integers(0, 5))
def test_every_transpose_is_numpys(
    case: tuple[tuple[int, ...], tuple[int, ...]], dtype: np.dtype[np.generic], few: int, tile: int
) -> None:
    shape, perm = case
    source = numbered(shape, dtype)
    expected = source.transpose(perm)
    out = np.empty(expected.shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SMALL", 2), ("NEAR", 0), ("FEW", few), ("TILE", tile + 1), ("GATHERED", 7)):
            patch.setattr(transposing, name, value)
        transpose_into(out, source, perm)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize(
    ("shape", "perm"),
    [
        ((3, 3, 96, 96), (3, 2, 0, 1)),
        ((300, 400), (1, 0)),
        ((49, 5, 400), (1, 0, 2)),
        ((100000, 4), (1, 0)),
        ((4, 200, 200), (2, 0, 1)),
    ],
)
def test_so_are_those_large_enough_to_be_tiled(shape: tuple[int, ...], perm: tuple[int, ...]) -> None:
    source = numbered(shape, np.dtype("float32"))
    out = np.empty([shape[axis] for axis in perm], np.float32)
    transpose_into(out, source, perm)
    assert np.array_equal(out, source.transpose(perm))
    every_other = np.empty([2 * shape[perm[0]], *(shape[axis] for axis in perm[1:])], np.float32)[::2]
    transpose_into(every_other, source, perm)
    assert np.array_equal(every_other, source.transpose(perm))


def test_axes_that_stay_neighbours_count_as_one() -> None:
    assert merged((3, 3, 64, 32), (3, 2, 0, 1)) == ((9, 64, 32), (2, 1, 0))
    assert merged((7, 1, 5), (2, 1, 0)) == ((7, 5), (1, 0))
    assert merged((2, 3, 4), (0, 1, 2)) == ((24,), (0,))
    assert merged((1, 1), (1, 0)) == ((), ())
