"""Numbers of a file that are none: not-a-number and infinity in what a model's weights are made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

import numpy as np

from archonnx.compiler.recipes import Constant, Evaluation, FileTensor, Recipe, Reshape, Transpose
from archonnx.compiler.weights.recipe import Array, numpy_dtype
from archonnx.contract.dtypes import DTYPES, is_float
from archonnx.contract.render import printable

SHOWN = 10
SUMMED = (np.dtype("float32"), np.dtype("float64"))
HALVES = {"float16": 0x7C00, "bfloat16": 0x7F80}  # the bits of infinity, below which all is finite


class OddValues:
    """Looks for such numbers: in what is written, as it is made, where that is a tensor as it stands or transposed, and
    beforehand in every other tensor. Each is counted once.

    given: recipes by weight's path, which names a tensor in what is said of it.
    """

    def __init__(self, given: Mapping[str, Recipe]) -> None:
        self._leaves = {leaf.key(): (path, leaf) for path, recipe in given.items() for leaf in _leaves(recipe)}
        self._found: dict[Hashable, list[int]] = {key: [0, 0] for key in self._leaves}
        self._expected: set[Hashable] = set()  # tensors that will be looked at while they are written
        self._lock = threading.Lock()

    def expect(self, written: Iterable[Recipe]) -> None:
        """Tell which recipes, over what is given, will be written."""
        self._expected = {key for key in map(_only_leaf, written) if key in self._leaves}

    @property
    def unwritten(self) -> int:
        """Bytes of the tensors that `read` looks at."""
        return sum(leaf.nbytes for key, (_, leaf) in self._leaves.items() if key not in self._expected)

    def read(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Look at the tensors that will not be written as they are. progress: called with bytes read and in all."""
        total, done = self.unwritten, 0
        for key, (_, leaf) in self._leaves.items():
            for part in _slices(leaf) if key not in self._expected else ():
                done += part.nbytes
                self._look(key, part)
                if progress is not None:
                    progress(min(done, total), total)

    def watch(self, recipe: Recipe) -> Callable[[memoryview], None] | None:
        """What looks at each slice of a recipe as it is written; None where there is nothing to look for."""
        key = _only_leaf(recipe)
        if key not in self._expected:
            return None
        self._expected.remove(key)  # so that it is not counted twice
        dtype = numpy_dtype(recipe.dtype)
        return lambda data: self._look(key, np.frombuffer(data, dtype))

    def _look(self, key: Hashable, part: Array) -> None:
        if all_finite(part):
            return
        with self._lock:
            self._found[key][0] += int(np.isnan(part).sum())
            self._found[key][1] += int(np.isinf(part).sum())

    def lines(self) -> tuple[str, ...]:
        """A line for each tensor with such numbers, that of a weight's path first; more than ten are counted."""
        lines: list[str] = []
        for key, (path, leaf) in self._leaves.items():
            name = f" ({printable(leaf.name)})" if isinstance(leaf, FileTensor) and leaf.name != path else ""
            for count, what in zip(self._found[key], ("not a number (NaN)", "infinite"), strict=True):
                if count:
                    are = "is" if count == 1 else "are"
                    lines.append(f"{path}{name}: {count:,} of {leaf.size:,} values {are} {what}")
        more = [f"... and {len(lines) - SHOWN:,} more such weights"] if len(lines) > SHOWN else []
        return (*lines[:SHOWN], *more)


def all_finite(part: Array) -> bool:
    """Whether no number is infinite or none, found out in one pass where that is possible."""
    if part.dtype in SUMMED:
        with np.errstate(all="ignore"):
            if np.isfinite(np.add.reduce(part, axis=None)):  # what is not finite stays in a sum
                return True
    elif (bits := HALVES.get(part.dtype.name)) is not None and part.flags.c_contiguous:
        return bool(((part.reshape(-1).view(np.uint16) & 0x7FFF) < bits).all())
    return bool(np.isfinite(part).all())


def _only_leaf(recipe: Recipe) -> Hashable:
    """The key of the tensor whose elements a recipe puts into another order at most; None where it is more."""
    while isinstance(recipe, Transpose | Reshape):
        recipe = recipe.source
    if isinstance(recipe, FileTensor | Constant) and is_float(recipe.dtype) and DTYPES[recipe.dtype].bits >= 8:
        return recipe.key()
    return None


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
