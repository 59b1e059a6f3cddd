"""Functions that change axes: reshape, transpose and its kin, expand_dims, squeeze, broadcast_to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.functions.base import Function, agree, axes_of, product, result_types, sizes_text
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axes, Axis, Optional, Shape
from archonnx.contract.dims import Expr, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class reshape(Function):
    """The same elements in the same order, in another shape; one size may be -1: what is left."""

    inputs = ("x",)
    parameters = ("x", "shape")
    keras = "ops.reshape"
    torch = "reshape"
    onnx = ("Reshape",)
    shape = arg(Shape(), doc="The new sizes, one of them -1 for what is left.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        total = product(x.shape)
        if -1 not in self.shape:
            agree(
                c, f"reshape of {x} to {sizes_text(self.shape)}", total, product(self.shape), "the numbers of elements"
            )
            return TensorType(x.dtype, tuple(self.shape))
        others = product([s for s in self.shape if s != -1])
        if not c.facts.divisible(total, others):
            help = None
            if isinstance(total, Expr) or isinstance(others, Expr):
                help = f"if they always are, say so first: require {_grouped(total)} % {_grouped(others)} == 0"
            raise LayerError(
                "E0356",
                f"reshape of {x} to {sizes_text(self.shape)}: "
                f"{total} elements are not known to be a multiple of {others}",
                help=help,
                argument="shape",
            )
        rest = total // others
        return TensorType(x.dtype, tuple(rest if s == -1 else s for s in self.shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.reshape(x, result_types(b)[0].shape)


def _grouped(dim: Dim) -> str:
    """A size as a factor is written: in brackets where it is more than a number or a name."""
    text = str(dim)
    return text if text.isalnum() else f"({text})"


class transpose(Function):
    """The axes in another order; without `axes` reversed."""

    inputs = ("x",)
    parameters = ("x", "axes")
    keras = "ops.transpose"
    torch = "permute"
    onnx = ("Transpose",)
    axes = arg(Optional(Axes()), default=None, doc="For each axis of the result, the axis of x that it is.")

    def permutation(self, rank: int) -> list[int]:
        return list(range(rank))[::-1] if self.axes is None else [a % rank for a in self.axes]

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("transpose", x, self.axes, argument="axes")
        if self.axes is not None and len(self.axes) != x.rank:
            raise LayerError("E0355", f"transpose of {x} names {len(self.axes)} axes of {x.rank}", argument="axes")
        return TensorType(x.dtype, tuple(x.shape[a] for a in self.permutation(x.rank)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.transpose(x, self.permutation(x.rank))


class swapaxes(Function):
    """Two axes exchanged."""

    inputs = ("x",)
    parameters = ("x", "axis1", "axis2")
    keras = "ops.swapaxes"
    torch = "swapaxes"
    onnx = ("Transpose",)
    axis1 = arg(Axis(), doc="The one axis.")
    axis2 = arg(Axis(), doc="The other.")

    def permutation(self, rank: int) -> list[int]:
        order = list(range(rank))
        order[self.axis1], order[self.axis2] = order[self.axis2], order[self.axis1]
        return order

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("swapaxes", x, (self.axis1,), argument="axis1")
        axes_of("swapaxes", x, (self.axis2,), argument="axis2")
        return TensorType(x.dtype, tuple(x.shape[a] for a in self.permutation(x.rank)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.transpose(x, self.permutation(x.rank))


class moveaxis(Function):
    """Axes moved to other places; the others keep their order."""

    inputs = ("x",)
    parameters = ("x", "source", "destination")
    keras = "ops.moveaxis"
    torch = "movedim"
    onnx = ("Transpose",)
    source = arg(Axes(), doc="The axis or axes to move.")
    destination = arg(Axes(), doc="Where each of them stands in the result.")

    def validate(self) -> None:
        if len(self.source) != len(self.destination):
            raise LayerError(
                "E0355",
                f"moveaxis moves {len(self.source)} axes to {len(self.destination)} places",
                argument="destination",
            )

    def permutation(self, rank: int) -> list[int]:
        moved = {d % rank: s % rank for s, d in zip(self.source, self.destination, strict=True)}
        rest = iter(a for a in range(rank) if a not in moved.values())
        return [moved[place] if place in moved else next(rest) for place in range(rank)]

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("moveaxis", x, self.source, argument="source")
        axes_of("moveaxis", x, self.destination, argument="destination")
        return TensorType(x.dtype, tuple(x.shape[a] for a in self.permutation(x.rank)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.transpose(x, self.permutation(x.rank))


class expand_dims(Function):
    """New axes of size 1, at these places of the result."""

    inputs = ("x",)
    parameters = ("x", "axis")
    keras = "ops.expand_dims"
    torch = "unsqueeze"
    onnx = ("Unsqueeze",)
    axis = arg(Axes(), doc="Where in the result the new axis or axes stand.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        rank = x.rank + len(self.axis)
        if any(not -rank <= a < rank for a in self.axis) or len({a % rank for a in self.axis}) != len(self.axis):
            raise LayerError("E0355", f"expand_dims of {x} at {self.axis}: the result has {rank} axes", argument="axis")
        places = {a % rank for a in self.axis}
        rest = iter(x.shape)
        return TensorType(x.dtype, tuple(1 if a in places else next(rest) for a in range(rank)))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.expand_dims(x, self.axis)


class squeeze(Function):
    """Without axes of size 1: the named ones, by default all."""

    inputs = ("x",)
    parameters = ("x", "axis")
    keras = "ops.squeeze"
    torch = "squeeze"
    onnx = ("Squeeze",)
    axis = arg(Optional(Axes()), default=None, doc="The axis or axes; None: every axis of size 1.")

    def places(self, shape: Sequence[Dim]) -> list[int]:
        if self.axis is None:
            return [a for a, d in enumerate(shape) if isinstance(d, int) and d == 1]
        return sorted(a % len(shape) for a in self.axis)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        axes_of("squeeze", x, self.axis)
        places = self.places(x.shape)
        for a in places:
            if c.facts.equal(x.shape[a], 1) is not Verdict.YES:
                raise LayerError("E0355", f"squeeze of {x}: axis {a} is {x.shape[a]}, not 1", argument="axis")
        return TensorType(x.dtype, tuple(d for a, d in enumerate(x.shape) if a not in places))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.squeeze(x, self.places(x.shape))


class broadcast_to(Function):
    """The tensor repeated along axes of size 1, and along new ones before them, to a shape."""

    inputs = ("x",)
    parameters = ("x", "shape")
    keras = "ops.broadcast_to"
    torch = "broadcast_to"
    onnx = ("Expand",)
    shape = arg(Shape(rest=False), doc="The shape of the result.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        if x.rank > len(self.shape):
            raise LayerError(
                "E0354",
                f"broadcast_to of {x} to {sizes_text(self.shape)}: a shape of fewer axes",
                argument="shape",
            )
        what = f"broadcast_to of {x} to {sizes_text(self.shape)}"
        for old, new in zip(x.shape, self.shape[len(self.shape) - x.rank :], strict=True):
            if old != 1:  # only a 1 stretches, and only to what is asked for
                agree(c, what, old, new, "the sizes of an axis")
        return TensorType(x.dtype, tuple(self.shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.expand(x, self.shape)
