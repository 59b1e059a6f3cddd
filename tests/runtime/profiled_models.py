"""Sources of the small models that are profiled."""

from __future__ import annotations

from collections.abc import Callable

from archonnx.runtime.profiling.profile import Profile

Profiles = Callable[..., Profile]

LOOPED = """block unit(width):
    input x
    y = x -> Dense(width) -> ReLU()
    (x + y) -> LayerNormalization()

model Looped(depth = 3):
    input x: float32[N, T, 8]
    for i in range(depth):
        unit(8)
    Dense(4)
    output y
"""
CELL = """block cell():
    input x: [N, D]
    input h: [N, D]
    y = (x + h) -> Dense(4)
    output y
    output state h = y

model Cell():
    input x: float32[N, T, 4]
    RNN(cell())
    output y
"""
