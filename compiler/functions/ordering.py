"""Functions that order elements: top_k, sort, argsort, and triangles of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.base import EVERYTHING, NUMBERS, Function, axes_of, need_kind, widened
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axis, Flag, Whole

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


def ordered(b: Builder, x: Tensor, count: Dim, axis: int, *, largest: bool) -> tuple[Tensor, Tensor]:
    """The first `count` elements along an axis in order, and their places, int64; equal ones keep their order."""
    wide = widened(b, x, ordered=True)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    values, places = b.op(
        "TopK",
        wide,
        b.shape([count]),
        result=[TensorType(wide.dtype, shape), TensorType("int64", shape)],
        axis=axis,
        largest=None if largest else 0,
    )
    return b.cast(values, x.dtype), places


class top_k(Function):
    """The k largest elements along the last axis in falling order, and their places, int64."""

    inputs = ("x",)
    parameters = ("x", "k", "sorted")
    keras = "ops.top_k"
    torch = "topk"
    onnx = ("TopK",)
    k = arg(Whole(1, symbolic=True), doc="How many.")
    sorted = arg(Flag(), default=True, doc="Whether their order matters; they are in order anyway.")

    def infer(self, c: Context, x: TensorType) -> tuple[TensorType, ...]:
        need_kind("top_k", x, NUMBERS)
        axes_of("top_k", x, (-1,))
        size = x.shape[-1]
        if not c.facts.at_least(size - self.k, 0):
            raise LayerError(
                "E0356",
                f"top_k of {x}: the last axis is not known to be at least {self.k}",
                help=None if isinstance(size, int) else f"if it always is, say so first: require {size} >= {self.k}",
                argument="k",
            )
        shape = (*x.shape[:-1], self.k)
        return TensorType(x.dtype, shape), TensorType("int64", shape)

    def lower(self, b: Builder, x: Tensor) -> tuple[Tensor, ...]:
        return ordered(b, x, self.k, x.rank - 1, largest=True)


class sort(Function):
    """The elements in rising order along an axis."""

    inputs = ("x",)
    parameters = ("x", "axis")
    keras = "ops.sort"
    torch = "sort"
    onnx = ("TopK",)
    axis = arg(Axis(), default=-1, doc="The axis.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, NUMBERS)
        axes_of(self.type_name, x, (self.axis,))
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        axis = self.axis % x.rank
        return ordered(b, x, x.shape[axis], axis, largest=False)[0]


class argsort(sort):
    """The places of the elements in rising order along an axis, int64; equal ones keep their order."""

    keras = "ops.argsort"
    torch = "argsort"

    def infer(self, c: Context, x: TensorType) -> TensorType:
        return TensorType("int64", super().infer(c, x).shape)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        axis = self.axis % x.rank
        return ordered(b, x, x.shape[axis], axis, largest=False)[1]


class triu(Function):
    """The matrices of the last two axes with 0 below the k-th diagonal."""

    inputs = ("x",)
    parameters = ("x", "k")
    keras = "ops.triu"
    torch = "triu"
    onnx = ("Trilu",)
    k = arg(Whole(), default=0, doc="Which diagonal: 0 the main one, positive ones above it.")
    upper: ClassVar[bool] = True

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, EVERYTHING)
        if x.rank < 2:
            raise LayerError("E0354", f"{self.type_name} of {x}: a matrix has two axes", input=0)
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        wide = widened(b, x)
        diagonal = b.constant(self.k, "int64") if self.k else None
        kept = b.op("Trilu", wide, diagonal, result=wide.type, upper=None if self.upper else 0)
        return b.cast(kept, x.dtype)


class tril(triu):
    """The matrices of the last two axes with 0 above the k-th diagonal."""

    keras = "ops.tril"
    torch = "tril"
    upper = False
