"""models/vgg.arch is the VGG of Keras and torchvision: totals, work, and every layer."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis.compare import compare
from archonnx.compiler.analysis.reference import read_reference

VGG = Path(__file__).resolve().parents[2] / "models" / "vgg.arch"

# Parameters that are trained, as keras.applications 3.15 and torchvision 0.28 count them; GMACs for one picture.
TOTALS = {
    "VGG11": (132_863_336, 7.609),
    "VGG13": (133_047_848, 11.308),
    "VGG11BN": (132_868_840, 7.609),
    "VGG13BN": (133_053_736, 11.308),
    "VGG16": (138_357_544, 15.470),
    "VGG19": (143_667_240, 19.632),
    "VGG16BN": (138_365_992, 15.470),
    "VGG19BN": (143_678_248, 19.632),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    model = archonnx.compile(VGG, name)
    summary = model.summary()
    trainable, gmacs = TOTALS[name]
    parameters = summary.to_dict()["parameters"]
    statistics = sum(w.size for w in model.graph.weights() if "moving_" in w.path)
    assert parameters == {"total": trainable + statistics, "trainable": trainable, "non_trainable": statistics}
    assert (statistics > 0) == name.endswith("BN")
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


def test_layer_by_layer() -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    lines: list[str] = []
    # Small, so that the test takes less than half a gigabyte: every other size stays as it is.
    keras.applications.VGG19(weights=None, input_shape=(32, 32, 3)).summary(
        print_fn=lambda line, **_: lines.append(line)
    )
    ours = archonnx.compile(VGG, "VGG19", size=32).summary()
    comparison = compare(ours, read_reference("\n".join(lines), "VGG19"))
    assert comparison.agrees, comparison.render()
    assert comparison.matched == comparison.rows == 25


@pytest.mark.parametrize(("activation", "name"), [("softmax", "probabilities"), (None, "logits")])
def test_the_output_is_named_for_what_it_is(activation: str | None, name: str) -> None:
    model = archonnx.compile(VGG, "VGG16", activation=activation)
    assert [output.name for output in model.graph.outputs] == [name]
