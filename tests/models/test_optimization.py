"""Networks of the zoo with trained-like statistics: each level of passes computes the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import archonnx

SIZE = 64
NORMS = {"ResNet18": 20, "MobileNetV2": 52, "MobileNetV3Small": 34, "EfficientNetB0": 49}
FILES = {"ResNet": "zoo:resnet", "Mobile": "zoo:mobilenet", "Effici": "zoo:efficientnet"}


def compiled(name: str) -> archonnx.CompiledModel:
    """A network with kernels as they are drawn, and statistics as training leaves them."""
    model = archonnx.compile(FILES[name[:6]], model=name, size=SIZE)
    rng = np.random.default_rng(4)
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.3, 2.0), "beta": (-0.3, 0.3), "moving_mean": (-0.3, 0.3)}
    values = model.values()
    for path, array in values.items():
        drawn = ranges.get(path.rpartition("/")[2])
        if drawn is not None:
            values[path] = rng.uniform(*drawn, array.shape).astype(array.dtype)
    return model.with_weights(values)


def result(path: Path, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    return np.asarray(found)


@pytest.mark.parametrize("name", NORMS)
def test_every_level_computes_the_same(name: str, tmp_path: Path) -> None:
    model = compiled(name)
    image = np.random.default_rng(0).uniform(0, 255 if "Eff" in name else 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    kinds: list[Counter[str]] = []
    found: list[np.ndarray[Any, Any]] = []
    for level in (0, 1, 2):
        path = tmp_path / f"{level}.onnx"
        model.save(path, optimization=level)  # type: ignore[arg-type]
        kinds.append(Counter(node.op_type for node in onnx.load(path).graph.node))
        found.append(result(path, image))
    for array in found[1:]:
        assert np.abs(array - found[0]).max() <= 1e-5 * max(1e-6, np.abs(found[0]).max())
    assert [each["BatchNormalization"] for each in kinds] == [NORMS[name], NORMS[name], 0]
    assert kinds[2].total() == kinds[1].total() - NORMS[name]
