"""Activations in float64 and bfloat16, where an operator alone does not do.

In float64 onnxruntime has no kernel of some operators, which are written as formulas; bfloat16 some operators take only
in newer operator sets than the model's, or in none: they compute in float32.
`pointwise` takes the place of `Builder.op` for an operator of one tensor, or of a tensor and its slope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder

SELU_ALPHA, SELU_SCALE = 1.67326319217681884765625, 1.05070102214813232421875  # onnx.ai/onnx/operators: Selu's defaults
# The operator set since which an operator takes bfloat16; of those that are not here every one does.
BFLOAT16_SINCE = {
    **dict.fromkeys(("Elu", "HardSigmoid", "HardSwish", "Mish", "Selu", "Softplus", "Softsign", "ThresholdedRelu"), 22),
    "Shrink": 99,  # none so far
}


def pointwise(b: Builder, kind: str, x: Tensor, *more: Tensor, **attributes: Any) -> Tensor:
    """One operator whose result has the type of `x`; in float64 its formula, where there is one in FORMULAS."""
    if x.dtype == "float64" and kind in FORMULAS:
        return FORMULAS[kind](b, x, *more, **attributes)
    if x.dtype == "bfloat16" and b.opset < BFLOAT16_SINCE.get(kind, 0):
        wide = b.cast(x, "float32")
        return b.cast(b.op(kind, wide, *more, result=wide.type, **attributes), x.dtype)
    return b.op(kind, x, *more, result=x.type, **attributes)


def _elu(b: Builder, x: Tensor, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + alpha (exp(min(x, 0)) - 1)."""
    below = b.op("Sub", b.op("Exp", _below(b, x)), b.like(x, 1.0))
    return b.op("Add", b.op("Relu", x), below if alpha == 1 else b.op("Mul", below, b.like(x, alpha)))


def _selu(b: Builder, x: Tensor) -> Tensor:
    return b.op("Mul", _elu(b, x, SELU_ALPHA), b.like(x, SELU_SCALE))


def _leaky_relu(b: Builder, x: Tensor, alpha: float) -> Tensor:
    return b.op("Add", b.op("Relu", x), b.op("Mul", _below(b, x), b.like(x, alpha)))


def _prelu(b: Builder, x: Tensor, slope: Tensor) -> Tensor:
    return b.op("Add", b.op("Relu", x), b.op("Mul", _below(b, x), slope, result=x.type))


def _hard_sigmoid(b: Builder, x: Tensor, alpha: float, beta: float) -> Tensor:
    line = b.op("Add", b.op("Mul", x, b.like(x, alpha)), b.like(x, beta))
    return b.op("Clip", line, b.like(x, 0.0), b.like(x, 1.0), result=x.type)


def _hard_swish(b: Builder, x: Tensor) -> Tensor:
    return b.op("Mul", x, _hard_sigmoid(b, x, 1 / 6, 0.5))


def _softplus(b: Builder, x: Tensor) -> Tensor:
    """max(x, 0) + log(1 + exp(-|x|)), which does not overflow."""
    small = b.op("Exp", b.op("Neg", b.op("Abs", x)))
    return b.op("Add", b.op("Relu", x), b.op("Log", b.op("Add", small, b.like(x, 1.0))))


def _softsign(b: Builder, x: Tensor) -> Tensor:
    return b.op("Div", x, b.op("Add", b.op("Abs", x), b.like(x, 1.0)))


def _thresholded_relu(b: Builder, x: Tensor, alpha: float) -> Tensor:
    return b.op("Where", b.op("Greater", x, b.like(x, alpha)), x, b.like(x, 0.0), result=x.type)


def _mish(b: Builder, x: Tensor) -> Tensor:
    return b.op("Mul", x, b.op("Tanh", _softplus(b, x)))


def _single(kind: str) -> Callable[..., Tensor]:
    """Computed in float32: what needs erf, which has no short formula."""

    def lower(b: Builder, x: Tensor) -> Tensor:
        single = b.cast(x, "float32")
        return b.cast(b.op(kind, single, result=single.type), x.dtype)

    return lower


def _below(b: Builder, x: Tensor) -> Tensor:
    """min(x, 0)."""
    return b.op("Min", x, b.like(x, 0.0), result=x.type)


FORMULAS: dict[str, Callable[..., Tensor]] = {
    "Elu": _elu,
    "Erf": _single("Erf"),
    "Gelu": _single("Gelu"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky_relu,
    "Mish": _mish,
    "PRelu": _prelu,
    "Selu": _selu,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "ThresholdedRelu": _thresholded_relu,
}
