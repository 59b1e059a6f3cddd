"""Activations made of straight lines, as layers: ReLU6, HardSigmoid, SoftShrink and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.layers.activation import ActivationLayer
from archonnx.compiler.layers.activation_curves import NamedActivation
from archonnx.compiler.layers.activations import clip
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.domains import Real
from archonnx.compiler.layers.double import pointwise

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder


class ReLU6(NamedActivation):
    """x held between 0 and 6."""

    function = "relu6"
    torch = "ReLU6"
    onnx = ("Clip",)
    formula = "y = min(max(inputs, 0), 6)"
    example = "input x: float32[N, 16]\nReLU6()"


class HardSigmoid(NamedActivation):
    """`x / 6 + 0.5` held between 0 and 1."""

    function = "hard_sigmoid"
    torch = "Hardsigmoid"
    onnx = ("HardSigmoid",)
    formula = "y = min(max(inputs / 6 + 0.5, 0), 1)"
    example = "input x: float32[N, 16]\nHardSigmoid()"


class SparseSigmoid(NamedActivation):
    """`x / 2 + 0.5` held between 0 and 1."""

    function = "sparse_sigmoid"
    onnx = ("HardSigmoid",)
    formula = "y = min(max(inputs / 2 + 0.5, 0), 1)"
    example = "input x: float32[N, 16]\nSparseSigmoid()"


class HardSiLU(NamedActivation):
    """`x * hard_sigmoid(x)`, known as HardSwish too."""

    function = "hard_silu"
    torch = "Hardswish"
    onnx = ("HardSwish",)
    formula = "y = inputs * min(max(inputs / 6 + 0.5, 0), 1)"
    example = "input x: float32[N, 16]\nHardSiLU()"


class HardTanh(ActivationLayer):
    """x held between two numbers."""

    min_value = arg(Real(), default=-1.0, doc="Smallest value of the result.")
    max_value = arg(Real(), default=1.0, doc="Largest value of the result.")
    torch = "Hardtanh"
    onnx = ("Clip",)
    formula = "y = min(max(inputs, min_value), max_value)"
    example = "input x: float32[N, 16]\nHardTanh()"

    def validate(self) -> None:
        require_order(self, "min_value", "max_value")

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return clip(b, self.cast_floating(b, inputs), self.min_value, self.max_value)


class HardShrink(ActivationLayer):
    """x where it is further from zero than `threshold`, 0 elsewhere."""

    threshold = arg(Real(minimum=0), default=0.5, doc="Up to this distance from zero the result is 0.")
    torch = "Hardshrink"
    onnx = ("Shrink",)
    formula = "y = inputs where abs(inputs) > threshold, 0 elsewhere"
    example = "input x: float32[N, 16]\nHardShrink()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return pointwise(b, "Shrink", self.cast_floating(b, inputs), lambd=self.threshold, bias=0.0)


class SoftShrink(ActivationLayer):
    """x brought nearer to zero by `threshold`, 0 where it is nearer than that."""

    threshold = arg(Real(minimum=0), default=0.5, doc="How much nearer to zero.")
    torch = "Softshrink"
    onnx = ("Shrink",)
    formula = "y = sign(inputs) * max(abs(inputs) - threshold, 0)"
    example = "input x: float32[N, 16]\nSoftShrink()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return pointwise(b, "Shrink", self.cast_floating(b, inputs), lambd=self.threshold, bias=self.threshold)


class ThresholdedReLU(ActivationLayer):
    """x above `theta`, 0 elsewhere."""

    theta = arg(Real(minimum=0), default=1.0, doc="Where the line begins.")
    onnx = ("ThresholdedRelu",)
    formula = "y = inputs where inputs > theta, 0 elsewhere"
    example = "input x: float32[N, 16]\nThresholdedReLU()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return pointwise(b, "ThresholdedRelu", self.cast_floating(b, inputs), alpha=self.theta)


class Threshold(ActivationLayer):
    """x above `threshold`, `default_value` elsewhere."""

    threshold = arg(Real(), doc="Where the line begins.")
    default_value = arg(Real(), doc="The result elsewhere.")
    torch = "Threshold"
    onnx = ("Greater", "Where")
    formula = "y = inputs where inputs > threshold, default_value elsewhere"
    example = "input x: float32[N, 16]\nThreshold(0.1, 0.0)"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        above = b.op("Greater", x, b.like(x, self.threshold))
        return b.op("Where", above, x, b.like(x, self.default_value), result=x.type)


class RReLU(ActivationLayer):
    """x above zero, below it x times a slope that training draws: at inference the mean of `lower` and `upper`."""

    # Called `lower_` here, as the layer's lowering is `lower`.
    lower_ = arg(Real(), default=1 / 8, doc="Smallest slope.")
    upper = arg(Real(), default=1 / 3, doc="Largest slope.")
    torch = "RReLU"
    onnx = ("LeakyRelu",)
    formula = "y = inputs where inputs > 0, (lower + upper) / 2 * inputs elsewhere"
    example = "input x: float32[N, 16]\nRReLU()"

    def validate(self) -> None:
        require_order(self, "lower", "upper")

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        slope = (self.arguments["lower"] + self.arguments["upper"]) / 2
        return pointwise(b, "LeakyRelu", self.cast_floating(b, inputs), alpha=slope)


def require_order(layer: ActivationLayer, low: str, high: str) -> None:
    """E0332 where the lower bound is above the upper one."""
    smallest, largest = layer.arguments[low], layer.arguments[high]
    if smallest > largest:
        raise LayerError(
            "E0332",
            f"{layer.type_name} needs {low} at most {high}, got {smallest:g} and {largest:g}",
            argument=low,
            help=f"write {low}={largest:g}, {high}={smallest:g}",
        )
