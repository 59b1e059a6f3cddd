"""Tensors out of nothing: constants, and dimensions as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.functions.base import Function
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import DTypeDomain, Literal, Whole
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class _Values(Literal):
    """Numbers and booleans, and nested lists of them."""

    def parse(self, value: Any) -> Any:
        return value if isinstance(value, bool) else super().parse(value)


class constant(Function):
    """A number or nested lists of numbers as a tensor; what stands for them beside tensors."""

    inputs = ()
    parameters = ("value", "dtype")
    hidden = True
    value = arg(_Values(), doc="The number, or nested lists of numbers.")
    dtype = arg(DTypeDomain(), default="float32", doc="Its type.")

    def infer(self, c: Context, *inputs: Any) -> TensorType:
        shape: list[int] = []
        level = self.value
        while isinstance(level, (list, tuple)):
            shape.append(len(level))
            if not level:
                break
            level = level[0]
        return TensorType(self.dtype, tuple(shape))

    def lower(self, b: Builder, *inputs: Any) -> Tensor:
        return b.constant(self.value, self.dtype)


class dimension(Function):
    """A symbolic size as a number, read from the shape of a tensor that has it when the model runs."""

    inputs = ()
    parameters = ("value", "dtype")
    hidden = True
    value = arg(Whole(symbolic=True), doc="The size.")
    dtype = arg(DTypeDomain(), default="int64", doc="Its type.")

    def infer(self, c: Context, *inputs: Any) -> TensorType:
        return TensorType(self.dtype, ())

    def lower(self, b: Builder, *inputs: Any) -> Tensor:
        return b.cast(b.dim(self.value), self.dtype)


class cast(Function):
    """The tensor, or numbers and nested lists of them, in another type."""

    inputs = ("x",)
    parameters = ("x", "dtype")
    of_numbers = True
    keras = "ops.cast"
    onnx = ("Cast",)
    dtype = arg(DTypeDomain(), doc="The type to convert to: float32, int64, bool, ...")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        for dtype in (x.dtype, self.dtype):
            if DTYPES[dtype].kind == "complex" and x.dtype != self.dtype:
                message = f"cast of {x} to {self.dtype}: ONNX converts no complex numbers"
                raise LayerError("E0353", message, argument="dtype")
        return TensorType(self.dtype, x.shape)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.cast(x, self.dtype)
