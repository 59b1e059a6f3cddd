"""Activation layers: Activation("..."), and those with numbers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations, domains
from archonnx.compiler.layers.activations import clip
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_least_rank, resolve_axes, resolve_axis
from archonnx.compiler.layers.domains import Axes, Ignored, InitializerDomain, Optional, Real
from archonnx.compiler.layers.double import pointwise

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class ActivationLayer(KerasLayer):
    """A layer without weights that can also be given as another's `activation=`."""

    abstract = True
    acts_elementwise = True
    inputs = ("inputs",)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        return self.floating(inputs)


class Activation(ActivationLayer):
    """Applies an activation by its Keras name."""

    activation = arg(domains.Activation(), doc="Name of the activation, or None for none.")
    keras = "Activation"
    onnx = tuple(
        "Relu Sigmoid Tanh Softmax Elu Selu Gelu Softplus Softsign HardSwish HardSigmoid LeakyRelu LogSoftmax Mish "
        "Shrink Clip Exp Erf Add Sub Mul Div Neg Sqrt TopK CumSum Greater Where ReduceSum".split()
    )
    formula = "y = activation(inputs)"
    example = 'input x: float32[N, 16]\nActivation("relu")'

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        if self.activation is None:
            return self.kept(inputs)
        return activations.activated(c, self.activation, self.floating(inputs))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        if self.activation is None:
            return self.cast_kept(b, inputs)
        return activations.apply(b, self.activation, self.cast_floating(b, inputs))


class ReLU(ActivationLayer):
    """`max(x, 0)`; with arguments: x from `threshold` to `max_value`, `negative_slope * (x - threshold)` below."""

    max_value = arg(Optional(Real(minimum=0)), default=None, doc="Largest value of the result.")
    negative_slope = arg(Real(minimum=0), default=0.0, doc="Slope below the threshold.")
    threshold = arg(Real(minimum=0), default=0.0, doc="Where the line begins.")
    keras = "ReLU"
    torch = "ReLU"
    onnx = ("Relu", "Clip", "LeakyRelu", "Greater", "Where", "Sub", "Mul")
    formula = """y = min(inputs, max_value) where inputs > threshold
y = negative_slope * (inputs - threshold) elsewhere"""
    example = "input x: float32[N, 16]\nReLU(6.0)"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        slope, threshold, most = self.negative_slope, self.threshold, self.max_value
        if threshold == 0 and most is None:
            if slope == 0:
                return b.op("Relu", x, result=x.type)
            return pointwise(b, "LeakyRelu", x, alpha=slope)
        if threshold == 0:
            y = clip(b, x, 0.0, most)
        else:
            above = b.op("Greater", x, b.like(x, threshold))
            y = b.op("Where", above, x, b.like(x, 0.0), result=x.type)
            if most is not None:
                y = clip(b, y, 0.0, most)
        if slope == 0:
            return y
        below = b.op("Relu", b.op("Sub", b.like(x, threshold), x, result=x.type))
        return b.op("Sub", y, b.op("Mul", below, b.like(x, slope)))


class LeakyReLU(ActivationLayer):
    """x above zero, `negative_slope * x` below."""

    negative_slope = arg(Real(minimum=0), default=0.3, doc="Slope below zero.")
    keras = "LeakyReLU"
    torch = "LeakyReLU"
    onnx = ("LeakyRelu",)
    formula = "y = inputs where inputs > 0, negative_slope * inputs elsewhere"
    example = "input x: float32[N, 16]\nLeakyReLU(0.1)"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        return pointwise(b, "LeakyRelu", x, alpha=self.negative_slope)


class ELU(ActivationLayer):
    """x above zero, `alpha * (exp(x) - 1)` below."""

    alpha = arg(Real(), default=1.0, doc="What the result tends to, negated, far below zero.")
    keras = "ELU"
    torch = "ELU"
    onnx = ("Elu",)
    formula = "y = inputs where inputs > 0, alpha * (exp(inputs) - 1) elsewhere"
    example = "input x: float32[N, 16]\nELU()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        return pointwise(b, "Elu", x, alpha=self.alpha)


class PReLU(KerasLayer):
    """x above zero, `alpha * x` below, alpha being learnt."""

    inputs = ("inputs",)
    alpha_initializer = arg(InitializerDomain(), default="zeros", doc="What alpha starts from.")
    alpha_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    alpha_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    shared_axes = arg(Optional(Axes()), default=None, doc="Axes along which alpha is the same, the batch being axis 0.")
    keras = "PReLU"
    torch = "PReLU"
    onnx = ("PRelu",)
    formula = "y = inputs where inputs > 0, alpha * inputs elsewhere"
    example = "input x: float32[N, 16]\nPReLU()"

    def declare(self, c: Context, inputs: TensorType) -> None:
        require_least_rank(self, inputs, 2)
        shared = {resolve_axis(self, inputs, axis, "shared_axes") for axis in self.shared_axes or ()}
        if 0 in shared:
            raise LayerError(
                "E0311", "PReLU shares alpha along the batch anyway; axis 0 is the batch", argument="shared_axes"
            )
        shape = tuple(1 if axis in shared else c.known(inputs, axis) for axis in range(1, inputs.rank))
        c.weight("alpha", shape, self.alpha_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        return self.floating(inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        return pointwise(b, "PRelu", x, b.weight("alpha"))


class Softmax(KerasLayer):
    """`exp(x) / sum(exp(x))` along an axis or several; where a mask is given and False, 0."""

    inputs = ("inputs", "mask?")
    call_arguments = ("mask",)
    acts_elementwise = True
    axis = arg(Axes(), default=-1, doc="Axis, or axes, that sum to 1.")
    keras = "Softmax"
    torch = "Softmax"
    onnx = ("Softmax", "Exp", "Sub", "ReduceLogSumExp", "Where")
    formula = "y = exp(inputs) / sum(exp(inputs)), the sum along axis; 0 where mask is False"
    example = "input x: float32[N, 16]\nSoftmax()"

    def infer(self, c: Context, inputs: TensorType, mask: TensorType | None = None) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        resolve_axes(self, x, self.axis, "axis")
        if mask is not None:
            self._check_mask(c, x, mask)
        return x

    def _check_mask(self, c: Context, x: TensorType, mask: TensorType) -> None:
        from archonnx.compiler.layers.common import require_equal

        if mask.rank > x.rank:
            raise LayerError("E0302", f"Softmax needs a mask of at most {x.rank} axes, got {mask}", input=1)
        for axis in range(-1, -mask.rank - 1, -1):
            size = mask.shape[axis]
            if not (isinstance(size, int) and size == 1):
                require_equal(self, c.facts, size, x.shape[axis], (x, mask), input=1, axis=mask.rank + axis)

    def lower(self, b: Builder, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.cast_floating(b, inputs)
        keep: Any = None
        if mask is not None:
            keep = mask if mask.dtype == "bool" else b.op("Greater", b.cast(mask, x.dtype), b.like(x, 0.5))
            lowest = -3e4 if x.dtype == "float16" else -1e9  # keras/src/layers/activations/softmax.py
            x = b.op("Where", keep, x, b.like(x, lowest), result=x.type)
        axes = resolve_axes(self, x.type, self.axis, "axis")
        if len(axes) == 1:
            y = b.op("Softmax", x, result=x.type, axis=axes[0] if axes[0] != x.rank - 1 else -1)
        else:
            y = b.op("Exp", b.op("Sub", x, b.reduce("LogSumExp", x, axes, keepdims=True)))
        return y if keep is None else b.op("Where", keep, y, b.like(y, 0.0), result=y.type)
