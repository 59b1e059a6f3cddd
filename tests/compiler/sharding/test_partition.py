"""Cuts of a chain: as good as the best of all cuts, tried one by one."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.compiler.sharding.partition import (
    SLACK,
    Item,
    Problem,
    Window,
    bottleneck,
    fewest,
    least_bottleneck,
    memory_of,
    partition,
    share,
    whole,
)

SMALL = st.integers(0, 20)
SIZES = [7, 3, 20, 1, 9, 4]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Up to seven items, some of which share weights."""
    count = draw(st.integers(1, 7))
    items = [
        Item(
            tuple((key, SIZES[key]) for key in sorted(draw(st.sets(st.integers(0, 5), max_size=2)))),
            draw(SMALL),
            draw(SMALL),
            draw(SMALL),
            draw(SMALL),
        )
        for _ in range(count)
    ]
    return Problem(items, draw(st.integers(1, count)))


def every_cut(count: int, stages: int) -> list[list[int]]:
    return [[0, *rest] for rest in itertools.combinations(range(1, count), stages - 1)]


def stage(problem: Problem, start: int, stop: int) -> Window:
    window = Window(problem, start)
    for _ in range(start, stop):
        window.grow()
    return window


def stages(problem: Problem, begins: list[int]) -> list[Window]:
    ends = [*begins[1:], len(problem.items)]
    return [stage(problem, start, stop) for start, stop in zip(begins, ends, strict=True)]


def traffic(problem: Problem, begins: list[int]) -> int:
    return sum(problem.items[begin].traffic for begin in begins[1:])


@given(problems(), st.integers(0, 120) | st.just(math.inf))
def test_a_partition_is_as_good_as_the_best_of_all(problem: Problem, capacity: float) -> None:
    fitting = [
        begins
        for begins in every_cut(len(problem.items), problem.stages)
        if all(window.memory <= capacity for window in stages(problem, begins))
    ]
    found = partition(problem, capacity)
    if not fitting:
        assert found is None
        return
    assert found in fitting
    least = min(bottleneck(problem, begins, share) for begins in fitting)
    bound = least + SLACK / problem.stages
    near = [begins for begins in fitting if bottleneck(problem, begins, share) <= bound + 1e-9]
    assert bottleneck(problem, found, share) <= bound + 1e-5
    cheapest = min(traffic(problem, begins) for begins in near)
    assert traffic(problem, found) <= cheapest
    if traffic(problem, found) == cheapest:  # of several, one as even as any, but for what is too small to matter
        even = min(bottleneck(problem, b, share) for b in near if traffic(problem, b) == cheapest)
        assert bottleneck(problem, found, share) <= even + 2e-3


@given(problems(), st.integers(0, 150))
def test_the_fewest_stages_are_the_fewest(problem: Problem, capacity: int) -> None:
    found = fewest(problem, memory_of, capacity)
    count = len(problem.items)
    enough = [
        number
        for number in range(1, count + 1)
        if any(all(w.memory <= capacity for w in stages(problem, b)) for b in every_cut(count, number))
    ]
    assert (len(found) if found else None) == (min(enough) if enough else None)


@given(problems())
def test_the_least_bottleneck_is_the_least(problem: Problem) -> None:
    found = least_bottleneck(problem, memory_of, float(whole(problem).memory))
    counts = range(1, problem.stages + 1)
    cuts = [begins for number in counts for begins in every_cut(len(problem.items), number)]
    least = min(bottleneck(problem, begins, memory_of) for begins in cuts)
    assert found == pytest.approx(least, rel=1e-5, abs=1e-5)


@given(problems())
def test_a_window_that_slides_is_one_made_anew(problem: Problem) -> None:
    window = Window(problem)
    for stop in range(1, len(problem.items) + 1):
        window.grow()
        if stop % 3 == 0:
            window.shrink()
        fresh = stage(problem, window.start, stop)
        assert (window.memory, window.work, window.share) == (fresh.memory, fresh.work, fresh.share)


@given(problems())
def test_a_larger_window_has_no_smaller_load(problem: Problem) -> None:
    """What windows slide on: neither memory nor the load falls where an item joins, at either end."""
    count = len(problem.items)
    for start, stop in itertools.combinations(range(count + 1), 2):
        own = stage(problem, start, stop)
        for first, last in ((start - 1, stop), (start, stop + 1)):
            if first >= 0 and last <= count:
                larger = stage(problem, first, last)
                assert larger.memory >= own.memory
                assert share(larger) >= share(own)


def test_shared_weights_count_once_in_each_stage_that_uses_them() -> None:
    items = [Item(((1, 100),)), Item(((2, 10),)), Item(((1, 100),))]
    problem = Problem(items, 2)
    assert whole(problem).memory == 110
    assert [window.memory for window in stages(problem, [0, 2])] == [110, 100]


def test_one_item_beyond_an_even_share_leaves_the_others_even() -> None:
    """A table of words that takes more than half: it has a stage, and the eight layers behind it are three stages."""
    items = [Item(((0, 1000),)), *(Item(((n, 10),), work=10, traffic=1) for n in range(1, 9))]
    begins = partition(Problem(items, 4), math.inf)
    assert begins is not None
    ends = [*begins[1:], len(items)]
    assert sorted(stop - start for start, stop in zip(begins, ends, strict=True)) == [2, 2, 2, 3]


def test_less_traffic_goes_before_the_last_tenth_of_evenness() -> None:
    items = [Item(((n, 100),), work=100, traffic=1 if n == 21 else 50) for n in range(40)]
    assert partition(Problem(items, 2), math.inf) == [0, 21]
    assert partition(Problem(items, 2), math.inf, slack=0.0) == [0, 20]
