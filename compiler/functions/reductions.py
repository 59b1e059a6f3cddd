"""Functions that take axes away: sums, means, extremes, and those that normalise along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.functions.base import NUMBERS, Function, axes_of, need_kind, product, widened
from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import Axes, Axis, Flag, Optional

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Reduction(Function):
    """The base of reductions over some axes, by default over all."""

    abstract = True
    inputs = ("x",)
    parameters = ("x", "axis", "keepdims")
    kind: ClassVar[str]  # of ONNX's Reduce...
    kinds: ClassVar[tuple[str, ...]] = NUMBERS
    axis = arg(Optional(Axes()), default=None, doc="The axis or axes to reduce; None: all.")
    keepdims = arg(Flag(), default=False, doc="Whether reduced axes stay, with size 1.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, self.kinds)
        places = axes_of(self.type_name, x, self.axis)
        shape = [1 if a in places else d for a, d in enumerate(x.shape) if self.keepdims or a not in places]
        return TensorType(x.dtype, tuple(shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        wide = widened(b, x, ordered=self.kind in ("Max", "Min"))
        return b.cast(b.reduce(self.kind, wide, self.axis, self.keepdims), x.dtype)


class mean(Reduction):
    """The mean over axes."""

    kind = "Mean"
    kinds = ("float",)
    keras = "ops.mean"
    torch = "mean"
    onnx = ("ReduceMean",)


class sum(Reduction):
    """The sum over axes."""

    kind = "Sum"
    keras = "ops.sum"
    torch = "sum"
    onnx = ("ReduceSum",)


class prod(Reduction):
    """The product over axes."""

    kind = "Prod"
    keras = "ops.prod"
    torch = "prod"
    onnx = ("ReduceProd",)


class max(Reduction):
    """The largest element over axes."""

    kind = "Max"
    keras = "ops.max"
    torch = "amax"
    onnx = ("ReduceMax",)


class min(Reduction):
    """The smallest element over axes."""

    kind = "Min"
    keras = "ops.min"
    torch = "amin"
    onnx = ("ReduceMin",)


class logsumexp(Reduction):
    """log(sum(exp(x))) over axes, without overflow."""

    kind = "LogSumExp"
    kinds = ("float",)
    keras = "ops.logsumexp"
    torch = "logsumexp"
    onnx = ("ReduceLogSumExp",)


class var(Reduction):
    """The variance over axes: the mean of the squared distance from the mean."""

    kinds = ("float",)
    keras = "ops.var"
    onnx: ClassVar[tuple[str, ...]] = ("ReduceMean", "Sub", "Mul")

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        centred = b.op("Sub", x, b.reduce("Mean", x, self.axis, True), result=x.type)
        return b.reduce("Mean", b.op("Mul", centred, centred, result=x.type), self.axis, self.keepdims)


class std(var):
    """The standard deviation over axes: the square root of the variance."""

    keras = "ops.std"
    onnx = ("ReduceMean", "Sub", "Mul", "Sqrt")

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op("Sqrt", super().lower(b, x))


class Truths(Reduction):
    """The base of `any` and `all`: ONNX reduces no booleans, so they go as int32."""

    abstract = True
    kinds = ("bool",)

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.cast(b.reduce(self.kind, b.cast(x, "int32"), self.axis, self.keepdims), "bool")


class any(Truths):
    """Whether at least one element over axes is true."""

    kind = "Max"
    keras = "ops.any"
    torch = "any"
    onnx = ("Cast", "ReduceMax")


class all(Truths):
    """Whether every element over axes is true."""

    kind = "Min"
    keras = "ops.all"
    torch = "all"
    onnx = ("Cast", "ReduceMin")


class Extreme(Function):
    """The base of argmax and argmin. Equal elements: the first."""

    abstract = True
    inputs = ("x",)
    parameters = ("x", "axis", "keepdims")
    operator: ClassVar[str]
    axis = arg(Optional(Axis()), default=None, doc="The axis; None: all axes as one.")
    keepdims = arg(Flag(), default=False, doc="Whether the axis stays, with size 1.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, NUMBERS)
        places = axes_of(self.type_name, x, None if self.axis is None else (self.axis,))
        shape = [1 if a in places else d for a, d in enumerate(x.shape) if self.keepdims or a not in places]
        return TensorType("int64", tuple(shape))

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        rank = x.rank
        axis = self.axis
        if axis is None:
            x, axis = b.flatten_from(x, 0), 0
        axis %= x.rank
        result = TensorType("int64", tuple(1 if a == axis else d for a, d in enumerate(x.shape)))
        found = b.op(self.operator, widened(b, x, ordered=True), result=result, axis=axis)
        if self.keepdims:
            return found if self.axis is not None else b.reshape(found, (1,) * rank)
        return b.squeeze(found, [axis])


class argmax(Extreme):
    """The index of the largest element along an axis, int64."""

    operator = "ArgMax"
    keras = "ops.argmax"
    torch = "argmax"
    onnx = ("ArgMax",)


class argmin(Extreme):
    """The index of the smallest element along an axis, int64."""

    operator = "ArgMin"
    keras = "ops.argmin"
    torch = "argmin"
    onnx = ("ArgMin",)


class Along(Function):
    """The base of functions that keep the shape and run along one axis."""

    abstract = True
    inputs = ("x",)
    parameters = ("x", "axis")
    operator: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = ("float",)
    axis = arg(Axis(), default=-1, doc="The axis.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind(self.type_name, x, self.kinds)
        axes_of(self.type_name, x, (self.axis,))
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        return b.op(self.operator, x, result=x.type, axis=self.axis)


class softmax(Along):
    """exp(x) over its sum along an axis."""

    operator = "Softmax"
    keras = "ops.softmax"
    torch = "softmax"
    onnx = ("Softmax",)


class log_softmax(Along):
    """The logarithm of softmax along an axis."""

    operator = "LogSoftmax"
    keras = "ops.log_softmax"
    torch = "log_softmax"
    onnx = ("LogSoftmax",)


class cumsum(Function):
    """The sums of all elements up to each one along an axis, or in order where no axis is given."""

    inputs = ("x",)
    parameters = ("x", "axis")
    keras = "ops.cumsum"
    torch = "cumsum"
    onnx = ("CumSum",)
    axis = arg(Optional(Axis()), default=None, doc="The axis; None: all axes as one.")

    def infer(self, c: Context, x: TensorType) -> TensorType:
        need_kind("cumsum", x, NUMBERS)
        if self.axis is None:
            return TensorType(x.dtype, (product(x.shape),))
        axes_of("cumsum", x, (self.axis,))
        return x

    def lower(self, b: Builder, x: Tensor) -> Tensor:
        if self.axis is None:
            x = b.flatten_from(x, 0)
        wide = widened(b, x)
        at = 0 if self.axis is None else self.axis % x.rank
        return b.cast(b.op("CumSum", wide, b.constant(at, "int64"), result=wide.type), x.dtype)
