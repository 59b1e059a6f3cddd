"""The detectors of models/yolo.arch: boxes in the pixels of pictures of any size, and what `run` prints of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.artifact import models_of

YOLO = Path(__file__).resolve().parents[2] / "models" / "yolo.arch"
FEW: dict[str, Any] = {"least": 0.6, "most": 3, "overlap": 0.3}

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def weights() -> dict[str, Array]:
    """Weights that tell places and classes apart, as initial ones do not."""
    rng = np.random.default_rng(0)
    made = {}
    for weight in archonnx.compile(YOLO, "YOLOv8n").graph.weights():
        name = weight.path.rsplit("/", 1)[1]
        if name == "kernel" and not weight.trainable:
            made[weight.path] = np.arange(16, dtype=np.float32)[:, None]  # distances
        elif name == "kernel":
            fan_in = int(np.prod(weight.shape[:-1]))
            made[weight.path] = rng.normal(0, (2 / fan_in) ** 0.5, weight.shape).astype(np.float32)
        else:
            low, high = (0.3, 0.6) if name == "moving_variance" else (0.8, 1.2) if name == "gamma" else (-0.2, 0.2)
            made[weight.path] = rng.uniform(low, high, weight.shape).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def network(weights: dict[str, Array]) -> archonnx.Session:
    """The network alone, for pictures of 64 x 64 that are prepared for it."""
    return archonnx.load(archonnx.compile(YOLO, "YOLOv8n", nms=True, form="xyxy", **FEW).with_weights(weights))


@pytest.fixture(scope="module")
def detector(weights: dict[str, Array]) -> archonnx.Session:
    """The same weights: they fill the network of the detector."""
    return archonnx.load(archonnx.compile(YOLO, "YOLOv8nDetector", size=64, **FEW).with_weights(weights))


def letterboxed(picture: Array, size: int) -> tuple[Array, float, int, int]:
    """By Pillow: the picture in a grey square, how many of its pixels a pixel is, and what was put left and above."""
    from PIL import Image

    height, width = picture.shape[:2]
    side = max(height, width)
    square = Image.new("RGB", (side, side), (114, 114, 114))
    left, above = (side - width) // 2, (side - height) // 2
    square.paste(Image.fromarray(picture), (left, above))
    floats = [channel.convert("F").resize((size, size), Image.Resampling.BILINEAR) for channel in square.split()]
    return np.stack([np.asarray(channel) for channel in floats], axis=-1) / 255, side / size, left, above


@pytest.mark.parametrize(("height", "width"), [(48, 96), (96, 48), (64, 64), (200, 30), (10, 16)])
def test_boxes_are_those_of_the_network_in_the_pictures_pixels(
    network: archonnx.Session, detector: archonnx.Session, height: int, width: int
) -> None:
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    prepared, scale, left, above = letterboxed(picture, 64)
    expected, found = network(prepared[None]), detector(picture[None])
    assert len(found.boxes) == len(expected.boxes) > 10
    mapped = expected.boxes * scale - [left, above, left, above]
    np.testing.assert_allclose(found.boxes, mapped.clip(0, [width, height, width, height]), atol=1e-2)
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_each_picture_of_a_batch_has_its_boxes(detector: archonnx.Session) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), np.uint8)
    both, second = detector(pictures), detector(pictures[1:])
    assert set(both.pictures.tolist()) == {0, 1}
    np.testing.assert_allclose(both.boxes[both.pictures == 1], second.boxes, atol=1e-2)


def test_every_network_has_a_detector_with_cocos_names() -> None:
    shipped = {name for name, ready in models_of(YOLO) if ready}
    assert {f"YOLOv8{size}Detector" for size in "nsmlx"} == {name for name in shipped if "Detector" in name}
    model = archonnx.compile(YOLO, "YOLOv8nDetector")
    assert model.graph.assets["labels"].data.decode().split("\n")[15] == "cat"
    assert archonnx.compile(YOLO, "YOLOv8nDetector", classes=3).graph.assets == {}


FOUND = """
model Found():
    input image: uint8[N, H, W, 3]
    asset labels = "things.txt"
    some = cast(image[:, 0, :2, 0], float32)
    output boxes: float32[K, 4] = reshape(some, [-1, 1]) + [[0.0, 1.0, 2.5, 3.0]]
    output scores: float32[K] = reshape(some, [-1]) / 10
    output classes: int64[K] = cast(reshape(some, [-1]), int64) - 3
"""


def test_run_lists_the_objects_best_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "things.txt").write_text("cat\nteapot\nowl\n")
    target, picture = tmp_path / "found.onnx", tmp_path / "picture.npy"
    source = tmp_path / "found.arch"
    source.write_text(FOUND)
    assert main(["build", str(source), "-o", str(target)]) == 0
    np.save(picture, np.array([[[[3] * 3, [4] * 3]], [[[9] * 3, [5] * 3]]], np.uint8))
    capsys.readouterr()
    assert main(["run", str(target), "--input", f"image={picture}", "--top", "3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "4 objects",
        "  6       0.900  from (9.0, 10.0) to (11.5, 12.0)",
        "  owl     0.500  from (5.0, 6.0) to (7.5, 8.0)",
        "  teapot  0.400  from (4.0, 5.0) to (6.5, 7.0)",
        "  ... and 1 more",
    ]
    assert main(["run", str(target), "--input", f"image={picture}", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["label"] for one in document["objects"]] == ["6", "owl", "teapot", "cat"]
    assert document["objects"][1]["box"] == [5, 6, 7.5, 8]
    assert document["outputs"]["classes"]["data"] == [0, 1, 6, 2]
