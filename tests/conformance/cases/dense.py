"""Dense and Embedding."""

from __future__ import annotations

from keras_harness import STEPS, VECTOR, Case

CASES = [
    Case("Dense(5)", VECTOR),
    Case('Dense(5, "relu", False)', VECTOR),
    Case('Dense(5, activation="softmax")', STEPS),
    Case("Dense(5, use_bias=False)", ("float32[N, H, W, 3]",)),
    Case('Dense(4, activation="glu")', VECTOR),
    Case("Dense(5, activation=LeakyReLU(0.1))", VECTOR),
    Case("Dense(5, activation=Softmax())", VECTOR),
    Case("Dense(5)", ("int32[N, 6]",), high=9),
    Case("Dense(5)", ("bool[N, 6]",)),
    Case("Dense(3)", ("float64[N, 6]",)),
    Case("Dense(3)", ("float16[N, 6]",)),
    Case('Dense(3, dtype="float64")', VECTOR),
    Case('Dense(3, dtype="float16")', VECTOR, tolerance=1e-3),
    Case("Embedding(10, 4)", ("int32[N, T]",), low=0, high=9),
    Case("Embedding(10, 4)", ("uint8[N]",), low=0, high=9),
    Case("Embedding(10, 4, mask_zero=True)", ("int64[N, T]",), low=0, high=9),
]
