"""Recipes in processes of their own: what crashes or runs out of memory takes nothing with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from archonnx.runtime.caching.folders import OFF
from archonnx.runtime.measuring.process import FailedError, Process
from archonnx.runtime.settings import Settings
from archonnx.runtime.tuning.race import Unfit
from archonnx.runtime.tuning.recipe import Recipe
from archonnx.runtime.tuning.stand import Calls, Checked, Entered, Job, Stand

TURN = 0.05  # seconds of the calls of a turn
RESULTS = 1 << 28  # bytes of float32's results that others are compared with


class Contender(Protocol):
    """What runs one recipe. Each method raises FailedError."""

    def enter(self, job: Job) -> Entered: ...
    def calls(self, seconds: float) -> Calls: ...
    def check(self) -> Checked: ...
    def record(self, most: int) -> Checked: ...
    def close(self) -> None: ...


class StandProcess(Process):
    """A Contender that is a process."""

    def __init__(self) -> None:
        super().__init__(Stand)

    def enter(self, job: Job) -> Entered:
        return self._ask(Entered, "start", job)

    def calls(self, seconds: float) -> Calls:
        return self._ask(Calls, "turn", seconds)

    def check(self) -> Checked:
        return self._ask(Checked, "check")

    def record(self, most: int) -> Checked:
        return self._ask(Checked, "record", most)


@dataclass(slots=True)
class Processes:
    """The Arena of a model and a batch. asked: what every recipe begins with; inputs, results: files of calls and of
    float32's results. To be closed."""

    path: str
    asked: Settings
    inputs: str
    results: str
    make: Callable[[], Contender] = StandProcess
    _alive: dict[Recipe, tuple[Contender, float]] = field(default_factory=dict)

    def record(self) -> int:
        """Find what float32 on the CPU provider gives, and write it down; what did goes on running, as that recipe. The
        number of calls. Raises Unfit."""
        recipe = Recipe("cpu", "float32", self.asked.threads)
        self.enter(recipe)
        try:
            return self._alive[recipe][0].record(RESULTS).calls
        except FailedError as failure:
            raise Unfit(failure.failed.message, failure.failed.code) from None

    def _job(self, recipe: Recipe) -> Job:
        settings = replace(recipe.settings(self.asked), plan=None, cache=OFF, batch=recipe.rows)
        return Job(self.path, settings, recipe.callers, self.inputs, self.results)

    def enter(self, recipe: Recipe) -> float:
        if recipe not in self._alive:
            one = self.make()
            try:
                error = one.enter(self._job(recipe)).error
            except FailedError as failure:
                one.close()
                raise Unfit(failure.failed.message, failure.failed.code) from None
            except BaseException:  # Ctrl-C while it starts
                one.close()
                raise
            self._alive[recipe] = one, 0.0 if error is None else error
        return self._alive[recipe][1]

    def turn(self, recipe: Recipe) -> Sequence[float]:
        try:
            return self._alive[recipe][0].calls(TURN).seconds
        except FailedError as failure:
            raise Unfit(failure.failed.message, failure.failed.code) from None

    def check(self, recipe: Recipe) -> float:
        try:
            return self._alive[recipe][0].check().error
        except FailedError as failure:
            raise Unfit(failure.failed.message, failure.failed.code) from None

    def leave(self, recipe: Recipe) -> None:
        found = self._alive.pop(recipe, None)
        if found is not None:
            found[0].close()

    def close(self) -> None:
        """End all."""
        for recipe in list(self._alive):
            self.leave(recipe)
