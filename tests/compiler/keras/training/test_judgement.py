"""Under- and overfitting, told from losses whose course is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.keras.training.history import Epoch, best_of
from archonnx.compiler.keras.training.judgement import judge


def epochs(training: Sequence[float], validation: Sequence[float] | None = None) -> list[Epoch]:
    made = []
    for number, loss in enumerate(training, 1):
        values = {"loss": loss} | ({} if validation is None else {"val_loss": validation[number - 1]})
        made.append(Epoch(number, values, 1.0))
    return made


def falling(count: int, rate: float, floor: float = 0.0) -> list[float]:
    return [floor + 2.0 * math.exp(-rate * number) for number in range(count)]


@pytest.mark.parametrize("count", [4, 10, 60, 300])
def test_losses_that_still_fall_are_underfitting(count: int) -> None:
    found = judge(epochs(falling(count, 1.6 / count), falling(count, 1.5 / count, 0.01)))
    assert found.verdict == "underfitting"
    assert found.underfitting == (1, count)
    assert found.overfitting is None


@pytest.mark.parametrize("count", [10, 60, 300])
def test_a_validation_loss_that_rises_again_is_overfitting(count: int) -> None:
    training = falling(count, 6 / count)
    turn = count // 2
    validation = [loss + 0.2 + 2.0 * max(0, number - turn) / count for number, loss in enumerate(training)]
    found = judge(epochs(training, validation))
    lowest = validation.index(min(validation)) + 1
    assert found.verdict == "overfitting"
    assert found.overfitting == (lowest, count)
    assert found.underfitting is not None
    assert found.underfitting[1] <= lowest
    assert f"after epoch {lowest}" in found.text


def test_losses_that_rise_together_are_no_overfitting() -> None:
    both = [1.0, 0.5, 0.3, 0.2, 0.4, 0.7, 1.1, 1.6, 2.0, 2.5]
    assert judge(epochs(both, both)).verdict == "level"


@pytest.mark.parametrize("validated", [False, True])
def test_losses_that_stay_are_level(validated: bool) -> None:
    training = falling(40, 0.5, 0.3)
    found = judge(epochs(training, training if validated else None))
    assert found.verdict == "level"
    assert found.underfitting is not None
    assert found.underfitting[1] < 25


def test_a_pause_of_a_stretch_does_not_end_underfitting() -> None:
    training = [2.0, 1.5, 1.2, 1.0, 1.0, 0.9, 0.7, 0.5, 0.4, 0.3]
    assert judge(epochs(training, training)).underfitting == (1, 10)


def test_losses_that_fall_by_next_to_nothing_are_level() -> None:
    training = [1.0, 0.1, 0.01, 0.005, 0.004, 0.003, 0.002, 0.0015, 0.001, 0.0008]
    found = judge(epochs(training, training))
    assert found.verdict == "level"
    assert found.underfitting == (1, 4)


def test_few_epochs_tell_nothing() -> None:
    assert judge(epochs([2.0, 1.0, 0.5])).verdict == "unknown"


def test_the_first_of_equal_epochs_is_the_best() -> None:
    assert best_of(epochs([3.0, 2.0, 1.0, 1.0], [2.0, 1.0, 1.0, 4.0])).number == 2
    assert best_of(epochs([3.0, 1.0, 1.0])).number == 2


LOSS = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(*[st.lists(LOSS, min_size=n, max_size=n)] * 2)))
def test_regions_lie_within_the_epochs_and_apart(losses: tuple[list[float], list[float]]) -> None:
    found = judge(epochs(*losses))
    for region in (found.underfitting, found.overfitting):
        assert region is None or 1 <= region[0] < region[1] <= len(losses[0])
    if found.underfitting and found.overfitting:
        assert found.underfitting[1] <= found.overfitting[0]
    assert (found.verdict == "overfitting") == (found.overfitting is not None)
