"""Activations that are smooth, as layers: GELU, SiLU, Softplus and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.layers import activations
from archonnx.compiler.layers.activation import ActivationLayer
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import Flag, Real

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder


class NamedActivation(ActivationLayer):
    """An activation of Keras that takes no numbers, as a layer of its own."""

    abstract = True
    function: ClassVar[str]

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.ACTIVATIONS[self.function](b, self.cast_floating(b, inputs))


class Sigmoid(NamedActivation):
    """`1 / (1 + exp(-x))`: between 0 and 1."""

    function = "sigmoid"
    torch = "Sigmoid"
    onnx = ("Sigmoid",)
    formula = "y = 1 / (1 + exp(-inputs))"
    example = "input x: float32[N, 16]\nSigmoid()"


class LogSigmoid(NamedActivation):
    """The logarithm of the sigmoid: `-log(1 + exp(-x))`."""

    function = "log_sigmoid"
    torch = "LogSigmoid"
    onnx = ("Neg", "Softplus")
    formula = "y = -log(1 + exp(-inputs))"
    example = "input x: float32[N, 16]\nLogSigmoid()"


class Tanh(NamedActivation):
    """The hyperbolic tangent: between -1 and 1."""

    function = "tanh"
    torch = "Tanh"
    onnx = ("Tanh",)
    formula = "y = (exp(inputs) - exp(-inputs)) / (exp(inputs) + exp(-inputs))"
    example = "input x: float32[N, 16]\nTanh()"


class TanhShrink(NamedActivation):
    """`x - tanh(x)`."""

    function = "tanh_shrink"
    torch = "Tanhshrink"
    onnx = ("Tanh", "Sub")
    formula = "y = inputs - tanh(inputs)"
    example = "input x: float32[N, 16]\nTanhShrink()"


class Softsign(NamedActivation):
    """`x / (1 + |x|)`: between -1 and 1."""

    function = "softsign"
    torch = "Softsign"
    onnx = ("Softsign",)
    formula = "y = inputs / (1 + abs(inputs))"
    example = "input x: float32[N, 16]\nSoftsign()"


class Exponential(NamedActivation):
    """`exp(x)`."""

    function = "exponential"
    onnx = ("Exp",)
    formula = "y = exp(inputs)"
    example = "input x: float32[N, 16]\nExponential()"


class Mish(NamedActivation):
    """`x * tanh(softplus(x))`."""

    function = "mish"
    torch = "Mish"
    onnx = ("Mish", "Softplus", "Tanh", "Mul")
    formula = "y = inputs * tanh(log(1 + exp(inputs)))"
    example = "input x: float32[N, 16]\nMish()"


class SELU(NamedActivation):
    """x above zero, `1.6733 * (exp(x) - 1)` below, all times 1.0507."""

    function = "selu"
    torch = "SELU"
    onnx = ("Selu",)
    formula = """y = 1.05070098 * inputs where inputs > 0
y = 1.05070098 * 1.67326324 * (exp(inputs) - 1) elsewhere"""
    example = "input x: float32[N, 16]\nSELU()"


class CELU(ActivationLayer):
    """x above zero, `alpha * (exp(x / alpha) - 1)` below: an ELU whose slope is continuous."""

    alpha = arg(Real(above=0), default=1.0, doc="What the result tends to, negated, far below zero.")
    torch = "CELU"
    onnx = ("Celu", "Elu")
    formula = "y = inputs where inputs > 0, alpha * (exp(inputs / alpha) - 1) elsewhere"
    example = "input x: float32[N, 16]\nCELU(0.5)"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.celu(b, self.cast_floating(b, inputs), self.alpha)


class GELU(ActivationLayer):
    """x times the normal distribution at x, exactly by erf, or approximately by tanh."""

    approximate = arg(Flag(), default=False, doc="Whether tanh stands in for erf, as in GPT-2.")
    torch = "GELU"
    onnx = ("Gelu", "Erf", "Tanh", "Div", "Mul", "Add")
    formula = """y = 0.5 * inputs * (1 + erf(inputs / sqrt(2)))
approximate: y = 0.5 * inputs * (1 + tanh(sqrt(2 / pi) * (inputs + 0.044715 * inputs ** 3)))"""
    example = "input x: float32[N, 16]\nGELU()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.gelu(b, self.cast_floating(b, inputs), self.approximate)


class SiLU(ActivationLayer):
    """`x * sigmoid(beta * x)`, known as Swish too; with a beta of 1.702 the quick GELU of CLIP."""

    beta = arg(Real(), default=1.0, doc="Factor inside the sigmoid.")
    torch = "SiLU"
    onnx = ("Sigmoid", "Mul")
    formula = "y = inputs / (1 + exp(-beta * inputs))"
    example = "input x: float32[N, 16]\nSiLU()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.silu(b, self.cast_floating(b, inputs), self.beta)


class Softplus(ActivationLayer):
    """`log(1 + exp(beta * x)) / beta`: a smooth ReLU."""

    beta = arg(Real(above=0), default=1.0, doc="How sharp the bend at zero is.")
    torch = "Softplus"
    onnx = ("Softplus", "Mul")
    formula = "y = log(1 + exp(beta * inputs)) / beta"
    example = "input x: float32[N, 16]\nSoftplus()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.softplus(b, self.cast_floating(b, inputs), self.beta)


class Squareplus(ActivationLayer):
    """`(x + sqrt(x * x + b)) / 2`: a smooth ReLU without an exponential."""

    b = arg(Real(minimum=0), default=4.0, doc="How round the bend at zero is; 0 makes it a ReLU.")
    onnx = ("Mul", "Add", "Sqrt")
    formula = "y = (inputs + sqrt(inputs * inputs + b)) / 2"
    example = "input x: float32[N, 16]\nSquareplus()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.squareplus(b, self.cast_floating(b, inputs), self.b)


class SparsePlus(NamedActivation):
    """0 below -1, `(x + 1) ** 2 / 4` up to 1, x above."""

    function = "sparse_plus"
    onnx = ("Clip", "Add", "Mul", "Relu", "Sub")
    formula = "y = 0 where inputs <= -1, (inputs + 1) ** 2 / 4 where inputs < 1, inputs elsewhere"
    example = "input x: float32[N, 16]\nSparsePlus()"
