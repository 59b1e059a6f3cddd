"""What could be tried: devices and precisions first, then threads, onnxruntime's ways, and batches in parts. Each
choice starts from what was kept of the one before.

| choice | on | tried |
|---|---|---|
| device | all that are there | float32; with an error allowed, each lower precision too |
| threads | the processor | 1, half of the cores, all cores, all processors; for throughput, calls at once too |
| optimisation | the CPU provider | without the layout of blocked channels, without operators fused, threads that spin |
| rows | batches whose rows are proven independent | halves, quarters, eighths, row by row |
| provider | CUDA, OpenVINO | options of `PROVIDER_OPTIONS`, each alone; on CUDA, no graphs |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from archonnx.runtime.settings import Options
from archonnx.runtime.tuning.plan import Goal
from archonnx.runtime.tuning.recipe import PROVIDER_OPTIONS, Recipe

_PROCESSOR = ("cpu", "openvino")  # devices that compute on the processor


@dataclass(frozen=True, slots=True)
class Space:
    """exact: ways that compute as the file says, the first being what `load` takes without a plan; lower: for each
    lower precision, ways that need an error to be allowed; physical: cores that this process may use; logical:
    processors; counted: whether somebody set the number of threads; batch: the examples of a call; apart: whether these
    may run in parts."""

    exact: tuple[Recipe, ...]
    lower: tuple[tuple[Recipe, ...], ...]
    physical: int
    logical: int
    goal: Goal = "latency"
    counted: bool = False
    batch: int = 1
    apart: bool = False

    @property
    def choices(self) -> list[tuple[str, Callable[[Recipe], list[Recipe]]]]:
        """What is chosen of a recipe one after the other, each with what else there is."""
        return [("threads", self.threads), ("options", self.options), ("rows", self.rows)]

    def threads(self, recipe: Recipe) -> list[Recipe]:
        """Other numbers of threads, and for throughput of calls at once, on the processor."""
        if recipe.device not in _PROCESSOR:
            callers = [1, 2, 4] if self.goal == "throughput" else [1]
            return _others(recipe, [replace(recipe, callers=count) for count in callers])
        if self.counted:
            numbers: Sequence[int | None] = [recipe.threads]
        else:
            numbers = [1, max(1, self.physical // 2), self.physical, self.logical]
        found = [replace(recipe, threads=count, callers=1) for count in numbers]
        if self.goal == "throughput":
            for each in list(found):
                share = self.physical // (each.threads or self.physical)
                if share > 1:
                    found.append(replace(each, callers=share))
        return _others(recipe, found)

    def options(self, recipe: Recipe) -> list[Recipe]:
        """Other ways of onnxruntime to compute the same."""
        if recipe.device == "cpu":
            changed = [
                replace(recipe.options, optimisation="extended"),
                replace(recipe.options, optimisation="basic"),
                replace(recipe.options, spinning=True),
            ]
        else:
            known = PROVIDER_OPTIONS.get(recipe.device, {})
            changed = [Options(provider=((name, value),)) for name in sorted(known) for value in known[name]]
        found = [replace(recipe, options=options) for options in changed]
        if recipe.device == "cuda":
            found.append(replace(recipe, graphs=False))
        return _others(recipe, found)

    def rows(self, recipe: Recipe) -> list[Recipe]:
        """The batch in halves, quarters, eighths and row by row."""
        if not self.apart:
            return []
        sizes = sorted({-(-self.batch // parts) for parts in (2, 4, 8, self.batch)}, reverse=True)
        return _others(recipe, [replace(recipe, rows=size) for size in sizes if size < self.batch])


def _others(recipe: Recipe, found: Sequence[Recipe]) -> list[Recipe]:
    return [each for each in dict.fromkeys(found) if each != recipe]
