"""Photographs of many sizes, and what a classifier of ours makes of them before its network sees them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archonnx
from archonnx.compiler.graph import Output

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
PHOTOGRAPHS = (
    "models/photographs/chelsea.jpg",
    "tests/data/photographs/coffee.jpg",
    "tests/data/photographs/rocket.jpg",
)
# (width, height): smaller and larger than any network's, odd, tall, wide, square, a point and a line.
SIZES = [(1201, 801), (75, 100), (100, 75), (257, 256), (224, 224), (333, 500), (97, 61), (61, 640), (1, 1), (1, 50)]


def some_photographs() -> list[Any]:
    """A few of them: one as it is, one smaller than any network wants, one whose middle lies between pixels."""
    known = list(photographs())
    return [known[0], *(picture for picture in known if picture.size in ((97, 61), (257, 256)))]


def photographs() -> Iterator[Any]:
    """Pillow's pictures: those of the project and of scikit-learn as they are, one of them in all sizes."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    first = [Image.open(ROOT / name).convert("RGB") for name in PHOTOGRAPHS]
    more = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    yield from first
    yield from more
    for size in SIZES:
        yield more[0].resize(size, Image.Resampling.BICUBIC)


def pixels_of(file: str, classifier: str) -> archonnx.CompiledModel:
    """The classifier without its network: what goes into that."""
    model = archonnx.compile(MODELS / file, classifier)
    graph = model.graph
    (network,) = {node.path.split("/")[0] for node in graph.nodes for _ in node.layer.weights}
    first = next(at for at, node in enumerate(graph.nodes) if node.path.split("/")[0] == network)
    taken = [value for node in graph.nodes[first:] for value in node.inputs if value is not None]
    before = {id(value): value for node in graph.nodes[:first] for value in node.outputs}
    (value,) = {id(value): value for value in taken if id(value) in before}.values()
    graph.nodes, graph.outputs, graph.assets = graph.nodes[:first], [Output("pixels", value)], {}
    return model
