"""A plan carried out: which one belongs to a model that is loaded, whether it fits, and what it says for each batch."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.batching.planning import Bare
from archonnx.runtime.batching.running import in_batches
from archonnx.runtime.contract import Contract
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.starting import Started, start_as_asked
from archonnx.runtime.settings import Precision, Settings
from archonnx.runtime.tuning.fingerprint import fingerprint
from archonnx.runtime.tuning.plan import Plan, PlanError, plan_path, read_plan
from archonnx.runtime.tuning.recipe import Recipe
from archonnx.runtime.tuning.switch import Switch

if TYPE_CHECKING:
    from archonnx.runtime.runner import Runner

log = logging.getLogger("archonnx.runtime")
_OFF = ("off", "none")


def read_choice(plan: Any) -> str | None:
    """What `plan=` says: "auto", None for no plan (also "off"), else a path. Raises UsageError."""
    if plan is None or (isinstance(plan, str) and plan.lower() in _OFF):
        return None
    if isinstance(plan, str | os.PathLike) and os.fspath(plan):
        return os.fsdecode(plan)
    raise UsageError(f'plan is "auto", None or the path of a plan that archonnx tune made, received {plan!r}')


@dataclass(frozen=True, slots=True)
class Planned:
    """path: the plan's; recipes: by batch, in rising order; insisted: whether it was asked for by its path."""

    path: str
    recipes: tuple[tuple[int, Recipe], ...]
    insisted: bool

    def start(self, source: str | bytes, model: ModelFile, contract: Contract, asked: Settings, bare: Bare) -> Started:
        """The model as the plan has it: one runner a recipe, each call on that of the nearest batch. Rows at once that
        somebody asked for go before the plan's.

        Raises PlanError where a recipe does not run here, and what `start_as_asked` raises else.
        """
        started: dict[Settings, Started] = {}
        by_batch: list[tuple[int, Runner]] = []
        carried = self
        if asked.counted:
            threads = tuple((batch, replace(recipe, threads=asked.threads)) for batch, recipe in self.recipes)
            carried = replace(self, recipes=threads)
        for batch, recipe in carried.recipes:
            settings = recipe.settings(asked)
            try:
                if settings not in started:
                    started[settings] = start_as_asked(source, model, contract, settings)
                runner = started[settings].runner
                if recipe.rows is not None and asked.batch is None:
                    runner = in_batches(runner, model, contract, bare, recipe.rows)
            except (MachineError, ModelFileError, UsageError) as error:
                raise PlanError(self.path, f"{recipe} does not run here: {' '.join(str(error).split())}") from error
            by_batch.append((batch, runner))
        # Arrays that lie on a GPU are for a runner there.
        where = {runner.choice.device for _, runner in by_batch}
        if where.intersection(GPU_DEVICES):
            by_batch = [each for each in by_batch if each[1].choice.device == by_batch[0][1].choice.device]
        alike = all(each is by_batch[0][1] for _, each in by_batch)
        runner = by_batch[0][1] if alike else Switch(contract, by_batch)
        lowered = next(iter(started.values())).lowered if len(started) == 1 else None
        return Started(runner, f"the plan {carried}", plan=self.path, lowered=lowered)

    def __str__(self) -> str:
        told = dict.fromkeys(str(recipe) for _, recipe in self.recipes)
        return f"{self.path} ({'; '.join(told)})"


def start_planned(
    source: str | bytes, model: ModelFile, contract: Contract, asked: Settings, bare: Bare, stays: bool = True
) -> Started | None:
    """The model by a plan; None, with a line in the log where there is a plan, where none fits what was asked for.

    bare: the model without its weights; stays: whether `source` is the model's own place. Raises PlanError where a plan
    is insisted on that is none, does not fit or does not run; OSError where it cannot be read; as `start_as_asked`.
    """
    found = planned(source, model, asked, stays)
    if found is None:
        return None
    try:
        return found.start(source, model, contract, asked, bare)
    except PlanError as error:
        if found.insisted:
            raise
        log.warning("%s: the plan is not used: %s", found.path, error.reason)
        return None


def planned(source: str | bytes, model: ModelFile, asked: Settings, stays: bool = True) -> Planned | None:
    """The plan that `asked.plan` names, or the one beside the model, where it fits what was asked for; None, with a
    line in the log, where it does not.

    stays: whether `source` is the model's own place. Raises PlanError where a plan is insisted on that is none, or does
    not fit; OSError where it cannot be read.
    """
    if asked.plan is None:
        return None
    insisted = asked.plan != "auto"
    if not insisted and (isinstance(source, bytes) or not stays):
        return None
    path = asked.plan if insisted else str(plan_path(str(source)))
    if not insisted and not os.path.exists(path):
        return None
    if not insisted and asked.max_error is not None and asked.data is not None:
        log.info("%s: the plan is not used: data were given, on which errors are measured anew", path)
        return None
    try:
        found = read_plan(path)
        recipes, reason = _fitting(found, source, model, asked)
    except PlanError as error:
        recipes, reason = (), error.reason
    except OSError as error:
        if insisted:
            raise
        recipes, reason = (), f"it cannot be read: {error.strerror or error}"
    if not reason:
        return Planned(path, recipes, insisted)
    if insisted:
        raise PlanError(path, reason)
    log.warning("%s: the plan is not used: %s", path, reason)
    return None


def _fitting(
    plan: Plan, source: str | bytes, model: ModelFile, asked: Settings
) -> tuple[tuple[tuple[int, Recipe], ...], str]:
    """The recipes for what was asked, and why there are none."""
    again = f"archonnx tune {model.path} makes a new one"
    differs = plan.fingerprint.differs(fingerprint(source, model, asked.cache))
    if differs:
        return (), f"{differs}; {again}"
    parts = sorted(plan.parts, key=lambda part: part.batch)
    written: Precision = "int8" if model.rounding else "float32"
    lower = asked.max_error is not None or asked.precision not in (None, "float32", written)
    if lower and plan.max_error is None:
        bound = 0.01 if asked.max_error is None else asked.max_error
        return (), f"it was made for float32 alone; archonnx tune {model.path} --max-error {bound:g} makes one for more"
    found = tuple((part.batch, kept.recipe) for part in parts if (kept := part.best(asked, written)) is not None)
    if found:
        return found, ""
    words = [f"device={asked.device!r}"] if asked.device != "auto" else []
    words += [f"precision={asked.precision!r}"] if asked.precision else []
    words += [f"max_error={asked.max_error:g}"] if asked.max_error is not None else []
    return (), f"it holds nothing for {', '.join(words) or 'float32'}"
