"""Comparisons, and operators between booleans and between the bits of whole numbers: `== < &  | ^ ~ << >>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.arithmetic import Binary
from archonnx.compiler.functions.base import EVERYTHING, Function, need_kind, select
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Comparison(Binary):
    """The base of comparisons: the result is bool."""

    abstract = True
    boolean = True


class greater(Comparison):
    """`x1 > x2`."""

    operator = "Greater"
    keras = "ops.greater"
    torch = "gt"
    onnx = ("Greater",)


class less(Comparison):
    """`x1 < x2`."""

    operator = "Less"
    keras = "ops.less"
    torch = "lt"
    onnx = ("Less",)


class greater_equal(Comparison):
    """`x1 >= x2`."""

    operator = "GreaterOrEqual"
    keras = "ops.greater_equal"
    torch = "ge"
    onnx = ("GreaterOrEqual",)


class less_equal(Comparison):
    """`x1 <= x2`."""

    operator = "LessOrEqual"
    keras = "ops.less_equal"
    torch = "le"
    onnx = ("LessOrEqual",)


class equal(Comparison):
    """`x1 == x2`."""

    operator = "Equal"
    kinds = EVERYTHING
    keras = "ops.equal"
    torch = "eq"
    onnx = ("Equal",)


class not_equal(Comparison):
    """`x1 != x2`."""

    operator = "Equal"
    kinds = EVERYTHING
    keras = "ops.not_equal"
    torch = "ne"
    onnx = ("Equal", "Not")

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        return b.op("Not", super().lower(b, x1, x2))


class Logical(Binary):
    """The base of operators between booleans."""

    abstract = True
    kinds = ("bool",)
    boolean = True


class logical_and(Logical):
    """`x1 & x2` of booleans."""

    operator = "And"
    keras = "ops.logical_and"
    torch = "logical_and"
    onnx = ("And",)


class logical_or(Logical):
    """`x1 | x2` of booleans."""

    operator = "Or"
    keras = "ops.logical_or"
    torch = "logical_or"
    onnx = ("Or",)


class logical_xor(Logical):
    """`x1 ^ x2` of booleans."""

    operator = "Xor"
    keras = "ops.logical_xor"
    torch = "logical_xor"
    onnx = ("Xor",)


class logical_not(Function):
    """`~x` of a boolean tensor."""

    inputs = ("x",)
    parameters = ("x",)
    keras = "ops.logical_not"
    torch = "logical_not"
    onnx = ("Not",)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, ("bool",))
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("Not", x, result=x.type)


BITS = ("int", "uint")
BITWISE_OPSET = 18  # the first with operators between bits


def _need_bitwise(name: str, c: Context) -> None:
    """E0902 where the operator set has no operators between bits."""
    if c.opset < BITWISE_OPSET:
        raise LayerError(
            "E0902",
            f"{name} needs opset {BITWISE_OPSET}, and this is opset {c.opset}",
            help=f"build with --opset {BITWISE_OPSET}",
        )


class Bitwise(Binary):
    """The base of operators between the bits of whole numbers."""

    abstract = True
    kinds = BITS

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        _need_bitwise(self.type_name, c)
        return super().infer(c, x1, x2)


class bitwise_and(Bitwise):
    """`x1 & x2` of whole numbers, bit by bit."""

    operator = "BitwiseAnd"
    keras = "ops.bitwise_and"
    torch = "bitwise_and"
    onnx = ("BitwiseAnd",)


class bitwise_or(Bitwise):
    """`x1 | x2` of whole numbers, bit by bit."""

    operator = "BitwiseOr"
    keras = "ops.bitwise_or"
    torch = "bitwise_or"
    onnx = ("BitwiseOr",)


class bitwise_xor(Bitwise):
    """`x1 ^ x2` of whole numbers, bit by bit."""

    operator = "BitwiseXor"
    keras = "ops.bitwise_xor"
    torch = "bitwise_xor"
    onnx = ("BitwiseXor",)


class bitwise_not(Function):
    """`~x` of whole numbers: every bit turned."""

    inputs = ("x",)
    parameters = ("x",)
    keras = "ops.bitwise_not"
    torch = "bitwise_not"
    onnx = ("BitwiseNot",)

    def infer(self, c: Context, x: TensorType) -> TensorType:
        _need_bitwise(self.type_name, c)
        need_kind(self.type_name, x, BITS)
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("BitwiseNot", x, result=x.type)


class Shift(Binary):
    """The base of shifts. ONNX shifts unsigned numbers alone: signed ones go as unsigned ones of their width."""

    abstract = True
    kinds = BITS
    onnx = ("BitShift",)
    direction: ClassVar[str]

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        result = super().infer(c, x1, x2)
        amount, bits = c.constant(1), DTYPES[x1.dtype].bits
        if isinstance(amount, int) and not 0 <= amount < bits:
            raise LayerError("E0358", f"{self.type_name} of {x1.dtype} by {amount}: it has {bits} bits", input=1)
        return result

    def shifted(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        unsigned = _UNSIGNED.get(x1.dtype, x1.dtype)
        moved = b.op("BitShift", b.cast(x1, unsigned), b.cast(x2, unsigned), direction=self.direction)
        return b.cast(moved, x1.dtype)

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        return self.shifted(b, x1, x2)


_UNSIGNED = {"int8": "uint8", "int16": "uint16", "int32": "uint32", "int64": "uint64"}


class left_shift(Shift):
    """`x1 << x2`: bits moved up; what leaves at the top is lost."""

    direction = "LEFT"
    keras = "ops.left_shift"
    torch = "bitwise_left_shift"


class right_shift(Shift):
    """`x1 >> x2`: bits moved down, the sign kept: divided by a power of two and rounded down."""

    direction = "RIGHT"
    keras = "ops.right_shift"
    torch = "bitwise_right_shift"

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        if x1.dtype.startswith("uint"):
            return self.shifted(b, x1, x2)
        # Below zero -1 - x is not: its bits are turned, moved, and turned again.
        below, ones = b.op("Less", x1, b.like(x1, 0)), b.like(x1, -1)
        bits = select(b, below, b.op("Sub", ones, x1), x1)
        moved = self.shifted(b, bits, x2)
        return select(b, below, b.op("Sub", ones, moved), moved)
