"""models/efficientnet.arch is the EfficientNet of Keras, of torchvision and Lite: totals, work, and every layer."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.analysis.compare import compare
from archonnx.compiler.analysis.reference import read_reference
from archonnx.contract.diagnostics import CompileError

EFFICIENTNET = Path(__file__).resolve().parents[2] / "models" / "efficientnet.arch"

# Counted from keras.applications 3.15 with weights=None: side of the picture, parameters in all, trainable, not; GMACs.
KERAS = {
    "EfficientNetB0": (224, 5_330_571, 5_288_548, 42_023, 0.386),
    "EfficientNetB1": (240, 7_856_239, 7_794_184, 62_055, 0.687),
    "EfficientNetB2": (260, 9_177_569, 9_109_994, 67_575, 0.994),
    "EfficientNetB3": (300, 12_320_535, 12_233_232, 87_303, 1.827),
    "EfficientNetB4": (380, 19_466_823, 19_341_616, 125_207, 4.394),
    "EfficientNetB5": (456, 30_562_527, 30_389_784, 172_743, 10.266),
    "EfficientNetB6": (528, 43_265_143, 43_040_704, 224_439, 19.068),
    "EfficientNetB7": (600, 66_658_687, 66_347_960, 310_727, 37.746),
}

# Parameters that efficientnet_lite_pytorch 0.1.0 counts; the file of Lite0's weights is "4.65M".
LITE = {"EfficientNetLite0": 4_652_008}


@pytest.mark.parametrize("name", KERAS)
def test_totals(name: str) -> None:
    model = archonnx.compile(EFFICIENTNET, name)
    summary = model.summary()
    size, total, trainable, fixed, gmacs = KERAS[name]
    assert str(model.graph.inputs[0].value.type) == f"float32[N, {size}, {size}, 3]"
    assert summary.to_dict()["parameters"] == {"total": total, "trainable": trainable, "non_trainable": fixed}
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


@pytest.mark.parametrize("name", KERAS)
def test_torchvision_has_as_many_but_the_seven_numbers_of_normalization(name: str) -> None:
    keras, torchvision = (
        archonnx.compile(EFFICIENTNET, each).summary().to_dict()["parameters"] for each in (name, f"{name}Torchvision")
    )
    assert torchvision["trainable"] == keras["trainable"]
    assert torchvision["total"] == keras["total"] - 7


@pytest.mark.parametrize("name", LITE)
def test_totals_of_lite(name: str) -> None:
    assert archonnx.compile(EFFICIENTNET, name).summary().to_dict()["parameters"]["trainable"] == LITE[name]


@pytest.mark.parametrize(("name", "rows"), [("EfficientNetB0", 239), ("EfficientNetB3", 386)])
def test_layer_by_layer(name: str, rows: int) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    lines: list[str] = []
    getattr(keras.applications, name)(weights=None).summary(print_fn=lambda line, **_: lines.append(line))
    comparison = compare(archonnx.compile(EFFICIENTNET, name).summary(), read_reference("\n".join(lines), name))
    assert comparison.agrees, comparison.render()
    assert comparison.matched == comparison.rows == rows


def test_initial_weights_are_spread_as_keras_spreads_them() -> None:
    keras = pytest.importorskip("keras", reason="Keras' own network is what ours is held against")
    theirs = keras.applications.EfficientNetB0(weights=None).weights
    spread: dict[tuple[int, ...], list[float]] = {}
    for kernel in (v.numpy() for v in theirs):
        if kernel.ndim > 1 and kernel.size > 2000:
            spread.setdefault(kernel.shape, []).append(float(kernel.std()))
    values = archonnx.compile(EFFICIENTNET, "EfficientNetB0").values(seed=1)
    ours = [kernel for kernel in values.values() if kernel.shape in spread]
    assert len(ours) == sum(map(len, spread.values())) > 60
    for kernel in ours:
        assert float(kernel.std()) == pytest.approx(spread[kernel.shape][0], rel=0.1)


def test_a_style_that_is_none_is_refused() -> None:
    with pytest.raises(CompileError, match="style is keras, torchvision or lite, not lit"):
        archonnx.compile(EFFICIENTNET, "EfficientNetB0", style="lit")
