"""Classifiers prepare pictures as Keras' preprocess_input does once Pillow has brought them to the network's size."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from pictures import MODELS, photographs, pixels_of, some_photographs

import archonnx
from archonnx.compiler.artifact import models_of

keras = pytest.importorskip("keras")

GREY_LEVELS = 0.5  # of the mean difference
# Classifier -> file, Keras' module of applications, grey levels of a unit.
PEERS = {
    **{f"ResNet{n}Classifier": ("resnet.arch", "resnet", 1.0) for n in (50, 101, 152)},
    **{f"VGG{n}Classifier": ("vgg.arch", f"vgg{n}", 1.0) for n in (16, 19)},
    **{f"EfficientNetB{n}Classifier": ("efficientnet.arch", "efficientnet", 1.0) for n in range(8)},
    "MobileNetV2Classifier": ("mobilenet.arch", "mobilenet_v2", 127.5),
    "MobileNetV3SmallClassifier": ("mobilenet.arch", "mobilenet_v3", 1.0),
    "MobileNetV3LargeClassifier": ("mobilenet.arch", "mobilenet_v3", 1.0),
}

THOROUGH = ("ResNet50Classifier", "MobileNetV2Classifier", "EfficientNetB0Classifier")  # with every picture


def prepared(picture: Any, size: int, application: str) -> np.ndarray[Any, Any]:
    from PIL import Image

    resized = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR), np.float32)
    given: np.ndarray[Any, Any] = getattr(keras.applications, application).preprocess_input(resized[None])[0]
    return given


@pytest.mark.parametrize("classifier", PEERS)
def test_pixels(classifier: str) -> None:
    file, application, grey = PEERS[classifier]
    with archonnx.load(pixels_of(file, classifier)) as session:
        for picture in photographs() if classifier in THOROUGH else some_photographs():
            found = session(np.asarray(picture)[None])[0]
            expected = prepared(picture, found.shape[0], application)
            assert found.shape == expected.shape
            assert np.abs((found - expected) * grey).mean() <= GREY_LEVELS, picture.size


@pytest.mark.parametrize("size", range(5))
def test_pixels_of_lite(size: int) -> None:
    """The shorter side to 32 pixels more, the longer one rounded, the middle cut out, (x - 127) / 128."""
    from PIL import Image

    with archonnx.load(pixels_of("efficientnet.arch", f"EfficientNetLite{size}Classifier")) as session:
        for picture in some_photographs() if size else photographs():
            found = session(np.asarray(picture)[None])[0]
            side = len(found)
            scale = (side + 32) / min(picture.size)
            wide, tall = (int(n * scale + 0.5) for n in picture.size)
            left, top = round((wide - side) / 2), round((tall - side) / 2)
            cut = picture.resize((wide, tall), Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
            expected = (np.asarray(cut, np.float32) - 127) / 128
            assert np.abs((found - expected) * 128).mean() <= GREY_LEVELS, picture.size


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_the_first_classes_are_the_same(tmp_path: Any) -> None:
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(weights=None)
    rng = np.random.default_rng(0)
    for variable in network.weights:
        if variable.path.endswith("moving_variance"):
            variable.assign(rng.uniform(0.02, 0.1, variable.shape))  # classes that differ from picture to picture
    network.save_weights(tmp_path / "mobile.weights.h5")
    model = archonnx.compile(MODELS / "mobilenet.arch", "MobileNetV2Classifier")
    seen = set()
    with archonnx.load(model.with_weights(tmp_path / "mobile.weights.h5")) as session:
        for picture in islice(photographs(), 7):
            expected = network(prepared(picture, 224, "mobilenet_v2")[None], training=False).numpy()[0]
            found = session(np.asarray(picture)[None])[0]
            assert found.argmax() == expected.argmax(), picture.size
            seen.add(int(found.argmax()))
    assert len(seen) > 1


def test_every_classifier_of_kerass_is_compared() -> None:
    files = {file for file, _, _ in PEERS.values()}
    shipped = {name for f in files for name, ready in models_of(MODELS / f) if ready}
    assert set(PEERS) <= shipped
