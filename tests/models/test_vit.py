"""models/vit.arch is the Vision Transformer of torchvision: totals, work, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

VIT = Path(__file__).resolve().parents[2] / "models" / "vit.arch"

# As torchvision 0.28 counts them, for the pictures its weights were trained with: parameters, and GMACs for one picture.
TOTALS = {
    "ViTB16": (86_567_656, 17.564),
    "ViTB32": (88_224_232, 4.409),
    "ViTL16": (304_326_632, 61.555),
    "ViTL32": (306_535_400, 15.378),
    "ViTH14": (633_470_440, 1016.717),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    summary = archonnx.compile(VIT, name).summary()
    parameters, gmacs = TOTALS[name]
    assert summary.to_dict()["parameters"] == {"total": parameters, "trainable": parameters, "non_trainable": 0}
    assert isinstance(summary.macs, int)
    assert round(summary.macs / 1e9, 3) == gmacs


def test_a_picture_that_does_not_divide_into_patches_is_refused() -> None:
    with pytest.raises(CompileError, match="pictures of 225 x 225 do not divide into patches of 16 x 16"):
        archonnx.compile(VIT, "ViTB16", size=225)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(CompileError, match="width 770 is not a multiple of 12 heads"):
        archonnx.compile(VIT, "ViTB16", width=770)
