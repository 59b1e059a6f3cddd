"""models/handwriting.arch: digits in pictures, by the weights of digits.arch, and the picture that ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archonnx
from archonnx.cli import main
from tools.train_digits import HELD_OUT, digits

MODELS = Path(__file__).resolve().parents[2] / "models"
PICTURE = MODELS / "photographs" / "digit.png"
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("reader") / "reader.onnx"
    weights = f"network={MODELS / 'digits.safetensors'}"
    assert main(["build", str(MODELS / "handwriting.arch"), "--weights", weights, "-o", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def reader(file: Path) -> Iterator[archonnx.Session]:
    with archonnx.load(file) as session:
        yield session


@pytest.fixture(scope="module")
def held_out() -> tuple[Array, Array]:
    """The digits that were held out, as pictures of 8 x 8 pixels, light on dark; and what they show."""
    _, found = digits()
    return np.round(found["image"] * (255 / 16)).astype(np.uint8), found["digit"]


@pytest.mark.parametrize("dark", [False, True], ids=["light on dark", "dark on light"])
def test_digits_are_read_as_the_network_reads_their_squares(
    dark: bool, reader: archonnx.Session, held_out: tuple[Array, Array]
) -> None:
    pictures, shown = held_out
    alone = archonnx.compile(MODELS / "digits.arch").with_weights(MODELS / "digits.safetensors")
    logits = archonnx.load(alone)(digits()[1]["image"]).astype(np.float64)
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = scores / scores.sum(axis=1, keepdims=True)
    large = np.kron(255 - pictures if dark else pictures, np.ones((1, 16, 16, 1), np.uint8))
    found = reader(large)
    assert np.abs(found - expected).max() < 0.02  # a grey level of 255 is not quite one of 16
    assert np.mean(found.argmax(axis=1) == shown) > 0.98


def test_pictures_of_other_sizes_are_read(reader: archonnx.Session, held_out: tuple[Array, Array]) -> None:
    pictures, shown = held_out
    for width, height in ((8, 8), (61, 83), (300, 40)):
        resized = [np.asarray(Image.fromarray(255 - p[..., 0]).resize((width, height))) for p in pictures]
        found = reader(np.stack(resized)[..., None]).argmax(axis=1)
        assert np.mean(found == shown) > 0.96, (width, height)


def test_the_picture_that_ships_is_the_first_digit_held_out(held_out: tuple[Array, Array]) -> None:
    pictures, shown = held_out
    picture = np.asarray(Image.open(PICTURE))
    np.testing.assert_array_equal(picture, np.kron(255 - pictures[0, ..., 0], np.ones((16, 16), np.uint8)))
    assert shown[0] == 2
    text = " ".join((MODELS / "photographs" / "LICENSE.md").read_text(encoding="utf-8").split())
    assert "A 2 that somebody wrote" in text
    assert f"(number {1797 - HELD_OUT:,})" in text


def test_it_is_read_on_the_command_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(file), "--input", f"picture={PICTURE}", "--top", "1"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    digit, likely = line.split()
    assert digit == "2"
    assert float(likely) > 0.99
