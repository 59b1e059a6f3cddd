"""Calls made of examples: every row in one of them, whatever the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.contract import Contract
from archonnx.runtime.modelfile import read_model
from archonnx.runtime.tuning.examples import examples_of, joined


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(1, 9))
def test_rows_are_joined_in_their_order(sizes: list[int], batch: int) -> None:
    total = sum(sizes)
    rows = np.arange(total * 2).reshape(total, 2)
    samples = [{"x": part, "k": np.int64(7)} for part in np.split(rows, np.cumsum(sizes)[:-1])]
    calls = joined(samples, ["x"], batch)
    assert all(call["x"].shape == (batch, 2) and call["k"] == 7 for call in calls)
    together = np.concatenate([call["x"] for call in calls])
    assert np.array_equal(together[:total], rows)
    assert len(together) < total + batch
    assert np.array_equal(together[total:], rows[np.arange(len(together) - total) % total])


def test_examples_of_different_shapes_are_repeated_each_for_itself() -> None:
    samples = [{"x": np.ones((1, 2))}, {"x": np.zeros((1, 5))}]
    assert [call["x"].shape for call in joined(samples, ["x"], 3)] == [(3, 2), (3, 5)]
    other = [{"x": np.ones((1, 2)), "k": np.int64(1)}, {"x": np.ones((1, 2)), "k": np.int64(2)}]
    assert [int(call["k"]) for call in joined(other, ["x"], 2)] == [1, 2]
    more = [{"x": np.ones((1, 2))}, {"x": np.ones((1, 2)), "mask": np.ones((1, 2))}]
    assert [sorted(call) for call in joined(more, ["x", "mask"], 2)] == [["x"], ["mask", "x"]]


def test_without_rows_a_sample_is_a_call() -> None:
    samples = [{"x": np.ones(3)}, {"x": np.zeros(3)}]
    assert joined(samples, [], 4) == samples


def test_calls_of_a_model(net: Path) -> None:
    model = read_model(net)
    contract = Contract(model)
    drawn = examples_of(model, contract, None, {}, 3)
    calls, batch, chosen = drawn.calls(4)
    assert (len(calls), batch, chosen) == (3, 4, {})
    assert calls[0]["x"].shape == (4, 3)
    assert not np.array_equal(calls[0]["x"], calls[1]["x"])
    assert np.array_equal(calls[0]["x"], examples_of(model, contract, None, {}, 3).calls(4)[0][0]["x"])
    assert drawn.calls(None)[1] == 1
    given_ = examples_of(model, contract, {"x": np.ones((2, 3), np.float32)}, {}, 0)
    assert (len(given_.calls(None)[0]), given_.calls(None)[1]) == (2, 1)
    assert given_.calls(8)[0][0]["x"].shape == (8, 3)
