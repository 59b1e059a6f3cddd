"""Every network of ImageNet has a classifier: the same weights, pictures of any size, probabilities, 1,000 names."""

from __future__ import annotations

from pathlib import Path

import pytest

import archonnx
from archonnx.compiler.artifact import models_of

MODELS = Path(__file__).resolve().parents[2] / "models"
FILES = ("resnet", "vgg", "efficientnet", "efficientnetv2", "mobilenet", "vit")
NAMES = (MODELS / "imagenet.txt").read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_classifiers_hold_their_networks(file: str) -> None:
    source = MODELS / f"{file}.arch"
    shipped = [name for name, ready in models_of(source) if ready and name.endswith("Classifier")]
    assert shipped
    for name in shipped:
        graph = archonnx.compile(source, name).graph
        assert [str(given.value.type) for given in graph.inputs] == ["uint8[N, H, W, 3]"]
        assert [(given.name, str(given.value.type)) for given in graph.outputs] == [
            ("probabilities", "float32[N, 1000]")
        ]
        assert graph.assets["labels"].data == NAMES
        network = archonnx.compile(source, name.removesuffix("Classifier")).graph
        assert [w.path for w in graph.weights()] == [f"network/{w.path}" for w in network.weights()]


@pytest.mark.parametrize(
    ("file", "name"), [("resnet", "ResNet18Classifier"), ("vgg", "VGG16Classifier"), ("vit", "ViTB16Classifier")]
)
def test_other_classes_carry_no_labels(file: str, name: str) -> None:
    graph = archonnx.compile(MODELS / f"{file}.arch", name, classes=5).graph
    assert graph.assets == {}
    assert str(graph.outputs[0].value.type) == "float32[N, 5]"


def test_a_model_of_ones_own_takes_the_blocks(tmp_path: Path) -> None:
    """The example of docs/vision-models.md."""
    page = (MODELS.parent / "docs" / "vision-models.md").read_text(encoding="utf-8")
    start = page.index("    from zoo.blocks.pictures import")
    text = page[start : page.index("\n\n", page.index("output probabilities", start))]
    source = "\n".join(line.removeprefix("    ") for line in text.splitlines()) + "\n"
    (tmp_path / "flowers.txt").write_text("daisy\ndandelion\nrose\nsunflower\ntulip\n")
    (tmp_path / "flowers.arch").write_text(source)
    model = archonnx.compile(tmp_path / "flowers.arch")
    assert model.name == "Flowers"
    assert str(model.graph.outputs[0].value.type) == "float32[N, 5]"
