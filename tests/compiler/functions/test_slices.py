"""Slices of symbolic axes, one of the other: sizes are numpy's and stay short, however often an axis is cut."""

from __future__ import annotations

import numpy as np
import pytest

import archonnx
from archonnx.contract.dims import evaluate

BOUNDS = (None, 0, 1, 3, -1, -3)
SLICES = [(start, stop, step) for start in BOUNDS for stop in BOUNDS for step in (None, 2)]


def written(bounds: tuple[int | None, ...]) -> str:
    return ":".join("" if bound is None else str(bound) for bound in bounds)


def test_sizes_of_slices_of_slices_are_numpys() -> None:
    chosen = np.random.default_rng(0).integers(0, len(SLICES), (120, 2))
    pairs = [(SLICES[first], SLICES[second]) for first, second in chosen]
    lines = [f"    output y{i} = x[{written(a)}][{written(b)}]\n" for i, (a, b) in enumerate(pairs)]
    model = archonnx.compile(text="model A():\n    input x: float32[T]\n" + "".join(lines))
    for (a, b), output in zip(pairs, model.graph.outputs, strict=True):
        for size in range(1, 10):
            expected = len(range(size)[slice(*a)][slice(*b)])
            assert evaluate(output.value.type.shape[0], {"T": size}) == expected, f"x[{written(a)}][{written(b)}]"


@pytest.mark.parametrize("cut", ["1:-1", "2:", ":-1", "-7:", ":9", "1:9", "-9:-1"])
def test_an_axis_that_is_cut_again_and_again_has_a_short_size(cut: str) -> None:
    text = f"model A():\n    input x: float32[T]\n    for i in range(12):\n        x = x[{cut}]\n    output y = x\n"
    size = archonnx.compile(text=text).graph.outputs[0].value.type.shape[0]
    assert len(str(size)) < 60
    bounds = slice(*(int(bound) if bound else None for bound in cut.split(":")))
    for length in (1, 2, 9, 30):
        left = range(length)
        for _ in range(12):
            left = left[bounds]
        assert evaluate(size, {"T": length}) == len(left)
