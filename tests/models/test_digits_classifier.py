"""models/digits_classifier.arch reads digits off pictures of any size: the data's own, and drawings on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from tools.train_digits import HELD_OUT, digits

MODELS = Path(__file__).resolve().parents[2] / "models"
WEIGHTS = MODELS / "digits.safetensors"


@pytest.fixture(scope="module")
def session() -> archonnx.Session:
    return archonnx.load(archonnx.compile(MODELS / "digits_classifier.arch").with_weights(WEIGHTS))


@pytest.fixture(scope="module")
def held_out() -> tuple[Any, Any]:
    """Digits that were not trained on, [N, 8, 8] of 0 to 16, and what they are."""
    _, found = digits()
    return found["image"][..., 0], found["digit"]


def drawing(digit: Any, number: int) -> Any:
    """Dark on paper that is not white nor even, of another size each, anywhere on it: uint8 [H, W]."""
    from PIL import Image

    rng = np.random.default_rng(number)
    width, height = (int(n) for n in rng.integers(140, 400, 2))
    side = int(rng.integers(60, min(width, height)))
    paper = Image.new("L", (width, height), 255)
    ink = Image.fromarray(np.round(255 - digit * 255 / 16).astype(np.uint8))
    place = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
    paper.paste(ink.resize((side, side), Image.Resampling.BICUBIC), place)
    light = np.asarray(paper) * 0.7 + 40 + np.linspace(0, 25, width)[None] + rng.normal(0, 4, (height, width))
    return light.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [255 / 16, 1], ids=["to 255", "to 16"])
def test_the_datas_own_form(session: archonnx.Session, held_out: tuple[Any, Any], scale: float) -> None:
    images, expected = held_out
    found = session(np.round(images * scale).astype(np.uint8)[..., None])
    assert np.mean(found.argmax(axis=1) == expected) > 0.97
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_drawings_on_paper(session: archonnx.Session, held_out: tuple[Any, Any]) -> None:
    right = [
        int(session(drawing(image, number)[None, ..., None])[0].argmax()) == digit
        for number, (image, digit) in enumerate(zip(*held_out, strict=True))
    ]
    assert np.mean(right) > 0.97


def test_light_on_dark_is_the_same_picture(session: archonnx.Session, held_out: tuple[Any, Any]) -> None:
    picture = drawing(held_out[0][0], 0)[None, ..., None]
    np.testing.assert_allclose(session(255 - picture), session(picture), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 9), (300, 2)])
def test_an_even_picture_shows_no_digit(session: archonnx.Session, height: int, width: int) -> None:
    np.testing.assert_allclose(session(np.full((2, height, width, 1), 77, np.uint8)), np.full((2, 10), 0.1), rtol=1e-6)


def test_a_file_on_the_command_line(
    held_out: tuple[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    images, expected = held_out
    picture, target = tmp_path / "digit.png", tmp_path / "digits.onnx"
    Image.fromarray(drawing(images[5], 5)).convert("RGB").save(picture)
    assert main(["build", "zoo:digits_classifier", "--weights", str(WEIGHTS), "-o", str(target)]) == 0
    assert main(["run", str(target), "--input", f"image={picture}", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert "image: RGB to grey" in captured.err
    (best, *_), *_ = json.loads(captured.out)["outputs"]["probabilities"]["top"]
    assert best["label"] == str(expected[5])
    assert best["value"] > 0.5


def test_the_picture_that_ships_is_the_first_digit_held_out(session: archonnx.Session) -> None:
    from PIL import Image

    image, digit = (part[0] for part in (digits()[1]["image"][..., 0], digits()[1]["digit"]))
    picture = np.asarray(Image.open(MODELS / "photographs" / "digit.png"))
    dark = 255 - np.round(image * (255 / 16)).astype(np.uint8)
    np.testing.assert_array_equal(picture, np.kron(dark, np.ones((16, 16), np.uint8)))
    assert session.top(session(picture[None, ..., None]), 1)[0][0][:2] == (2, "2")
    assert digit == 2
    text = " ".join((MODELS / "photographs" / "LICENSE.md").read_text(encoding="utf-8").split())
    assert "A 2 that somebody wrote" in text
    assert f"(number {1797 - HELD_OUT:,})" in text
