"""Functions that choose between elements: where, clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.functions.base import NUMBERS, Function, broadcast, need_kind, same_dtype, select
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class where(Function):
    """x1 where the condition holds, else x2."""

    inputs = ("condition", "x1", "x2")
    parameters = ("condition", "x1", "x2")
    keras = "ops.where"
    torch = "where"
    onnx = ("Where",)

    def infer(self, c: Context, condition: TensorType, x1: TensorType, x2: TensorType) -> TensorType:
        if condition.dtype != "bool":
            raise LayerError(
                "E0353", f"where chooses by booleans, got {condition}", help="compare first: x > 0", input=0
            )
        dtype = same_dtype("where", x1, x2)
        return TensorType(dtype, broadcast(c, "where", condition.shape, x1.shape, x2.shape))

    def lower(self, b: Builder, condition: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
        return select(b, condition, x1, x2)


class clip(Function):
    """Every element held between two bounds; a bound left out, or None, does not hold."""

    inputs = ("x", "x_min?", "x_max?")
    parameters = ("x", "x_min", "x_max")
    keras = "ops.clip"
    torch = "clamp"
    onnx = ("Clip", "Min", "Max")

    def infer(
        self, c: Context, x: TensorType, x_min: TensorType | None = None, x_max: TensorType | None = None
    ) -> TensorType:
        need_kind("clip", x, NUMBERS)
        bounds = [t for t in (x_min, x_max) if t is not None]
        dtype = same_dtype("clip", x, *bounds)
        return TensorType(dtype, broadcast(c, "clip", x.shape, *(t.shape for t in bounds)))

    def lower(self, b: Builder, x: Tensor, x_min: Tensor | None = None, x_max: Tensor | None = None) -> Tensor:
        if all(t is None or (t.is_constant and not t.rank) for t in (x_min, x_max)):
            return b.op("Clip", x, x_min, x_max, result=x.type)
        for kind, bound in (("Max", x_min), ("Min", x_max)):
            if bound is not None:
                x = b.op(kind, x, bound, result=TensorType(x.dtype, b.broadcast((x.shape, bound.shape))))
        return x
