"""Which axes hold the rows, what `batch=` may be, and how rows are dealt out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.batching.rows import bucketed, parted, read_batch, row_axes
from archonnx.runtime.modelfile import Spec


def spec(name: str, *shape: int | str | None) -> Spec:
    return Spec(name, "float32", shape)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ([spec("x", "N", 3)], {"x": 0}),
        ([spec("x", "N", 3), spec("state", 2, "N", 4), spec("rate")], {"x": 0, "state": 1}),
        ([spec("x", None, None), spec("state", 2, None, 128), spec("sr")], {"x": 0, "state": 1}),
        ([spec("x", None, 3), spec("y", 3, None, None)], {"x": 0}),
        ([spec("x", 1, 3)], {}),
        ([spec("x", "N", "N")], {}),
        ([spec("x", "N", 3), spec("y", "2*N", 3)], {}),
        ([spec("rate"), spec("x", "N", 3)], {"x": 0}),
        ([], {}),
    ],
)
def test_the_rows_are_the_first_axis_and_what_is_called_alike(inputs: list[Spec], expected: dict[str, int]) -> None:
    assert row_axes(inputs) == expected


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "4", (), [0], (1, 2.0), 2**31])
def test_batch_is_one_number_or_several(wrong: object) -> None:
    message = r"^batch is a whole number of rows of at least 1 and at most 2147483647, or several of them, received"
    with pytest.raises(UsageError, match=message):
        read_batch(wrong)


def test_several_numbers_are_put_in_order() -> None:
    assert read_batch(None) is None
    assert read_batch(7) == 7
    assert read_batch([8, 1, 8]) == (1, 8)
    assert (read_batch(np.int64(7)), read_batch((np.int32(8), 1))) == (7, (1, 8))


@given(st.integers(1, 5000), st.integers(1, 600))
def test_parts_are_all_rows_in_runs_of_one_size_but_the_last(rows: int, most: int) -> None:
    parts = parted(rows, most)
    assert sum(parts) == rows
    assert max(parts) <= most
    assert len(set(parts[:-1])) <= 1
    assert len(parts) == -(-rows // most)


@given(st.integers(1, 5000), st.sets(st.integers(1, 600), min_size=1))
def test_buckets_hold_all_rows_and_are_of_the_sizes_asked_for(rows: int, sizes: set[int]) -> None:
    buckets = bucketed(rows, sorted(sizes))
    assert sum(count for count, _ in buckets) == rows
    assert {size for _, size in buckets} <= sizes
    assert all(0 < count <= size for count, size in buckets)
    assert all(count == size for count, size in buckets[:-1])
