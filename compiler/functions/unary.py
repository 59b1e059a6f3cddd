"""Functions of one tensor, element by element."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.base import NUMBERS, Function, need_kind
from archonnx.compiler.graph import TensorType

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Unary(Function):
    """The base of elementwise functions of one tensor, by default of fractions."""

    abstract = True
    inputs = ("x",)
    parameters = ("x",)
    operator: ClassVar[str]  # ONNX's
    kinds: ClassVar[tuple[str, ...]] = ("float",)
    boolean: ClassVar[bool] = False  # whether the result is bool

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, self.kinds)
        return TensorType("bool" if self.boolean else x.dtype, x.shape)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op(self.operator, x, result=TensorType("bool" if self.boolean else x.dtype, x.shape))


class sqrt(Unary):
    """The square root of every element."""

    operator = "Sqrt"
    keras = "ops.sqrt"
    torch = "sqrt"
    onnx = ("Sqrt",)


class exp(Unary):
    """e to the power of every element."""

    operator = "Exp"
    keras = "ops.exp"
    torch = "exp"
    onnx = ("Exp",)


class log(Unary):
    """The natural logarithm of every element."""

    operator = "Log"
    keras = "ops.log"
    torch = "log"
    onnx = ("Log",)


class log2(Unary):
    """The logarithm to base 2 of every element."""

    keras = "ops.log2"
    torch = "log2"
    onnx = ("Log", "Div")
    base: ClassVar[float] = 2.0

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("Div", b.op("Log", x, result=x.type), b.like(x, math.log(self.base)), result=x.type)


class log10(log2):
    """The logarithm to base 10 of every element."""

    keras = "ops.log10"
    torch = "log10"
    base = 10.0


class erf(Unary):
    """The error function of every element."""

    operator = "Erf"
    keras = "ops.erf"
    torch = "erf"
    onnx = ("Erf",)


class sin(Unary):
    """The sine of every element, in radians."""

    operator = "Sin"
    keras = "ops.sin"
    torch = "sin"
    onnx = ("Sin",)


class cos(Unary):
    """The cosine of every element, in radians."""

    operator = "Cos"
    keras = "ops.cos"
    torch = "cos"
    onnx = ("Cos",)


class tan(Unary):
    """The tangent of every element, in radians."""

    operator = "Tan"
    keras = "ops.tan"
    torch = "tan"
    onnx = ("Tan",)


class tanh(Unary):
    """The hyperbolic tangent of every element."""

    operator = "Tanh"
    keras = "ops.tanh"
    torch = "tanh"
    onnx = ("Tanh",)


class arcsin(Unary):
    """The angle in radians whose sine each element is."""

    operator = "Asin"
    keras = "ops.arcsin"
    torch = "asin"
    onnx = ("Asin",)


class arccos(Unary):
    """The angle in radians whose cosine each element is."""

    operator = "Acos"
    keras = "ops.arccos"
    torch = "acos"
    onnx = ("Acos",)


class arctan(Unary):
    """The angle in radians whose tangent each element is."""

    operator = "Atan"
    keras = "ops.arctan"
    torch = "atan"
    onnx = ("Atan",)


class sinh(Unary):
    """The hyperbolic sine of every element."""

    operator = "Sinh"
    keras = "ops.sinh"
    torch = "sinh"
    onnx = ("Sinh",)


class cosh(Unary):
    """The hyperbolic cosine of every element."""

    operator = "Cosh"
    keras = "ops.cosh"
    torch = "cosh"
    onnx = ("Cosh",)


class sigmoid(Unary):
    """1 / (1 + exp(-x)) of every element."""

    operator = "Sigmoid"
    keras = "ops.sigmoid"
    torch = "sigmoid"
    onnx = ("Sigmoid",)


class softplus(Unary):
    """log(1 + exp(x)) of every element."""

    operator = "Softplus"
    keras = "ops.softplus"
    torch = "nn.functional.softplus"
    onnx = ("Softplus",)


class relu(Unary):
    """max(0, x) of every element."""

    operator = "Relu"
    keras = "ops.relu"
    torch = "relu"
    onnx = ("Relu",)


class floor(Unary):
    """The largest whole number not above each element."""

    operator = "Floor"
    keras = "ops.floor"
    torch = "floor"
    onnx = ("Floor",)


class ceil(Unary):
    """The smallest whole number not below each element."""

    operator = "Ceil"
    keras = "ops.ceil"
    torch = "ceil"
    onnx = ("Ceil",)


class round(Unary):
    """The nearest whole number to each element, halves to the even one."""

    operator = "Round"
    keras = "ops.round"
    torch = "round"
    onnx = ("Round",)


class reciprocal(Unary):
    """1 / x of every element."""

    operator = "Reciprocal"
    keras = "ops.reciprocal"
    torch = "reciprocal"
    onnx = ("Reciprocal",)


class rsqrt(Unary):
    """1 / sqrt(x) of every element."""

    keras = "ops.rsqrt"
    torch = "rsqrt"
    onnx = ("Sqrt", "Reciprocal")

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("Reciprocal", b.op("Sqrt", x, result=x.type), result=x.type)


class abs(Unary):
    """The absolute value of every element."""

    operator = "Abs"
    kinds = NUMBERS
    keras = "ops.abs"
    torch = "abs"
    onnx = ("Abs",)


class sign(Unary):
    """-1, 0 or 1: the sign of every element."""

    operator = "Sign"
    kinds = NUMBERS
    keras = "ops.sign"
    torch = "sign"
    onnx = ("Sign",)


class square(Unary):
    """x * x of every element."""

    kinds = NUMBERS
    keras = "ops.square"
    torch = "square"
    onnx = ("Mul",)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("Mul", x, x, result=x.type)


class negative(Unary):
    """`-x`."""

    operator = "Neg"
    kinds = ("float", "int")
    keras = "ops.negative"
    torch = "neg"
    onnx = ("Neg",)


class positive(Unary):
    """`+x`: the tensor itself."""

    kinds = NUMBERS
    torch = "positive"

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.identity(x)


class isnan(Unary):
    """Whether each element is not a number."""

    operator = "IsNaN"
    boolean = True
    keras = "ops.isnan"
    torch = "isnan"
    onnx = ("IsNaN",)


class isinf(Unary):
    """Whether each element is infinite."""

    operator = "IsInf"
    boolean = True
    keras = "ops.isinf"
    torch = "isinf"
    onnx = ("IsInf",)
