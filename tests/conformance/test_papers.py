"""Networks without a module in any library, against modules of PyTorch that are written from the papers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error
from networks import MODELS, Array

import archonnx

torch = pytest.importorskip("torch")
nn = torch.nn

TOLERANCE = 1e-5


def u_net(channels: int, classes: int, widths: list[int]) -> Any:
    """Ronneberger, Fischer and Brox, figure 1, with padding; the last of `widths` is the bottom."""

    def twice(before: int, after: int) -> Any:
        first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

    class UNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([twice(a, b) for a, b in zip([channels, *widths], widths, strict=False)])
            self.up = nn.ModuleList()
            for lower, upper in zip(widths[:0:-1], widths[-2::-1], strict=True):
                self.up.append(nn.ModuleList([nn.ConvTranspose2d(lower, upper, 2, 2), twice(2 * upper, upper)]))
            self.last = nn.Conv2d(widths[0], classes, 1)

        def forward(self, x: Any) -> Any:
            seen = []
            for number, part in enumerate(self.down):
                x = part(nn.functional.max_pool2d(x, 2) if number else x)
                seen.append(x)
            seen.pop()
            for raise_size, part in self.up:
                x = part(torch.cat([seen.pop(), raise_size(x)], dim=1))
            return self.last(x)

    return UNet()


def deep_autoencoder() -> Any:
    """Hinton and Salakhutdinov: 784-1000-500-250-30 and back, logistic units but for the code."""
    sizes = [784, 1000, 500, 250, 30, 250, 500, 1000, 784]
    layers: list[Any] = [nn.Flatten()]
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after)] + ([] if after == 30 else [nn.Sigmoid()])
    return nn.Sequential(*layers, nn.Unflatten(1, (1, 28, 28)))


def convolutional_autoencoder() -> Any:
    """Two convolutions that halve the picture, a code of 32 numbers, two transposed ones that double it."""

    class ChannelsLast(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    class ChannelsFirst(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.unflatten(1, (7, 7, 32)).permute(0, 3, 1, 2)

    down = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    down += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    code = [ChannelsLast(), nn.Linear(1568, 32), nn.Linear(32, 1568), nn.ReLU(), ChannelsFirst()]
    up = [nn.ConvTranspose2d(32, 32, 2, 2), nn.ReLU(), nn.ConvTranspose2d(32, 16, 2, 2), nn.ReLU()]
    return nn.Sequential(*down, *code, *up, nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid())


def theirs_and_ours(module: Any, model: archonnx.CompiledModel, image: Array, output: str, folder: Path) -> float:
    """The error of our network with the module's weights, taken over in order."""
    import onnxruntime

    with torch.no_grad():
        for value in module.parameters():
            if value.ndim == 1:
                value.normal_(0, 0.1)
        expected = module(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).permute(0, 2, 3, 1).numpy()
    axes = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}
    parameters = [p.detach().numpy().transpose(axes[p.ndim]) for p in module.parameters()]
    weights = {w.path: v for w, v in zip(model.graph.weights(), parameters, strict=True)}
    model.with_weights(weights).save(folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run([output], {"image": image})
    assert found.shape == expected.shape
    assert float(expected.std()) > 1e-3, "a result that says something"
    return error(found, expected)


@pytest.mark.parametrize(("width", "depth", "channels"), [(64, 4, 1), (8, 3, 3)])
def test_unet(width: int, depth: int, channels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = u_net(channels, 2, [width * 2**i for i in range(depth + 1)]).eval()
    model = archonnx.compile(MODELS / "unet.arch", width=width, depth=depth, channels=channels)
    image = np.random.default_rng(0).normal(size=(1, 32, 48, channels)).astype(np.float32)
    assert theirs_and_ours(module, model, image, "logits", tmp_path) <= TOLERANCE
    (tmp_path / "model.onnx").unlink()


@pytest.mark.parametrize(
    ("name", "module"), [("DeepAutoencoder", deep_autoencoder), ("Autoencoder", convolutional_autoencoder)]
)
def test_autoencoders(name: str, module: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = archonnx.compile(MODELS / "autoencoder.arch", name)
    image = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype(np.float32)
    assert theirs_and_ours(module().eval(), model, image, "reconstruction", tmp_path) <= TOLERANCE
