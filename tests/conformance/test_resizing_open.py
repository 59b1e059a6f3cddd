"""Resizing to sizes that the model learns when it runs is Resizing to these sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import archonnx

SIZES = [(9, 14), (14, 9), (40, 23), (1, 1)]


def resized(arguments: str, picture: np.ndarray[Any, Any], type: str) -> np.ndarray[Any, Any]:
    source = f"model A():\n    input photo: {type}\n    Resizing({arguments})\n    output y\n"
    with archonnx.load(archonnx.compile(text=source)) as session:
        return np.asarray(session(picture))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "how", ['"bilinear"', '"nearest"', '"bilinear", antialias=True', '"bicubic", antialias=True', 'dtype="float64"']
)
def test_sizes_over_symbols(how: str, size: tuple[int, int]) -> None:
    height, width = size
    picture = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
    tall, wide = max(12, 12 * height // width), max(12, 12 * width // height)
    open_sizes = f"max(12, 12 * H // W), max(12, 12 * W // H), {how}"
    found = resized(open_sizes, picture, "uint8[N, H, W, 3]")
    expected = resized(f"{tall}, {wide}, {how}", picture, f"uint8[N, {height}, {width}, 3]")
    assert found.shape == (2, tall, wide, 3)
    assert np.abs(found - expected).max() <= 255e-5


@pytest.mark.parametrize("how", ['"bilinear"', '"bicubic"'])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pytorch_averages_alike(how: str, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    source = f"model A():\n    input x: float32[N, H, W, 3]\n    Resizing(6, 5, {how}, antialias=True)\n    output y\n"
    model = archonnx.compile(text=source)
    picture = np.random.default_rng(1).normal(size=(2, *size, 3)).astype(np.float32)
    with archonnx.load(model) as session:
        expected = session(picture)
    found = archonnx.to_torch(model)(torch.from_numpy(picture)).numpy()
    assert np.abs(found - expected).max() <= 1e-5


def test_an_operator_set_without_antialiasing_is_named() -> None:
    source = "model A():\n    input x: float32[N, H, W, 3]\n    Resizing(6, 5, antialias=True)\n    output y\n"
    with pytest.raises(archonnx.CompileError, match="needs opset 18, and this is opset 17"):
        archonnx.compile(text=source, opset=17)


@pytest.mark.parametrize("channels_first", [False, True])
def test_the_operator_finds_the_channels_first(channels_first: bool) -> None:
    """On CUDA onnxruntime antialiases no other layout."""
    kind, where = (
        ("float32[N, 3, H, W]", "channels_first") if channels_first else ("float32[N, H, W, 3]", "channels_last")
    )
    source = (
        f'model A():\n    input x: {kind}\n    Resizing(6, 5, antialias=True, data_format="{where}")\n    output y\n'
    )
    (resize,) = (o for o in archonnx.compile(text=source).lower().operators if o.type == "Resize")
    assert [str(size) for size in resize.outputs[0].shape] == ["N", "3", "6", "5"]
