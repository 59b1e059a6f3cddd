"""Which products stay in float32 where int8 would lose too much: what is tried in turn, by what was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from archonnx.runtime.int8.preparing import Prepared
from archonnx.runtime.work import count_macs

if TYPE_CHECKING:
    from archonnx.runtime.samples import Sample

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)  # of the products, those that lose most: what stays in float32 in turn
MUCH = 0.5  # of the MACs in float32, and a choice that looks at MACs is tried too
LARGEST = 1e6  # an error past it, infinity too, counts as this
LEFT = (1.0, 0.85, 0.7, 0.5, 0.3, 0.1)  # of the error that is allowed, what is to be left of it in turn


def choices(alone: dict[str, float], bound: float) -> list[set[str]]:
    """What may stay in float32, little first: the products that lose too much alone, then more of those that lose
    most. Something is left for int8 in each."""
    order = sorted(alone, key=lambda name: -alone[name])
    first = sum(value > bound for value in alone.values())
    counts = sorted({first + round(share * (len(order) - first)) for share in SHARES})
    return [set(order[:count]) for count in counts if 0 < count < len(order)]


def light_choices(alone: dict[str, float], work: dict[str, int], whole: float, bound: float) -> list[set[str]]:
    """The same for networks that one product or two make slow: those first that lose most for each MAC.

    alone: what each loses; work: its MACs; whole: what all lose together, to which the squares of `alone` are scaled.
    """
    order = sorted(alone, key=lambda name: (alone[name] <= bound, -(alone[name] ** 2) / max(1, work.get(name, 0))))
    first = sum(value > bound for value in alone.values())
    squares = [min(alone[name], LARGEST) ** 2 for name in order]
    left = [sum(squares[count:]) for count in range(len(order) + 1)]
    scale = whole**2 / left[0] if 0 < left[0] < math.inf and whole < math.inf else 1.0
    counts = {
        next(count for count in range(first, len(order) + 1) if scale * left[count] <= (share * bound) ** 2)
        for share in LEFT
    }
    return [set(order[:count]) for count in sorted({max(1, count) for count in counts}) if count < len(order)]


def first_of(count: int, holds: Callable[[int], bool]) -> int | None:
    """The first of so many choices that holds, each of which leaves more in float32 than the one before, so that those
    after one that holds do too; None where none does. The first is tried, as most networks need no other, and of the
    others what halves the rest: each takes long."""
    if not count or holds(0):
        return 0 if count else None
    low, high, found = 1, count - 1, None
    while low <= high:
        middle = (low + high) // 2
        if holds(middle):
            found, high = middle, middle - 1
        else:
            low = middle + 1
    return found


def share_of(kept: Collection[str], work: dict[str, int]) -> float:
    """The share of the MACs that these products have."""
    return sum(work[name] for name in kept) / (sum(work.values()) or 1)


def work_of(prepared: Prepared, sample: Sample) -> dict[str, int]:
    """The MACs of each product for an example; 0 where the shapes do not tell."""
    sizes: dict[str, int] = {}
    for value in prepared.proto.graph.input:
        shape = sample[value.name].shape if value.name in sample else ()
        for axis, dim in enumerate(value.type.tensor_type.shape.dim if shape else ()):
            if not dim.HasField("dim_value"):
                sizes[dim.dim_param or f"{value.name}.{axis}"] = shape[axis]
    counted = count_macs(prepared.proto.SerializeToString(), sizes)
    return {name: counted.get(name) or 0 for name in prepared.products}
