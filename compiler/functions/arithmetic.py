"""Operators between two tensors: what `+ - * / // % ** @` and the comparisons stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.base import Function, broadcast, same_dtype
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.contract.dims import Verdict
from archonnx.contract.dtypes import DTYPES, is_float, is_integer

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
    kinds: ClassVar[tuple[str, ...]] = ("float", "int", "uint")
    boolean: ClassVar[bool] = False  # whether the result is bool

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        name = self.type_name
        dtype = same_dtype(name, x1, x2)
        if DTYPES[dtype].kind not in self.kinds:
            raise LayerError(
                "E0353", f"{name} is not defined for {dtype}", help="convert it first: cast(x, float32)", input=0
            )
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
                help="divide with `//`, or convert first: cast(x, float32)",
            )
        return super().infer(c, x1, x2)


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
    kinds = ("float", "int", "uint", "bool")
    keras = "ops.equal"
    torch = "eq"
    onnx = ("Equal",)


class not_equal(Comparison):
    """`x1 != x2`."""

    operator = "Equal"
    kinds = ("float", "int", "uint", "bool")
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


class matmul(Function):
    """`x1 @ x2`: the matrix product over the last axis of x1 and the last but one of x2; leading axes broadcast."""

    inputs = ("x1", "x2")
    parameters = ("x1", "x2")
    keras = "ops.matmul"
    torch = "matmul"
    onnx = ("MatMul",)

    def infer(self, c: Context, x1: TensorType, x2: TensorType) -> TensorType:
        dtype = same_dtype("matmul", x1, x2)
        if not is_float(dtype) and dtype not in ("int32", "int64", "uint32", "uint64"):
            raise LayerError("E0353", f"matmul is not defined for {dtype}", help="convert first: cast(x, float32)")
        if not x1.rank or not x2.rank:
            raise LayerError(
                "E0354", f"matmul needs an axis at least, got {x1} and {x2}", input=0 if not x1.rank else 1
            )
        inner = x2.shape[-2] if x2.rank > 1 else x2.shape[0]
        if c.facts.equal(x1.shape[-1], inner) is not Verdict.YES:
            raise LayerError(
                "E0351", f"matmul of {x1} and {x2}: the inner sizes {x1.shape[-1]} and {inner} are not equal", input=1
            )
        batch = broadcast(c, "matmul", x1.shape[:-2], x2.shape[:-2])
        rows = x1.shape[-2:-1]
        columns = x2.shape[-1:] if x2.rank > 1 else ()
        return TensorType(dtype, (*batch, *rows, *columns))

    def macs(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        count: Dim = inputs[0].shape[-1]
        for size in outputs[0].shape:
            count = count * size
        return count

    def lower(self, b: Builder, x1: Tensor, x2: Tensor) -> Tensor:
        return b.matmul(x1, x2)


if TYPE_CHECKING:
    from archonnx.contract.dims import Dim
