"""Keras' activations by name: an ONNX operator where there is one in the operator set, else composed of several.

    ACTIVATIONS   canonical name -> function of (builder, tensor)
    ALIASES       Keras' second names; "linear" and "threshold" are not in the table: the first does nothing, the second
                  needs arguments, which a name cannot give
    activated     the type of the result; apply: the operators

Formulas are those of keras/src/backend/tensorflow/nn.py, which defines what a Keras model computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.double import pointwise
from archonnx.compiler.layers.plugins import Guard

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

    Function = Callable[[Builder, Tensor], Tensor]

ALIASES = {"hard_swish": "hard_silu", "swish": "silu"}


def _operator(name: str, **attributes: Any) -> Function:
    """An activation that is one operator of every operator set."""
    return lambda b, x: pointwise(b, name, x, **attributes)


def clip(b: Builder, x: Tensor, low: float, high: float) -> Tensor:
    return b.op("Clip", x, b.like(x, low), b.like(x, high), result=x.type)


def _gelu(b: Builder, x: Tensor) -> Tensor:
    """x * Phi(x), Phi the normal distribution: 0.5 x (1 + erf(x / sqrt 2))."""
    if b.opset >= 20:
        return pointwise(b, "Gelu", x)
    phi = b.op("Add", pointwise(b, "Erf", b.op("Mul", x, b.like(x, 0.5**0.5))), b.like(x, 1.0))
    return b.op("Mul", b.op("Mul", x, phi), b.like(x, 0.5))


def _celu(b: Builder, x: Tensor) -> Tensor:
    """max(0, x) + expm1(min(0, x)), which with alpha 1 is elu; ONNX's Celu takes float32 alone."""
    return pointwise(b, "Elu", x)


def _glu(b: Builder, x: Tensor) -> Tensor:
    """The first half of the last axis times the sigmoid of the second half."""
    half = b.known(x.shape[-1] // 2)
    left, right = b.split(x, (half, half), -1)
    return b.op("Mul", left, b.op("Sigmoid", right))


def _silu(b: Builder, x: Tensor) -> Tensor:
    return b.op("Mul", x, b.op("Sigmoid", x))


def _mish(b: Builder, x: Tensor) -> Tensor:
    if b.opset >= 18:
        return pointwise(b, "Mish", x)
    return b.op("Mul", x, b.op("Tanh", pointwise(b, "Softplus", x)))


def _log_sigmoid(b: Builder, x: Tensor) -> Tensor:
    return b.op("Neg", pointwise(b, "Softplus", b.op("Neg", x)))


def _tanh_shrink(b: Builder, x: Tensor) -> Tensor:
    return b.op("Sub", x, b.op("Tanh", x))


def _sparse_plus(b: Builder, x: Tensor) -> Tensor:
    """0 below -1, (x + 1)^2 / 4 up to 1, x above: with t = x held between -1 and 1, (t + 1)^2 / 4 + relu(x - 1)."""
    raised = b.op("Add", clip(b, x, -1.0, 1.0), b.like(x, 1.0))
    curve = b.op("Mul", b.op("Mul", raised, raised), b.like(x, 0.25))
    return b.op("Add", curve, b.op("Relu", b.op("Sub", x, b.like(x, 1.0))))


def _squareplus(b: Builder, x: Tensor) -> Tensor:
    """(x + sqrt(x^2 + 4)) / 2."""
    root = b.op("Sqrt", b.op("Add", b.op("Mul", x, x), b.like(x, 4.0)))
    return b.op("Mul", b.op("Add", x, root), b.like(x, 0.5))


def _sparsemax(b: Builder, x: Tensor) -> Tensor:
    """Keras' sparsemax along the last axis.

    z sorted downwards; s_i = z_1 + ... + z_i; k = how many i have 1 + i z_i > s_i; tau = (s_1 + ... + s_k - 1) / k; the
    result is max(0, x - tau). Martins and Astudillo (2016) have s_k in the place of s_1 + ... + s_k; Keras 3 sums them
    all, and what a Keras model has learnt fits that.
    """
    size = x.shape[-1]
    count = b.shape((size,))
    ordered, _ = b.op("TopK", x, count, result=(x.type, TensorType("int64", x.shape)), axis=-1, largest=1, sorted=1)
    sums = b.op("CumSum", ordered, b.constant(x.rank - 1, "int64"), result=x.type)
    numbers = b.op("CumSum", b.expand(b.constant([1.0], x.dtype), (size,)), b.constant(0, "int64"))
    excess = b.op("Sub", sums, b.like(x, 1.0))
    support = b.op("Greater", b.op("Mul", ordered, numbers), excess)
    inside = b.cast(support, x.dtype)
    kept = b.op("Where", support, sums, b.like(x, 0.0), result=x.type)
    total = b.op("Sub", b.reduce("Sum", kept, (-1,), keepdims=True), b.like(x, 1.0))
    tau = b.op("Div", total, b.reduce("Sum", inside, (-1,), keepdims=True))
    return b.op("Relu", b.op("Sub", x, tau))


ACTIVATIONS: dict[str, Function] = {
    "celu": _celu,
    "elu": _operator("Elu"),
    "exponential": _operator("Exp"),
    "gelu": _gelu,
    "glu": _glu,
    "hard_shrink": _operator("Shrink", lambd=0.5, bias=0.0),
    "hard_sigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _operator("HardSwish"),
    "hard_tanh": lambda b, x: clip(b, x, -1.0, 1.0),
    "leaky_relu": _operator("LeakyRelu", alpha=0.2),
    "log_sigmoid": _log_sigmoid,
    "log_softmax": _operator("LogSoftmax", axis=-1),
    "mish": _mish,
    "relu": _operator("Relu"),
    "relu6": lambda b, x: clip(b, x, 0.0, 6.0),
    "selu": _operator("Selu"),
    "sigmoid": _operator("Sigmoid"),
    "silu": _silu,
    "soft_shrink": _operator("Shrink", lambd=0.5, bias=0.5),
    "softmax": _operator("Softmax", axis=-1),
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _operator("HardSigmoid", alpha=0.5, beta=0.5),
    "sparsemax": _sparsemax,
    "squareplus": _squareplus,
    "tanh": _operator("Tanh"),
    "tanh_shrink": _tanh_shrink,
}


def activated(c: Context, activation: Any, x: TensorType) -> TensorType:
    """The type after an activation: its own, but for "glu", which halves the last axis. E0310: an odd one."""
    if activation is None:
        return x
    if not isinstance(activation, str):
        with Guard(activation, "the rule infer"):
            found: TensorType = activation.infer(c, x)
        return found
    if activation in ("softmax", "log_softmax", "sparsemax", "glu") and x.rank == 0:
        raise LayerError("E0302", f'"{activation}" works along the last axis, and {x} has none', argument="activation")
    if activation == "glu":
        if not c.facts.divisible(x.shape[-1], 2):
            raise LayerError(
                "E0310",
                f'"glu" halves the last axis, and {x.shape[-1]} is not known to be even',
                argument="activation",
            )
        return TensorType(x.dtype, (*x.shape[:-1], c.facts.normalize(x.shape[-1] // 2)))
    return x


def apply(b: Builder, activation: Any, x: Tensor) -> Tensor:
    """The operators of an activation; `activation` is as domains.Activation gives it."""
    if activation is None:
        return x
    if isinstance(activation, str):
        return ACTIVATIONS[activation](b, x)
    with Guard(activation, "the rule lower"):
        found: Tensor = activation.lower(b, x)
    return found
