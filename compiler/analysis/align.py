"""Aligns two lists of rows at the least cost: the longest agreement first, then the cheapest way round what differs.

What agrees is walked over in one go; only from the first disagreement on a table of costs is filled, a window at a
time, so that the work stays linear in the number of rows where the lists agree, and bounded where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 160  # rows of either side that one table looks ahead


@dataclass(frozen=True, slots=True)
class Step:
    """Rows `ours` (a range, empty where only they have a row) against row `theirs` (None where only we have one)."""

    ours: range
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What an alignment may do and what it costs; 0 is agreement.

    `runs(i, j)` gives the lengths of our rows from `i` on that together agree with row `j`, for rows that stand for
    several.
    """

    pair: Callable[[int, int], int]
    ours_alone: Callable[[int], int]
    theirs_alone: Callable[[int], int]
    runs: Callable[[int, int], list[int]]


def align(ours: int, theirs: int, costs: Costs) -> list[Step]:
    """The steps from the first rows to the last, of lists of these lengths."""
    steps: list[Step] = []
    i = j = 0
    while i < ours or j < theirs:
        if i < ours and j < theirs and costs.pair(i, j) <= 0:
            steps.append(Step(range(i, i + 1), j))
            i, j = i + 1, j + 1
            continue
        last_i, last_j = min(ours, i + WINDOW), min(theirs, j + WINDOW)
        window = _window(range(i, last_i), range(j, last_j), costs)
        if last_i < ours or last_j < theirs:
            # What lies near the window's far edge would be decided without sight of what follows.
            half = [
                s for s in window if s.ours.stop <= i + WINDOW // 2 and (s.theirs is None or s.theirs < j + WINDOW // 2)
            ]
            window = half or window[:1]
        steps += window
        i = max([i, *(step.ours.stop for step in window)])
        j = max([j, *(step.theirs + 1 for step in window if step.theirs is not None)])
    return steps


def _window(ours: range, theirs: range, costs: Costs) -> list[Step]:
    """The cheapest alignment of two stretches; among equals, rows are paired late rather than early."""
    height, width = len(ours), len(theirs)
    best: list[list[int]] = [[1 << 60] * (width + 1) for _ in range(height + 1)]
    came: list[list[tuple[int, int]]] = [[(0, 0)] * (width + 1) for _ in range(height + 1)]
    best[0][0] = 0
    for i in range(height + 1):
        for j in range(width + 1):
            here = best[i][j]
            moves: list[tuple[int, int, int]] = []
            if i < height and j < width:
                moves.append((i + 1, j + 1, costs.pair(ours[i], theirs[j])))
                moves += [(i + k, j + 1, 0) for k in costs.runs(ours[i], theirs[j]) if k > 1 and i + k <= height]
            if i < height:
                moves.append((i + 1, j, costs.ours_alone(ours[i])))
            if j < width:
                moves.append((i, j + 1, costs.theirs_alone(theirs[j])))
            for to_i, to_j, cost in moves:
                if here + cost < best[to_i][to_j]:
                    best[to_i][to_j] = here + cost
                    came[to_i][to_j] = (i, j)
    steps = []
    i, j = height, width
    while i or j:
        from_i, from_j = came[i][j]
        steps.append(Step(range(ours.start + from_i, ours.start + i), theirs[from_j] if j > from_j else None))
        i, j = from_i, from_j
    return steps[::-1]
