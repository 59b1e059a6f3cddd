"""The parts of detectors: anchors, decoded boxes, suppression. Held against NumPy by definition, Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from diagnosing import error_of
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.contract.diagnostics import Diagnostic

ort = pytest.importorskip("onnxruntime", reason="what is computed is run")

Array = np.ndarray[Any, Any]
FORMATS = ["xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw"]


def source(line: str, kinds: Sequence[str], results: int) -> str:
    names = [f"x{i}" for i in range(len(kinds))]
    outputs = [f"y{i}" for i in range(results)]
    flow = f"({', '.join(names)},)" if len(names) > 1 else names[0]
    bound = f"({', '.join(outputs)})" if results > 1 else outputs[0]
    lines = [*(f"input {n}: {k}" for n, k in zip(names, kinds, strict=True)), f"{bound} = {flow} -> {line}"]
    return "\n    ".join(["model A():", *lines, *(f"output {o}" for o in outputs)]) + "\n"


def run(
    folder: Path, line: str, kinds: Sequence[str], *arrays: Array, results: int = 1, opset: int | None = None
) -> list[Array]:
    """The results of a model of one line, each checked to be of the shape that was announced."""
    model = archonnx.compile(text=source(line, kinds, results), **({} if opset is None else {"opset": opset}))
    model.save(folder / "a.onnx")
    session = ort.InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"])
    asked = {given.name for given in session.get_inputs()}
    found: list[Array] = session.run(None, {f"x{i}": a for i, a in enumerate(arrays) if f"x{i}" in asked})
    sizes: dict[str, int] = {}
    for kind, array in zip(kinds, arrays, strict=True):
        names = kind.partition("[")[2].rstrip("]").split(", ")
        sizes |= {n: s for n, s in zip(names, array.shape, strict=True) if n.isalpha()}
    for value, output in zip(found, model.graph.outputs, strict=True):
        expected = tuple(d if isinstance(d, int) else d.evaluate(sizes) for d in output.value.type.shape)
        assert value.shape == expected
        assert value.dtype == output.value.type.dtype
    return found


def random(*shape: int, low: float = 0.0, high: float = 1.0, seed: int = 3) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def close(y: Array, reference: Array, tolerance: float = 1e-5) -> None:
    """The project's one definition of error."""
    assert y.shape == reference.shape
    assert np.max(np.abs(y - reference), initial=0.0) <= tolerance * max(1e-6, float(np.max(np.abs(reference))))


# Anchors


def make_anchors(sizes: Sequence[tuple[int, int]], strides: Sequence[float], offset: float) -> tuple[Array, Array]:
    """Cell by cell, as a detector's definition reads."""
    points = [[x + offset, y + offset] for h, w in sizes for y in range(h) for x in range(w)]
    repeated = [[s] for (h, w), s in zip(sizes, strides, strict=True) for _ in range(h * w)]
    return np.array(points, np.float32), np.array(repeated, np.float32)


MAPS = ["float32[N, 6, 8, 2]", "float32[N, 3, 4, 2]", "float32[N, 2, 2, 2]"]
OPEN_MAPS = ["float32[N, H, W, 2]", "float32[N, P, Q, 2]", "float32[N, R, S, 2]"]
FIRST_MAPS = ["float32[N, 2, H, W]", "float32[N, 2, P, Q]", "float32[N, 2, R, S]"]
SIZES = [(6, 8), (3, 4), (2, 2)]


@pytest.mark.parametrize("opset", [17, None, 24])
@pytest.mark.parametrize("kinds", [MAPS, OPEN_MAPS], ids=["known", "open"])
@pytest.mark.parametrize(
    ("arguments", "offset", "pixels"),
    [
        ("(8, 16, 32)", 0.5, False),
        ("(8, 16, 32), 0", 0.0, False),
        ("(8, 12.5, 32), offset=0.25, pixels=True", 0.25, True),
    ],
)
def test_anchor_points(
    arguments: str, offset: float, pixels: bool, kinds: list[str], opset: int | None, tmp_path: Path
) -> None:
    maps = [random(2, h, w, 2) for h, w in SIZES]
    points, strides = run(tmp_path, f"AnchorPoints({arguments})", kinds, *maps, results=2, opset=opset)
    each = (8, 12.5, 32) if pixels else (8, 16, 32)
    expected, repeated = make_anchors(SIZES, each, offset)
    np.testing.assert_array_equal(strides, repeated)
    close(points, expected * repeated if pixels else expected)


def test_anchor_points_of_one_map_channels_first(tmp_path: Path) -> None:
    points, strides = run(
        tmp_path,
        'AnchorPoints(4, data_format="channels_first")',
        ["float32[N, 2, H, W]"],
        random(1, 2, 3, 5),
        results=2,
    )
    expected, repeated = make_anchors([(3, 5)], [4], 0.5)
    np.testing.assert_array_equal(points, expected)
    np.testing.assert_array_equal(strides, repeated)


def anchor_boxes(sides: Sequence[Sequence[float]], ratios: Sequence[float], offset: float, rounded: bool) -> Array:
    made = []
    for (h, w), stride, level in zip(SIZES, (8, 16, 32), sides, strict=True):
        for y in range(h):
            for x in range(w):
                for ratio in ratios:
                    for side in level:
                        reach = np.array([side / ratio**0.5, side * ratio**0.5]) / 2
                        reach = np.round(reach) if rounded else reach
                        centre = np.array([x + offset, y + offset]) * stride
                        made.append([*(centre - reach), *(centre + reach)])
    return np.array(made)


@pytest.mark.parametrize("kinds", [MAPS, OPEN_MAPS, FIRST_MAPS], ids=["known", "open", "first"])
@pytest.mark.parametrize(
    ("arguments", "sides", "ratios", "offset", "rounded"),
    [
        ("(32, 64, 128), (8, 16, 32)", ((32,), (64,), (128,)), (0.5, 1, 2), 0.5, False),
        ("((30, 41), (64,), (128, 5)), (8, 16, 32), (1, 3)", ((30, 41), (64,), (128, 5)), (1, 3), 0.5, False),
        (
            "sizes=((32, 45), (64, 90), (7, 9)), strides=(8, 16, 32), aspect_ratios=(0.5, 1, 2), offset=0, rounded=True",
            ((32, 45), (64, 90), (7, 9)),
            (0.5, 1, 2),
            0.0,
            True,
        ),
    ],
)
def test_anchor_boxes(
    arguments: str,
    sides: Sequence[Sequence[float]],
    ratios: Sequence[float],
    offset: float,
    rounded: bool,
    kinds: list[str],
    tmp_path: Path,
) -> None:
    first = kinds is FIRST_MAPS
    maps = [random(2, 2, h, w) if first else random(2, h, w, 2) for h, w in SIZES]
    line = f"AnchorBoxes({arguments}" + (', data_format="channels_first")' if first else ")")
    (boxes,) = run(tmp_path, line, kinds, *maps)
    close(boxes, anchor_boxes(sides, ratios, offset, rounded))


@pytest.mark.parametrize("form", FORMATS)
def test_anchor_boxes_in_other_forms(form: str, tmp_path: Path) -> None:
    maps = [random(1, h, w, 2) for h, w in SIZES]
    line = f'AnchorBoxes((32, 64, 128), (8, 16, 32), box_format="{form}")'
    (boxes,) = run(tmp_path, line, OPEN_MAPS, *maps)
    corners = anchor_boxes(((32,), (64,), (128,)), (0.5, 1, 2), 0.5, False)
    close(boxes, in_form(corners, form))


def in_form(corners: Array, form: str) -> Array:
    x1, y1, x2, y2 = np.moveaxis(corners, -1, 0)
    columns = {
        "xyxy": (x1, y1, x2, y2),
        "yxyx": (y1, x1, y2, x2),
        "xywh": (x1, y1, x2 - x1, y2 - y1),
        "center_xywh": ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1),
        "center_yxhw": ((y1 + y2) / 2, (x1 + x2) / 2, y2 - y1, x2 - x1),
    }[form]
    return np.stack(columns, -1)


def boxes_of(*shape: int, seed: int = 5) -> Array:
    """Boxes as corners, in pixels."""
    low = random(*shape, 2, high=80, seed=seed)
    return np.concatenate([low, low + random(*shape, 2, low=2, high=40, seed=seed + 1)], -1)


# Decoded boxes


@pytest.mark.parametrize("encoded", ["center_xywh", "center_yxhw"])
@pytest.mark.parametrize("anchor", FORMATS)
@pytest.mark.parametrize("form", FORMATS)
def test_boxes_are_decoded_as_keras_does(form: str, anchor: str, encoded: str, tmp_path: Path) -> None:
    bounding_boxes = pytest.importorskip("keras", reason="Keras is the oracle").utils.bounding_boxes
    deltas, anchors = random(2, 7, 4, low=-1), in_form(boxes_of(7), anchor).astype(np.float32)
    line = f'BoxDecoding("{form}", "{anchor}", "{encoded}", variance=(0.1, 0.1, 0.2, 0.3))'
    (boxes,) = run(tmp_path, line, ["float32[N, A, 4]", "float32[A, 4]"], deltas, anchors)
    expected = bounding_boxes.decode_deltas_to_boxes(
        anchors, deltas, anchor, form, encoded_format=encoded, variance=[0.1, 0.1, 0.2, 0.3]
    )
    close(boxes, np.asarray(expected))


@pytest.mark.parametrize("opset", [17, None])
@pytest.mark.parametrize(
    "kinds",
    [("float32[N, 7, 4]", "float32[N, 7, 4]"), ("float32[N, A, 4]", "float32[1, A, 4]"), ("float32[7, 4]",) * 2],
)
def test_size_deltas_are_bounded(kinds: tuple[str, str], opset: int | None, tmp_path: Path) -> None:
    """Faster R-CNN bounds them by log(1000 / 16), so that no box is endless."""
    shapes = [(7, 4) if kind.startswith("float32[7") else (2, 7, 4) for kind in kinds]
    shapes[1] = (1, 7, 4) if "[1," in kinds[1] else shapes[1]
    deltas, anchors = random(*shapes[0], low=-3, high=9), boxes_of(*shapes[1][:-1])
    (boxes,) = run(tmp_path, "BoxDecoding(largest=4.135)", kinds, deltas, anchors, opset=opset)
    size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + deltas[..., :2] * size
    reach = np.exp(np.minimum(deltas[..., 2:], 4.135)) * size / 2
    close(boxes, np.concatenate([centre - reach, centre + reach], -1))


@pytest.mark.parametrize("opset", [17, None, 24])
@pytest.mark.parametrize(
    ("arguments", "kind", "shape"),
    [
        ("", "float32[N, A, 64]", (2, 5, 64)),
        ("5", "float32[N, A, 20]", (2, 5, 20)),
        ("reg_max=16, axis=1", "float32[N, 64, A]", (2, 64, 5)),
        ("2, -3", "float32[N, 8, H, W]", (2, 8, 3, 4)),
    ],
)
def test_distributions_are_decoded_to_their_mean(
    arguments: str, kind: str, shape: tuple[int, ...], opset: int | None, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch's softmax is the oracle")
    x = random(*shape, low=-4, high=4)
    (y,) = run(tmp_path, f"DistributionFocalDecoding({arguments})", [kind], x, opset=opset)
    axis = next(i for i, size in enumerate(shape) if i and (size % 8 == 0 or size == 20))
    bins = shape[axis] // 4
    parted = torch.from_numpy(np.moveaxis(x, axis, -1).copy()).unflatten(-1, (4, bins))
    mean = (parted.softmax(-1) * torch.arange(bins, dtype=torch.float32)).sum(-1).numpy()
    close(y, np.moveaxis(mean, -1, axis))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("scaled", [False, True])
def test_distances_are_decoded(form: str, scaled: bool, tmp_path: Path) -> None:
    distances, points = random(2, 7, 4, high=9), random(7, 2, high=40)
    strides = np.array([[8], [8], [8], [16], [16], [32], [32]], np.float32)
    kinds = ["float32[N, A, 4]", "float32[A, 2]", "float32[A, 1]"][: 3 if scaled else 2]
    arrays = [distances, points, strides][: len(kinds)]
    (boxes,) = run(tmp_path, f'DistanceDecoding("{form}")', kinds, *arrays)
    corners = np.concatenate([points - distances[..., :2], points + distances[..., 2:]], -1)
    close(boxes, in_form(corners * strides if scaled else corners, form))


# Suppression


def overlap(a: Array, b: Array) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def suppressed(
    boxes: Array,
    scores: Array,
    most: int,
    iou: float,
    least: float = -np.inf,
    per_class: int | None = None,
    agnostic: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """By definition: box after box in falling order of score, for each image and each class."""
    batch, count, classes = scores.shape
    kept_boxes, kept_scores = np.zeros((batch, most, 4)), np.zeros((batch, most))
    kept_classes, counts = np.zeros((batch, most), int), np.zeros(batch, int)
    for n in range(batch):
        found: list[tuple[float, int, int]] = []
        groups = [[(scores[n, a].max(), a, int(scores[n, a].argmax())) for a in range(count)]]
        if not agnostic:
            groups = [[(scores[n, a, c], a, c) for a in range(count)] for c in range(classes)]
        for group in groups:
            kept: list[tuple[float, int, int]] = []
            for score, a, c in sorted(group, key=lambda entry: -entry[0]):
                if score > least and all(overlap(boxes[n, a], boxes[n, k]) <= iou for _, k, _ in kept):
                    kept.append((score, a, c))
            found += kept[: per_class or most]
        best = sorted(found, key=lambda entry: -entry[0])[:most]
        counts[n] = len(best)
        for place, (score, a, c) in enumerate(best):
            kept_boxes[n, place], kept_scores[n, place], kept_classes[n, place] = boxes[n, a], score, c
    return kept_boxes, kept_scores, kept_classes, counts


SUPPRESSION = [
    ("", {"most": 100, "iou": 0.5}),
    ("5", {"most": 5, "iou": 0.5}),
    ("max_detections=7, iou_threshold=0.1", {"most": 7, "iou": 0.1}),
    ("20, 0.3, 0.6", {"most": 20, "iou": 0.3, "least": 0.6}),
    ("20, 0.3, score_threshold=2.0", {"most": 20, "iou": 0.3, "least": 2.0}),
    ("30, 0.4, max_per_class=3", {"most": 30, "iou": 0.4, "per_class": 3}),
    ("30, 0.4, 0.2, class_agnostic=True", {"most": 30, "iou": 0.4, "least": 0.2, "agnostic": True}),
    ("40, 0.0", {"most": 40, "iou": 0.0}),
    ("40, 1.0", {"most": 40, "iou": 1.0}),
]
OPEN_BOXES = ("float32[N, A, 4]", "float32[N, A, C]")


@pytest.mark.parametrize("opset", [17, None, 24])
@pytest.mark.parametrize("kinds", [OPEN_BOXES, ("float32[3, 30, 4]", "float32[3, 30, 4]")], ids=["open", "known"])
@pytest.mark.parametrize(("arguments", "meant"), SUPPRESSION, ids=[case[0] for case in SUPPRESSION])
def test_suppression_is_that_of_the_definition(
    arguments: str, meant: dict[str, Any], kinds: Sequence[str], opset: int | None, tmp_path: Path
) -> None:
    boxes, scores = boxes_of(3, 30), random(3, 30, 4)
    found = run(tmp_path, f"NonMaxSuppression({arguments})", kinds, boxes, scores, results=4, opset=opset)
    for y, reference in zip(found, suppressed(boxes, scores, **meant), strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-6)


@pytest.mark.parametrize("form", FORMATS)
def test_boxes_of_every_form_are_suppressed_alike(form: str, tmp_path: Path) -> None:
    boxes, scores = boxes_of(2, 25), random(2, 25, 3)
    given = in_form(boxes, form).astype(np.float32)
    found = run(tmp_path, f'NonMaxSuppression(12, box_format="{form}")', OPEN_BOXES, given, scores, results=4)
    expected = suppressed(boxes, scores, 12, 0.5)
    close(found[0], in_form(expected[0], form))
    for y, reference in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-6)


def test_suppression_is_tensorflows(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is the oracle")
    boxes, scores = boxes_of(2, 60, seed=11) / 120, random(2, 60, 5, seed=12)
    line = 'NonMaxSuppression(15, 0.35, 0.3, max_per_class=6, box_format="yxyx")'
    found = run(tmp_path, line, OPEN_BOXES, boxes, scores, results=4)
    theirs = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, 6, 15, iou_threshold=0.35, score_threshold=0.3, clip_boxes=False
    )
    for y, reference in zip(found, theirs, strict=True):
        np.testing.assert_allclose(y, reference.numpy(), rtol=1e-6)


def test_nothing_is_left_of_nothing(tmp_path: Path) -> None:
    """Not one score above the threshold: zeros, and a count of 0."""
    found = run(tmp_path, "NonMaxSuppression(3, 0.5, 5.0)", OPEN_BOXES, boxes_of(2, 4), random(2, 4, 2), results=4)
    assert not any(y.any() for y in found)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floating_types(dtype: str, tmp_path: Path) -> None:
    boxes, scores = boxes_of(2, 25).astype(dtype), random(2, 25, 3).astype(dtype)
    kinds = [kind.replace("float32", dtype) for kind in OPEN_BOXES]
    found = run(tmp_path, f'NonMaxSuppression(12, dtype="{dtype}")', kinds, boxes, scores, results=4)
    expected = suppressed(boxes.astype(float), scores.astype(float), 12, 0.5)
    for y, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-3 if dtype == "float16" else 1e-6)


@cache
def suppression() -> Any:
    """A session of one model for every number of images, boxes and classes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.onnx"
        archonnx.compile(text=source("NonMaxSuppression(6, 0.4, 0.3)", OPEN_BOXES, 4)).save(path)
        return ort.InferenceSession(path, providers=["CPUExecutionProvider"])


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 4), st.integers(0, 1000))
def test_suppression_of_any_size(batch: int, count: int, classes: int, seed: int) -> None:
    boxes, scores = boxes_of(batch, count, seed=seed), random(batch, count, classes, seed=seed)
    found = suppression().run(None, {"x0": boxes, "x1": scores})
    for y, reference in zip(found, suppressed(boxes, scores, 6, 0.4, 0.3), strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-6)


def test_two_suppressions_in_one_model(tmp_path: Path) -> None:
    """The number of boxes kept is each operator's own."""
    text = """model A():
    input boxes: float32[N, A, 4]
    input scores: float32[N, A, C]
    (b, s, _, _) = (boxes, scores) -> NonMaxSuppression(20, 0.9)
    (_, t, _, count) = (b, expand_dims(s, -1)) -> NonMaxSuppression(4, 0.1, 0.2)
    output t
    output count
"""
    boxes, scores = boxes_of(2, 25), random(2, 25, 3)
    archonnx.compile(text=text).save(tmp_path / "a.onnx")
    session = ort.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    t, count = session.run(None, {"boxes": boxes, "scores": scores})
    first = suppressed(boxes, scores, 20, 0.9)
    second = suppressed(first[0], first[1][..., None], 4, 0.1, 0.2)
    np.testing.assert_allclose(t, second[1], rtol=1e-6)
    np.testing.assert_array_equal(count, second[3])


# A whole detector

DETECTOR = """
block head(classes, bins):
    input x: [N, H, W, C]
    Conv2D(4 * bins + classes, 1)
    Reshape((H * W, 4 * bins + classes))

model Detector(classes = 5, bins = 8):
    input image: float32[N, 32 * H, 32 * W, 3]
    p3 = image -> Conv2D(6, 8, strides=8)
    p4 = p3 -> Conv2D(6, 2, strides=2)
    p5 = p4 -> Conv2D(6, 2, strides=2)
    (points, strides) = (p3, p4, p5) -> AnchorPoints((8, 16, 32))
    heads = [p -> head(classes, bins) for p in [p3, p4, p5]]
    x = heads -> Concatenate(1)
    distances = x[..., :4 * bins] -> DistributionFocalDecoding(bins)
    boxes = (distances, points, strides) -> DistanceDecoding()
    scores = sigmoid(4 * x[..., 4 * bins:])
    (best, highest, labels, count) = (boxes, scores) -> NonMaxSuppression(20, 0.5, 0.4)
    output best
    output highest
    output labels
    output count
    output x
"""


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (2, 3)])
def test_a_detector_finds_what_its_heads_say(height: int, width: int, tmp_path: Path) -> None:
    """Of images of any size that is a multiple of 32, from the numbers of its heads on."""
    archonnx.compile(text=DETECTOR).save(tmp_path / "a.onnx", seed=5)
    session = ort.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    *found, x = session.run(None, {"image": random(2, 32 * height, 32 * width, 3, low=-4, high=4)})
    sizes = [(height * 4 // by, width * 4 // by) for by in (1, 2, 4)]
    points, strides = make_anchors(sizes, (8, 16, 32), 0.5)
    parts = np.exp(x[..., :32].reshape(*x.shape[:2], 4, 8))
    distances = (parts / parts.sum(-1, keepdims=True)) @ np.arange(8)
    boxes = np.concatenate([points - distances[..., :2], points + distances[..., 2:]], -1) * strides
    scores = 1 / (1 + np.exp(-4 * x[..., 32:]))
    for y, reference in zip(found, suppressed(boxes, scores, 20, 0.5, 0.4), strict=True):
        np.testing.assert_allclose(y, reference, rtol=1e-4, atol=1e-5)
    assert found[3].min() > 0


# What is said of what does not fit


def diagnose(line: str, *kinds: str, results: int = 1) -> Diagnostic:
    return error_of(source(line, kinds, results))


MAP, BOX, POINT = "float32[N, 8, 8, 3]", "float32[N, 9, 4]", "float32[9, 2]"
SCORES = "float32[N, 9, 3]"
BAD = [
    ("AnchorPoints()", [MAP], 2, "E0401", "AnchorPoints needs the argument strides"),
    ("AnchorPoints(0)", [MAP], 2, "E0403", "strides of AnchorPoints is a number, above 0, or a tuple of such, got 0"),
    ("AnchorPoints(())", [MAP], 2, "E0403", "strides of AnchorPoints is a number, above 0, or a tuple of such"),
    ("AnchorPoints(8, True)", [MAP], 2, "E0403", "offset of AnchorPoints is a number, got True"),
    ("AnchorPoints(8, pixels=1)", [MAP], 2, "E0403", "pixels of AnchorPoints is True or False, got 1"),
    ('AnchorPoints(8, data_format="first")', [MAP], 2, "E0403", 'data_format of AnchorPoints is "channels_last" or'),
    ("AnchorPoints((8, 16))", [MAP], 2, "E0344", "AnchorPoints has 2 strides for 1 feature map"),
    ("AnchorPoints(8)", [MAP, MAP], 2, "E0344", "AnchorPoints has 1 stride for 2 feature maps"),
    ("AnchorPoints(8)", ["float32[N, 8, 3]"], 2, "E0302", "AnchorPoints needs 4 axes (batch, height, width, channels)"),
    ("AnchorBoxes(4, 8)", [MAP], 1, "E0403", "sizes of AnchorBoxes is a tuple, each a number, above 0, or a tuple of"),
    ("AnchorBoxes((), 8)", [MAP], 1, "E0403", "sizes of AnchorBoxes is a tuple"),
    ("AnchorBoxes((-4,), 8)", [MAP], 1, "E0403", "sizes of AnchorBoxes is a tuple"),
    ("AnchorBoxes((4,), -8)", [MAP], 1, "E0403", "strides of AnchorBoxes is a number, above 0"),
    ("AnchorBoxes((4,), 8, 0.0)", [MAP], 1, "E0403", "aspect_ratios of AnchorBoxes is a number, above 0"),
    ("AnchorBoxes((4,), 8, rounded=0)", [MAP], 1, "E0403", "rounded of AnchorBoxes is True or False"),
    ('AnchorBoxes((4,), 8, box_format="xxyy")', [MAP], 1, "E0403", 'box_format of AnchorBoxes is "xyxy", "yxyx"'),
    ("AnchorBoxes((4, 8), 8)", [MAP], 1, "E0344", "AnchorBoxes has sizes for 2 levels, and 1 feature map"),
    ("AnchorBoxes((4,), (8, 16))", [MAP], 1, "E0344", "AnchorBoxes has 2 strides for 1 feature map"),
    ("BoxDecoding()", [BOX], 1, "E0604", "BoxDecoding needs its input anchors"),
    ('BoxDecoding("xyxy", "corners")', [BOX, BOX], 1, "E0403", 'anchor_format of BoxDecoding is "xyxy", "yxyx"'),
    ('BoxDecoding(encoded_format="xyxy")', [BOX, BOX], 1, "E0403", 'encoded_format of BoxDecoding is "center_xywh"'),
    ("BoxDecoding(variance=(0.1, 0.2))", [BOX, BOX], 1, "E0403", "variance of BoxDecoding is a number, above 0, or a"),
    ("BoxDecoding(variance=0)", [BOX, BOX], 1, "E0403", "variance of BoxDecoding is a number, above 0"),
    ("BoxDecoding(largest=-1)", [BOX, BOX], 1, "E0403", "largest of BoxDecoding is a number, above 0, or None, got -1"),
    ("BoxDecoding()", ["float32[N, 9, 5]", BOX], 1, "E0345", "BoxDecoding needs 4 numbers for each place (how its"),
    ("BoxDecoding()", [BOX, "float32[9, 3]"], 1, "E0345", "BoxDecoding needs 4 numbers for each place (xyxy), got"),
    ("BoxDecoding()", ["float32[N, 9, D]", BOX], 1, "E0301", "BoxDecoding needs a known last axis"),
    ("BoxDecoding()", [BOX, "float32[8, 4]"], 1, "E0308", "BoxDecoding got shapes that do not fit"),
    ("BoxDecoding()", [BOX, "float32[A, 4]"], 1, "E0309", "BoxDecoding cannot tell whether 9 and A are equal"),
    (
        "BoxDecoding()",
        ["float32[9, 4]", BOX],
        1,
        "E0302",
        "BoxDecoding takes at most 2 axes beside float32[9, 4], got float32[N, 9, 4]",
    ),
    ("BoxDecoding()", ["string[N, 9, 4]", BOX], 1, "E0303", "BoxDecoding needs numbers, got string[N, 9, 4]"),
    ("BoxDecoding()", ["float32[4]", "float32[4]"], 1, "E0302", "BoxDecoding needs at least 2 axes, got float32[4]"),
    ("DistributionFocalDecoding(1)", [BOX], 1, "E0403", "reg_max of DistributionFocalDecoding is a whole number, at"),
    ("DistributionFocalDecoding()", [BOX], 1, "E0345", "DistributionFocalDecoding needs 4 times 16 bins, got float32"),
    ("DistributionFocalDecoding(axis=3)", [BOX], 1, "E0311", "DistributionFocalDecoding is given axis 3, its input"),
    ("DistributionFocalDecoding()", ["float32[N, 9, D]"], 1, "E0301", "DistributionFocalDecoding needs a known last"),
    (
        "DistributionFocalDecoding()",
        ["string[N, 64]"],
        1,
        "E0303",
        "DistributionFocalDecoding needs numbers, got string",
    ),
    ("DistributionFocalDecoding()", ["float32[64]"], 1, "E0302", "DistributionFocalDecoding needs at least 2 axes"),
    ('DistanceDecoding("ltrb")', [BOX, POINT], 1, "E0403", 'box_format of DistanceDecoding is "xyxy", "yxyx"'),
    ("DistanceDecoding()", [BOX, BOX], 1, "E0345", "DistanceDecoding needs 2 numbers for each place (x and y), got"),
    ("DistanceDecoding()", [BOX, "float32[8, 2]"], 1, "E0308", "DistanceDecoding got shapes that do not fit"),
    ("DistanceDecoding()", [BOX, POINT, POINT], 1, "E0345", "DistanceDecoding needs 1 number for each place (its str"),
    ("DistanceDecoding()", [BOX, POINT, "float32[8, 1]"], 1, "E0308", "DistanceDecoding got shapes that do not fit"),
    (
        "DistanceDecoding()",
        [BOX, POINT, "float32[2, 3, 9, 1]"],
        1,
        "E0302",
        "DistanceDecoding takes at most 3 axes beside",
    ),
    ("NonMaxSuppression(0)", [BOX, SCORES], 4, "E0403", "max_detections of NonMaxSuppression is a whole number from 1"),
    ("NonMaxSuppression(iou_threshold=1.5)", [BOX, SCORES], 4, "E0403", "iou_threshold of NonMaxSuppression is a numb"),
    ('NonMaxSuppression(score_threshold="a")', [BOX, SCORES], 4, "E0403", "score_threshold of NonMaxSuppression is a"),
    ("NonMaxSuppression(max_per_class=0)", [BOX, SCORES], 4, "E0403", "max_per_class of NonMaxSuppression is a whole"),
    ("NonMaxSuppression(class_agnostic=0)", [BOX, SCORES], 4, "E0403", "class_agnostic of NonMaxSuppression is True"),
    ('NonMaxSuppression(box_format="xyhw")', [BOX, SCORES], 4, "E0403", 'box_format of NonMaxSuppression is "xyxy"'),
    ("NonMaxSuppression()", [BOX], 4, "E0604", "NonMaxSuppression needs its input scores"),
    ("NonMaxSuppression()", ["float32[9, 4]", SCORES], 4, "E0302", "NonMaxSuppression needs 3 axes (batch, boxes, coo"),
    ("NonMaxSuppression()", [BOX, "float32[N, 9]"], 4, "E0302", "NonMaxSuppression needs 3 axes (batch, boxes, class"),
    ("NonMaxSuppression()", [BOX, "float32[N, 3, 9]"], 4, "E0308", "NonMaxSuppression got shapes that do not fit"),
    ("NonMaxSuppression()", [SCORES, SCORES], 4, "E0345", "NonMaxSuppression needs 4 numbers for each place (xyxy)"),
    ("NonMaxSuppression()", [BOX, "int32[N, 9, 3]"], 4, "E0303", "NonMaxSuppression needs scores in floats, got int32"),
]


@pytest.mark.parametrize(
    ("line", "kinds", "results", "code", "message"), BAD, ids=[f"{case[0]}-{'-'.join(case[1])}" for case in BAD]
)
def test_what_does_not_fit(line: str, kinds: list[str], results: int, code: str, message: str) -> None:
    found = diagnose(line, *kinds, results=results)
    assert (found.code, message) == (code, message if message in found.message else found.message)


def test_mends() -> None:
    assert diagnose("DistributionFocalDecoding()", "float32[N, 9, 32]").help == "reg_max=8"
    assert diagnose('BoxDecoding("xywz")', BOX, BOX).help == 'did you mean "xywh"?'
    assert (diagnose("AnchorPoints(8)", MAP, MAP, results=2).help or "").startswith("one stride for each feature map")


def test_multiply_accumulates() -> None:
    (node,) = archonnx.compile(text=source("DistributionFocalDecoding(5)", ["float32[2, 9, 20]"], 1)).graph.nodes
    types = tuple(value.type for value in node.inputs if value is not None)
    assert node.layer.macs(types, (node.outputs[0].type,)) == 2 * 9 * 4 * 5
