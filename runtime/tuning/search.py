"""The search for one batch: choice after choice, each a race that begins with what was kept of the one before.

1. Where the model runs in float32, beside what `load` takes without a plan.
2. Threads, then onnxruntime's options, of the winner.
3. Each lower precision against that winner, within the error allowed; then its threads and options.
4. All that was kept once more, side by side: a lower precision stays where it is faster than every higher one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from archonnx.runtime.tuning.plan import Kept, Tried
from archonnx.runtime.tuning.race import LEGS, Arena, Entrant, Race, Unfit
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

    def run(self) -> list[Kept]:
        """The fastest of each precision, the exact one first. Raises Unfit where nothing runs."""
        self._began = self.clock()
        precisions = [ways for ways in self.space.lower if ways]
        races = 3 * (1 + len(precisions))
        first = self._first()
        exact = {recipe.precision for recipe in self.space.exact}
        held = [recipe for recipe in self.hold if recipe.precision in exact]
        best = self._race("device", first, [*self.space.exact, *held], races)
        best = self._refined(best, races - 1)
        found = [best]
        for number, ways in enumerate(precisions):
            if self._left() <= 0:
                self._untried("precision", ways)
                continue
            left = races - 3 * (number + 1)
            held = [recipe for recipe in self.hold if recipe.precision == ways[0].precision]
            lower = self._race("precision", best.recipe, [*ways, *held], left)
            if lower.recipe != best.recipe:
                found.append(self._refined(lower, left - 1))
        return self._final(found)

    def _first(self) -> Recipe:
        """What `load` takes without a plan; where that does not run, or is not exact, the next that does and is."""
        reasons = []
        for recipe in self.space.exact:
            try:
                error = self.arena.enter(recipe)
            except Unfit as failure:
                reasons.append(f"{recipe}: {failure}")
                continue
            if error <= self._allowed(recipe):
                return recipe
            self.arena.leave(recipe)
            reasons.append(f"{recipe}: its error is {error:.1e}")
        raise Unfit("; ".join(reasons))

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

    def _race(self, stage: str, base: Recipe, challengers: Sequence[Recipe], races: int) -> Entrant:
        """races: how many are left, this one among them; they share the time that is left."""
        others = [each for each in dict.fromkeys(challengers) if each != base]
        share = max(0.0, self._left() / max(1, races))
        race = Race(stage, self.arena, base, self._allowed, share, self.clock, self._say)
        winner = race.run(others)
        self.tried += race.tried
        return winner

    def _refined(self, best: Entrant, races: int) -> Entrant:
        for number, (stage, others_of) in enumerate(self.space.choices):
            others = others_of(best.recipe)
            if self._left() <= 0:
                self._untried(stage, others)
            elif others:
                best = self._race(stage, best.recipe, others, races - number)
        return best

    def _untried(self, stage: str, recipes: Sequence[Recipe]) -> None:
        self.tried += [Tried(stage, each, "untried", "the time was over") for each in recipes]

    def _final(self, found: Sequence[Entrant]) -> list[Kept]:
        """Times of all that was kept, measured side by side; what is alone keeps what was measured last."""
        entrants = list(found)
        if len(found) > 1:
            entrants = [Entrant(each.recipe, error=each.error) for each in found]
            for number in range(LEGS[1]):
                for each in entrants if number % 2 == 0 else reversed(entrants):
                    self._turn(each)
        kept: list[Kept] = []
        for each in entrants:
            self.arena.leave(each.recipe)
            times = each.milliseconds
            faster = next((k for k in kept if times is None or times.median >= k.milliseconds), None)
            if each.out is not None:
                self.tried.append(Tried("side by side", each.recipe, *each.out, times, None, each.error))
            elif faster is not None:
                reason = f"in the end no faster than {faster.recipe}"
                self.tried.append(Tried("side by side", each.recipe, "slower", reason, times, None, each.error))
            elif times is not None:
                kept.append(Kept(each.recipe, times.median, each.error or 0.0, self._why(each)))
        if not kept:
            raise Unfit("; ".join(f"{each.recipe}: {each.out[1]}" for each in entrants if each.out))
        return kept

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


def held(parts: Sequence[Sequence[Kept]]) -> list[Recipe]:
    """What won for other batches, to be tried for one more; rows that run at once are the batch's own."""
    return list(dict.fromkeys(replace(kept.recipe, rows=None) for part in parts for kept in part))
