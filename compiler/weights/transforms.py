"""Transforms of recipes, each with the function that builds it and simplifies on the way.

1. A transform that changes nothing is its source; one of a Constant is a Constant.
2. Transpose of transpose, reshape of reshape and slice of slice become one.
3. A transpose that only moves axes of one element is a reshape.
4. A factor along an axis comes after transposes and reshapes: it is done slice by slice, in the order of the file.
5. A reshape that only splits axes of a transpose is a transpose: it then meets others, and undoes them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archonnx.compiler.weights.folding import Scaled
from archonnx.compiler.weights.recipe import Array, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.regions import Box, Shape, extents
from archonnx.compiler.weights.sources import Constant
from archonnx.compiler.weights.transposing import transpose_into

if TYPE_CHECKING:
    from types import EllipsisType


class _Unary(Recipe):
    """The base of transforms of one recipe."""

    source: Recipe

    def inputs(self) -> tuple[Recipe, ...]:
        return (self.source,)

    def small(self, evaluation: Evaluation) -> Array | None:
        """The source in memory, where that takes no more than a slice."""
        return self.source.whole(evaluation) if self.source.nbytes <= evaluation.slice_bytes else None


class Transpose(_Unary):
    """Axis i is axis perm[i] of the source."""

    def __init__(self, source: Recipe, perm: Shape) -> None:
        self.source, self.perm, self.dtype = source, perm, source.dtype
        self.shape = tuple(source.shape[axis] for axis in perm)

    def key(self) -> Hashable:
        return "transpose", self.perm, self.source.key()

    def put(self, evaluation: Evaluation, box: Box, out: Array) -> None:
        inner: list[tuple[int, int]] = [(0, 0)] * len(box)
        for axis, bounds in zip(self.perm, box, strict=True):
            inner[axis] = bounds
        transpose_into(out, self.source.box(evaluation, tuple(inner)), self.perm)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        out: Array = np.empty(extents(box), dtype=numpy_dtype(self.dtype))
        self.put(evaluation, box, out)
        return out

    def whole(self, evaluation: Evaluation) -> Array:
        source = self.small(evaluation)
        if source is None:
            return super().whole(evaluation)
        out: Array = np.empty(self.shape, dtype=source.dtype)
        transpose_into(out, source, self.perm)
        return out


class Reshape(_Unary):
    """The source's elements under another shape."""

    def __init__(self, source: Recipe, shape: Shape) -> None:
        self.source, self.shape, self.dtype = source, shape, source.dtype

    def key(self) -> Hashable:
        return "reshape", self.shape, self.source.key()

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        return self.source.gather(evaluation, starts, length)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        return self.source.reshaped_box(evaluation, self.shape, box)

    def whole(self, evaluation: Evaluation) -> Array:
        return self.source.whole(evaluation).reshape(self.shape)


class Cast(_Unary):
    """The source's elements in another dtype: fractions are cut for whole numbers, anything but 0 is True."""

    def __init__(self, source: Recipe, dtype: str) -> None:
        self.source, self.shape, self.dtype = source, source.shape, dtype

    def key(self) -> Hashable:
        return "cast", self.dtype, self.source.key()

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        return _as(self.source.gather(evaluation, starts, length), self.dtype)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        return _as(self.source.box(evaluation, box), self.dtype)

    def whole(self, evaluation: Evaluation) -> Array:
        return _as(self.source.whole(evaluation), self.dtype)


class Slice(_Unary):
    """Of each axis `count` elements from `start`, every `step`-th; a negative step runs backwards."""

    def __init__(self, source: Recipe, ranges: tuple[range, ...]) -> None:
        self.source, self.ranges, self.dtype = source, ranges, source.dtype
        self.shape = tuple(len(r) for r in ranges)

    def key(self) -> Hashable:
        return "slice", tuple((r.start, len(r), r.step) for r in self.ranges), self.source.key()

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        chosen = [r[low:high] for r, (low, high) in zip(self.ranges, box, strict=True)]
        if not all(chosen):
            return np.empty(tuple(map(len, chosen)), dtype=numpy_dtype(self.dtype))
        bounds = tuple((min(r[0], r[-1]), max(r[0], r[-1]) + 1) for r in chosen)
        return self.source.box(evaluation, bounds)[tuple(slice(None, None, r.step) for r in chosen)]

    def whole(self, evaluation: Evaluation) -> Array:
        source = self.small(evaluation)
        return super().whole(evaluation) if source is None else source[tuple(map(_slice_of, self.ranges))]


class Concat(Recipe):
    """Recipes of one dtype one after another along an axis. ValueError: their other axes differ.

    `concatenate` also simplifies.
    """

    def __init__(self, sources: Sequence[Recipe], axis: int) -> None:
        first = sources[0]
        rank = len(first.shape)
        if not -rank <= axis < rank:
            raise ValueError(f"axis {axis} of {rank} axes")
        axis %= rank
        kept = (*first.shape[:axis], *first.shape[axis + 1 :])
        for other in sources[1:]:
            if other.dtype != first.dtype or (*other.shape[:axis], *other.shape[axis + 1 :]) != kept:
                one, two = (f"{r.dtype}{list(r.shape)}" for r in (first, other))
                raise ValueError(f"{one} and {two} do not join along axis {axis}")
        self.sources, self.axis, self.dtype = tuple(sources), axis, first.dtype
        self.shape = (*kept[:axis], sum(s.shape[axis] for s in sources), *kept[axis:])

    def inputs(self) -> tuple[Recipe, ...]:
        return self.sources

    def key(self) -> Hashable:
        return "concat", self.axis, tuple(s.key() for s in self.sources)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        low, high = box[self.axis]
        parts: list[Array] = []
        offset = 0
        for source in self.sources:
            extent = source.shape[self.axis]
            bounds = (max(low - offset, 0), min(high - offset, extent))
            if bounds[0] < bounds[1]:
                parts.append(source.box(evaluation, (*box[: self.axis], bounds, *box[self.axis + 1 :])))
            offset += extent
        if not parts:
            return np.empty(tuple(b - a for a, b in box), dtype=numpy_dtype(self.dtype))
        return np.concatenate(parts, axis=self.axis)


class Sum(Recipe):
    """Recipes of one dtype and shape, added element by element. ValueError: they differ."""

    def __init__(self, sources: Sequence[Recipe]) -> None:
        first = sources[0]
        for other in sources[1:]:
            if (other.dtype, other.shape) != (first.dtype, first.shape):
                one, two = (f"{r.dtype}{list(r.shape)}" for r in (first, other))
                raise ValueError(f"{one} and {two} do not add")
        self.sources, self.dtype, self.shape = tuple(sources), first.dtype, first.shape

    def inputs(self) -> tuple[Recipe, ...]:
        return self.sources

    def key(self) -> Hashable:
        return "sum", tuple(s.key() for s in self.sources)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        total = self.sources[0].box(evaluation, box)
        for source in self.sources[1:]:
            total = total + source.box(evaluation, box)
        return total


def transpose(recipe: Recipe, perm: Shape) -> Recipe:
    """Recipe.transpose. Raises ValueError where `perm` is no order of the axes."""
    rank = len(recipe.shape)
    if sorted(perm) != list(range(rank)):
        raise ValueError(f"{perm} is no order of {rank} axes")
    if isinstance(recipe, Constant):
        return Constant(recipe.array.transpose(perm), recipe.dtype)
    if isinstance(recipe, Transpose):
        return transpose(recipe.source, tuple(recipe.perm[axis] for axis in perm))
    moved = [axis for axis in perm if recipe.shape[axis] != 1]
    if moved == sorted(moved):
        return reshape(recipe, tuple(recipe.shape[axis] for axis in perm))
    if isinstance(recipe, Scaled):
        return recipe.transposed(perm)
    return Transpose(recipe, perm)


def reshape(recipe: Recipe, shape: Shape) -> Recipe:
    """Recipe.reshape. Raises ValueError where the size differs."""
    if -1 in shape:
        known = -math.prod(shape)
        shape = tuple(recipe.size // known if e == -1 and known > 0 else e for e in shape)
    if math.prod(shape) != recipe.size or any(e < 0 for e in shape):
        raise ValueError(f"{recipe.size} elements of shape {recipe.shape} do not fill the shape {shape}")
    if shape == recipe.shape:
        return recipe
    if isinstance(recipe, Constant):
        return Constant(recipe.array.reshape(shape), recipe.dtype)
    if isinstance(recipe, Scaled) and (scaled := recipe.reshaped(shape)) is not None:
        return scaled
    if isinstance(recipe, Transpose) and (groups := _groups(recipe.shape, shape)) is not None:
        return _split(recipe, groups)
    return reshape(recipe.source, shape) if isinstance(recipe, Reshape) else Reshape(recipe, shape)


def _groups(old: Shape, new: Shape) -> list[list[int]] | None:
    """The extents that each axis is split into; None where axes are joined too."""
    groups: list[list[int]] = []
    rest = list(reversed(new))
    for extent in old:
        group: list[int] = []
        while rest and math.prod(group) < extent:
            group.append(rest.pop())
        if math.prod(group) != extent:
            return None
        groups.append(group)
    if groups:
        groups[-1] += reversed(rest)  # all of one element, as the sizes are the same
    return groups if groups else None


def _split(recipe: Transpose, groups: list[list[int]]) -> Recipe:
    """A transpose whose axes are split, as a transpose of its source with those axes split."""
    order = sorted(range(len(groups)), key=lambda axis: recipe.perm[axis])  # the axes in the source's order
    starts, count = {}, 0
    for axis in order:
        starts[axis] = count
        count += len(groups[axis])
    shape = [extent for axis in order for extent in groups[axis]]
    perm = [starts[axis] + place for axis in range(len(groups)) for place in range(len(groups[axis]))]
    return transpose(reshape(recipe.source, tuple(shape)), tuple(perm))


def cast(recipe: Recipe, dtype: str) -> Recipe:
    """Recipe.cast."""
    if dtype == recipe.dtype:
        return recipe
    if isinstance(recipe, Constant):
        return Constant(_as(recipe.array, dtype), dtype)
    return Cast(recipe, dtype)


def _as(array: Array, dtype: str) -> Array:
    """The array in another dtype. What that cannot hold becomes infinite, or any whole number, without a word."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast: Array = array.astype(numpy_dtype(dtype))
    return cast


def take(recipe: Recipe, key: Any) -> Recipe:
    """Recipe[...]. Raises IndexError as numpy does."""
    ranges, kept = _ranges(recipe.shape, key if isinstance(key, tuple) else (key,))
    if isinstance(recipe, Constant):
        part = recipe.array[tuple(map(_slice_of, ranges))]
        return Constant(part.reshape(tuple(part.shape[a] for a in kept)), recipe.dtype)
    taken: Recipe
    if all(r == range(extent) for r, extent in zip(ranges, recipe.shape, strict=True)):
        taken = recipe
    elif isinstance(recipe, Slice):
        taken = Slice(recipe.source, tuple(_compose(a, b) for a, b in zip(recipe.ranges, ranges, strict=True)))
    else:
        taken = Slice(recipe, ranges)
    return reshape(taken, tuple(taken.shape[a] for a in kept))


def concatenate(recipes: Sequence[Recipe], axis: int) -> Recipe:
    """Recipes one after another along `axis`, as one. Raises ValueError where they do not fit."""
    joined = Concat(recipes, axis)
    if len(recipes) == 1:
        return recipes[0]
    if all(isinstance(r, Constant) for r in recipes):
        arrays = [r.array for r in recipes if isinstance(r, Constant)]
        return Constant(np.concatenate(arrays, axis=joined.axis), joined.dtype)
    return joined


def _ranges(shape: Shape, key: tuple[int | slice | EllipsisType, ...]) -> tuple[tuple[range, ...], list[int]]:
    """What a key chooses of each axis, and the axes that it keeps."""
    if key.count(...) > 1:
        raise IndexError("an index has one ellipsis at most")
    given = len(key) - key.count(...)
    if given > len(shape):
        raise IndexError(f"{given} indices for {len(shape)} axes")
    if ... in key:
        at = key.index(...)
        key = (*key[:at], *[slice(None)] * (len(shape) - given), *key[at + 1 :])
    else:
        key = (*key, *[slice(None)] * (len(shape) - given))
    ranges: list[range] = []
    kept: list[int] = []
    for axis, (part, extent) in enumerate(zip(key, shape, strict=True)):
        if isinstance(part, slice):
            ranges.append(range(extent)[part])
            kept.append(axis)
        elif isinstance(part, int | np.integer):
            chosen = range(extent)[part]  # IndexError past the end
            ranges.append(range(chosen, chosen + 1))
        else:
            raise IndexError(f"{part!r} is no index of a recipe")
    return tuple(ranges), kept


def _compose(outer: range, inner: range) -> range:
    """The elements `inner` of the elements `outer`."""
    return outer[inner.start : inner.stop : inner.step] if inner.step > 0 else _reversed(outer, inner)


def _reversed(outer: range, inner: range) -> range:
    stop = outer.start + inner.stop * outer.step
    return range(outer.start + inner.start * outer.step, stop, outer.step * inner.step)


def _slice_of(r: range) -> slice:
    """The slice that chooses a range's elements: -1 as its end would count from the back."""
    return slice(r.start, None if r.stop < 0 else r.stop, r.step)
