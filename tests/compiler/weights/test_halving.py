"""Weights rounded to half while they are written: against NumPy's and ml_dtypes' own rounding, slice by slice."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.recipes import Constant, Evaluation
from archonnx.compiler.weights.halving import BOUND, PIECE, Halved, Notes, Rounding
from archonnx.contract.diagnostics import ArchonnxError

DTYPES: dict[str, Any] = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


class Plain(Constant):
    """An array that is read as a weight is, not as a literal."""


def written(values: Any, dtype: str, slice_bytes: int = 16 << 20) -> tuple[bytes, Rounding]:
    notes: Notes = {}
    recipe = Halved(Plain(values), dtype, "w", notes)
    data = b"".join(map(bytes, recipe.iter_bytes(Evaluation(0, slice_bytes=slice_bytes))))
    return data, Rounding.over(notes["w"].values())


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40),
    slice_bytes=st.integers(16, 64),
)
def test_every_number_is_the_nearest_and_what_changed_is_counted(dtype: str, bits: list[int], slice_bytes: int) -> None:
    values = np.array(bits, dtype=np.uint32).view(np.float32)
    values = np.where(np.isfinite(values) & (np.abs(values) >= BOUND[dtype]), np.float32(1.5), values)
    data, found = written(values, dtype, slice_bytes)
    halves = np.frombuffer(data, dtype=DTYPES[dtype])
    # Ties to even, by exact arithmetic: no neighbour is nearer.
    finite = np.isfinite(values)
    wide = halves.astype(np.float64)
    assert np.array_equal(np.isnan(halves.astype(np.float32)), np.isnan(values))
    assert np.array_equal(wide[np.isinf(values)], values[np.isinf(values)].astype(np.float64))
    off = np.abs(wide - values.astype(np.float64))[finite]
    codes = halves.view(np.uint16).astype(np.int32)[finite]
    for step in (-1, 1):
        magnitude = (codes & 0x7FFF) + step
        near = np.where(magnitude < 0, 0x8000 ^ codes, (codes & 0x8000) | magnitude).astype(np.uint16)
        beside = near.view(DTYPES[dtype]).astype(np.float64)
        away = np.abs(beside - values.astype(np.float64)[finite])
        away = np.where(np.isfinite(away), away, np.inf)
        assert (off <= away).all()
        assert ((off < away) | (codes % 2 == 0)).all()
    assert found.zeros == int(((wide == 0) & (values != 0) & finite).sum())
    assert found.largest == float(np.abs(values[finite]).max(initial=0))
    assert found.error == pytest.approx(float(off.max(initial=0)), rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pieces_make_no_difference(dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, PIECE // 2 + 7)).astype(np.float32)
    whole, found = written(values, dtype)
    assert whole == values.astype(DTYPES[dtype]).tobytes()
    assert written(values, dtype, slice_bytes=1 << 12) == (whole, found)
    recipe = Halved(Plain(values), dtype, "w", {})
    box = recipe.box(Evaluation(0), ((1, 3), (5, 50)))
    assert np.array_equal(box, values[1:3, 5:50].astype(DTYPES[dtype]))
    assert np.array_equal(recipe.whole(Evaluation(0)), values.astype(DTYPES[dtype]))


@pytest.mark.parametrize(
    ("dtype", "number", "instead"),
    [
        ("float16", 65520.0, "past float16's largest number, 65504; bfloat16 has float32's range"),
        ("float16", -1e9, "holds -1e+09, past float16's largest number, 65504; bfloat16 has"),
        ("bfloat16", 3.4e38, "past bfloat16's largest number, 3.38953e+38; float32 holds it"),
    ],
)
def test_what_the_half_cannot_hold_is_an_error_that_names_it(dtype: str, number: float, instead: str) -> None:
    values = np.zeros(PIECE + 10, np.float32)
    values[-1] = number
    with pytest.raises(ArchonnxError) as error:
        written(values, dtype)
    assert str(error.value).startswith("the weight w holds ")
    assert instead in str(error.value)


def test_the_largest_numbers_stay() -> None:
    assert written(np.float32([65519.99]), "float16")[0] == np.float16(65504).tobytes()
    most = np.uint32(0x7F7F7FFF).view(np.float32).reshape(1)
    assert written(most, "bfloat16")[0] == most.astype(ml_dtypes.bfloat16).tobytes()


def test_numbers_of_a_file_in_the_same_half_are_copied() -> None:
    held = Plain(np.float16([1, 2, 3]))
    recipe = Halved(Plain(np.float32([0, 0, 0])), "float16", "w", {})

    from archonnx.compiler.recipes import Cast

    assert recipe.over(Cast(held, "float32")) is held
    assert isinstance(recipe.over(Cast(Plain(np.float64([1, 2, 3])), "float32")), Halved)
