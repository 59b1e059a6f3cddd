"""models/gates.arch: truth tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archonnx

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


@pytest.mark.parametrize(
    ("gate", "truth"), [("AND", [0, 0, 0, 1]), ("OR", [0, 1, 1, 1]), ("NAND", [1, 1, 1, 0]), ("XOR", [0, 1, 1, 0])]
)
def test_truth_table(gate: str, truth: list[int]) -> None:
    model = archonnx.compile(Path(__file__).resolve().parents[2] / "models" / "gates.arch", gate)
    session = archonnx.load(model)
    assert not session.initial_weights
    assert session(BITS)[:, 0].tolist() == truth
