"""Activations by name, and activation layers."""

from __future__ import annotations

from keras_harness import OPEN, STEPS, Case, each

# TensorFlow on a CPU computes neither grouped nor channels-first convolutions' every form: what it refuses is not here.
NAMES = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink"
).split()

CASES = [
    *(Case(f'Activation("{name}")', ("float32[N, 40, 6]",), low=-6.0, high=6.0) for name in NAMES),
    *(
        Case(f'Activation("{name}")', ("float32[N, 4, 6]",), opset=17)
        for name in ("gelu", "mish", "sparsemax", "relu6")
    ),
    *(Case(f'Activation("{name}", dtype="float64")', ("float64[N, 40, 6]",), low=-6.0, high=6.0) for name in NAMES),
    Case('Activation("mish", dtype="float64")', ("float32[N, 4, 6]",), opset=17),
    Case('Activation("softplus", dtype="float64")', ("float64[N, 41, 6]",), low=-900.0, high=900.0),
    Case('Activation("sparsemax")', ("float32[N, H]",)),
    Case("Activation(None)", ("int32[N, 3]",), high=9),
    *each(
        """
        ReLU()
        ReLU(6)
        ReLU(6.0)
        ReLU(max_value=1.5, negative_slope=0.1)
        ReLU(negative_slope=0.2)
        ReLU(threshold=0.7)
        ReLU(1.0, 0.1, 0.5)
        ReLU(negative_slope=0.3, threshold=0.5)
        LeakyReLU()
        LeakyReLU(0.1)
        LeakyReLU(0.1, dtype="float64")
        ReLU(negative_slope=0.2, dtype="float64")
        ELU()
        ELU(0.7)
        ELU(0.7, dtype="float64")
        PReLU(dtype="float64")
        PReLU()
        PReLU(shared_axes=[1])
        Softmax()
        Softmax(1)
        Softmax(axis=(1, 2))
        Softmax([-1])
        """,
        STEPS,
    ),
    Case("Softmax()", ("float32[N, 4, 5]", "bool[N, 4, 5]"), apply="layer(x0, mask=x1)"),
    Case("Softmax(axis=(1, 2))", ("float32[N, 4, 5]", "bool[N, 1, 5]"), apply="layer(x0, mask=x1)"),
    Case("PReLU(shared_axes=(1, 2))", OPEN),
    Case("Softmax(axis=[1, 2])", ("float32[N, 4, 5, 3]",), opset=17),
]
