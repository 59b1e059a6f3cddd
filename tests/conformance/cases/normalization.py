"""Normalizations, and what scales."""

from __future__ import annotations

from keras_harness import IMAGE, OPEN, STEPS, VECTOR, Case, each

CASES = [
    *each(
        """
        BatchNormalization()
        BatchNormalization(epsilon=1e-5, center=False)
        BatchNormalization(scale=False)
        BatchNormalization(momentum=0.5)
        BatchNormalization(1)
        BatchNormalization(axis=2, center=False, scale=False)
        LayerNormalization()
        LayerNormalization(epsilon=1e-6, center=False)
        LayerNormalization(scale=False)
        LayerNormalization(axis=(1, 2, 3))
        LayerNormalization(axis=(3, 1))
        LayerNormalization(axis=1, scale=False, center=False)
        """,
        IMAGE,
    ),
    Case("BatchNormalization()", VECTOR),
    Case("BatchNormalization()", STEPS),
    Case("BatchNormalization()", ("uint8[N, 3, 3, 4]",), high=255),
    Case("LayerNormalization()", VECTOR),
    Case("LayerNormalization()", ("float32[N, T, 8]",), opset=17),
    Case('LayerNormalization(dtype="float64")', IMAGE),
    Case('BatchNormalization(dtype="float64")', IMAGE),
    Case("Rescaling(1 / 255)", ("uint8[N, 5, 5, 3]",), high=255),
    Case("Rescaling(1 / 127.5, offset=-1)", ("uint8[N, 5, 5, 3]",), high=255),
    Case("Rescaling([0.1, 0.2, 0.3], [1, 2, 3])", ("float32[N, H, W, 3]",)),
    Case("Normalization()", VECTOR),
    Case("Normalization()", OPEN),
    Case("Normalization(axis=None)", VECTOR),
    Case("Normalization(axis=(1, 3))", IMAGE),
    Case("Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 4.0])", ("float32[N, H, W, 3]",)),
    Case("Normalization(mean=0.5, variance=0.25)", VECTOR),
    Case("Normalization(mean=0.5, variance=0.0)", VECTOR),
    Case("Normalization(axis=None, mean=2.0, variance=4.0, invert=True)", VECTOR),
    Case("Normalization(invert=True)", VECTOR),
    Case("Normalization(axis=(1, 3), mean=[1, 2, 3, 4, 5, 6], variance=[1, 2, 3, 4, 5, 6])", IMAGE),
]
