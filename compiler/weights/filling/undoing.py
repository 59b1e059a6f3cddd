"""Undoing recipes: of what a recipe over weights made, the weights again.

    transpose, reshape, cast    by their inverse; what a cast lost is lost
    concatenation               each source is a slice of what was written
    slice                       a part of its source, which the other parts complete
    folded norm                 kernel and bias as they are there; what the norm has of its own is at rest: it changes
                                nothing, and folded again it gives the very same numbers

Sums are not undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from archonnx.compiler.recipes import (
    Cast,
    Concat,
    Constant,
    Draw,
    NormFactor,
    Recipe,
    Reshape,
    Scaled,
    Shifted,
    Slice,
    Transpose,
    concatenate,
    numpy_dtype,
)
from archonnx.compiler.weights.regions import Box

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight

Ranges = tuple[range, ...]


def undone(recipe: Recipe, given: Recipe) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    """The parts of weights that a recipe's result holds: which elements of each axis, and the recipe of them."""
    yield from _undone(recipe, tuple(range(extent) for extent in recipe.shape), given)


def _undone(recipe: Recipe, chosen: Ranges, given: Recipe) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    """The same of a part of a recipe's result: `given` has the elements `chosen` of it."""
    if isinstance(recipe, Draw):
        yield recipe.weight, chosen, given
    elif isinstance(recipe, Transpose):
        back = [recipe.perm.index(axis) for axis in range(len(recipe.perm))]
        yield from _undone(recipe.source, tuple(chosen[axis] for axis in back), given.transpose(back))
    elif isinstance(recipe, Cast):
        yield from _undone(recipe.source, chosen, given.cast(recipe.source.dtype))
    elif isinstance(recipe, Slice):
        inner = tuple(outer[r.start : r.stop : r.step] for outer, r in zip(recipe.ranges, chosen, strict=True))
        yield from _undone(recipe.source, inner, given)
    elif isinstance(recipe, Reshape):
        before = _ranges_before(recipe.source.shape, recipe.shape, chosen)
        if before is not None:
            yield from _undone(recipe.source, before, given.reshape([len(r) for r in before]))
    elif isinstance(recipe, Concat):
        offset = 0
        for source in recipe.sources:
            extent = source.shape[recipe.axis]
            yield from _undone_of_concat(recipe.axis, source, offset, offset + extent, chosen, given)
            offset += extent
    elif isinstance(recipe, Scaled):
        yield from _undone(recipe.source, chosen, given)
        yield from _at_rest(recipe.factor)
    elif isinstance(recipe, Shifted):
        yield from _undone_of_shift(recipe, chosen, given)


def _undone_of_shift(recipe: Shifted, chosen: Ranges, given: Recipe) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    """What is added is the bias where there is one, else beta, else the mean that is subtracted."""
    yield from _at_rest(recipe.factor)
    if recipe.bias is None and recipe.beta is None:
        minus = Constant(np.full(given.shape, -1.0))
        yield from _undone(recipe.mean, chosen, Scaled(given, 0, minus).cast(recipe.mean.dtype))
        return
    yield from _filled(recipe.mean, 0.0)
    if recipe.bias is None:
        assert recipe.beta is not None
        yield from _undone(recipe.beta, chosen, given.cast(recipe.beta.dtype))
        return
    yield from _undone(recipe.bias, chosen, given.cast(recipe.bias.dtype))
    if recipe.beta is not None:
        yield from _filled(recipe.beta, 0.0)


def _at_rest(factor: Recipe) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    """The weights of a factor such that it is 1: of a norm, gamma 1 and a variance that epsilon completes."""
    if isinstance(factor, NormFactor):
        yield from _filled(factor.variance, 1.0 - factor.epsilon)
        if factor.gamma is not None:
            yield from _filled(factor.gamma, 1.0)
    else:
        yield from _filled(factor, 1.0)


def _filled(recipe: Recipe, number: float) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    value = Constant(np.full(recipe.shape, number).astype(numpy_dtype(recipe.dtype)), recipe.dtype)
    yield from _undone(recipe, tuple(range(extent) for extent in recipe.shape), value)


def _undone_of_concat(
    axis: int, source: Recipe, low: int, high: int, chosen: Ranges, given: Recipe
) -> Iterator[tuple[Weight, Ranges, Recipe]]:
    """What is chosen of one source, which lies from low to high along the axis."""
    within = [place for place, element in enumerate(chosen[axis]) if low <= element < high]
    if not within:
        return
    first, last = within[0], within[-1] + 1
    part = given[(*[slice(None)] * axis, slice(first, last))]
    along = chosen[axis][first:last]
    moved = range(along.start - low, along.stop - low, along.step)
    yield from _undone(source, (*chosen[:axis], moved, *chosen[axis + 1 :]), part)


def _ranges_before(before: Sequence[int], after: Sequence[int], chosen: Ranges) -> Ranges | None:
    """What a choice of each axis after a reshape is before it; None where it is none of whole axes.

    Axes are grouped as the reshape splits and merges them. In a group that is split or merged all elements are chosen,
    or a stretch of its first axis that ends where an element of the first axis before ends.
    """
    made: list[range] = []
    for old, new in axis_groups(before, after):
        choice = [chosen[axis] for axis in new]
        sizes_old, sizes_new = [before[a] for a in old], [after[a] for a in new]
        if all(r == range(size) for r, size in zip(choice, sizes_new, strict=True)):
            made += [range(size) for size in sizes_old]
            continue
        big_old = [n for n, size in enumerate(sizes_old) if size != 1]
        big_new = [n for n, size in enumerate(sizes_new) if size != 1]
        if len(big_old) == 1 and len(big_new) == 1:
            made += [choice[big_new[0]] if n == big_old[0] else range(1) for n in range(len(old))]
            continue
        first = next(n for n, r in enumerate(choice) if sizes_new[n] != 1)
        rest = all(r == range(size) for r, size in list(zip(choice, sizes_new, strict=True))[first + 1 :])
        inner_new = _product(sizes_new[first + 1 :])
        start_old = next(n for n, size in enumerate(sizes_old) if size != 1)
        inner_old = _product(sizes_old[start_old + 1 :])
        stretch = choice[first]
        low, high = stretch.start * inner_new, stretch.stop * inner_new
        if not rest or stretch.step != 1 or low % inner_old or high % inner_old:
            return None
        made += [range(1)] * start_old + [range(low // inner_old, high // inner_old)]
        made += [range(size) for size in sizes_old[start_old + 1 :]]
    return tuple(made)


def axis_groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The axes of two shapes of one size, in the smallest groups that hold the same elements."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, new = [], []
        size_old = size_new = 1
        while True:
            if i < len(before) and (size_old <= size_new or j >= len(after)):
                old.append(i)
                size_old *= before[i]
                i += 1
            elif j < len(after):
                new.append(j)
                size_new *= after[j]
                j += 1
            if size_old == size_new and (old or new):
                break
            if i >= len(before) and j >= len(after):
                break
        groups.append((old, new))
    return groups


def _product(sizes: Sequence[int]) -> int:
    made = 1
    for size in sizes:
        made *= size
    return made


def assembled(
    shape: tuple[int, ...], parts: Sequence[tuple[Ranges, Recipe]], rest: Recipe | None = None
) -> Recipe | None:
    """One recipe of a whole tensor from parts of it. What they do not cover is that of `rest`, a whole tensor.

    None where there is no `rest` and they do not cover all, or where they overlap otherwise than as they should.
    """
    whole = tuple((0, extent) for extent in shape)
    boxes: dict[Box, Recipe] = {}
    for ranges, recipe in parts:
        if any(r.step not in (1, -1) and len(r) > 1 for r in ranges):
            continue
        flipped = tuple(slice(None, None, -1) if r.step == -1 and len(r) > 1 else slice(None) for r in ranges)
        box = tuple((min(r[0], r[-1]), max(r[0], r[-1]) + 1) if len(r) else (0, 0) for r in ranges)
        boxes.setdefault(box, recipe[flipped])
    return _joined(whole, boxes, rest)


def _lies_in(box: Box, whole: Box) -> bool:
    return all(low <= first and last <= high for (first, last), (low, high) in zip(box, whole, strict=True))


def _joined(whole: Box, boxes: Mapping[Box, Recipe], rest: Recipe | None) -> Recipe | None:
    """Boxes as one: cut along an axis where none is cut through, until each stands alone."""
    inside = {box: recipe for box, recipe in boxes.items() if _lies_in(box, whole)}
    if whole in inside:
        return inside[whole]
    if not inside:
        return None if rest is None else rest[tuple(slice(low, high) for low, high in whole)]
    for axis in range(len(whole)):
        cuts = {end for box in inside for end in box[axis]} - set(whole[axis])
        cuts = {c for c in cuts if not any(box[axis][0] < c < box[axis][1] for box in inside)}
        if not cuts:
            continue
        ends = [whole[axis][0], *sorted(cuts), whole[axis][1]]
        found = [_joined((*whole[:axis], stretch, *whole[axis + 1 :]), inside, rest) for stretch in pairwise(ends)]
        if all(part is not None for part in found):
            return concatenate([part for part in found if part is not None], axis)
    return None
