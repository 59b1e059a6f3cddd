"""models/resnet.arch is Keras' ResNet, totals, work and every layer, and torchvision's "v1.5"."""

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

# torchvision's `parameters()`, which moving statistics are no part of, and the same GMACs.
V1_5 = {
    "ResNet18": (11_689_512, 1.814),
    "ResNet34": (21_797_672, 3.664),
    "ResNet50V1_5": (25_557_032, 4.089),
    "ResNet101V1_5": (44_549_160, 7.801),
    "ResNet152V1_5": (60_192_808, 11.514),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    summary = archonnx.compile(RESNET, name).summary()
    total, trainable, fixed, gmacs = TOTALS[name]
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": trainable, "non_trainable": fixed}
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


@pytest.mark.parametrize("name", V1_5)
def test_totals_of_torchvision(name: str) -> None:
    summary = archonnx.compile(RESNET, name).summary()
    trainable, gmacs = V1_5[name]
    assert summary.to_dict()["parameters"]["trainable"] == trainable
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


def test_convolutions_without_biases_are_the_difference() -> None:
    """Keras' 25,636,712 and torchvision's 25,557,032 are 26,560 biases and 53,120 moving statistics apart."""
    keras, torchvision = (list(archonnx.compile(RESNET, name).graph.weights()) for name in ("ResNet50", "ResNet50V1_5"))
    biases = sum(w.size for w in keras if w.path.endswith("conv2d/bias"))
    assert biases == 26_560
    assert sum(w.size for w in keras if w.trainable) - biases == sum(w.size for w in torchvision if w.trainable)


@pytest.mark.parametrize("name", TOTALS)
def test_layer_by_layer(name: str) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    lines: list[str] = []
    getattr(keras.applications, name)(weights=None).summary(print_fn=lambda line, **_: lines.append(line))
    comparison = compare(archonnx.compile(RESNET, name).summary(), read_reference("\n".join(lines), name))
    assert comparison.agrees, comparison.render()
    assert comparison.matched == comparison.rows > 150


@pytest.mark.parametrize("name", ["ResNet50", "ResNet50V1_5"])
def test_size_classes_and_activation_are_parameters(name: str) -> None:
    model = archonnx.compile(RESNET, name, size=64, classes=5)
    assert str(model.graph.inputs[0].value.type) == "float32[N, 64, 64, 3]"
    assert str(model.graph.outputs[0].value.type) == "float32[N, 5]"
    assert archonnx.compile(RESNET, "ResNet50", activation=None).graph.outputs[0].name == "logits"
