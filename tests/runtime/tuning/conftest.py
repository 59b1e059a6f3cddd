"""A model for plans, and what stands beside these tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def net(tmp_path: Path, make: Callable[..., onnx.ModelProto]) -> Path:
    """x: float32[N, 3] -> y: float32[N, 4], a product and a Relu, as net.onnx."""
    weights: Any = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
        helper.make_node("Relu", ["h"], ["y"], name="relu"),
    ]
    model = make(
        {"x": ("float32", ["N", 3])}, nodes, {"y": ("float32", ["N", 4])}, [numpy_helper.from_array(weights, "w")]
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return path
