"""Flat ranges, boxes and runs of tensors in C order: how a slice of a transposed tensor is found in its source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Box: TypeAlias = tuple[tuple[int, int], ...]  # (start, stop) of each axis


def strides(shape: Shape) -> tuple[int, ...]:
    """Elements from one index of each axis to the next."""
    result: list[int] = []
    step = 1
    for extent in reversed(shape):
        result.append(step)
        step *= extent
    return tuple(reversed(result))


def extents(box: Box) -> Shape:
    return tuple(stop - start for start, stop in box)


def full(shape: Shape) -> Box:
    return tuple((0, extent) for extent in shape)


def boxes(shape: Shape, start: int, stop: int) -> Iterator[Box]:
    """Boxes whose elements, one box after another, are the flat elements start to stop: at most two an axis."""
    if not shape:
        if start < stop:
            yield ()
        return
    steps = strides(shape)
    while start < stop:
        axis = next(a for a, step in enumerate(steps) if start % step == 0 and stop - start >= step)
        index, rest = [], start
        for step in steps[: axis + 1]:
            i, rest = divmod(rest, step)
            index.append(i)
        count = min((stop - start) // steps[axis], shape[axis] - index[axis])
        head = tuple((i, i + 1) for i in index[:axis])
        yield (*head, (index[axis], index[axis] + count), *full(shape[axis + 1 :]))
        start += count * steps[axis]


def runs(shape: Shape, box: Box) -> tuple[NDArray[np.int64], int]:
    """The starts, ascending, and the length of the contiguous runs that make up a box."""
    axis = len(shape)
    while axis > 0 and box[axis - 1] == (0, shape[axis - 1]):
        axis -= 1
    axis = max(axis - 1, 0)  # the first axis of a run: those after it are covered whole
    steps = strides(shape)
    starts = np.zeros(1, dtype=np.int64)
    for (low, high), step in zip(box[:axis], steps[:axis], strict=True):
        starts = (starts[:, None] + np.arange(low, high, dtype=np.int64) * step).reshape(-1)
    if not shape:
        return starts, 1
    low, high = box[axis]
    return starts + low * steps[axis], (high - low) * math.prod(shape[axis + 1 :])
