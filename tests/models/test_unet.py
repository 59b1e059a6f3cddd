"""models/unet.arch and models/autoencoder.arch: totals, shapes, and what they refuse."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_unet_has_the_layers_of_the_paper() -> None:
    """Counted by hand: 23 convolutions, five of them that raise the size or give classes, as the paper says."""
    model = archonnx.compile(MODELS / "unet.arch")
    down = [1, 64, 128, 256, 512, 1024]
    counted = sum(9 * a * b + b + 9 * b * b + b for a, b in itertools.pairwise(down))
    counted += sum(4 * 2 * b * b + b + 9 * 2 * b * b + b + 9 * b * b + b for b in down[1:-1])
    counted += 64 * 2 + 2
    assert model.summary().to_dict()["parameters"]["total"] == counted == 31_030_658
    kernels = [w for w in model.graph.weights() if w.path.endswith("kernel")]
    assert len(kernels) == 23
    assert str(model.graph.inputs[0].value.type) == "float32[N, H, W, 1]"


def test_unet_refuses_pictures_that_do_not_halve_evenly(tmp_path: Path) -> None:
    source = "from zoo.unet import unet\n\nmodel M():\n    input image: float32[N, 40, 32, 1]\n    unet(8, 4, 0)\n"
    (tmp_path / "m.arch").write_text(source, encoding="utf-8")
    with pytest.raises(CompileError, match="height and width must be multiples of 16"):
        archonnx.compile(tmp_path / "m.arch")


def test_the_autoencoder_of_the_paper() -> None:
    sizes = [784, 1000, 500, 250, 30, 250, 500, 1000, 784]
    summary = archonnx.compile(MODELS / "autoencoder.arch", "DeepAutoencoder").summary()
    counted = sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert summary.to_dict()["parameters"]["total"] == counted == 2_837_314
    assert summary.macs == sum(a * b for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3)])
def test_an_autoencoder_gives_what_it_was_shown_a_place_for(size: int, channels: int) -> None:
    model = archonnx.compile(MODELS / "autoencoder.arch", "Autoencoder", size=size, channels=channels)
    types = {output.name: str(output.value.type) for output in model.graph.outputs}
    assert types == {"code": "float32[N, 32]", "reconstruction": f"float32[N, {size}, {size}, {channels}]"}


def test_an_autoencoder_refuses_a_size_that_does_not_halve_evenly() -> None:
    with pytest.raises(CompileError, match="30 does not halve evenly 2 times"):
        archonnx.compile(MODELS / "autoencoder.arch", "Autoencoder", size=30)
