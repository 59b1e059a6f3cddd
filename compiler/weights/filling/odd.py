"""Numbers of a file that are none: not-a-number and infinity in what a model's weights are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.recipes import Constant, Evaluation, FileTensor, Recipe
from archonnx.contract.dtypes import is_float
from archonnx.contract.render import printable

if TYPE_CHECKING:
    from archonnx.compiler.weights.recipe import Array

SHOWN = 10


def odd_values(given: Mapping[str, Recipe], progress: Callable[[int, int], None] | None = None) -> tuple[str, ...]:
    """A line for each tensor with such numbers, that of a weight's path first; more than ten are counted.

    Every tensor is read once, slice by slice. progress: called with bytes read and in all.
    """
    import numpy as np

    leaves = {leaf.key(): (path, leaf) for path, recipe in given.items() for leaf in _leaves(recipe)}
    total, done = sum(leaf.nbytes for _, leaf in leaves.values()), 0
    lines: list[str] = []
    for path, leaf in leaves.values():
        nans = infinite = 0
        for part in _slices(leaf):
            done += part.nbytes
            if not np.isfinite(part).all():
                nans += int(np.isnan(part).sum())
                infinite += int(np.isinf(part).sum())
            if progress is not None:
                progress(min(done, total), total)
        name = f" ({printable(leaf.name)})" if isinstance(leaf, FileTensor) and leaf.name != path else ""
        for count, what in ((nans, "not a number (NaN)"), (infinite, "infinite")):
            if count:
                lines.append(f"{path}{name}: {count:,} of {leaf.size:,} values {'is' if count == 1 else 'are'} {what}")
    more = [f"... and {len(lines) - SHOWN:,} more such weights"] if len(lines) > SHOWN else []
    return (*lines[:SHOWN], *more)


def _leaves(recipe: Recipe) -> Iterator[Recipe]:
    """The tensors of floating point that a recipe reads."""
    if isinstance(recipe, FileTensor | Constant):
        if is_float(recipe.dtype):
            yield recipe
        return
    for inner in recipe.inputs():
        yield from _leaves(inner)


def _slices(leaf: Recipe) -> Iterator[Array]:
    evaluation = Evaluation(0)
    if isinstance(leaf, FileTensor):
        yield from leaf.file.slices(leaf.name)
        return
    step = max(evaluation.slice_bytes * leaf.size // max(leaf.nbytes, 1), 1)
    for start in range(0, leaf.size, step):
        yield leaf.read(evaluation, start, min(start + step, leaf.size))
