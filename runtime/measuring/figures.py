"""What is told of many times of one thing: percentiles, and how two things that took turns compare."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of them lie, between two neighbours in proportion, as numpy's default is."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of single calls, summed up."""

    count: int
    p50: float
    p90: float
    p99: float
    mean: float
    least: float


def summed_up(seconds: Sequence[float]) -> Times:
    """The figures of at least one time."""
    p50, p90, p99 = (percentile(seconds, percent) for percent in (50, 90, 99))
    return Times(len(seconds), p50, p90, p99, statistics.fmean(seconds), min(seconds))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long one takes as another. median: of the rounds' ratios; low, high: the middle half of them
    lies between."""

    median: float
    low: float
    high: float
    rounds: int


def ratio(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]]) -> Ratio:
    """The ratio of medians, round by round: what slows a machine for a while slows both sides of a round.

    rounds, base: seconds of the calls of each round, the same number of rounds, each with a call.
    """
    each = [statistics.median(mine) / statistics.median(other) for mine, other in zip(rounds, base, strict=True)]
    return Ratio(percentile(each, 50), percentile(each, 25), percentile(each, 75), len(each))


def time_text(seconds: float) -> str:
    """Three digits in the unit that fits: 43.2 us, 5.10 ms, 1.25 s."""
    for factor, unit in ((1e6, "us"), (1e3, "ms")):
        if seconds * factor < 999.5:
            return f"{digits(seconds * factor)} {unit}"
    return f"{digits(seconds)} s"


def digits(number: float) -> str:
    """A number with three digits that count, or all of those before the point."""
    places = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{places}f}"
