"""Recipes that are measured side by side: they take turns, and losers leave early.

A challenger wins where it is faster beyond what the machine's noise explains, and its results are near enough to
float32's. Who measures is an `Arena`, so that this can be tried without a clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from archonnx.runtime.measuring.figures import Ratio, percentile, ratio
from archonnx.runtime.tuning.plan import Outcome, Spread, Tried
from archonnx.runtime.tuning.recipe import Recipe

LEGS = (3, 6, 12)  # rounds in all after each leg, at whose end the slower half of the challengers leaves
FEWEST = 2  # rounds where time is long over
MARGIN = 0.03  # what is faster by less than this is not told apart from what was there


class Unfit(Exception):
    """A recipe cannot run, or go on; the text says why. code: what a command ends with for it, 3 where the machine is
    at fault."""

    def __init__(self, reason: str, code: int = 3) -> None:
        self.code = code
        super().__init__(reason)


class Arena(Protocol):
    """Where recipes run. Each method raises Unfit."""

    def enter(self, recipe: Recipe) -> float:
        """Start it, where it does not run yet; its error on the inputs that are timed."""

    def turn(self, recipe: Recipe) -> Sequence[float]:
        """Seconds of some calls, at least one, after one that is not counted."""

    def check(self, recipe: Recipe) -> float:
        """Its error on all data."""

    def leave(self, recipe: Recipe) -> None:
        """End it."""


@dataclass(slots=True)
class Entrant:
    """turns: seconds of its calls, one list a round; error: the largest that was seen; checked: whether it was
    looked for on all data; out: why it is out of the race."""

    recipe: Recipe
    turns: list[Sequence[float]] = field(default_factory=list)
    error: float | None = None
    checked: bool = False
    out: tuple[Outcome, str] | None = None

    @property
    def milliseconds(self) -> Spread | None:
        calls = [seconds * 1000 for turn in self.turns for seconds in turn]
        return Spread(percentile(calls, 50), percentile(calls, 25), percentile(calls, 75)) if calls else None

    def against(self, base: Entrant) -> Ratio | None:
        """How many times as long as the base, over the rounds that both ran: by the least call of each turn, as what
        else runs on the machine only ever adds to a time."""
        rounds = min(len(self.turns), len(base.turns))
        mine, theirs = ([[min(turn)] for turn in each.turns[:rounds]] for each in (self, base))
        return ratio(mine, theirs) if rounds else None


@dataclass(slots=True)
class Race:
    """One choice: what was kept until now, the base, and what might be better. bound: the largest error allowed of a
    recipe; seconds: after which no more rounds begin, but for the first leg, or FEWEST where calls are long; stays:
    whether the base goes on running where another wins.

    After `run`: `winner` and its largest error, and `tried`, a row for each, the base first.
    """

    stage: str
    arena: Arena
    base: Entrant
    bound: Callable[[Recipe], float]
    seconds: float
    clock: Callable[[], float] = time.perf_counter
    progress: Callable[[], None] = lambda: None
    stays: bool = False
    winner: Entrant = field(init=False)
    tried: list[Tried] = field(init=False)

    def run(self, challengers: Sequence[Recipe]) -> Entrant:
        """The winner, which goes on running; the others have left. Raises Unfit where the base itself cannot run."""
        began = self.clock()
        base = Entrant(self.base.recipe, checked=True)
        base.error = worst(self.base.error or 0.0, self.arena.enter(base.recipe))
        entrants = [self._entered(recipe) for recipe in challengers if recipe != base.recipe]
        for number in range(LEGS[-1]):
            running = [each for each in entrants if each.out is None]
            if (number and not running) or self._over(number, self.clock() - began):
                break
            order = [base, *running] if number % 2 == 0 else [*reversed(running), base]
            for each in order:
                self._turn(each, base)
                self.progress()
            if number + 1 in LEGS[:-1]:
                self._thin(entrants, base)
        self.winner = self._best(entrants, base)
        self.tried = [self._row(each, base) for each in (base, *entrants)]
        for each in (base, *entrants):
            if each is not self.winner and not (each is base and self.stays):
                self.arena.leave(each.recipe)
        return self.winner

    def _over(self, rounds: int, taken: float) -> bool:
        """Whether no more rounds begin. Calls of many seconds vary little: twice the time ends them early."""
        return taken >= self.seconds and (rounds >= LEGS[0] or (rounds >= FEWEST and taken >= 2 * self.seconds))

    def _entered(self, recipe: Recipe) -> Entrant:
        found = Entrant(recipe)
        self.progress()
        try:
            found.error = self.arena.enter(recipe)
        except Unfit as error:
            found.out = ("failed", str(error))
            return found
        self._judge(found)
        return found

    def _judge(self, entrant: Entrant) -> None:
        bound = self.bound(entrant.recipe)
        if entrant.error is None or not entrant.error <= bound:  # a NaN is not near to anything
            entrant.out = ("inexact", f"its error is {_error(entrant.error)}, {bound:g} is allowed")
            self.arena.leave(entrant.recipe)

    def _turn(self, entrant: Entrant, base: Entrant) -> None:
        try:
            entrant.turns.append(self.arena.turn(entrant.recipe))
        except Unfit as error:
            if entrant is base:
                raise
            entrant.out = ("failed", str(error))
            self.arena.leave(entrant.recipe)

    def _thin(self, entrants: Sequence[Entrant], base: Entrant) -> None:
        """The slower half leaves, and whoever is clearly slower than the base. What leads is checked before it drives
        others out."""
        running = _by_speed(entrants, base)
        stay, left = math.ceil(len(running) / 2), 0
        for each in running:
            found = each.against(base)
            if left == stay or (found is not None and found.low > 1):
                each.out = ("slower", f"it left after {len(each.turns)} rounds")
                self.arena.leave(each.recipe)
            elif found is None or found.median > 1 - MARGIN or self._checked(each):
                left += 1

    def _best(self, entrants: Sequence[Entrant], base: Entrant) -> Entrant:
        """The fastest challenger that beats the base, and whose results on all data are near enough."""
        for each in _by_speed(entrants, base):
            found = each.against(base)
            if found is not None and found.median <= 1 - MARGIN and found.high < 1 and self._checked(each):
                return each
        return base

    def _checked(self, entrant: Entrant) -> bool:
        """Whether its results on all data are near enough. One that fails leaves."""
        if not entrant.checked:
            entrant.checked = True
            try:
                error = self.arena.check(entrant.recipe)
            except Unfit as failure:
                entrant.out = ("failed", str(failure))
                self.arena.leave(entrant.recipe)
                return False
            self.progress()
            entrant.error = worst(entrant.error or 0.0, error)
            self._judge(entrant)
        return entrant.out is None

    def _row(self, each: Entrant, base: Entrant) -> Tried:
        found = each.against(base)
        times = Spread(found.median, found.low, found.high) if found else None
        outcome, reason = each.out or ("kept" if each is self.winner else "slower", "")
        if each is base:
            reason = "nothing else was faster" if each is self.winner else f"{self.winner.recipe} is faster"
        elif outcome == "kept" and times:
            reason = f"{times.median:.2f} times as long as {base.recipe}"
        elif outcome == "slower" and not reason:
            near = times is not None and times.median <= 1
            reason = "not faster by more than noise" if near else f"slower than {base.recipe}"
        error = each.error if each.error is not None and math.isfinite(each.error) else None
        return Tried(self.stage, each.recipe, outcome, reason, each.milliseconds, times, error)


def _by_speed(entrants: Sequence[Entrant], base: Entrant) -> list[Entrant]:
    """Those that still run, the fastest first."""

    def median(each: Entrant) -> float:
        found = each.against(base)
        return found.median if found else math.inf

    return sorted((each for each in entrants if each.out is None), key=median)


def worst(first: float, second: float) -> float:
    """The larger error; a NaN is not lost in the comparison."""
    return first if first != first else max(second, first)


def _error(error: float | None) -> str:
    return "not known" if error is None else f"{error:.1e}"
