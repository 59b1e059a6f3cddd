"""Functions that join tensors and cut them: concat, stack, split."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from archonnx.compiler.functions.base import Function, agree, axes_of, result_types, same_dtype, sizes_text
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axis, Either, Repeated, Whole
from archonnx.contract.dims import Expr

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


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
        for low, high in pairwise(edges):
            if not c.facts.at_least(high - low, 0):
                raise LayerError(
                    "E0356",
                    f"split of {x} at {sizes_text(cuts)}: {high} is not known to come after {low}",
                    argument="indices_or_sections",
                )
            made.append(c.facts.normalize(high - low))
        return made

    def infer(self, c: Context, x: TensorType) -> tuple[TensorType, ...]:
        at = axes_of("split", x, (self.axis,))[0]
        return tuple(TensorType(x.dtype, (*x.shape[:at], s, *x.shape[at + 1 :])) for s in self.sizes(c, x))

    def lower(self, b: Builder, x: Tensor) -> tuple[Tensor, ...]:
        at = self.axis % x.rank
        return b.split(x, [t.shape[at] for t in result_types(b)], at)
