"""Filling a box of a tensor from stored elements that lie apart: one stretch of the file after another, each small.

What lies between two elements that are wanted is read along with them: a megabyte is read faster than skipped through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from archonnx.compiler.weights.recipe import Array

WINDOW = 1 << 20  # bytes of a stretch: what the processor keeps near
GAP = 1 << 16  # bytes: passed over where this much lies between two stretches, read where it is less

Window = Callable[[int, int], Array]  # stored elements from a position on, as many as asked: flat


def fill(out: Array, steps: Sequence[int], start: int, window: Window) -> None:
    """Fill `out`, whose first element is stored at `start`, from one window after another.

    steps: stored elements from one index of each axis of `out` to the next. What `window` gives is used up before the
    next is asked for, and is of no more than WINDOW bytes.
    """
    if not out.size:
        return
    reach = [(n - 1) * step for n, step in zip(out.shape, steps, strict=True)]
    span, most = 1 + sum(reach), WINDOW // out.itemsize
    if span <= most:
        flat = window(start, span)
        strides = [step * out.itemsize for step in steps]
        out[...] = np.ndarray(out.shape, out.dtype, flat.view(np.uint8).data, strides=strides)
        return
    # Split where the parts lie farthest apart, so that they overlap as little as they can.
    axis = max((i for i in range(out.ndim) if reach[i]), key=lambda i: steps[i])
    step, inner = steps[axis], span - reach[axis]
    if step * out.itemsize > GAP and inner <= most:
        shape, strides = out.shape[:axis] + out.shape[axis + 1 :], [*steps[:axis], *steps[axis + 1 :]]
        strides = [step * out.itemsize for step in strides]
        moved = np.moveaxis(out, axis, 0)
        for at in range(len(moved)):
            flat = window(start + at * step, inner)
            moved[at, ...] = np.ndarray(shape, out.dtype, flat.view(np.uint8).data, strides=strides)
        return
    each = max(1, (most - inner) // step + 1) if step * out.itemsize <= GAP else 1
    for at in range(0, out.shape[axis], each):
        fill(out[(slice(None),) * axis + (slice(at, at + each),)], steps, start + at * step, window)
