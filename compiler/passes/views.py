"""Views: a value as axes of a tensor in another order or merged, before any operator is spent on it.

A `View` of tensor `p` says for each axis of the value which axes of `p` it is made of, first the slowest:

    p float32[N, 64, 8, 8]   axes (0,) (2,) (3,) (1,)    the value float32[N, 8, 8, 64], channels last
    p float32[N, 64, 8, 8]   axes (0,) (2, 3, 1)         the same value, flattened to float32[N, 4096]
    p float32[N, 64]         axes (0,) () () (1,)        the value float32[N, 1, 1, 64]

Axes of `p` that no axis of the value names have size 1, and so have axes of the value that name none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.passes.changes import note
from archonnx.contract.dims import Dim
from archonnx.contract.dtypes import DTYPES

Axes: TypeAlias = tuple[tuple[int, ...], ...]

TYPICAL = 64  # what a symbol counts when costs are compared


@dataclass(slots=True)
class View:
    """A value: `type` as the graph knows it, `tensor` that holds its elements, `axes` as above.

    `origin` is what the operators belong to that bring the value into its own shape, and `stands_for` the layer
    graph's value that it is.
    """

    type: TensorType
    tensor: Tensor
    axes: Axes
    origin: Origin
    stands_for: str | None = None

    @property
    def is_plain(self) -> bool:
        return self.axes == plain(self.tensor.rank)

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of the tensor in the value's order."""
        return tuple(a for group in self.axes for a in group)

    @property
    def simple(self) -> bool:
        """Whether every axis of the value is one axis of the tensor, and all of these are there."""
        return all(len(group) == 1 for group in self.axes) and len(self.axes) == self.tensor.rank


def plain(rank: int) -> Axes:
    """The axes of a value that is its tensor."""
    return tuple((a,) for a in range(rank))


def size_of(dims: Sequence[Dim]) -> int:
    """About how many elements a shape has: symbols count as a typical size."""
    count = 1
    for dim in dims:
        count *= dim if isinstance(dim, int) else max(dim.evaluate(dict.fromkeys(dim.symbols(), TYPICAL)), 1)
    return count


def bytes_of(kind: TensorType) -> int:
    """About how many bytes a tensor of this type takes."""
    return size_of(kind.shape) * max(DTYPES[kind.dtype].bits, 8) // 8


def product(dims: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


class Arranger:
    """Emits the Transposes and Reshapes that bring a view into an order; each is emitted once."""

    def __init__(self, builder: Builder) -> None:
        self.b = builder
        self._done: dict[tuple[int, Axes], Tensor] = {}

    def moves(self, tensor: Tensor, groups: Axes) -> bool:
        """Whether axes of more than one element change their order: it takes a Transpose."""
        moved = [a for group in groups for a in group if not is_one(tensor.shape[a])]
        return moved != sorted(moved)

    def cost(self, tensor: Tensor, groups: Axes) -> int:
        """The bytes that a Transpose would move to arrange the tensor; 0 where none is needed or it is there."""
        if tensor.recipe is not None or not self.moves(tensor, groups) or (id(tensor), groups) in self._done:
            return 0
        return 0 if (id(tensor), _split(tensor, groups)) in self._done else bytes_of(tensor.type)

    def arrange(self, tensor: Tensor, groups: Axes, shape: Sequence[Dim], origin: Origin) -> Tensor:
        """The tensor whose axis i is made of the axes groups[i], with this shape."""
        if groups == plain(tensor.rank):
            return tensor
        key = (id(tensor), groups)
        if key not in self._done:
            before, self.b.origin = self.b.origin, origin
            result = self._moved(tensor, _split(tensor, groups)) if self.moves(tensor, groups) else tensor
            self._done[key] = self.b.reshape(result, shape)
            self.b.origin = before
        return self._done[key]

    def _moved(self, tensor: Tensor, order: Axes) -> Tensor:
        key = (id(tensor), order)
        if key not in self._done:
            moved = self._done[key] = self.b.transpose(tensor, [a for (a,) in order])
            if moved.producer is not None:
                note(self.b.graph, "propagate_layout", "Transpose needed here", moved.producer)
        return self._done[key]

    def whole(self, view: View) -> Tensor:
        """The value in its own shape."""
        tensor = self.arrange(view.tensor, view.axes, view.type.shape, view.origin)
        if tensor is not view.tensor and tensor.stands_for is None:
            tensor.stands_for = view.stands_for
        return tensor


def regroup(view: View, shape: Sequence[Dim], builder: Builder) -> Axes | None:
    """The axes of the value in another shape, where each new axis is made of whole axes of the tensor; else None."""
    rest = [a for a in view.order if not is_one(view.tensor.shape[a])]
    groups: list[tuple[int, ...]] = []
    position = 0
    for dim in shape:
        group: list[int] = []
        size: Dim = 1
        while not builder.same(size, dim):
            if position == len(rest):
                return None
            size = size * view.tensor.shape[rest[position]]
            group.append(rest[position])
            position += 1
            if isinstance(size, int) and isinstance(dim, int) and size > dim:
                return None
        groups.append(tuple(group))
    if position != len(rest):
        return None
    return tuple(groups)


def _split(tensor: Tensor, groups: Axes) -> Axes:
    """The order of all axes of the tensor that the groups ask for, those of size 1 that none names last."""
    named = [a for group in groups for a in group]
    return tuple((a,) for a in (*named, *(a for a in range(tensor.rank) if a not in named)))


def is_one(dim: Dim) -> bool:
    return isinstance(dim, int) and dim == 1
