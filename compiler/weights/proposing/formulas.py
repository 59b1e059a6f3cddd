"""How a number of a name comes from those of a path: `i + 1`, `3*i`, `4*i + j - 1`, as a map writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise


def worked_out(rows: Sequence[tuple[tuple[int, ...], int]], letters: Mapping[int, str]) -> str | None:
    """How a number of the name comes from those of the path, as a map writes it; None where it does not."""
    values = [value for _, value in rows]
    if len(set(values)) == 1:
        return str(values[0])
    fits: Callable[[Callable[[tuple[int, ...]], int]], bool] = lambda f: all(f(x) == y for x, y in rows)  # noqa: E731
    x0, y0 = rows[0]
    for axis, letter in letters.items():
        offset = y0 - x0[axis]
        if fits(lambda x, a=axis, c=offset: x[a] + c):  # type: ignore[misc]
            return f"{{{_sum(letter, offset)}}}"
    steps = {axis: _step(rows, axis) for axis in letters}
    for axis, letter in letters.items():
        if (step := steps[axis]) is not None:
            offset = y0 - step * x0[axis]
            if fits(lambda x, a=axis, s=step, c=offset: s * x[a] + c):  # type: ignore[misc]
                return f"{{{_sum(_times(step, letter), offset)}}}"
    known = [(axis, letter, steps[axis]) for axis, letter in letters.items() if steps[axis]]
    for n, (one, first, s) in enumerate(known):
        for other, second, t in known[n + 1 :]:
            assert s is not None
            assert t is not None
            offset = y0 - s * x0[one] - t * x0[other]
            if fits(lambda x, a=one, b=other, s=s, t=t, c=offset: s * x[a] + t * x[b] + c):  # type: ignore[misc]
                text = f"{_times(s, first)} {'+' if t > 0 else '-'} {_times(abs(t), second)}"
                return f"{{{_sum(text, offset)}}}"
    return None


def _step(rows: Sequence[tuple[tuple[int, ...], int]], axis: int) -> int | None:
    """By how much the value grows with one number while the others stay; None where that differs."""
    found: set[int] = set()
    by_others: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for x, y in rows:
        by_others.setdefault((*x[:axis], *x[axis + 1 :]), []).append((x[axis], y))
    for line in by_others.values():
        line.sort()
        for (a, one), (b, two) in pairwise(line):
            if a == b or (two - one) % (b - a):  # `dense` and `dense_0` both count 0
                return None
            step = (two - one) // (b - a)
            found.add(step)
    return found.pop() if len(found) == 1 else None


def _times(step: int, letter: str) -> str:
    return letter if step == 1 else f"-{letter}" if step == -1 else f"{step}*{letter}"


def _sum(text: str, offset: int) -> str:
    return text if not offset else f"{text} {'+' if offset > 0 else '-'} {abs(offset)}"
