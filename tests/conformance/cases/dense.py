"""Dense and Embedding."""

from __future__ import annotations

from keras_harness import OPEN, STEPS, VECTOR, Case, each
from torch_harness import TorchCase

TOKENS = ("int32[N, T]",)
LINEAR = {"weight": "w['kernel'].T", "bias": "w['bias']"}

CASES = [
    *each(
        """
        Dense(5)
        Dense(1)
        Dense(5, "relu", False)
        Dense(5, use_bias=True, activation="elu")
        Dense(4, activation="glu")
        Dense(5, activation=LeakyReLU(0.1))
        Dense(5, activation=Softmax())
        Dense(units=3, activation="tanh")
        Dense(3, dtype="float64")
        """,
        VECTOR,
    ),
    Case('Dense(5, activation="softmax")', STEPS),
    Case("Dense(5)", STEPS),
    Case("Dense(5, use_bias=False)", ("float32[N, H, W, 3]",)),
    Case('Dense(5, activation="gelu")', OPEN),
    Case("Dense(5)", ("float32[N, T, 1]",)),
    Case("Dense(5)", ("float32[2, 6]",)),
    Case("Dense(5)", ("int32[N, 6]",), high=9),
    Case("Dense(5)", ("bool[N, 6]",)),
    Case("Dense(3)", ("float64[N, 6]",)),
    Case("Dense(3)", ("float16[N, 6]",)),
    Case("Dense(3)", STEPS, opset=17),
    Case('Dense(3, dtype="float64")', STEPS),
    Case('Dense(3, dtype="float16")', VECTOR, tolerance=1e-3),
    Case("Embedding(10, 4)", TOKENS, low=0, high=9),
    Case("Embedding(input_dim=10, output_dim=1)", TOKENS, low=0, high=9),
    Case("Embedding(1, 4)", TOKENS, low=0, high=0),
    Case("Embedding(10, 4)", ("int64[N]",), low=0, high=9),
    Case("Embedding(10, 4)", ("uint8[N]",), low=0, high=9),
    Case("Embedding(10, 4)", ("uint32[N, T]",), low=0, high=9),
    Case("Embedding(10, 4)", ("float32[N, T]",), low=0, high=9),
    Case("Embedding(10, 4)", ("int32[N, H, W]",), low=0, high=9),
    Case("Embedding(10, 4, mask_zero=True)", ("int64[N, T]",), low=0, high=9),
    Case("Embedding(10, 4, mask_zero=False)", ("int64[N, T]",), low=0, high=9),
    Case('Embedding(10, 4, dtype="float64")', TOKENS, low=0, high=9),
    Case('Embedding(10, 4, dtype="float16")', TOKENS, low=0, high=9),
]

TORCH_CASES = [
    TorchCase("Dense(5)", VECTOR, module="nn.Linear(6, 5)", state=LINEAR),
    TorchCase("Dense(5)", ("float32[N, T, 6]",), module="nn.Linear(6, 5)", state=LINEAR),
    TorchCase(
        "Dense(5, use_bias=False)",
        ("float32[N, H, W, 6]",),
        module="nn.Linear(6, 5, bias=False)",
        state={"weight": "w['kernel'].T"},
    ),
    TorchCase(
        'Dense(5, activation="relu")',
        VECTOR,
        module="nn.Sequential(nn.Linear(6, 5), nn.ReLU())",
        state={f"0.{name}": text for name, text in LINEAR.items()},
    ),
    TorchCase(
        "Embedding(10, 4)",
        ("int64[N, T]",),
        low=0,
        high=9,
        module="nn.Embedding(10, 4)",
        state={"weight": "w['embeddings']"},
    ),
]
