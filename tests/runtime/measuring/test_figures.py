"""Percentiles, and how two things that took turns compare."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.measuring.figures import percentile, ratio, summed_up

TIMES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=50)


@given(TIMES, st.sampled_from([0, 25, 50, 90, 99, 100]))
def test_percentiles_are_numpys(values: list[float], percent: int) -> None:
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent), rel=1e-12)


def test_times_are_summed_up() -> None:
    times = summed_up([0.3, 0.1, 0.2, 0.6])
    assert (times.count, times.least, times.mean, times.p50) == (4, 0.1, pytest.approx(0.3), pytest.approx(0.25))
    assert times.p50 < times.p90 < times.p99 < 0.6


def test_a_slow_stretch_of_the_machine_leaves_the_ratio_as_it_is() -> None:
    base = [[1.0, 1.2, 0.8], [1.0], [10.0, 10.0], [10.0]]
    found = ratio([[2.0], [2.0, 2.0, 9.0], [20.0], [20.0]], base)
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 2.0, 2.0, 4)


def test_the_spread_is_the_middle_half_of_the_rounds() -> None:
    found = ratio([[1.0], [2.0], [3.0], [4.0], [5.0]], [[1.0]] * 5)
    assert (found.median, found.low, found.high) == (3.0, 2.0, 4.0)
    with pytest.raises(ValueError):
        ratio([[1.0]], [[1.0], [2.0]])
