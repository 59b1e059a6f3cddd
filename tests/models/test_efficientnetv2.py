"""models/efficientnetv2.arch is the EfficientNetV2 of torchvision: totals and work."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx

EFFICIENTNETV2 = Path(__file__).resolve().parents[2] / "models" / "efficientnetv2.arch"

# As torchvision 0.28 counts them: side of the picture, parameters that are trained, statistics of normalization, GMACs.
TOTALS = {
    "EfficientNetV2S": (384, 21_458_488, 153_872, 8.366),
    "EfficientNetV2M": (480, 54_139_356, 292_032, 24.582),
    "EfficientNetV2L": (480, 118_515_272, 512_576, 56.080),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    model = archonnx.compile(EFFICIENTNETV2, name)
    summary = model.summary()
    size, trained, fixed, gmacs = TOTALS[name]
    assert str(model.graph.inputs[0].value.type) == f"float32[N, {size}, {size}, 3]"
    assert summary.to_dict()["parameters"] == {
        "total": trained + fixed,
        "trainable": trained,
        "non_trainable": fixed,
    }
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs
