"""Dividing a long chain into columns of nearly the same length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def breaks_of(extents: Sequence[float], may: Sequence[int], count: int) -> list[int]:
    """Where at most `count` columns begin, the first left out, so that the longest column is as short as can be.

    extents: of the pieces in order. may: the pieces, rising, that may begin a column.
    """
    sums = [0.0]
    for extent in extents:
        sums.append(sums[-1] + extent)
    low, high = sums[-1] / count, sums[-1]
    best = _filled(sums, may, high)
    for _ in range(40):
        limit = (low + high) / 2
        breaks = _filled(sums, may, limit)
        if len(breaks) < count and _longest(sums, breaks) <= limit:
            best, high = breaks, limit
        else:
            low = limit
    return best


def _filled(sums: Sequence[float], may: Sequence[int], limit: float) -> list[int]:
    """The breaks when every column is filled up to a limit, passed only where no break is allowed before it."""
    breaks: list[int] = []
    start = 0
    for number, piece in enumerate(may):
        following = may[number + 1] if number + 1 < len(may) else len(sums) - 1
        if sums[following] - sums[start] > limit and piece > start:
            breaks.append(piece)
            start = piece
    return breaks


def _longest(sums: Sequence[float], breaks: Sequence[int]) -> float:
    bounds = [0, *breaks, len(sums) - 1]
    return max(sums[end] - sums[start] for start, end in pairwise(bounds))
