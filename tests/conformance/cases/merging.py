"""Layers of several inputs."""

from __future__ import annotations

from keras_harness import Case

CASES = [
    *(
        Case(f"{name}()", ("float32[N, 4, 6]", "float32[N, 4, 6]"))
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ),
    *(
        Case(f"{name}()", ("float32[N, 4, 6]", "float32[N, 1, 6]", "float32[N, 4, 1]"))
        for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")
    ),
    Case("Add()", ("float32[N, 4, 6]", "float32[N, 6]")),
    Case("Add()", ("float32[N, H, W, 3]", "float32[N, H, W, 3]")),
    Case("Multiply()", ("float32[N, H, W, 3]", "float32[N, 1, 1, 3]")),
    Case("Multiply()", ("int32[N, 3]", "int32[N, 3]"), high=9),
    Case("Average()", ("uint8[N, 3]", "uint8[N, 3]"), high=9),
    Case("Concatenate(axis=1)", ("float32[N, 4, 6]", "float32[N, 3, 6]", "float32[N, 1, 6]")),
    Case("Concatenate(1)", ("float32[N, T, 6]", "float32[N, S, 6]")),
    Case("Concatenate()", ("float32[N, T, 6]", "float32[N, T, 2]")),
    Case("Dot(1)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(axes=1, normalize=True)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(axes=(2, 1))", ("float32[N, 3, 5]", "float32[N, 5, 4]")),
    Case("Dot(-1)", ("float32[N, 3, 5]", "float32[N, 4, 5]")),
    Case("Dot((1, 2), normalize=True)", ("float32[N, 3, 5]", "float32[N, 4, 3]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5]", "float32[N, 5]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5, 2]", "float32[N, 5, 4, 3]")),
]
