"""Batches: every example once an epoch, in an order that the seed decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.keras.training.matching import Column


def batches(count: int, size: int, seed: int | None, **options: Any) -> Any:
    from archonnx.compiler.keras.training.batches import Batches

    number = np.arange(2 * count)
    x, y = Column("x", number * 1.0, "float32", ()), Column("y", number % 3, "int64", ())
    return Batches({"x": x}, {"y": y}, np.arange(0, 2 * count, 2), size, seed, **options)


def order(made: Any) -> list[Any]:
    return [made[n][0].tolist() for n in range(len(made))]


@given(st.integers(1, 60), st.integers(1, 20), st.one_of(st.none(), st.integers(0, 2**64 - 1)))
def test_every_example_comes_once(count: int, size: int, seed: int | None) -> None:
    made = batches(count, size, seed)
    for _ in range(3):
        found = [made[n] for n in range(len(made))]
        assert [len(x) for x, _ in found[:-1]] == [size] * (len(found) - 1)
        x, y = (np.concatenate([batch[part] for batch in found]) for part in (0, 1))
        assert sorted(x.tolist()) == list(range(0, 2 * count, 2))
        assert np.array_equal(y, x.astype(int) % 3), "targets stay with their inputs"
        made.on_epoch_end()


def test_epochs_have_orders_of_their_own_that_the_seed_decides() -> None:
    one, two, other, still = batches(50, 8, 1), batches(50, 8, 1), batches(50, 8, 2), batches(50, 8, None)
    first = order(one)
    assert first == order(two)
    assert first != order(other)
    one.on_epoch_end()
    two.on_epoch_end()
    assert order(one) == order(two) != first
    before = order(still)
    still.on_epoch_end()
    assert order(still) == before


def test_weights_are_those_of_the_classes() -> None:
    made = batches(9, 9, 0, weights={0: 0.5, 1: 2.0, 2: 4.0})
    _, y, weight = made[0]
    assert np.array_equal(weight, np.array([0.5, 2.0, 4.0], np.float32)[y])
