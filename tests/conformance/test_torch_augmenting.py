"""Layers that change images in training, as modules of PyTorch: Keras' own, with nothing left to chance, is the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_harness import error

import archonnx

torch = pytest.importorskip("torch", reason="PyTorch is what this makes modules of")
keras = pytest.importorskip("keras", reason="Keras is what this is held against")

FIXED = """
RandomTranslation((0.25, 0.25), (-0.125, -0.125), fill_mode="constant")
RandomTranslation((0.3, 0.3), (0.1, 0.1), fill_mode="constant", fill_value=2.0)
RandomTranslation((-0.2, -0.2), (0.3, 0.3))
RandomTranslation((0.25, 0.25), (0.0, 0.0), fill_mode="nearest")
RandomTranslation((0.25, 0.25), (0.5, 0.5), fill_mode="wrap")
RandomTranslation((0.2, 0.2), (0.3, 0.3), interpolation="nearest")
RandomRotation((0.25, 0.25))
RandomRotation((0.1, 0.1), fill_mode="constant")
RandomRotation((-0.07, -0.07), fill_mode="nearest")
RandomZoom((-0.5, -0.5))
RandomZoom((0.3, 0.3), fill_mode="constant")
RandomZoom((0.2, 0.2), (-0.3, -0.3), fill_mode="nearest")
RandomBrightness((0.2, 0.2), (-1, 1))
RandomBrightness((-0.4, -0.4), (-1, 1))
""".strip().splitlines()
CHANCE = """
RandomTranslation(0.2, 0.2)
RandomRotation(0.1)
RandomZoom(0.3)
RandomFlip("horizontal")
RandomFlip()
RandomBrightness(0.2, (-1, 1))
RandomContrast(0.5, (-1, 1))
""".strip().splitlines()


def module(call: str, kind: str = "float32[N, H, W, 3]") -> Any:
    return archonnx.to_torch(archonnx.compile(text=f"model M():\n    input x: {kind}\n    {call}\n    output y\n"))


def images(count: int = 3) -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("call", FIXED)
def test_it_changes_images_as_keras_does(call: str) -> None:
    x = images()
    layer = eval(call, dict(vars(keras.layers)))
    expected = np.asarray(keras.ops.convert_to_numpy(layer(x, training=True)))
    found = module(call).train()(torch.from_numpy(x)).numpy()
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert error(found, expected) <= 1e-4


@pytest.mark.parametrize("call", CHANCE)
def test_each_image_is_changed_in_its_own_way_in_training_only(call: str) -> None:
    torch.manual_seed(0)
    x = torch.from_numpy(np.repeat(images(1), 30, 0))
    made = module(call)
    assert torch.equal(made.eval()(x), x)
    y = made.train()(x)
    assert y.shape == x.shape
    assert len(torch.unique(y.flatten(1), dim=0)) >= (2 if "Flip" in call else 30)


def test_flips_are_mirror_images() -> None:
    torch.manual_seed(0)
    x = torch.from_numpy(images(40))
    y = module('RandomFlip("vertical")').train()(x)
    same = [torch.equal(a, b) for a, b in zip(x, y, strict=True)]
    assert 5 < sum(same) < 35
    assert all(kept or torch.equal(a.flip(0), b) for kept, a, b in zip(same, x, y, strict=True))


def test_contrast_keeps_the_mean() -> None:
    x = torch.from_numpy(images() / 4)
    y = module("RandomContrast((0.5, 0.5), (-9, 9))").train()(x)
    assert torch.allclose(y.mean((1, 2)), x.mean((1, 2)), atol=1e-6)
    assert not torch.allclose(y, x)


@pytest.mark.parametrize("kind", ["float32[8, 8, 3]", "uint8[N, 8, 8, 3]", "float32[N, 3, 8, 8]"])
def test_other_images(kind: str) -> None:
    """One image without a batch, whole numbers, channels first."""
    call = (
        'RandomFlip("horizontal")'
        if "3, 8, 8" not in kind
        else 'RandomFlip("horizontal", data_format="channels_first")'
    )
    shape = [2 if size == "N" else int(size) for size in kind.partition("[")[2].rstrip("]").split(", ")]
    x = (torch.rand(shape) * 9).to(getattr(torch, kind.partition("[")[0]))
    made = module(call, kind).train()
    torch.manual_seed(1)
    width = 3 if "3, 8, 8" in kind else len(shape) - 2
    flipped = x.flip(width)
    batch = x.ndim == 4
    seen = set()
    for _ in range(20):
        y = made(x).to(x.dtype)
        for old, new, turned in zip(*((x, y, flipped) if batch else ([x], [y], [flipped])), strict=True):
            assert torch.equal(new, old) or torch.equal(new, turned)
            seen.add(torch.equal(new, old))
    assert seen == {True, False}
