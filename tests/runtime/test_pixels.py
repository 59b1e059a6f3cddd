"""Pictures that a classifier cannot take as they are: the message says what to do, and doing it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError

SOURCE = """
from zoo.blocks.pictures import torchvision_pixels

model Tiny():
    input image: uint8[N, H, W, 3]
    torchvision_pixels(16, 18)
    GlobalAveragePooling2D()
    output mean
"""
GREY = [123.675, 116.28, 103.53]  # ImageNet's mean and deviation, of 0 to 255
WIDE = [58.395, 57.12, 57.375]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pixels") / "tiny.onnx"
    archonnx.compile(text=SOURCE).save(path)
    return path


@pytest.fixture
def session(model: Path) -> archonnx.Session:
    return archonnx.load(model)


def grey_levels(found: Any) -> Any:
    """What the means of the channels are in 0 to 255."""
    return found * WIDE + GREY


PIXELS = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), np.uint8)
UNIT = (PIXELS / 255).astype(np.float32)


@pytest.mark.parametrize(
    ("given", "reason", "mended"),
    [
        (UNIT, r'these are 0 to 1: \(image \* 255\)\.round\(\)\.astype\("uint8"\)', lambda x: (x * 255).round().astype("uint8")),
        (PIXELS.astype(np.float64), r'convert it: image\.round\(\)\.astype\("uint8"\)', lambda x: x.round().astype("uint8")),
        (PIXELS.astype(np.int64), r'convert it: image\.astype\("uint8"\)', lambda x: x.astype("uint8")),
        (PIXELS[..., :1], r"axis 3 is 3, not 1; it is grey: image\.repeat\(3, axis=-1\)", lambda x: x.repeat(3, axis=-1)),
        (PIXELS[..., 0], r"4 axes, not 3; it is grey: image\[\.\.\., None\]\.repeat\(3, axis=-1\)", lambda x: x[..., None].repeat(3, axis=-1)),
        (np.concatenate([PIXELS, PIXELS[..., :1]], axis=-1), r"axis 3 is 3, not 4; it has a fourth channel, of transparency: image\[\.\.\., :3\]", lambda x: x[..., :3]),
        (PIXELS[0], r"4 axes, not 3; add the first axis: image\[None\]", lambda x: x[None]),
        (PIXELS.transpose(0, 3, 1, 2), r"the channels seem to come first: numpy\.moveaxis\(image, 1, -1\)", lambda x: np.moveaxis(x, 1, -1)),
    ],
)  # fmt: skip
def test_the_mend_that_is_named_mends(
    session: archonnx.Session, given: Any, reason: str, mended: Callable[[Any], Any]
) -> None:
    with pytest.raises(InputError, match=reason) as raised:
        session(given)
    assert raised.value.input == "image"
    assert str(raised.value).startswith("input image: expected uint8[N, H, W, 3], received ")
    assert session(mended(given)).shape == (len(mended(given)), 3)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (UNIT * 2 - 1, r"these are -\S+ to \S+: give them as they were before they were scaled"),
        (PIXELS.astype(np.uint16) * 257, r"these are 0 to 65535: scale them first"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"axis 0 is N, which is at least 1 in Tiny, received 0"),
        (np.zeros((1, 0, 4, 3), np.uint8), r"axis 1 is H, which is at least 1 in Tiny, received 0"),
        (np.zeros((1, 4, 0, 3), np.uint8), r"axis 2 is W, which is at least 1 in Tiny, received 0"),
        (
            np.zeros((1, 51, 1, 3), np.uint8),
            r"Tiny requires H <= 50\*W and W <= 50\*H, received H = 51 .*, W = 1 .*: a picture's longer side is at most 50 times",
        ),
    ],
)
def test_what_is_no_picture_of_any_kind(session: archonnx.Session, given: Any, reason: str) -> None:
    with pytest.raises(InputError, match=f"^input image: .*{reason}"):
        session(given)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (2, 1), (17, 33)])
def test_few_pixels_are_a_picture(session: archonnx.Session, height: int, width: int) -> None:
    found = grey_levels(session(np.full((1, height, width, 3), (200, 100, 7), np.uint8)))
    np.testing.assert_allclose(found, [[200, 100, 7]], atol=1e-3)


def picture(folder: Path, name: str, mode: str, **options: Any) -> Path:
    from PIL import Image

    path = folder / name
    Image.fromarray(PIXELS[0]).convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("rgb.png", "RGB", "PNG picture, 30 x 20 (width x height), RGB"),
        ("grey.png", "L", "image: grey to RGB"),
        ("alpha.png", "RGBA", "image: transparency dropped"),
        ("grey-alpha.png", "LA", "image: transparency dropped"),
        ("palette.gif", "P", "GIF picture"),
        ("print.jpg", "CMYK", "JPEG picture, 30 x 20 (width x height), CMYK"),
        ("scan.tif", "1", "image: black and white to RGB"),
    ],
)
def test_files_of_many_modes(
    model: Path, tmp_path: Path, name: str, mode: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(model), "--input", f"image={picture(tmp_path, name, mode)}"]) == 0
    captured = capsys.readouterr()
    assert said in captured.err
    assert "image: uint8[1, 20, 30, 3], values 0 to 255" in captured.err


def test_sixteen_bits_and_an_animation(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    deep, moving = tmp_path / "deep.png", tmp_path / "moving.gif"
    Image.fromarray(np.full((9, 9), 200 * 257, np.uint16)).save(deep)
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("#c8c8c8", "#000000", "#ffffff")]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    for path, said in (
        (deep, "image: 16 bits brought to 0..255"),
        (moving, "image: the first of its 3 frames is taken"),
    ):
        assert main(["run", str(model), "--input", f"image={path}", "--format", "json"]) == 0
        captured = capsys.readouterr()
        assert said in captured.err
        (mean,) = json.loads(captured.out)["outputs"]["mean"]["data"]
        np.testing.assert_allclose(grey_levels(np.array(mean)), [200, 200, 200], atol=1e-3)


@pytest.mark.parametrize("cut", [0, 100, 400])
def test_a_broken_file(model: Path, tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = picture(tmp_path, "broken.jpg", "RGB")
    path.write_bytes(path.read_bytes()[:cut])
    assert main(["run", str(model), "--input", f"image={path}"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {path}: ")
    assert captured.err.count("\n") == 1


def test_dark_pixels_are_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dark.npy"
    np.save(path, (PIXELS > 99).astype(np.uint8))
    assert main(["run", str(model), "--input", f"image={path}"]) == 0
    said = f"image: no pixel of {path} is above 1, where pixels are 0 to 255: were they scaled before?"
    assert said in capsys.readouterr().err
    np.save(path, np.zeros((1, 4, 4, 3), np.uint8))  # black is a colour
    assert main(["run", str(model), "--input", f"image={path}"]) == 0
    assert "above 1" not in capsys.readouterr().err


def test_the_best_of_no_scores() -> None:
    with archonnx.load(archonnx.compile(text=SOURCE)) as session, pytest.raises(UsageError, match="None"):
        session.top(None)
