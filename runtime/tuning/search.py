"""The search for one batch: choice after choice, each a race that begins with what was kept of the one before.

1. Where the model runs in float32, beside what `load` takes without a plan.
2. Each lower precision against that winner, within the error allowed.
3. Threads, then onnxruntime's options, of each that won.
4. All that was kept once more, side by side, and beside what there would be without a plan: what is no faster in the
   end goes, a lower precision where it is no faster than a higher one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from archonnx.runtime.tuning.plan import Kept, Tried
from archonnx.runtime.tuning.race import FEWEST, LEGS, Arena, Entrant, Race, Unfit, worst
from archonnx.runtime.tuning.recipe import Recipe
from archonnx.runtime.tuning.space import Space

EXACT = 1e-3  # what computes in float32, and is farther than this from the CPU provider, does not do what it says


@dataclass(slots=True)
class Search:
    """bound: the largest error allowed of lower precisions; seconds: that the whole should take, races that have begun
    among them; hold: recipes that won for other batches; progress: called with the share of the seconds spent."""

    space: Space
    arena: Arena
    bound: float | None
    seconds: float
    hold: Sequence[Recipe] = ()
    clock: Callable[[], float] = time.perf_counter
    progress: Callable[[float], None] = lambda share: None
    tried: list[Tried] = field(default_factory=list)
    _began: float = 0.0
    _default: Entrant = field(init=False)

    def run(self) -> list[Kept]:
        """The fastest of each precision, the exact one first. Raises Unfit where nothing runs."""
        self._began = self.clock()
        races = 1 + len(self.space.lower) + len(self.space.choices) * (1 + len(self.space.lower))
        self._default = self._first()
        best = self._race("device", self._default, [*self.space.exact, *self._held(self.space.exact)], races)
        found = []
        for number, ways in enumerate(self.space.lower):
            lower = self._race("precision", best, [*ways, *self._held(ways)], races - number - 1, stays=True)
            if lower.recipe != best.recipe:
                found.append(lower)
        left = len(self.space.choices) * (1 + len(found))
        found = [self._refined(each, left - place) for place, each in enumerate([best, *found])]
        return self._final(found)

    def _held(self, ways: Sequence[Recipe]) -> list[Recipe]:
        precisions = {recipe.precision for recipe in ways}
        return [recipe for recipe in self.hold if recipe.precision in precisions]

    def _first(self) -> Entrant:
        """What `load` takes without a plan; where that does not run, or is not exact, the next that does and is."""
        reasons, code = [], 1
        for recipe in self.space.exact:
            try:
                error = worst(self.arena.enter(recipe), self.arena.check(recipe))
            except Unfit as failure:
                self.arena.leave(recipe)
                reasons.append(f"{recipe}: {failure}")
                code = max(code, failure.code)
                continue
            if error <= self._allowed(recipe):
                return Entrant(recipe, error=error)
            self.arena.leave(recipe)
            reasons.append(f"{recipe}: its error is {error:.1e}")
        raise Unfit("; ".join(reasons), code)

    def _allowed(self, recipe: Recipe) -> float:
        if recipe.precision == "float32":
            return EXACT
        if recipe.precision in {each.precision for each in self.space.exact}:
            return math.inf  # the file itself asks for it
        return 0.0 if self.bound is None else self.bound

    def _left(self) -> float:
        return self.seconds - (self.clock() - self._began)

    def _say(self) -> None:
        self.progress(min(1.0, 1 - self._left() / self.seconds))

    def _race(
        self, stage: str, base: Entrant, challengers: Sequence[Recipe], races: int, stays: bool = False
    ) -> Entrant:
        """races: how many are left, this one among them; they share the time that is left."""
        others = [each for each in dict.fromkeys(challengers) if each != base.recipe]
        share = max(0.0, self._left() / max(1, races))
        race = Race(stage, self.arena, base, self._allowed, share, self.clock, self._say, stays)
        winner = race.run(others)
        self.tried += race.tried
        return winner

    def _refined(self, best: Entrant, races: int) -> Entrant:
        for number, (stage, others_of) in enumerate(self.space.choices):
            others = others_of(best.recipe)
            if self._left() <= 0:
                self._untried(stage, others)
            elif others and best.out is None:
                try:
                    best = self._race(stage, best, others, races - number)
                except Unfit as failure:
                    best = Entrant(best.recipe, error=best.error, out=("failed", str(failure)))
        return best

    def _untried(self, stage: str, recipes: Sequence[Recipe]) -> None:
        self.tried += [Tried(stage, each, "untried", "the time was over") for each in recipes]

    def _final(self, found: Sequence[Entrant]) -> list[Kept]:
        """Times of all that was kept, measured side by side, and beside what `load` takes without a plan: the choices
        before may have followed noise. What is alone keeps what was measured last."""
        entrants = list(found)
        first = Entrant(self._default.recipe, error=self._default.error)
        ring = [first] if found[0].recipe != first.recipe and self._left() > 0 else []
        if ring or len(found) > 1:
            entrants = [Entrant(each.recipe, error=each.error, out=each.out) for each in found]
            self._rounds([*ring, *entrants])
        if ring and first.out is None and not _faster(entrants[0], first):
            self._drop(entrants[0], first)
            entrants[0] = first
        elif ring:
            self.arena.leave(first.recipe)
        kept: list[Kept] = []
        for each in entrants:
            times = each.milliseconds
            better = next((k for k in kept if times is None or times.median >= k.milliseconds), None)
            if each.out is not None or better is not None:
                self._drop(each, better)
            elif times is not None:
                self.arena.leave(each.recipe)
                kept.append(Kept(each.recipe, times.median, each.error or 0.0, self._why(each)))
        if not kept:
            raise Unfit("; ".join(f"{each.recipe}: {each.out[1]}" for each in entrants if each.out))
        return kept

    def _drop(self, each: Entrant, better: Entrant | Kept | None) -> None:
        self.arena.leave(each.recipe)
        outcome, reason = each.out or ("slower", f"in the end no faster than {better.recipe}" if better else "")
        self.tried.append(Tried("side by side", each.recipe, outcome, reason, each.milliseconds, None, each.error))

    def _rounds(self, entrants: Sequence[Entrant]) -> None:
        for number in range(LEGS[1]):
            if number >= FEWEST and self._left() <= 0:
                break
            for each in entrants if number % 2 == 0 else reversed(entrants):
                self._turn(each)

    def _turn(self, entrant: Entrant) -> None:
        self._say()
        if entrant.out is not None:
            return
        try:
            self.arena.enter(entrant.recipe)
            entrant.turns.append(self.arena.turn(entrant.recipe))
        except Unfit as failure:
            entrant.out = ("failed", str(failure))

    def _why(self, each: Entrant) -> str:
        rows = [row for row in self.tried if row.recipe.precision == each.recipe.precision]
        others = len({row.recipe for row in rows if row.outcome in ("kept", "slower")})
        return f"the fastest of {others} in {each.recipe.precision}" if others > 1 else "nothing else was measured"


def _faster(one: Entrant, other: Entrant) -> bool:
    found = one.against(other) if one.out is None else None
    return found is not None and found.median < 1


def held(parts: Sequence[Sequence[Kept]]) -> list[Recipe]:
    """What won for other batches, to be tried for one more; rows that run at once are the batch's own."""
    return list(dict.fromkeys(replace(kept.recipe, rows=None) for part in parts for kept in part))
