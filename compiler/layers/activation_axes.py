"""Activations along an axis, as layers: gates that halve it (GLU, SwiGLU), and LogSoftmax, Softmin, Sparsemax."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations
from archonnx.compiler.layers.activation import ActivationLayer
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import require_least_rank, resolve_axes, resolve_axis
from archonnx.compiler.layers.domains import Axes, Axis, Flag

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.activations import Function
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class _Gate(ActivationLayer):
    """One half of an axis times what an activation makes of the other half."""

    abstract = True
    axis = arg(Axis(), default=-1, doc="The axis that is halved.")

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        axis = resolve_axis(self, x, self.axis, "axis")
        size = x.shape[axis]
        if not c.facts.divisible(size, 2):
            missing = "is not even" if isinstance(size, int) else "is not known to be even"
            raise LayerError(
                "E0310",
                f"{self.type_name} halves axis {axis} of {x}, and {size} {missing}",
                argument="axis",
                input=0,
                axis=axis,
                label=f"{size} here",
                help=None if isinstance(size, int) else f"state it: require {size} % 2 == 0",
            )
        halved = c.facts.normalize(size // 2)
        return TensorType(x.dtype, (*x.shape[:axis], halved, *x.shape[axis + 1 :]))

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """Along the last axis, which no mask has, the mask passes; another one may be the mask's too."""
        return masks[0] if self.axis == -1 else None


class GLU(_Gate):
    """The first half of an axis times the sigmoid of the second: [..., 2 * D] to [..., D]."""

    torch = "GLU"
    onnx = ("Split", "Sigmoid", "Mul")
    formula = """a, b = the halves of inputs along axis
y = a * sigmoid(b)"""
    example = "input x: float32[N, 16]\nGLU()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.glu(b, self.cast_floating(b, inputs), self.axis)


class _FreeGate(_Gate):
    """A gate that may stand in either half."""

    abstract = True
    gate_first = arg(
        Flag(), default=False, doc="Whether the first half is the gate, that the activation is applied to."
    )

    def gate(self) -> Function:
        raise TypeError(self.type_name)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        return activations.glu(b, x, self.axis, self.gate(), gate_first=self.gate_first)


class ReGLU(_FreeGate):
    """The first half of an axis times the ReLU of the second: [..., 2 * D] to [..., D]."""

    onnx = ("Split", "Relu", "Mul")
    formula = """a, b = the halves of inputs along axis
y = a * max(b, 0), or max(a, 0) * b with gate_first"""
    example = "input x: float32[N, 16]\nReGLU()"

    def gate(self) -> Function:
        return activations.ACTIVATIONS["relu"]


class SwiGLU(_FreeGate):
    """The first half of an axis times the SiLU of the second: [..., 2 * D] to [..., D]."""

    onnx = ("Split", "Sigmoid", "Mul")
    formula = """a, b = the halves of inputs along axis
y = a * b * sigmoid(b), or a * sigmoid(a) * b with gate_first"""
    example = "input x: float32[N, 16]\nSwiGLU()"

    def gate(self) -> Function:
        return activations.silu


class GeGLU(_FreeGate):
    """The first half of an axis times the GELU of the second: [..., 2 * D] to [..., D]."""

    approximate = arg(Flag(), default=False, doc="Whether tanh stands in for erf.")
    onnx = ("Split", "Gelu", "Erf", "Tanh", "Div", "Mul", "Add")
    formula = """a, b = the halves of inputs along axis
y = a * gelu(b), or gelu(a) * b with gate_first"""
    example = "input x: float32[N, 16]\nGeGLU()"

    def gate(self) -> Function:
        return partial(activations.gelu, approximate=self.approximate)


class _AlongAxes(ActivationLayer):
    """Works along an axis, or over several together."""

    abstract = True
    axis = arg(Axes(), default=-1, doc="Axis, or axes, that the exponentials are summed over.")

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        resolve_axes(self, x, self.axis, "axis")
        return x


class LogSoftmax(_AlongAxes):
    """The logarithm of the softmax along an axis or several: `x - log(sum(exp(x)))`."""

    torch = "LogSoftmax"
    onnx = ("LogSoftmax", "ReduceLogSumExp", "Sub")
    formula = "y = inputs - log(sum(exp(inputs))), the sum along axis"
    example = "input x: float32[N, 16]\nLogSoftmax()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axes = resolve_axes(self, x.type, self.axis, "axis")
        if len(axes) == 1:
            return b.op("LogSoftmax", x, result=x.type, axis=axes[0] if axes[0] != x.rank - 1 else -1)
        return b.op("Sub", x, b.reduce("LogSumExp", x, axes, keepdims=True))


class Softmin(_AlongAxes):
    """The softmax of the negated values along an axis or several: the smallest takes most."""

    torch = "Softmin"
    onnx = ("Neg", "Softmax", "ReduceLogSumExp", "Sub", "Exp")
    formula = "y = exp(-inputs) / sum(exp(-inputs)), the sum along axis"
    example = "input x: float32[N, 16]\nSoftmin()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.op("Neg", self.cast_floating(b, inputs))
        axes = resolve_axes(self, x.type, self.axis, "axis")
        if len(axes) == 1:
            return b.op("Softmax", x, result=x.type, axis=axes[0] if axes[0] != x.rank - 1 else -1)
        return b.op("Exp", b.op("Sub", x, b.reduce("LogSumExp", x, axes, keepdims=True)))


class Sparsemax(ActivationLayer):
    """As a softmax along an axis, with zeros for all that is far from the largest, by Keras' definition."""

    axis = arg(Axis(), default=-1, doc="The axis that it works along.")
    onnx = ("TopK", "CumSum", "Sub", "Mul", "Greater", "Where", "ReduceSum", "Div", "Relu", "Expand")
    formula = """z = inputs sorted downwards along axis, s[i] = z[1] + ... + z[i]
k = how many i have 1 + i * z[i] > s[i]
y = max(0, inputs - (s[1] + ... + s[k] - 1) / k)"""
    example = "input x: float32[N, 16]\nSparsemax()"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 1)
        resolve_axis(self, x, self.axis, "axis")
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        return activations.sparsemax(b, self.cast_floating(b, inputs), self.axis)
