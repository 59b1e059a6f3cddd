"""Keras' activations by name: an ONNX operator where there is one in the operator set, else composed of several.

    ACTIVATIONS   canonical name -> function of (builder, tensor)
    ALIASES       Keras' second names; "linear" and "threshold" are not in the table: the first does nothing, the second
                  needs arguments, which a name cannot give
    activated     the type of the result; apply: the operators

Formulas are those of keras/src/backend/tensorflow/nn.py, which defines what a Keras model computes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi
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


def _named(kind: str, **attributes: Any) -> Function:
    """An activation that is one operator of every operator set."""
    return lambda b, x: pointwise(b, kind, x, **attributes)


def clip(b: Builder, x: Tensor, low: float, high: float) -> Tensor:
    return b.op("Clip", x, b.like(x, low), b.like(x, high), result=x.type)


def times(b: Builder, x: Tensor, factor: float) -> Tensor:
    """The product with a number, nothing where it is 1."""
    return x if factor == 1 else b.op("Mul", x, b.like(x, factor), result=x.type)


def plus(b: Builder, x: Tensor, number: float) -> Tensor:
    return b.op("Add", x, b.like(x, number), result=x.type)


def gelu(b: Builder, x: Tensor, approximate: bool = False) -> Tensor:
    """x Phi(x), Phi the normal distribution: 0.5 x (1 + erf(x / sqrt 2)); approximately with a tanh in erf's place."""
    if b.opset >= 20:
        return b.op("Gelu", x, result=x.type, approximate="tanh") if approximate else pointwise(b, "Gelu", x)
    if approximate:
        cubic = plus(b, times(b, b.op("Mul", x, x), 0.044715), 1.0)
        inside = b.op("Tanh", times(b, b.op("Mul", x, cubic), (2 / pi) ** 0.5))
    else:  # in the form that onnxruntime makes one operator of
        inside = pointwise(b, "Erf", b.op("Div", x, b.like(x, 2**0.5), result=x.type))
    return times(b, b.op("Mul", x, plus(b, inside, 1.0), result=x.type), 0.5)


def celu(b: Builder, x: Tensor, alpha: float = 1.0) -> Tensor:
    """max(0, x) + alpha expm1(min(0, x) / alpha), which with alpha 1 is elu; ONNX's Celu takes float32 alone."""
    if alpha == 1:
        return pointwise(b, "Elu", x)
    if x.dtype == "float64":
        return times(b, pointwise(b, "Elu", times(b, x, 1 / alpha)), alpha)
    wide = b.cast(x, "float32")
    return b.cast(b.op("Celu", wide, result=wide.type, alpha=alpha), x.dtype)


def glu(b: Builder, x: Tensor, axis: int = -1, gate: Function | None = None, *, gate_first: bool = False) -> Tensor:
    """The first half of an axis times the sigmoid, or what `gate` makes, of the second half."""
    half = b.known(x.shape[axis] // 2)
    value, opening = b.split(x, (half, half), axis)
    if gate_first:
        value, opening = opening, value
    return b.op("Mul", value, gate(b, opening) if gate is not None else b.op("Sigmoid", opening))


def silu(b: Builder, x: Tensor, beta: float = 1.0) -> Tensor:
    """x sigmoid(beta x). ONNX's Swish, since 24, is slower: onnxruntime makes one operator of these, and not of it."""
    return b.op("Mul", x, b.op("Sigmoid", times(b, x, beta)))


def mish(b: Builder, x: Tensor) -> Tensor:
    if b.opset >= 18:
        return pointwise(b, "Mish", x)
    return b.op("Mul", x, b.op("Tanh", pointwise(b, "Softplus", x)))


def softplus(b: Builder, x: Tensor, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta x)) / beta."""
    return times(b, pointwise(b, "Softplus", times(b, x, beta)), 1 / beta)


def log_sigmoid(b: Builder, x: Tensor) -> Tensor:
    return b.op("Neg", pointwise(b, "Softplus", b.op("Neg", x)))


def tanh_shrink(b: Builder, x: Tensor) -> Tensor:
    return b.op("Sub", x, b.op("Tanh", x))


def sparse_plus(b: Builder, x: Tensor) -> Tensor:
    """0 below -1, (x + 1)^2 / 4 up to 1, x above: with t = x held between -1 and 1, (t + 1)^2 / 4 + relu(x - 1)."""
    raised = plus(b, clip(b, x, -1.0, 1.0), 1.0)
    curve = times(b, b.op("Mul", raised, raised), 0.25)
    return b.op("Add", curve, b.op("Relu", b.op("Sub", x, b.like(x, 1.0))))


def squareplus(b: Builder, x: Tensor, number: float = 4.0) -> Tensor:
    """(x + sqrt(x^2 + number)) / 2."""
    root = b.op("Sqrt", plus(b, b.op("Mul", x, x), number))
    return times(b, b.op("Add", x, root), 0.5)


def sparsemax(b: Builder, x: Tensor, axis: int = -1) -> Tensor:
    """Keras' sparsemax along an axis.

    z sorted downwards; s_i = z_1 + ... + z_i; k = how many i have 1 + i z_i > s_i; tau = (s_1 + ... + s_k - 1) / k; the
    result is max(0, x - tau). Martins and Astudillo (2016) have s_k in the place of s_1 + ... + s_k; Keras 3 sums them
    all, and what a Keras model has learnt fits that.
    """
    if x.dtype == "bfloat16":  # TopK takes it since operator set 24 alone
        return b.cast(sparsemax(b, b.cast(x, "float32"), axis), x.dtype)
    axis %= x.rank
    size = x.shape[axis]
    count = b.shape((size,))
    ordered, _ = b.op("TopK", x, count, result=(x.type, TensorType("int64", x.shape)), axis=axis, largest=1, sorted=1)
    sums = b.op("CumSum", ordered, b.constant(axis, "int64"), result=x.type)
    numbers = b.op("CumSum", b.expand(b.constant([1.0], x.dtype), (size,)), b.constant(0, "int64"))
    numbers = b.expand_dims(numbers, range(1, x.rank - axis))
    excess = b.op("Sub", sums, b.like(x, 1.0))
    support = b.op("Greater", b.op("Mul", ordered, numbers), excess)
    inside = b.cast(support, x.dtype)
    kept = b.op("Where", support, sums, b.like(x, 0.0), result=x.type)
    total = b.op("Sub", b.reduce("Sum", kept, (axis,), keepdims=True), b.like(x, 1.0))
    tau = b.op("Div", total, b.reduce("Sum", inside, (axis,), keepdims=True))
    return b.op("Relu", b.op("Sub", x, tau))


ACTIVATIONS: dict[str, Function] = {
    "celu": celu,
    "elu": _named("Elu"),
    "exponential": _named("Exp"),
    "gelu": gelu,
    "glu": glu,
    "hard_shrink": _named("Shrink", lambd=0.5, bias=0.0),
    "hard_sigmoid": _named("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _named("HardSwish"),
    "hard_tanh": lambda b, x: clip(b, x, -1.0, 1.0),
    "leaky_relu": _named("LeakyRelu", alpha=0.2),
    "log_sigmoid": log_sigmoid,
    "log_softmax": _named("LogSoftmax", axis=-1),
    "mish": mish,
    "relu": _named("Relu"),
    "relu6": lambda b, x: clip(b, x, 0.0, 6.0),
    "selu": _named("Selu"),
    "sigmoid": _named("Sigmoid"),
    "silu": silu,
    "soft_shrink": _named("Shrink", lambd=0.5, bias=0.5),
    "softmax": _named("Softmax", axis=-1),
    "softplus": softplus,
    "softsign": _named("Softsign"),
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": _named("HardSigmoid", alpha=0.5, beta=0.5),
    "sparsemax": sparsemax,
    "squareplus": squareplus,
    "tanh": _named("Tanh"),
    "tanh_shrink": tanh_shrink,
}


ALONG_LAST = frozenset(("glu", "log_softmax", "softmax", "sparsemax"))  # those that are not the same at every place


def activated(c: Context, activation: Any, x: TensorType) -> TensorType:
    """The type after an activation: its own, but for "glu", which halves the last axis. E0310: an odd one."""
    if activation is None:
        return x
    if not isinstance(activation, str):
        try:
            with Guard(activation, "the rule infer"):
                found: TensorType = activation.infer(c, x)
        except LayerError as error:  # what it names are its own arguments and input, not the layer's around it
            error.argument, error.input, error.axis = "activation", None, None
            raise
        return found
    if activation in ALONG_LAST and x.rank == 0:
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
