"""Classifiers prepare pictures as the transforms of torchvision's weights do."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from pictures import MODELS, photographs, pixels_of, some_photographs

import archonnx
from archonnx.compiler.artifact import models_of

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

GREY_LEVELS = 0.5  # of the mean difference
# Classifier -> torchvision's weights: their transforms. The first of a network's weights, V1, where there are several.
PEERS = {
    **{f"ResNet{n}Classifier": ("resnet.arch", f"resnet{n}") for n in (18, 34)},
    **{f"ResNet{n}V1_5Classifier": ("resnet.arch", f"resnet{n}") for n in (50, 101, 152)},
    **{f"VGG{n}Classifier": ("vgg.arch", f"vgg{n}") for n in (11, 13)},
    **{f"VGG{n}BNClassifier": ("vgg.arch", f"vgg{n}_bn") for n in (11, 13, 16, 19)},
    **{f"EfficientNetB{n}TorchvisionClassifier": ("efficientnet.arch", f"efficientnet_b{n}") for n in range(8)},
    **{f"EfficientNetV2{n}Classifier": ("efficientnetv2.arch", f"efficientnet_v2_{n.lower()}") for n in "SML"},
    "MobileNetV2TorchvisionClassifier": ("mobilenet.arch", "mobilenet_v2"),
    "MobileNetV3SmallTorchvisionClassifier": ("mobilenet.arch", "mobilenet_v3_small"),
    "MobileNetV3LargeTorchvisionClassifier": ("mobilenet.arch", "mobilenet_v3_large"),
    **{f"ViT{n}{p}Classifier": ("vit.arch", f"vit_{n.lower()}_{p}") for n in "BL" for p in (16, 32)},
    "ViTH14Classifier": ("vit.arch", "vit_h_14"),
}

THOROUGH = ("ResNet18Classifier", "EfficientNetB0TorchvisionClassifier")  # with every picture: bilinear, bicubic


def transforms_of(name: str) -> Any:
    return next(iter(torchvision.models.get_model_weights(name))).transforms()


def test_every_classifier_of_torchvisions_is_compared() -> None:
    files = {file for file, _ in PEERS.values()}
    shipped = {name for f in files for name, ready in models_of(MODELS / f) if ready}
    of_keras = {f"ResNet{n}Classifier" for n in (50, 101, 152)} | {f"VGG{n}Classifier" for n in (16, 19)}
    of_keras |= {f"EfficientNetB{n}Classifier" for n in range(8)} | {f"EfficientNetLite{n}Classifier" for n in range(5)}
    of_keras |= {f"MobileNetV{n}Classifier" for n in ("2", "3Small", "3Large")}
    assert set(PEERS) == {name for name in shipped if name.endswith("Classifier")} - of_keras


@pytest.mark.parametrize("classifier", PEERS)
def test_pixels(classifier: str) -> None:
    file, name = PEERS[classifier]
    theirs = transforms_of(name)
    grey = 255 * np.array(theirs.std)
    with archonnx.load(pixels_of(file, classifier)) as session:
        for picture in photographs() if classifier in THOROUGH else some_photographs():
            expected = theirs(picture).permute(1, 2, 0).numpy()
            found = session(np.asarray(picture)[None])[0]
            assert found.shape == expected.shape
            assert np.abs((found - expected) * grey).mean() <= GREY_LEVELS, picture.size


@pytest.mark.parametrize(
    ("classifier", "module"),
    [
        ("ResNet18Classifier", "resnet18"),
        ("MobileNetV3SmallTorchvisionClassifier", "mobilenet_v3_small"),
    ],
)
def test_the_first_classes_are_the_same(classifier: str, module: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    network = getattr(torchvision.models, module)(weights=None).eval()
    for name, value in network.named_buffers():
        if name.endswith("running_var"):
            value.fill_(0.05)  # wider activations: classes that differ from picture to picture
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    file, name = PEERS[classifier]
    theirs = transforms_of(name)
    model = archonnx.compile(MODELS / file, classifier).with_weights(tmp_path / "weights.pth")
    seen = set()
    with archonnx.load(model) as session, torch.no_grad():
        for picture in islice(photographs(), 7):
            expected = network(theirs(picture)[None]).softmax(dim=1)[0].numpy()
            found = session(np.asarray(picture)[None])[0]
            assert found.argmax() == expected.argmax(), picture.size
            seen.add(int(found.argmax()))
    assert len(seen) > 1
