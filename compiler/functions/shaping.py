"""Functions that move, join and cut: reshape, transpose, concat, stack, split and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.functions.base import Function, same_dtype
from archonnx.compiler.functions.reductions import axes_of
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axes, Axis, Either, Optional, Repeated, Shape, Whole
from archonnx.contract.dims import Expr, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


def product(sizes: Sequence[Dim]) -> Dim:
    """The number of elements of a shape."""
    count: Dim = 1
    for size in sizes:
        count = count * size
    return count


def agree(c: Context, name: str, a: Dim, b: Dim, what: str) -> None:
    """E0351 where two sizes differ, E0352 where nothing says that they are equal."""
    verdict = c.facts.equal(a, b)
    if verdict is Verdict.YES:
        return
    if verdict is Verdict.NO:
        raise LayerError("E0351", f"{name}: {what}, {a} and {b}, differ")
    raise LayerError(
        "E0352",
        f"{name}: nothing says that {what}, {a} and {b}, are equal",
        help=f"if they are always equal, say so first: require {a} == {b}",
    )


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
            agree(c, f"reshape of {x} to {_text(self.shape)}", total, product(self.shape), "the numbers of elements")
            return TensorType(x.dtype, tuple(self.shape))
        others = product([s for s in self.shape if s != -1])
        if isinstance(others, int) and others == 0 or not c.facts.divisible(total, others):
            raise LayerError(
                "E0356",
                f"reshape of {x} to {_text(self.shape)}: {total} elements are not known to be a multiple of {others}",
                help=f"if they always are, say so first: require {total} % {others} == 0"
                if isinstance(total, Expr)
                else None,
                argument="shape",
            )
        rest = total // others
        return TensorType(x.dtype, tuple(rest if s == -1 else s for s in self.shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.reshape(x, b.node.outputs[0].type.shape)


def _text(shape: Sequence[Dim]) -> str:
    return f"({', '.join(map(str, shape))})"


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
        axes_of("transpose", x, self.axes)
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
        axes_of("swapaxes", x, (self.axis1,))
        axes_of("swapaxes", x, (self.axis2,))
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


class concat(Function):
    """Tensors one after another along an axis."""

    inputs = ("*tensors",)
    parameters = ("tensors", "axis")
    keras = "ops.concatenate"
    torch = "concat"
    onnx = ("Concat",)
    axis = arg(Axis(), default=0, doc="The axis.")

    def infer(self, c: Context, *tensors: TensorType) -> TensorType:
        first = tensors[0]
        dtype = same_dtype(self.type_name, *tensors)
        places = axes_of(self.type_name, first, (self.axis,))
        size: Dim = 0
        for i, one in enumerate(tensors):
            if one.rank != first.rank:
                raise LayerError("E0354", f"{self.type_name} of {first} and {one}: the ranks differ", input=i)
            for axis, (a, b) in enumerate(zip(first.shape, one.shape, strict=True)):
                if axis not in places:
                    agree(
                        c,
                        f"{self.type_name} of {first} and {one} along axis {places[0]}",
                        a,
                        b,
                        f"the sizes of axis {axis}",
                    )
            size = size + one.shape[places[0]]
        return TensorType(dtype, tuple(size if a in places else d for a, d in enumerate(first.shape)))

    def lower(self, b: Builder, *tensors: Tensor) -> Tensor:
        return b.concat(tensors, self.axis)


class concatenate(concat):
    """Tensors one after another along an axis: numpy's name for concat."""


class stack(Function):
    """Tensors of one shape along a new axis."""

    inputs = ("*tensors",)
    parameters = ("tensors", "axis")
    keras = "ops.stack"
    torch = "stack"
    onnx = ("Unsqueeze", "Concat")
    axis = arg(Axis(), default=0, doc="Where in the result the new axis stands.")

    def infer(self, c: Context, *tensors: TensorType) -> TensorType:
        first = tensors[0]
        dtype = same_dtype("stack", *tensors)
        if not -first.rank - 1 <= self.axis <= first.rank:
            raise LayerError(
                "E0355", f"stack of {first} at axis {self.axis}: the result has {first.rank + 1} axes", argument="axis"
            )
        for i, one in enumerate(tensors):
            if one.rank != first.rank:
                raise LayerError("E0354", f"stack of {first} and {one}: the ranks differ", input=i)
            for axis, (a, b) in enumerate(zip(first.shape, one.shape, strict=True)):
                agree(c, f"stack of {first} and {one}", a, b, f"the sizes of axis {axis}")
        at = self.axis % (first.rank + 1)
        return TensorType(dtype, (*first.shape[:at], len(tensors), *first.shape[at:]))

    def lower(self, b: Builder, *tensors: Tensor) -> Tensor:
        at = self.axis % (tensors[0].rank + 1)
        return b.concat([b.expand_dims(t, [at]) for t in tensors], at)


class split(Function):
    """Pieces along an axis: as many equal ones as a number says, or cut at the places of a list."""

    inputs = ("x",)
    parameters = ("x", "indices_or_sections", "axis")
    keras = "ops.split"
    torch = "tensor_split"
    onnx = ("Split",)
    indices_or_sections = arg(
        Either(Whole(1), Repeated(Whole(0, symbolic=True), alone=False)), doc="How many pieces, or where to cut."
    )
    axis = arg(Axis(), default=0, doc="The axis.")

    def sizes(self, c: Context, x: TensorType) -> list[Dim]:
        size = x.shape[self.axis]
        cuts = self.indices_or_sections
        if isinstance(cuts, int):
            if not c.facts.divisible(size, cuts):
                raise LayerError(
                    "E0356",
                    f"split of {x} into {cuts}: nothing says that {size} is a multiple of {cuts}",
                    help=f"if it always is, say so first: require {size} % {cuts} == 0"
                    if isinstance(size, Expr)
                    else None,
                    argument="indices_or_sections",
                )
            return [c.facts.normalize(size // cuts)] * cuts
        edges: list[Dim] = [0, *cuts, size]
        made: list[Dim] = []
        for low, high in zip(edges, edges[1:], strict=False):
            if not c.facts.at_least(high - low, 0):
                raise LayerError(
                    "E0356",
                    f"split of {x} at {_text(cuts)}: {high} is not known to come after {low}",
                    argument="indices_or_sections",
                )
            made.append(c.facts.normalize(high - low))
        return made

    def infer(self, c: Context, x: TensorType) -> tuple[TensorType, ...]:
        at = axes_of("split", x, (self.axis,))[0]
        return tuple(TensorType(x.dtype, (*x.shape[:at], s, *x.shape[at + 1 :])) for s in self.sizes(c, x))

    def lower(self, b: Builder, x: Tensor) -> tuple[Tensor, ...]:
        at = self.axis % x.rank
        return b.split(x, [v.type.shape[at] for v in b.node.outputs], at)
