"""Cuts of a chain of items into stages: the best balance first, then the least traffic that keeps near it.

1. No stage holds more memory than a device has.
2. The load of a stage is the larger of its shares of the memory and of the work of all; the largest load of a cut is
   its bottleneck. What one item has beyond an even share does not count: it is nobody's to balance, and all the others
   still are. The least bottleneck there is, is found first; a stage may reach it, and `slack` of an even share more.
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
    """Items to be cut into so many stages. spare: (bytes, work) of each item that are beyond an even share."""

    def __init__(self, items: Sequence[Item], stages: int) -> None:
        self.items, self.stages = items, stages
        self.spare = [(0, 0)] * len(items)
        everything = whole(self)
        self.memory, self.work = max(everything.memory, 1), max(everything.work, 1)
        for place, item in enumerate(items):
            memory = item.held + item.live + sum(size for _, size in item.weights)
            self.spare[place] = max(0, memory - self.memory // stages), max(0, item.work - self.work // stages)


class Window:
    """A stretch of items that grows on the right and shrinks on the left; `memory` and `work` are those of a stage."""

    def __init__(self, problem: Problem, start: int = 0) -> None:
        self._problem, self._items = problem, problem.items
        self.start = self.stop = start
        self.work = self._weights = self._held = 0
        self._uses: dict[int, int] = {}
        self._peaks = [_Highest() for _ in range(3)]  # of bytes alive, spare bytes, spare work

    @property
    def memory(self) -> int:
        """Weights, states, and the values alive at the peak."""
        return self._weights + self._held + self._peaks[0].value

    @property
    def spare(self) -> tuple[int, int]:
        """Bytes and work of one item that are beyond an even share, the most of each."""
        return self._peaks[1].value, self._peaks[2].value

    def grow(self) -> None:
        """Take in the item at `stop`."""
        item = self._items[self.stop]
        for key, size in item.weights:
            known = self._uses.get(key, 0)
            self._uses[key] = known + 1
            if not known:
                self._weights += size
        self._held += item.held
        self.work += item.work
        for peak, value in zip(self._peaks, (item.live, *self._problem.spare[self.stop]), strict=True):
            peak.add(self.stop, value)
        self.stop += 1

    def shrink(self) -> None:
        """Let go of the item at `start`."""
        item = self._items[self.start]
        for key, size in item.weights:
            self._uses[key] -= 1
            if not self._uses[key]:
                del self._uses[key]
                self._weights -= size
        self._held -= item.held
        self.work -= item.work
        for peak in self._peaks:
            peak.drop(self.start)
        self.start += 1


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
    """The load of a stage: the larger of its shares of the memory and of the work of all items in one stage."""
    problem, (memory, work) = window._problem, window.spare
    return max((window.memory - memory) / problem.memory, (window.work - work) / problem.work)


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
