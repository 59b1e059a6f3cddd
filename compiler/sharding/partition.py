"""Cuts of a chain of items into stages: the best balance first, then the least traffic that keeps near it.

1. No stage holds more memory than a device has.
2. The load of a stage is the larger of its shares of the memory and of the work of all; the largest load of a cut is
   its bottleneck. An item counts for an even share at most: what it has beyond that is nobody's to balance, and all the
   others still are. The least bottleneck there is, is found first; a stage may reach it, and `slack` of an even share
   more.
3. Of those cuts the one with the least traffic is taken, and of several the one whose bottleneck is lowest.

Memory and work of a stage only grow with it, so windows slide over the items and never turn back: the time is linear in
the items. Weights that several items use count once in a stage, in each stage that uses them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLACK = 0.1  # of an even share, given up for less traffic
_FINE = 1e-6  # how near bottlenecks are told apart, relative to them
_EVEN = 1e-3  # the same where only one of several cuts of equal traffic is chosen


@dataclass(frozen=True, slots=True)
class Item:
    """What stays together. weights: (key, bytes) of each weight that it uses, a key once; held: bytes of states; live:
    bytes of values alive at its peak; work: multiply-accumulates; traffic: bytes that cross a cut before it."""

    weights: tuple[tuple[int, int], ...] = ()
    held: int = 0
    live: int = 0
    work: int = 0
    traffic: int = 0


class Problem:
    """Items to be cut into so many stages. counted: the items as they count where stages are balanced."""

    def __init__(self, items: Sequence[Item], stages: int) -> None:
        self.items = self.counted = items
        self.stages = stages
        everything = whole(self)
        self.memory, self.work = max(everything.memory, 1), max(everything.work, 1)
        self.counted = _counted(items, max(self.memory // stages, 1), max(self.work // stages, 1))


def _counted(items: Sequence[Item], memory: int, work: int) -> Sequence[Item]:
    """The items, none of more memory or work than this. A weight of several counts in all for the least that it does
    in one, so that what a stage counts for only grows with it."""
    sums = [item.held + item.live + sum(size for _, size in item.weights) for item in items]
    if all(item.work <= work for item in items) and max(sums) <= memory:
        return items

    def scaled(size: int, sum_: int) -> int:
        return size if sum_ <= memory else size * memory // sum_

    least: dict[int, int] = {}
    for item, sum_ in zip(items, sums, strict=True):
        for key, size in item.weights:
            least[key] = min(scaled(size, sum_), least.get(key, size))
    return [
        Item(
            tuple((key, least[key]) for key, _ in item.weights),
            scaled(item.held, sum_),
            scaled(item.live, sum_),
            min(item.work, work),
            item.traffic,
        )
        for item, sum_ in zip(items, sums, strict=True)
    ]


class Window:
    """A stretch of items that grows on the right and shrinks on the left; `memory` and `work` are those of a stage."""

    def __init__(self, problem: Problem, start: int = 0) -> None:
        self._problem = problem
        self.start = self.stop = start
        self._own = _Tally(problem.items)
        self._counted = self._own if problem.counted is problem.items else _Tally(problem.counted)

    @property
    def memory(self) -> int:
        """Weights, states, and the values alive at the peak."""
        return self._own.memory

    @property
    def work(self) -> int:
        """Multiply-accumulates."""
        return self._own.work

    @property
    def share(self) -> float:
        """The larger of its shares of the memory and of the work of all items, as they count."""
        return max(self._counted.memory / self._problem.memory, self._counted.work / self._problem.work)

    def grow(self) -> None:
        """Take in the item at `stop`."""
        self._own.add(self.stop)
        if self._counted is not self._own:
            self._counted.add(self.stop)
        self.stop += 1

    def shrink(self) -> None:
        """Let go of the item at `start`."""
        self._own.drop(self.start)
        if self._counted is not self._own:
            self._counted.drop(self.start)
        self.start += 1


class _Tally:
    """What the items of a sliding window come to."""

    __slots__ = ("_fixed", "_items", "_peak", "_uses", "work")

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self.work = self._fixed = 0
        self._uses: dict[int, int] = {}
        self._peak = _Highest()

    @property
    def memory(self) -> int:
        return self._fixed + self._peak.value

    def add(self, place: int) -> None:
        item = self._items[place]
        for key, size in item.weights:
            known = self._uses.get(key, 0)
            self._uses[key] = known + 1
            if not known:
                self._fixed += size
        self._fixed += item.held
        self.work += item.work
        self._peak.add(place, item.live)

    def drop(self, place: int) -> None:
        item = self._items[place]
        for key, size in item.weights:
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key]
                self._fixed -= size
        self._fixed -= item.held
        self.work -= item.work
        self._peak.drop(place)


class _Highest:
    """The highest of the values in a sliding window."""

    __slots__ = ("_falling",)

    def __init__(self) -> None:
        self._falling: deque[tuple[int, int]] = deque()  # (place, value)

    @property
    def value(self) -> int:
        return self._falling[0][1] if self._falling else 0

    def add(self, place: int, value: int) -> None:
        if not value:
            return
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        self._falling.append((place, value))

    def drop(self, place: int) -> None:
        if self._falling and self._falling[0][0] == place:
            self._falling.popleft()


Load = Callable[[Window], float]  # larger for a larger window


def whole(problem: Problem) -> Window:
    """All items in one window."""
    window = Window(problem)
    for _ in problem.items:
        window.grow()
    return window


def share(window: Window) -> float:
    """The load of a stage by which cuts are balanced."""
    return window.share


def memory_of(window: Window) -> float:
    """Its memory as a load."""
    return float(window.memory)


def fewest(problem: Problem, load: Load, bound: float) -> list[int] | None:
    """Where stages begin, as few as can be with no load above `bound`; None where one item is above it alone."""
    window, begins = Window(problem), [0]
    while window.stop < len(problem.items):
        window.grow()
        if load(window) > bound:
            begins.append(window.stop - 1)
            while window.start < window.stop - 1:
                window.shrink()
            if load(window) > bound:
                return None
    return begins


def bottleneck(problem: Problem, begins: Sequence[int], load: Load) -> float:
    """The largest load of the stages that begin there."""
    worst = 0.0
    for start, stop in zip(begins, [*begins[1:], len(problem.items)], strict=True):
        window = Window(problem, start)
        for _ in range(start, stop):
            window.grow()
        worst = max(worst, load(window))
    return worst


def least_bottleneck(problem: Problem, load: Load, ceiling: float) -> float | None:
    """The least bottleneck of cuts into at most as many stages as asked for, never below it, and above it by a
    millionth at most; None where it is above `ceiling`."""
    begins = fewest(problem, load, ceiling)
    if begins is None or len(begins) > problem.stages:
        return None
    low, high = 0.0, bottleneck(problem, begins, load)
    while high - low > _FINE * high:
        middle = (low + high) / 2
        begins = fewest(problem, load, middle)
        if begins is None or len(begins) > problem.stages:
            low = middle
        else:
            high = min(middle, bottleneck(problem, begins, load))
    return high


def least_traffic(problem: Problem, load: Load, bound: float) -> tuple[int, list[int]] | None:
    """(traffic, where stages begin) of the cut into the stages asked for that has the least, no load above `bound`;
    None where there is none.

    `best[j]` is the least traffic of the items before j in k stages; the k-th stage begins at one of the places from
    `lowest[j]` on, over which a minimum slides.
    """
    items, count = problem.items, len(problem.items)
    lowest = _lowest(problem, load, bound)
    if lowest is None:
        return None
    best: list[int | None] = [0] + [None] * count
    chosen: list[list[int]] = []
    for number in range(problem.stages):
        nearer: list[int | None] = [None] * (count + 1)
        taken = [0] * (count + 1)
        window: deque[tuple[int, int]] = deque()  # (traffic, where the stage begins), rising in both
        for stop in range(1, count + 1):
            begin = stop - 1
            before = best[begin]
            if before is not None:
                cost = before + (items[begin].traffic if number else 0)
                while window and window[-1][0] >= cost:
                    window.pop()
                window.append((cost, begin))
            while window and window[0][1] < lowest[stop]:
                window.popleft()
            if window:
                nearer[stop], taken[stop] = window[0]
        best = nearer
        chosen.append(taken)
    total = best[count]
    if total is None:
        return None
    begins, stop = [], count
    for taken in reversed(chosen):
        stop = taken[stop]
        begins.append(stop)
    return total, begins[::-1]


def _lowest(problem: Problem, load: Load, bound: float) -> list[int] | None:
    """For each stop the first begin of a stage whose load is within `bound`; None where one item is above it alone."""
    found, window = [0], Window(problem)
    for _ in problem.items:
        window.grow()
        while load(window) > bound:
            if window.start == window.stop - 1:
                return None
            window.shrink()
        found.append(window.start)
    return found


def partition(problem: Problem, capacity: float, slack: float = SLACK) -> list[int] | None:
    """Where the stages begin, as the head of this module says; None where the memory of devices does not hold them.

    problem: of at least as many items as stages. capacity: bytes of a device.
    """

    def load(window: Window) -> float:
        return share(window) if window.memory <= capacity else float("inf")

    least = least_bottleneck(problem, load, 2.0)  # a share of all is at most 1
    if least is None:
        return None
    bound = least + slack / problem.stages
    found = least_traffic(problem, load, bound)
    assert found is not None  # a cut of the least bottleneck is among them
    traffic, begins = found
    low, high = least, min(bound, bottleneck(problem, begins, load))
    while high - low > _EVEN * least:
        middle = (low + high) / 2
        found = least_traffic(problem, load, middle)
        if found is None or found[0] > traffic:
            low = middle
        else:
            begins = found[1]
            high = min(middle, bottleneck(problem, begins, load))
    return begins
