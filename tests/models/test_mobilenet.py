"""models/mobilenet.arch is the MobileNet V2 and V3 of Keras and torchvision: totals, work, and every layer."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

MOBILENET = Path(__file__).resolve().parents[2] / "models" / "mobilenet.arch"

# As torchvision 0.28 counts them: parameters that are trained, statistics of normalization, GMACs for one picture.
TOTALS = {
    "MobileNetV2": (3_504_872, 34_112, 0.301),
    "MobileNetV3Small": (2_542_856, 12_112, 0.057),
    "MobileNetV3Large": (5_483_032, 24_400, 0.217),
}


@pytest.mark.parametrize("form", ["", "Torchvision"])
@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str, form: str) -> None:
    summary = archonnx.compile(MOBILENET, name + form).summary()
    trained, fixed, gmacs = TOTALS[name]
    assert summary.to_dict()["parameters"] == {
        "total": trained + fixed,
        "trainable": trained,
        "non_trainable": fixed,
    }
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


@pytest.mark.parametrize(
    ("name", "layers"), [("MobileNetV2", 105), ("MobileNetV3Small", 88), ("MobileNetV3Large", 110)]
)
def test_layer_by_layer(name: str, layers: int) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    network = getattr(keras.applications, name)(weights=None, input_shape=(224, 224, 3))
    theirs = [layer.count_params() for layer in network.layers if layer.weights]
    ours: dict[str, int] = {}
    for weight in archonnx.compile(MOBILENET, name).graph.weights():
        layer = weight.path.rpartition("/")[0]
        ours[layer] = ours.get(layer, 0) + weight.size
    assert list(ours.values()) == theirs
    assert len(theirs) == layers


@pytest.mark.parametrize("width", [0.35, 0.5, 1.4])
def test_other_widths_have_the_parameters_that_keras_has(width: float) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    keras.utils.clear_session(free_memory=False)
    theirs = keras.applications.MobileNetV2(weights=None, alpha=width).count_params()
    ours = archonnx.compile(MOBILENET, "MobileNetV2", width=width).summary().to_dict()["parameters"]
    assert ours["total"] == theirs


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_a_style_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(CompileError, match="style is keras or torchvision, not torch"):
        archonnx.compile(MOBILENET, name, style="torch")
