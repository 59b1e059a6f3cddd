"""Cuts of a chain of items into stages: the best balance first, then the least traffic that keeps near it.

1. No stage holds more memory than a device has.
2. `load` of a stage is the larger of its shares of the memory and of the work of all; the largest load of a cut is its
   bottleneck. The least bottleneck there is, is found first: every stage may reach it, and `slack` more.
3. Of those cuts the one with the least traffic is taken, and of several the one whose bottleneck is lowest.

Memory and work of a stage only grow with it, so windows slide over the items and never turn back: the time is linear in
the items. Weights that several items use count once in a stage, in each stage that uses them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLACK = 0.1  # of the bottleneck, given up for less traffic
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


class Window:
    """A stretch of items that grows on the right and shrinks on the left; `memory` and `work` are those of a stage."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self.start = self.stop = 0
        self.work = self._weights = self._held = 0
        self._uses: dict[int, int] = {}
        self._peaks: deque[int] = deque()  # places of items, their `live` falling

    @property
    def memory(self) -> int:
        """Weights, states, and the values alive at the peak."""
        return self._weights + self._held + (self._items[self._peaks[0]].live if self._peaks else 0)

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
        while self._peaks and self._items[self._peaks[-1]].live <= item.live:
            self._peaks.pop()
        self._peaks.append(self.stop)
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
        if self._peaks[0] == self.start:
            self._peaks.popleft()
        self.start += 1


Load = Callable[[Window], float]  # larger for a larger window


def whole(items: Sequence[Item]) -> Window:
    """All items in one window."""
    window = Window(items)
    for _ in items:
        window.grow()
    return window


def shares(items: Sequence[Item]) -> Load:
    """The load of a stage: the larger of its shares of the memory and of the work of all items in one stage."""
    everything = whole(items)
    memory, work = max(everything.memory, 1), max(everything.work, 1)
    return lambda window: max(window.memory / memory, window.work / work)


def memory_of(window: Window) -> float:
    """Its memory as a load."""
    return float(window.memory)


def fewest(items: Sequence[Item], load: Load, bound: float) -> list[int] | None:
    """Where stages begin, as few as can be with no load above `bound`; None where one item is above it alone."""
    window, begins = Window(items), [0]
    while window.stop < len(items):
        window.grow()
        if load(window) > bound:
            begins.append(window.stop - 1)
            while window.start < window.stop - 1:
                window.shrink()
            if load(window) > bound:
                return None
    return begins


def bottleneck(items: Sequence[Item], begins: Sequence[int], load: Load) -> float:
    """The largest load of the stages that begin there."""
    worst = 0.0
    for start, stop in zip(begins, [*begins[1:], len(items)], strict=True):
        window = Window(items[start:stop])
        for _ in range(start, stop):
            window.grow()
        worst = max(worst, load(window))
    return worst


def least_bottleneck(items: Sequence[Item], stages: int, load: Load, ceiling: float) -> float | None:
    """The least bottleneck of cuts into at most so many stages, never below it and above it by a millionth at most;
    None where it is above `ceiling`."""
    begins = fewest(items, load, ceiling)
    if begins is None or len(begins) > stages:
        return None
    low, high = 0.0, bottleneck(items, begins, load)
    while high - low > _FINE * high:
        middle = (low + high) / 2
        begins = fewest(items, load, middle)
        if begins is None or len(begins) > stages:
            low = middle
        else:
            high = min(middle, bottleneck(items, begins, load))
    return high


def least_traffic(items: Sequence[Item], stages: int, load: Load, bound: float) -> tuple[int, list[int]] | None:
    """(traffic, where stages begin) of the cut into exactly so many stages that has the least, no load above `bound`;
    None where there is none.

    `best[j]` is the least traffic of the items before j in k stages; the k-th stage begins at one of the places from
    `lowest[j]` on, over which a minimum slides.
    """
    count = len(items)
    lowest = _lowest(items, load, bound)
    if lowest is None:
        return None
    best: list[int | None] = [0] + [None] * count
    chosen: list[list[int]] = []
    for number in range(stages):
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


def _lowest(items: Sequence[Item], load: Load, bound: float) -> list[int] | None:
    """For each stop the first begin of a stage whose load is within `bound`; None where one item is above it alone."""
    found, window = [0], Window(items)
    for _ in items:
        window.grow()
        while load(window) > bound:
            if window.start == window.stop - 1:
                return None
            window.shrink()
        found.append(window.start)
    return found


def partition(items: Sequence[Item], stages: int, capacity: float, slack: float = SLACK) -> list[int] | None:
    """Where the stages begin, exactly so many, as the head of this module says; None where memory does not hold them.

    items: at least as many as stages. capacity: bytes of a device.
    """
    shared = shares(items)

    def load(window: Window) -> float:
        return shared(window) if window.memory <= capacity else float("inf")

    least = least_bottleneck(items, stages, load, 2.0)  # a share of all is at most 1
    if least is None:
        return None
    found = least_traffic(items, stages, load, least * (1 + slack))
    assert found is not None  # a cut of the least bottleneck is among them
    traffic, begins = found
    low, high = least, min(least * (1 + slack), bottleneck(items, begins, load))
    while high - low > _EVEN * least:
        middle = (low + high) / 2
        found = least_traffic(items, stages, load, middle)
        if found is None or found[0] > traffic:
            low = middle
        else:
            begins = found[1]
            high = min(middle, bottleneck(items, begins, load))
    return begins
