"""Which axes of a model's inputs hold the rows of a batch, and how many rows run at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.measuring.sizes import batch_axis
from archonnx.runtime.modelfile import Spec

MOST = 2**31 - 1
_NAME = re.compile(r"[^\W\d]\w*")


def row_axes(inputs: Sequence[Spec]) -> dict[str, int]:
    """Input -> the axis of the rows; nothing where the model has no open batch.

    The rows are the first axis of the first input, where it is open; if it has a name, all axes of that name; if none,
    the first axes of others that have none, and of a state such as [2, ?, 128] the only open one.
    """
    name = batch_axis(inputs)
    if not isinstance(name, str):
        return {}
    found: dict[str, int] = {}
    for spec in inputs:
        shape = spec.shape or ()
        if name:
            axes = [axis for axis, size in enumerate(shape) if size == name]
            if len(axes) > 1 or any(_grows(size, name) for size in shape):
                return {}
        else:
            axes = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
            axes = axes[:1] if axes and shape[axes[0]] is None and (axes[0] == 0 or len(axes) == 1) else []
        if axes:
            found[spec.name] = axes[0]
    return found


def _grows(size: int | str | None, name: str) -> bool:
    """Whether the size of an axis is computed of the rows: `2 * N`."""
    return isinstance(size, str) and size != name and name in _NAME.findall(size)


def count_rows(feeds: Mapping[str, Any], axes: Mapping[str, int]) -> int | None:
    """How many rows a call has; None where its inputs do not have as many each."""
    counts = {feeds[name].shape[axis] for name, axis in axes.items() if name in feeds}
    return counts.pop() if len(counts) == 1 else None


def read_batch(asked: Any) -> int | tuple[int, ...] | None:
    """`batch=`: at most so many rows run at a time; of several, each run has exactly one of these numbers of rows.

    Raises UsageError.
    """
    if asked is None:
        return None
    several = isinstance(asked, list | tuple)
    given = list(asked) if several else [asked]
    if not given or any(isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= int(n) <= MOST for n in given):
        what = f"a whole number of rows of at least 1 and at most {MOST}, or several of them"
        raise UsageError(f"batch is {what}, received {asked!r}")
    return tuple(sorted({int(n) for n in given})) if several else int(given[0])


def parted(rows: int, most: int) -> list[int]:
    """Runs of at most so many rows, all of the same number but the last, which may have fewer."""
    runs = -(-rows // most)
    size = -(-rows // runs)
    return [min(size, rows - start) for start in range(0, rows, size)]


def bucketed(rows: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of exactly these sizes, as (rows of the call, rows of the run): the largest as often as it is full, then
    what is left in the smallest that holds it. sizes: in rising order."""
    found = [(sizes[-1], sizes[-1])] * (rows // sizes[-1])
    left = rows % sizes[-1]
    if left:
        found.append((left, next(size for size in sizes if size >= left)))
    return found
