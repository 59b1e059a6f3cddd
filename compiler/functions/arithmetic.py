"""Arithmetic between two tensors, element by element: `+ - * / // % **`, the larger and the smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.base import NUMBERS, Function, broadcast, need_kind, same_dtype, widened
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.lowering.constants import literal
from archonnx.contract.dtypes import is_float, is_integer

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Binary(Function):
    """The base of elementwise operators of two tensors of one dtype."""

    abstract = True
    inputs = ("x1", "x2")
    parameters = ("x1", "x2")
    operator: ClassVar[str]  # ONNX's
    kinds: ClassVar[tuple[str, ...]] = NUMBERS
    boolean: ClassVar[bool] = False  # whether the result is bool

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        name = self.type_name
        need_kind(name, x1, self.kinds)
        dtype = same_dtype(name, x1, x2)
        return TensorType("bool" if self.boolean else dtype, broadcast(c, name, x1.shape, x2.shape))

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        shape = b.broadcast((x1.shape, x2.shape))
        return b.op(self.operator, x1, x2, result=TensorType("bool" if self.boolean else x1.dtype, tuple(shape)))


class add(Binary):
    """`x1 + x2`."""

    operator = "Add"
    keras = "ops.add"
    torch = "add"
    onnx = ("Add",)


class subtract(Binary):
    """`x1 - x2`."""

    operator = "Sub"
    keras = "ops.subtract"
    torch = "sub"
    onnx = ("Sub",)


class multiply(Binary):
    """`x1 * x2`."""

    operator = "Mul"
    keras = "ops.multiply"
    torch = "mul"
    onnx = ("Mul",)


class divide(Binary):
    """`x1 / x2`, of fractions; whole numbers are divided by `//`."""

    operator = "Div"
    keras = "ops.divide"
    torch = "div"
    onnx = ("Div",)

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        if is_integer(x1.dtype) and is_integer(x2.dtype):
            raise LayerError(
                "E0353",
                f"`/` of {x1.dtype} and {x2.dtype} gives fractions, which these types cannot hold",
                help="divide with `//`, or convert first: cast(tensor, float32)",
            )
        return super().infer(c, x1, x2)


class floor_divide(Binary):
    """`x1 // x2`: the quotient rounded down, to minus infinity, as Python's."""

    keras = "ops.floor_divide"
    torch = "floor_divide"
    onnx = ("Div", "Mod")

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        _refuse_zero(self.type_name, c, x2)
        return super().infer(c, x1, x2)

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        """Whole numbers: ONNX cuts towards zero, so a quotient below zero with a rest is one too large.

        Fractions as numpy's npy_divmod: (x1 - rest) / x2 is whole but for rounding, which 1.0 // 0.1 == 9 depends on.
        """
        if is_integer(x1.dtype):
            quotient = _quotient(b, x1, x2)
            if x1.dtype.startswith("uint"):
                return quotient
            rest = b.op("Mod", x1, x2)
            apart = _of_other_signs(b, x1, x2)
            too_large = b.op("And", b.op("Not", b.op("Equal", rest, b.like(rest, 0))), apart)
            return b.op("Sub", quotient, b.cast(too_large, x1.dtype))
        rest = b.op("Mod", x1, x2, fmod=1)
        whole = b.op("Round", b.op("Div", b.op("Sub", x1, rest), x2))
        below = b.op("Sub", whole, b.cast(_takes_another_sign(b, rest, x2), x1.dtype))
        if _is_not_zero(x2):
            return below
        return b.op("Where", b.op("Equal", x2, b.like(x2, 0)), b.op("Div", x1, x2), below, result=below.type)


class remainder(Binary):
    """`x1 % x2`: what `//` leaves, of the sign of x2, as Python's."""

    keras = "ops.mod"
    torch = "remainder"
    onnx = ("Mod",)

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        _refuse_zero(self.type_name, c, x2)
        return super().infer(c, x1, x2)

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        if is_integer(x1.dtype):
            return b.op("Mod", x1, x2)
        rest = b.op("Mod", x1, x2, fmod=1)  # of the sign of x1
        return b.op("Where", _takes_another_sign(b, rest, x2), b.op("Add", rest, x2), rest, result=rest.type)


def _quotient(b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
    """Whole numbers divided, cut towards zero. -2**63 by -1 stops ONNX Runtime's process: by -1 is negated instead."""
    array = literal(x2)
    if x1.dtype != "int64" or (array is not None and not (array == -1).any()):
        return b.op("Div", x1, x2)
    turned = b.op("Equal", x2, b.like(x2, -1))
    dividend = b.op("Where", turned, b.op("Neg", x1), x1, result=TensorType("int64", b.broadcast((x1.shape, x2.shape))))
    divisor = b.op("Where", turned, b.like(x2, 1), x2, result=x2.type)
    return b.op("Div", dividend, divisor)


def _refuse_zero(name: str, c: Context, x2: TensorType) -> None:
    """E0358 for whole numbers by a zero that is written out: there is no such number, and a machine may stop at it."""
    if is_integer(x2.dtype) and _holds_zero(c.constant(1)):
        raise LayerError("E0358", f"{name} of {x2.dtype} by zero", input=1)


def _holds_zero(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_zero(v) for v in value)
    return value is not None and value == 0


def _is_not_zero(x: Tensor) -> bool:
    array = literal(x)
    return array is not None and bool((array != 0).all())


def _of_other_signs(b: Builder, x: Tensor, divisor: Tensor) -> Tensor:
    """Where one of the two is below zero and the other is not; shorter where the divisor is written out."""
    array = literal(divisor)
    if array is not None and (array > 0).all():
        return b.op("Less", x, b.like(x, 0))
    if array is not None and (array < 0).all():
        return b.op("GreaterOrEqual", x, b.like(x, 0))
    return b.op("Xor", b.op("Less", x, b.like(x, 0)), b.op("Less", divisor, b.like(divisor, 0)))


def _takes_another_sign(b: Builder, rest: Tensor, divisor: Tensor) -> Tensor:
    """Where there is a rest and its sign is not the divisor's."""
    array = literal(divisor)
    apart = _of_other_signs(b, rest, divisor)
    if array is not None and (array > 0).all():
        return apart  # below zero, so there is a rest
    return b.op("And", b.op("Not", b.op("Equal", rest, b.like(rest, 0))), apart)


class power(Binary):
    """`x1 ** x2`. Whole numbers to a power below zero are no whole numbers: an error where it is written out."""

    keras = "ops.power"
    torch = "pow"
    onnx = ("Pow",)

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        exponent = c.constant(1)
        if is_integer(x1.dtype) and _least(exponent) < 0:
            raise LayerError(
                "E0353",
                f"{x1.dtype} to the power {exponent} gives fractions, which this type cannot hold",
                help="convert first: cast(tensor, float32)",
                input=0,
            )
        return super().infer(c, x1, x2)

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        """As numpy's, the common exponents have operators; whole ones multiply, which is exact for integers."""
        array = literal(x2)
        if array is not None and array.ndim == 0:
            exponent = array.item()
            if exponent == 0.5:
                return b.op("Sqrt", x1)
            if exponent == -1 and is_float(x1.dtype):
                return b.op("Reciprocal", x1)
            if exponent in (1, 2) or (is_integer(x1.dtype) and 1 <= exponent <= 64):
                return _multiplied(b, x1, int(exponent))
        raised = b.op("Pow", widened(b, x1), widened(b, x2))
        return b.cast(raised, x1.dtype)


def _least(value: object) -> float:
    """The least number of nested tuples; 0 where there are none."""
    if isinstance(value, (list, tuple)):
        return min((_least(v) for v in value), default=0)
    return value if isinstance(value, (int, float)) else 0


def _multiplied(b: Builder, x: Tensor, exponent: int) -> Tensor:
    """x to a whole power of at least 1, by squaring."""
    result: Tensor | None = None
    square = x
    while True:
        if exponent & 1:
            result = square if result is None else b.op("Mul", result, square)
        exponent >>= 1
        if not exponent:
            assert result is not None
            return result
        square = b.op("Mul", square, square)


class maximum(Binary):
    """The larger of two tensors, element by element."""

    operator = "Max"
    keras = "ops.maximum"
    torch = "maximum"
    onnx = ("Max",)


class minimum(Binary):
    """The smaller of two tensors, element by element."""

    operator = "Min"
    keras = "ops.minimum"
    torch = "minimum"
    onnx = ("Min",)
