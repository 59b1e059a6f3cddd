"""The picture of a training: what it shows, of any epochs."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from archonnx.compiler.analysis.plotting.scene import Path as Line
from archonnx.compiler.analysis.plotting.scene import Rect, Scene, Text
from archonnx.compiler.keras.training.axes import epoch_ticks, value_axis
from archonnx.compiler.keras.training.curve import OVER, TRAINING, UNDER, VALIDATION, draw, save_curve
from archonnx.compiler.keras.training.history import Epoch
from archonnx.compiler.keras.training.judgement import judge
from archonnx.contract.diagnostics import UsageError


def overfitted(count: int = 40) -> list[Epoch]:
    made = []
    for number in range(1, count + 1):
        loss = 2 * math.exp(-0.2 * number)
        validation = loss + 0.1 + max(0, number - count / 2) / count
        values = {"loss": loss, "accuracy": 1 - loss / 3, "val_loss": validation, "val_accuracy": 1 - validation / 3}
        made.append(Epoch(number, values, 1.0))
    return made


def texts(scene: Scene) -> list[str]:
    return [shape.text for entry in scene.entries for shape in entry.shapes if isinstance(shape, Text)]


def test_regions_and_the_best_epoch_are_marked() -> None:
    epochs = overfitted()
    found = judge(epochs)
    scene = draw(epochs, found, "Digits")
    assert {"Digits", found.text, "loss", "accuracy", "training", "validation"} <= set(texts(scene))
    assert {"underfitting: both still fall", "overfitting: validation rises, training does not"} <= set(texts(scene))
    lowest = min(epochs, key=lambda epoch: epoch.values["val_loss"]).number
    assert f"best: epoch {lowest}" in texts(scene)
    assert any(f"{epochs[lowest - 1].values['val_loss']:.4g}, in epoch {lowest}" in e.tooltip for e in scene.entries)
    shapes = [shape for entry in scene.entries for shape in entry.shapes]
    fills = [shape.fill for shape in shapes if isinstance(shape, Rect)]
    assert fills.count(UNDER[0]) == fills.count(OVER[0]) == 2
    lines = [shape for shape in shapes if isinstance(shape, Line) and len(shape.pieces) == len(epochs) - 1]
    assert [line.colour for line in lines] == [TRAINING, VALIDATION] * 2


def test_a_loss_that_falls_far_has_a_logarithmic_axis() -> None:
    far = [Epoch(n, {"loss": 10.0 / n**2, "val_loss": 12.0 / n**2}, 1.0) for n in range(1, 9)]
    assert "loss (logarithmic)" in texts(draw(far, judge(far), "Small"))
    near = [Epoch(n, {"loss": 10.0**-n, "val_loss": 12.0 / n}, 1.0) for n in range(1, 9)]
    assert "loss" in texts(draw(near, judge(near), "Small"))


def test_without_validation_nothing_speaks_of_it() -> None:
    epochs = [Epoch(n, {"loss": 2.0 / n}, 1.0) for n in range(1, 9)]
    said = texts(draw(epochs, judge(epochs), "Small"))
    assert "underfitting: the loss still falls" in said
    assert "validation" not in said


@pytest.mark.parametrize("ending", ["svg", "png"])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_pictures_are_written(ending: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / f"curve.{ending}"
    save_curve(overfitted(count), path, "Digits & more")
    if ending == "png":
        with Image.open(path) as image:
            assert image.width == 1760
            assert len(image.getcolors(1 << 24)) > 10
    else:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_another_ending_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a picture's name ends in \.svg or \.png"):
        save_curve(overfitted(), tmp_path / "curve.jpg", "Digits")
    assert not list(tmp_path.iterdir())


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=30), st.booleans())
def test_an_axis_holds_its_values_and_some_ticks(values: list[float], logarithmic: bool) -> None:
    axis = value_axis(values, logarithmic)
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    assert 1 <= len(axis.ticks) <= 24
    assert all(-1e-6 <= axis.place(value) <= 1 + 1e-6 for value, _ in axis.ticks)
    assert len({label for _, label in axis.ticks}) == len(axis.ticks)


@given(st.integers(1, 100_000))
def test_epochs_have_a_dozen_ticks(count: int) -> None:
    ticks = epoch_ticks(count)
    assert ticks[0] == 1
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 14
    assert ticks[-1] <= count
