"""Arrays for inputs: in the ranges that layers ask for, masks in them, the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.verifying.inputs import draw

SIZES = {"N": 5, "T": 9}


def drawn(*lines: str, seed: int = 0, **sizes: int) -> Any:
    model = archonnx.compile(text="model A():\n" + "".join(f"    {line}\n" for line in lines))
    return draw(model.graph, SIZES | sizes, seed)


@pytest.mark.parametrize(
    "flow",
    [
        "output y = x -> Embedding(3, 2)",
        "output y = x[:, 1:] -> Embedding(3, 2)",
        "output y = cast(x, int64) -> Embedding(3, 2)",
        "output y = x -> CategoryEncoding(3)",
        "output y = one_hot(x, 3)",
        "output y = take(constant([[1.0], [2.0], [3.0]]), x, axis=0)",
    ],
)
def test_whole_numbers_have_places(flow: str) -> None:
    x = drawn("input x: int32[N, T]", "require T >= 2", flow)["x"]
    assert (x.shape, x.dtype) == ((5, 9), np.dtype("int32"))
    assert set(np.unique(x)) == {0, 1, 2}


def test_whole_numbers_of_a_layer_inside() -> None:
    x = drawn("input x: int32[N, T, 2]", "output y = x -> TimeDistributed(Embedding(3, 2))")["x"]
    assert set(np.unique(x)) == {0, 1, 2}


def test_the_tightest_of_several_ranges_counts() -> None:
    x = drawn("input x: int32[N, T]", "a = x -> Embedding(50, 2)", "b = x -> Embedding(4, 2)", "output y = a + b")["x"]
    assert x.max() == 3


def test_masked_steps_end_the_rows() -> None:
    x = drawn("input x: int32[N, T]", "output y = x -> Embedding(30, 2, mask_zero=True)")["x"]
    assert (x[0] != 0).all(), "one row is whole"
    for row in x[1:]:
        kept = np.count_nonzero(row)
        assert 1 <= kept < 9
        assert (row[:kept] != 0).all()
    frames = drawn("input f: float32[N, T, 2]", "Masking(7.5)", "LSTM(3)", "output y")["f"]
    assert (frames[1:, -1] == 7.5).all()
    assert not (frames[0] == 7.5).any()


def test_other_types() -> None:
    found = drawn(
        "input picture: uint8[N, 8, 8, 3]",
        "input kept: bool[N, T]",
        "input number: float16[N]",
        "input word: string[N]",
        "output a = picture",
        "output b = kept",
        "output c = number",
        "output d = word",
    )
    assert found["picture"].max() > 200
    assert found["kept"][:, 0].all()
    assert 0 < found["kept"].mean() < 1
    assert found["number"].dtype == np.float16
    assert found["word"].dtype == object


def test_the_same_seed_gives_the_same_arrays() -> None:
    lines = ("input x: float32[N, T]", "input z: float32[N, T]", "output y = x + z")
    first, again, other = drawn(*lines), drawn(*lines), drawn(*lines, seed=1)
    np.testing.assert_array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])
    assert not np.array_equal(first["x"], first["z"])


def test_a_size_that_only_a_run_tells_is_indexed_at_its_first_place() -> None:
    x = drawn(
        "input x: int32[T]",
        "input z: float32[N]",
        "found: int64[1, K] = z -> onnx.NonZero()",
        "output y = take(found, x, axis=1)",
    )["x"]
    assert (x == 0).all()
