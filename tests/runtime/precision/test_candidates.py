"""Ways to run a model measured side by side, on runners and a clock made here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.errors import RunError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import (
    FEWEST,
    HOPELESS,
    ROUNDS,
    Candidate,
    Trial,
    fastest,
    largest_error,
    measure,
)
from archonnx.runtime.precision.starting import fewer

if TYPE_CHECKING:
    from archonnx.runtime.runner import Runner

A, B, C = Candidate("cpu"), Candidate("openvino"), Candidate("openvino", "bfloat16")
REFERENCE = [[np.array([1.0, -2.0], np.float32)]]
SAMPLES = [{"x": np.zeros(1, np.float32)}]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Fake:
    """Takes `seconds` of the clock, gives the reference and `off`; fails from the run `fails` on."""

    def __init__(self, clock: Clock, seconds: float, off: float = 0.0, fails: int | None = None) -> None:
        self.clock, self.seconds, self.off, self.fails, self.runs = clock, seconds, off, fails, 0

    def run(self, feeds: dict[str, Any]) -> list[Any]:
        self.runs += 1
        if self.fails is not None and self.runs >= self.fails:
            raise RunError("it broke")
        self.clock.now += self.seconds
        return [REFERENCE[0][0] + np.float32(self.off)]


def measured(fakes: dict[Candidate, Fake], **options: Any) -> tuple[list[Trial], Any]:
    clock = next(iter(fakes.values())).clock
    starts: dict[Candidate, Callable[[], Any]] = {way: (lambda fake=fake: fake) for way, fake in fakes.items()}
    return measure(starts, SAMPLES, REFERENCE, clock=clock, **options)


def test_the_fastest_within_the_error_wins() -> None:
    clock = Clock()
    fakes = {A: Fake(clock, 0.02), B: Fake(clock, 0.015, 1e-7), C: Fake(clock, 0.01, 0.1)}
    trials, runners = measured(fakes, max_error=1e-2)
    assert fastest(trials, 1e-2) is trials[1]
    assert [trial.error for trial in trials] == pytest.approx([0.0, 5e-8, 0.05], rel=0.5)
    assert trials[2].seconds == []  # what is not near enough need not be timed
    assert list(runners) == [A, B, C]
    trials, _ = measured(fakes, max_error=0.06)
    assert fastest(trials, 0.06) is trials[2]


def test_a_way_that_is_hopelessly_slow_is_given_up() -> None:
    clock = Clock()
    trials, _ = measured({A: Fake(clock, 0.001), B: Fake(clock, 0.0015), C: Fake(clock, 0.001 * HOPELESS * 1.1)})
    assert [len(trial.seconds) for trial in trials] == [ROUNDS, ROUNDS, FEWEST]


def test_the_budget_ends_it_after_the_fewest_rounds() -> None:
    clock = Clock()
    trials, _ = measured({A: Fake(clock, 10.0), B: Fake(clock, 10.0)}, budget=1.0)
    assert [len(trial.seconds) for trial in trials] == [FEWEST, FEWEST]


def test_what_fails_is_told_and_the_others_go_on() -> None:
    clock = Clock()

    def refuses() -> Any:
        raise MachineError("no\n such thing")

    fine, breaks = Fake(clock, 0.01), Fake(clock, 0.001, fails=4)
    trials, runners = measure({A: lambda: fine, B: refuses, C: lambda: breaks}, SAMPLES, REFERENCE, clock=clock)
    assert [trial.failed for trial in trials] == [None, "no such thing", "it broke"]
    assert fastest(trials, 1.0) is trials[0]
    assert list(runners) == [A]
    assert str(trials[1]) == "openvino float32: no such thing"


@given(
    st.lists(st.tuples(st.floats(1e-4, 1.0), st.floats(0, 1)), min_size=1, max_size=6), st.floats(1e-9, 1.0)
)  # fmt: skip
def test_never_one_past_the_error_nor_a_slower_one(found: list[tuple[float, float]], bound: float) -> None:
    trials = [Trial(A, error, [seconds]) for seconds, error in found]
    best = fastest(trials, bound)
    within = [trial for trial in trials if trial.error is not None and trial.error <= bound]
    if best is None:
        assert not within
    else:
        assert best in within
        assert best.seconds[0] == min(trial.seconds[0] for trial in within)


def test_errors_of_all_kinds_of_outputs() -> None:
    one = np.ones(2, np.float32)
    assert largest_error([[one]], [[one]]) == 0
    assert largest_error([[np.ones(3, np.float32)]], [[one]]) == float("inf")
    assert largest_error([[np.array([1, np.nan], np.float32)]], [[one]]) == float("inf")
    assert largest_error([[[one, one * 1.5]]], [[[one, one]]]) == pytest.approx(0.5)
    assert largest_error([[[one]]], [[[one, one]]]) == float("inf")
    assert largest_error([[{"a": 1}]], [[{"a": 1}]]) == 0
    assert largest_error([[{"a": 1}]], [[{"a": 2}]]) == float("inf")


def test_examples_that_take_long_are_fewer_and_evenly_apart(caplog: pytest.LogCaptureFixture) -> None:
    class Slow:
        def run(self, feeds: dict[str, Any]) -> list[Any]:
            time.sleep(0.02)
            return []

    samples = [{"x": place} for place in range(32)]
    outline, slow = ModelFile("m.onnx"), cast("Runner", Slow())
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        found = fewer(outline, slow, samples)
        assert found == samples
        assert not caplog.records
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO, "archonnx.runtime"):
        patch.setattr("archonnx.runtime.precision.starting.LONG", 0.001)
        assert [each["x"] for each in fewer(outline, slow, samples)] == [0, 10, 21]
    assert "m.onnx: errors are measured on 3 examples of 32" in caplog.text
