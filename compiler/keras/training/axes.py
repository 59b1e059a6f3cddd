"""Axes of a diagram: the round numbers that stand beside it, and where a value lies between its ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDE = 30.0  # the largest value so many times the smallest asks for a logarithmic axis


@dataclass(frozen=True, slots=True)
class Axis:
    """`ticks` are values with their labels. `low` and `high` are its ends, logarithms of them where it is so."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """0 at the lower end, 1 at the upper."""
        at = math.log10(value) if self.logarithmic else value
        return (at - self.low) / (self.high - self.low)


def value_axis(values: Sequence[float], logarithmic: bool) -> Axis:
    """An axis for these values, with some room around them. logarithmic: if they are positive and reach far enough."""
    least, most = min(values), max(values)
    if logarithmic and least > 1e-30 and most / least > WIDE:
        return _logarithmic(least, most)
    size = max(abs(least), abs(most))
    room = (most - least) * 0.06 if most - least > 1e-9 * size else size * 0.1 or 1.0
    low = 0.0 if least >= 0 and least - room < 0 else least - room
    return Axis(low, most + room, tuple(_round_numbers(low, most + room, 6)))


def _logarithmic(least: float, most: float) -> Axis:
    low, high = math.log10(least), math.log10(most)
    room = (high - low) * 0.06
    low, high = low - room, high + room
    decades = range(math.floor(low), math.ceil(high) + 1, max(1, math.ceil((high - low) / 8)))
    factors = (1, 2, 5) if high - low < 3.5 else (1,)
    found = [factor * 10.0**decade for decade in decades for factor in factors]
    return Axis(low, high, tuple((v, f"{v:g}") for v in found if low <= math.log10(v) <= high), logarithmic=True)


def _round_numbers(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(factor for factor in (1, 2, 5, 10, 20) if (high - low) / (factor * step) <= most)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(n * step, f"{n * step:,.{digits}f}") for n in range(first, last + 1)]


def epoch_ticks(count: int) -> list[int]:
    """The first epoch, then round numbers, some ten at most."""
    step = next(n for k in range(12) for n in (10**k, 2 * 10**k, 5 * 10**k) if count / n <= 12)
    return [1, *(n for n in range(step, count + 1, step) if n > 1 and (n - 1) * 12 >= count * 0.5)]
