"""models/resnet.arch is Keras' ResNet: totals, work, and every layer."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis.compare import compare
from archonnx.compiler.analysis.reference import read_reference

RESNET = Path(__file__).resolve().parents[2] / "models" / "resnet.arch"

# Counted from keras.applications 3.15 with weights=None: parameters in all, trainable, not; GMACs of convolutions and
# dense layers for one picture of 224 x 224.
TOTALS = {
    "ResNet50": (25_636_712, 25_583_592, 53_120, 3.858),
    "ResNet101": (44_707_176, 44_601_832, 105_344, 7.570),
    "ResNet152": (60_419_944, 60_268_520, 151_424, 11.282),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    summary = archonnx.compile(RESNET, name).summary()
    total, trainable, fixed, gmacs = TOTALS[name]
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": trainable, "non_trainable": fixed}
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


@pytest.mark.parametrize("name", TOTALS)
def test_layer_by_layer(name: str) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    lines: list[str] = []
    getattr(keras.applications, name)(weights=None).summary(print_fn=lambda line, **_: lines.append(line))
    comparison = compare(archonnx.compile(RESNET, name).summary(), read_reference("\n".join(lines), name))
    assert comparison.agrees, comparison.render()
    assert comparison.matched == comparison.rows > 150
