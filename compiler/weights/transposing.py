"""Copying an array with its axes in another order: several times as fast as assigning numpy's transpose.

numpy walks through the result in order. Where its last axis lies far apart in the source, each element is fetched from
another line of the processor's cache, and a loop over a 3 x 3 window is over before it pays. Here the copy goes through
tiles, and windows are gathered first and moved as one item each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.regions import Shape

TILE = 16  # elements of the result's last axis at once: as many lines of the source stay near, also in steps of 2**n
FEW = 16  # elements of a last axis that are moved as one item
NEAR = 256  # bytes between neighbours of the result in the source: closer ones share lines, and plain copying is good
SMALL = 1 << 16  # elements below which all that does not pay
GATHERED = 1 << 16  # elements of windows gathered at once


def transpose_into(out: Array, source: Array, perm: Sequence[int]) -> None:
    """Fill `out`, which lies in C order: its axis i is axis perm[i] of `source`, C order too for this to be fast."""
    if not (source.size >= SMALL and source.flags.c_contiguous and out.flags.c_contiguous) or source.dtype.hasobject:
        out[...] = source.transpose(perm)
        return
    shape, order = merged(source.shape, perm)
    a = source.reshape(shape)
    o = out.reshape(tuple(shape[axis] for axis in order))
    last, count = order[-1], len(order)
    apart = a.strides[last]
    if last == count - 1 or apart < NEAR:
        o[...] = a.transpose(order)
    elif o.shape[-1] <= FEW and count > 2:
        _move_windows(o, a, order)
    else:
        for start in range(0, o.shape[-1], TILE):
            part = slice(start, start + TILE)
            o[..., part] = a[(slice(None),) * last + (part,)].transpose(order)


def merged(shape: Shape, perm: Sequence[int]) -> tuple[Shape, Shape]:
    """The same transpose of fewer axes: those of one element left out, neighbours that stay so as one."""
    places = {axis: place for place, axis in enumerate(axis for axis, extent in enumerate(shape) if extent != 1)}
    groups: list[list[int]] = []
    for axis in (axis for axis in perm if axis in places):
        if groups and places[axis] == places[groups[-1][-1]] + 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    ranked = sorted(range(len(groups)), key=lambda g: groups[g][0])
    extents = tuple(math.prod(shape[axis] for axis in groups[g]) for g in ranked)
    return extents, tuple(ranked.index(g) for g in range(len(groups)))


def _move_windows(out: Array, source: Array, order: Shape) -> None:
    """The last axis of `out`, a short one, is brought to the end first; what is along it then moves as one item."""
    last = order[-1]
    others = [axis for axis in range(len(order)) if axis != last]
    axis = others[0]
    within = order.index(axis)
    item = np.dtype((np.void, out.shape[-1] * out.itemsize))
    moves = [others.index(each) for each in order[:-1]]
    step = max(GATHERED // math.prod(source.shape[a] for a in (last, *others[1:])), 1)
    for start in range(0, source.shape[axis], step):
        part = slice(start, start + step)
        gathered = np.ascontiguousarray(np.moveaxis(source[(slice(None),) * axis + (part,)], last, -1))
        target = out[(slice(None),) * within + (part,)]
        target.view(item)[..., 0] = gathered.view(item)[..., 0].transpose(moves)
