"""Activations as layers of their own: against Keras' functions of the same name, and PyTorch's modules."""

from __future__ import annotations

from keras_harness import OPEN, STEPS, Case
from torch_harness import TorchCase

WIDE = {"low": -6.0, "high": 6.0}
STREAM = ("float32[N, T, 6]",)
ODD = ("float32[N, 7, 5]",)
LARGE = ("float32[N, 40, 6]",)


def function(text: str) -> str:
    """Keras' layer around a function, `x` being its input."""
    return f"Activation(lambda x: keras.activations.{text})"


def with_dtype(call: str, dtype: str) -> str:
    """The constructor's call with a `dtype=`."""
    return f'{call[:-1]}{"" if call.endswith("()") else ", "}dtype="{dtype}")'


# Our call, and the call of a function in keras.activations.
KERAS = [
    ("Sigmoid()", "sigmoid(x)"),
    ("LogSigmoid()", "log_sigmoid(x)"),
    ("Tanh()", "tanh(x)"),
    ("TanhShrink()", "tanh_shrink(x)"),
    ("Softsign()", "softsign(x)"),
    ("Exponential()", "exponential(x)"),
    ("Mish()", "mish(x)"),
    ("SELU()", "selu(x)"),
    ("CELU()", "celu(x)"),
    ("CELU(0.5)", "celu(x, alpha=0.5)"),
    ("GELU()", "gelu(x)"),
    ("GELU(approximate=True)", "gelu(x, approximate=True)"),
    ("SiLU()", "silu(x)"),
    ("Swish()", "silu(x)"),
    ("Softplus()", "softplus(x)"),
    ("Squareplus()", "squareplus(x)"),
    ("Squareplus(b=0.5)", "squareplus(x, b=0.5)"),
    ("SparsePlus()", "sparse_plus(x)"),
    ("ReLU6()", "relu6(x)"),
    ("HardSigmoid()", "hard_sigmoid(x)"),
    ("SparseSigmoid()", "sparse_sigmoid(x)"),
    ("HardSiLU()", "hard_silu(x)"),
    ("HardSwish()", "hard_silu(x)"),
    ("HardTanh()", "hard_tanh(x)"),
    ("HardShrink()", "hard_shrink(x)"),
    ("HardShrink(1.25)", "hard_shrink(x, threshold=1.25)"),
    ("SoftShrink()", "soft_shrink(x)"),
    ("SoftShrink(threshold=0.2)", "soft_shrink(x, threshold=0.2)"),
    ("Threshold(0.5, -1.5)", "threshold(x, 0.5, -1.5)"),
    ("Threshold(threshold=-0.5, default_value=2)", "threshold(x, -0.5, 2.0)"),
    ("ThresholdedReLU()", "threshold(x, 1.0, 0.0)"),
    ("ThresholdedReLU(theta=0.3)", "threshold(x, 0.3, 0.0)"),
    ("GLU()", "glu(x)"),
    ("LogSoftmax()", "log_softmax(x)"),
    ("Sparsemax()", "sparsemax(x)"),
]
ALONG = [
    ("GLU(1)", "glu(x, axis=1)"),
    ("GLU(axis=-3)", "glu(x, axis=-3)"),
    ("LogSoftmax(1)", "log_softmax(x, axis=1)"),
    ("LogSoftmax(axis=[-2])", "log_softmax(x, axis=2)"),
    ("Sparsemax(1)", "sparsemax(x, axis=1)"),
    ("Sparsemax(axis=-2)", "sparsemax(x, axis=-2)"),
]

CASES = [
    *(Case(ours, LARGE, theirs=function(theirs), **WIDE) for ours, theirs in KERAS),
    *(Case(ours, OPEN, theirs=function(theirs), opset=17) for ours, theirs in KERAS),
    *(Case(ours, ("float32[N, T, 4]",), theirs=function(theirs), opset=24) for ours, theirs in KERAS),
    *(
        Case(with_dtype(ours, "float64"), STREAM, theirs=with_dtype(function(theirs), "float64"), **WIDE)
        for ours, theirs in KERAS
    ),
    *(Case(ours, ("float32[N, 6, 7, 5]",), theirs=function(theirs)) for ours, theirs in ALONG),
    *(Case(ours, ("float32[N, 6, H, W]",), theirs=function(theirs), opset=17) for ours, theirs in ALONG[:4]),
    Case("Sparsemax(axis=1)", ("float32[N, T, H]",), theirs=function("sparsemax(x, axis=1)")),
    Case("Sparsemax(axis=2)", ("float32[N, T, H, 3]",), theirs=function("sparsemax(x, axis=2)"), opset=17),
    # The layer as another's activation.
    Case(
        "Dense(4, activation=GELU(approximate=True))",
        STREAM,
        theirs="Dense(4, activation=lambda x: keras.activations.gelu(x, approximate=True))",
    ),
    Case("Conv2D(8, 3, activation=GLU())", OPEN, theirs="Conv2D(8, 3, activation=keras.activations.glu)"),
    Case("Conv2D(4, 3, activation=HardSwish())", OPEN, theirs='Conv2D(4, 3, activation="hard_swish")'),
    Case("Dense(8, activation=CELU(0.7))", ODD, theirs="Dense(8, activation=lambda x: keras.activations.celu(x, 0.7))"),
    Case("Activation(SoftShrink(0.1))", ODD, theirs=function("soft_shrink(x, 0.1)")),
    Case("TimeDistributed(Mish())", ODD, theirs='TimeDistributed(Activation("mish"))'),
    *(
        Case(with_dtype(call, dtype), ODD, tolerance=tolerance, **WIDE)
        for call in (
            *("ReLU()", "ReLU(6, 0.1, 0.5)", "ReLU(negative_slope=0.2)", "LeakyReLU()", "ELU()", "ELU(0.7)", "PReLU()"),
            *("Softmax()", 'Activation("gelu")', 'Activation("selu")'),
        )
        for dtype, tolerance in (("float64", 1e-6), ("float16", 3e-3))  # Keras rounds to float16 at other places
    ),
]

TORCH = [
    ("Sigmoid()", "Sigmoid()"),
    ("LogSigmoid()", "LogSigmoid()"),
    ("Tanh()", "Tanh()"),
    ("TanhShrink()", "Tanhshrink()"),
    ("Softsign()", "Softsign()"),
    ("Mish()", "Mish()"),
    ("SELU()", "SELU()"),
    ("ELU(0.6)", "ELU(0.6)"),
    ("CELU(1.5)", "CELU(1.5)"),
    ("GELU()", "GELU()"),
    ("GELU(True)", 'GELU("tanh")'),
    ("SiLU()", "SiLU()"),
    ("Softplus()", "Softplus()"),
    ("Softplus(beta=2.5)", "Softplus(2.5)"),
    ("ReLU()", "ReLU()"),
    ("ReLU6()", "ReLU6()"),
    ("LeakyReLU(0.01)", "LeakyReLU()"),
    ("HardSigmoid()", "Hardsigmoid()"),
    ("HardSiLU()", "Hardswish()"),
    ("HardTanh(-0.5, 2)", "Hardtanh(-0.5, 2.0)"),
    ("HardTanh(min_value=0.5, max_value=0.75)", "Hardtanh(0.5, 0.75)"),
    ("HardShrink(0.7)", "Hardshrink(0.7)"),
    ("SoftShrink(0)", "Softshrink(0.0)"),
    ("Threshold(0.1, 20)", "Threshold(0.1, 20.0)"),
    ("RReLU()", "RReLU()"),
    ("RReLU(lower=0.1, upper=0.1)", "RReLU(0.1, 0.1)"),
    ("RReLU(-0.2, 0.6)", "RReLU(-0.2, 0.6)"),
    ("GLU()", "GLU()"),
    ("GLU(2)", "GLU(2)"),
    ("Softmax()", "Softmax(-1)"),
    ("LogSoftmax()", "LogSoftmax(-1)"),
    ("LogSoftmax(1)", "LogSoftmax(1)"),
    ("Softmin()", "Softmin(-1)"),
    ("Softmin(axis=2)", "Softmin(2)"),
]
# Ours, and what it computes written out over the halves a and b of the last axis, or over x.
WRITTEN = [
    ("ReGLU()", "a * b.relu()"),
    ("ReGLU(gate_first=True)", "a.relu() * b"),
    ("GeGLU()", "a * nn.functional.gelu(b)"),
    ("GeGLU(gate_first=True, approximate=True)", "nn.functional.gelu(a, approximate='tanh') * b"),
    ("SwiGLU()", "a * nn.functional.silu(b)"),
    ("SwiGLU(gate_first=True)", "nn.functional.silu(a) * b"),
    ("SiLU(1.702)", "x * torch.sigmoid(1.702 * x)"),
    ("SiLU(beta=-0.5)", "x * torch.sigmoid(-0.5 * x)"),
    ("LogSoftmax((1, 2))", "x - x.logsumexp((1, 2), keepdim=True)"),
    ("Softmin((1, -1))", "(-x - (-x).logsumexp((1, 3), keepdim=True)).exp()"),
]


def written(text: str, axis: int = -1) -> str:
    return f"lambda x: (lambda x, a, b: {text})(x, *x.chunk(2, {axis}))"


TORCH_CASES = [
    *(TorchCase(ours, ("float32[N, 5, 6, 8]",), module=f"nn.{theirs}", **WIDE) for ours, theirs in TORCH),
    *(
        TorchCase(ours, ("float32[N, H, W, 6]",), module=f"nn.{theirs}", opset=17)
        for ours, theirs in TORCH
        if "(2)" not in ours
    ),
    *(TorchCase(ours, ("float32[N, 5, 6, 8]",), module=written(theirs), **WIDE) for ours, theirs in WRITTEN),
    *(TorchCase(ours, ("float32[N, H, W, 6]",), module=written(theirs), opset=17) for ours, theirs in WRITTEN),
    *(
        TorchCase(ours.replace("(", "(axis=1, ").replace(", )", ")"), ("float32[N, 4, T]",), module=written(theirs, 1))
        for ours, theirs in WRITTEN[:6]
    ),
    TorchCase("SwiGLU()", ("float32[N, T, 2 * D]",), module=written("a * nn.functional.silu(b)")),
    TorchCase(
        "PReLU(shared_axes=(1, 2))",
        ("float32[N, 9, 8, 6]",),
        module="nn.PReLU(6)",
        state={"weight": "w['alpha'].ravel()"},
        run="layer(x0.movedim(-1, 1)).movedim(1, -1)",
    ),
    TorchCase("Softmax(1)", STEPS, module="nn.Softmax(1)"),
]
