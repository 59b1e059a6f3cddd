"""Tensors of a shape: arange, zeros, ones, full and their `_like`, eye, one_hot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.functions.base import Function, need_kind, result_types, steps
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Axis, DTypeDomain, Either, Flag, Optional, Real, Shape, Whole
from archonnx.contract.dims import Expr, ceil_div, dim_max
from archonnx.contract.dtypes import DTYPES, is_float, is_integer, misfit

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

Number = Either(Whole(symbolic=True), Real())
LARGEST = 1024  # elements of a constant that is written out
EXPAND = 13  # Expand takes no dtype that came with a later operator set


class arange(Function):
    """Numbers from `start` up to but without `stop`, one `step` apart; of one number, from 0 up to it."""

    inputs = ()
    parameters = ("start", "stop", "step", "dtype")
    keras = "ops.arange"
    torch = "arange"
    onnx = ("Range",)
    start = arg(Number, doc="The first number; alone, the number to stop before.")
    stop = arg(Optional(Number), default=None, doc="The number to stop before.")
    step = arg(Either(Whole(), Real()), default=1, doc="From one number to the next; not 0.")
    dtype = arg(
        Optional(DTypeDomain()), default=None, doc="Their type; None: int64, or float32 where one is a fraction."
    )

    def bounds(self) -> tuple[Any, Any]:
        return (0, self.start) if self.stop is None else (self.start, self.stop)

    def element(self) -> str:
        numbers = (*self.bounds(), self.step)
        return self.dtype or ("float32" if any(isinstance(n, float) for n in numbers) else "int64")

    def validate(self) -> None:
        if self.step == 0:
            raise LayerError("E0360", "arange by steps of 0 has no end", argument="step")
        numbers = (*self.bounds(), self.step)
        if any(isinstance(n, float) for n in numbers) and any(isinstance(n, Expr) for n in numbers):
            raise LayerError(
                "E0360",
                f"arange of the size {next(n for n in numbers if isinstance(n, Expr))} beside a fraction",
                help="make it of whole numbers and calculate with it: cast(arange(N), float32) / 2",
                argument="start",
            )
        if self.dtype is not None and not is_float(self.dtype) and not is_integer(self.dtype):
            raise LayerError("E0360", f"arange makes numbers, not {self.dtype}", argument="dtype")

    def length(self, c: Context) -> Dim:
        low, high = self.bounds()
        if isinstance(low, float) or isinstance(high, float) or isinstance(self.step, float):
            count: int = math.ceil((high - low) / self.step)  # as numpy counts
            return max(0, count)
        distance: Dim = high - low if self.step > 0 else low - high
        if not c.facts.at_least(distance, 0):
            distance = dim_max(0, distance)
        return c.facts.normalize(ceil_div(distance, abs(self.step)))

    def infer(self, c: Context, *inputs: Any) -> TensorType:
        return TensorType(self.element(), (self.length(c),))

    def lower(self, b: Builder, *inputs: Any) -> Tensor:
        (low, _), dtype = self.bounds(), self.element()
        result = result_types(b)[0]
        count = result.shape[0]
        if isinstance(low, (int, float)) and isinstance(count, int) and count <= LARGEST:
            import numpy as np

            return b.constant(np.arange(count) * self.step + low, dtype)
        numbers = steps(b, count)
        if isinstance(low, float) or isinstance(self.step, float):
            numbers = b.cast(numbers, "float64")
        if self.step != 1:
            numbers = b.op("Mul", numbers, b.like(numbers, self.step))
        if low != 0:
            numbers = b.op("Add", numbers, b.like(numbers, low) if isinstance(low, (int, float)) else b.dim(low))
        return b.cast(numbers, dtype)


class Filled(Function):
    """The base of functions that give a tensor with one number everywhere."""

    abstract = True
    inputs: ClassVar[tuple[str, ...]] = ()
    onnx = ("Expand",)
    number: ClassVar[int] = 0

    def value(self) -> Any:
        return self.number

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        raise TypeError("said by each of them")

    def lower(self, b: Builder, *inputs: Tensor) -> Tensor:
        result = result_types(b)[0]
        return b.expand(b.constant(self.value(), result.dtype), result.shape)


class zeros(Filled):
    """A tensor of a shape with 0 everywhere."""

    parameters = ("shape", "dtype")
    keras = "ops.zeros"
    torch = "zeros"
    shape = arg(Shape(rest=False), doc="Its shape.")
    dtype = arg(DTypeDomain(), default="float32", doc="Its type.")

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        _check_fill(self.type_name, self.number, self.dtype)
        return TensorType(self.dtype, self.shape)


class ones(zeros):
    """A tensor of a shape with 1 everywhere."""

    keras = "ops.ones"
    torch = "ones"
    number = 1


class full(Filled):
    """A tensor of a shape with one number everywhere."""

    parameters = ("shape", "fill_value", "dtype")
    keras = "ops.full"
    torch = "full"
    shape = arg(Shape(rest=False), doc="Its shape.")
    fill_value = arg(Either(Flag(), Whole(), Real()), doc="The number.")
    dtype = arg(Optional(DTypeDomain()), default=None, doc="Its type; None: bool, int64 or float32, as the number is.")

    def value(self) -> Any:
        return self.fill_value

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        kinds = {bool: "bool", int: "int64", float: "float32"}
        dtype = self.dtype or kinds[type(self.fill_value)]
        _check_fill(self.type_name, self.fill_value, dtype)
        return TensorType(dtype, self.shape)


def _check_fill(name: str, value: Any, dtype: str) -> None:
    """E0361 where the number is none of the dtype's, or ONNX expands none of it."""
    kind, since = DTYPES[dtype].kind, DTYPES[dtype].since
    if kind in ("string", "complex") or since > EXPAND:
        help = f"convert what it makes: cast({name}(...), {dtype})" if since > EXPAND else None
        raise LayerError("E0361", f"{name} makes no {dtype}", help=help, argument="dtype")
    why = misfit(value, dtype)
    if why:
        raise LayerError("E0361", f"{name} of {dtype}: {why}", argument="fill_value")
    if (isinstance(value, float) and is_integer(dtype) and not value.is_integer()) or not (
        is_float(dtype) or is_integer(dtype) or dtype == "bool"
    ):
        raise LayerError("E0361", f"{name} of {dtype} with {value}", argument="fill_value")


class zeros_like(Filled):
    """A tensor of the shape of another with 0 everywhere."""

    inputs = ("x",)
    parameters = ("x", "dtype")
    keras = "ops.zeros_like"
    torch = "zeros_like"
    dtype = arg(Optional(DTypeDomain()), default=None, doc="Its type; None: the other's.")

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        dtype = self.dtype or inputs[0].dtype
        _check_fill(self.type_name, self.number, dtype)
        return TensorType(dtype, inputs[0].shape)


class ones_like(zeros_like):
    """A tensor of the shape of another with 1 everywhere."""

    keras = "ops.ones_like"
    torch = "ones_like"
    number = 1


class full_like(Filled):
    """A tensor of the shape of another with one number everywhere."""

    inputs = ("x",)
    parameters = ("x", "fill_value", "dtype")
    keras = "ops.full_like"
    torch = "full_like"
    fill_value = arg(Either(Flag(), Whole(), Real()), doc="The number.")
    dtype = arg(Optional(DTypeDomain()), default=None, doc="Its type; None: the other's.")

    def value(self) -> Any:
        return self.fill_value

    def infer(self, c: Context, *inputs: TensorType) -> TensorType:
        dtype = self.dtype or inputs[0].dtype
        _check_fill("full_like", self.fill_value, dtype)
        return TensorType(dtype, inputs[0].shape)


class eye(Function):
    """A matrix with 1 on one diagonal and 0 elsewhere."""

    inputs = ()
    parameters = ("N", "M", "k", "dtype")
    keras = "ops.eye"
    torch = "eye"
    onnx = ("Equal", "Cast")
    N = arg(Whole(1, symbolic=True), doc="The number of rows.")
    M = arg(Optional(Whole(1, symbolic=True)), default=None, doc="The number of columns; None: as many as rows.")
    k = arg(Whole(), default=0, doc="Which diagonal: 0 the main one, positive ones above it.")
    dtype = arg(DTypeDomain(), default="float32", doc="Its type.")

    def infer(self, c: Context, *inputs: Any) -> TensorType:
        return TensorType(self.dtype, (self.N, self.N if self.M is None else self.M))

    def lower(self, b: Builder, *inputs: Any) -> Tensor:
        rows, columns = result_types(b)[0].shape
        if isinstance(rows, int) and isinstance(columns, int) and rows * columns <= LARGEST:
            import numpy as np

            return b.constant(np.eye(rows, columns, self.k), self.dtype)
        first = steps(b, rows)
        if self.k:
            first = b.op("Add", first, b.constant(self.k, "int64"))
        return b.cast(b.op("Equal", b.expand_dims(first, [1]), steps(b, columns)), self.dtype)


class one_hot(Function):
    """Whole numbers as vectors: 1 at the number's place along a new axis, else 0; a number without a place has no 1."""

    inputs = ("x",)
    parameters = ("x", "num_classes", "axis", "dtype")
    index_inputs = ("x",)
    keras = "ops.one_hot"
    torch = "nn.functional.one_hot"
    onnx = ("Equal", "Cast")
    num_classes = arg(Whole(1, symbolic=True), doc="The size of the new axis.")
    axis = arg(Axis(), default=-1, doc="Where in the result the new axis stands.")
    dtype = arg(DTypeDomain(), default="float32", doc="The type of the result.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind("one_hot", x, ("int", "uint"))
        rank = x.rank + 1
        if not -rank <= self.axis < rank:
            raise LayerError("E0355", f"one_hot of {x} at {self.axis}: the result has {rank} axes", argument="axis")
        at = self.axis % rank
        return TensorType(self.dtype, (*x.shape[:at], self.num_classes, *x.shape[at:]))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        at = self.axis % (x.rank + 1)
        places = b.expand_dims(steps(b, self.num_classes), list(range(1, x.rank + 1 - at)))
        same = b.op("Equal", b.expand_dims(b.cast(x, "int64"), [at]), places, result=_as_bool(result_types(b)[0]))
        return b.cast(same, self.dtype)


def _as_bool(x: TensorType) -> TensorType:
    return TensorType("bool", x.shape)
