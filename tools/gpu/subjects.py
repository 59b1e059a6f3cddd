"""What is measured on a GPU: networks of this repository, each with the same network written for PyTorch by hand.

Built where they are measured, with weights as they are drawn: nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

MODELS = Path(__file__).resolve().parents[2] / "models"
SMALL = """
block conv(filters, size, strides = 1):
    Conv2D(filters, size, strides, padding="same", activation="relu")

model Small(classes = 10):
    input image: float32[N, 32, 32, 3]
    conv(16, 3)
    MaxPooling2D(2, 2)
    conv(32, 3)
    GlobalAveragePooling2D()
    Dense(classes)
    output logits
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network. build: its source, compiled; size: of its pictures, [N, size, size, 3]; torch: the same for PyTorch,
    pictures [N, 3, size, size]; batches: that it is measured at."""

    name: str
    build: Callable[[], Any]
    size: int
    torch: Callable[[], Any]
    batches: tuple[int, ...]

    def save(self, folder: Path) -> str:
        """Write the model's file, and give its path."""
        path = folder / f"{self.name.lower()}.onnx"
        if not path.exists():
            self.build().save(path, seed=1)
        return str(path)

    def pictures(self, batch: int) -> np.ndarray[Any, Any]:
        return np.random.default_rng(0).random((batch, self.size, self.size, 3), np.float32)


def dnn() -> Any:
    """models/dnn.arch for PyTorch."""
    from torch import nn

    layers: list[Any] = []
    before = 3
    for filters in (256, 128, 64):
        layers += [nn.Conv2d(before, filters, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
        before = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 32 * 32, 64), nn.ReLU(), nn.Linear(64, 10))


def small() -> Any:
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(32, 10)),
    )


def resnet50() -> Any:
    """ResNet-50 v1.5 (arXiv 1512.03385, the stride on the 3x3 convolution), as ResNet50V1_5 in models/resnet.arch."""
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, before: int, filters: int, stride: int) -> None:
            super().__init__()
            width = 4 * filters
            self.body = nn.Sequential(
                *(nn.Conv2d(before, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)),
                *(nn.Conv2d(filters, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters)),
                *(nn.ReLU(inplace=True), nn.Conv2d(filters, width, 1, bias=False), nn.BatchNorm2d(width)),
            )
            self.shortcut = (
                nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                if stride > 1 or before != width
                else nn.Identity()
            )
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            return self.relu(self.body(x) + self.shortcut(x))

    layers: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, 2, 1))
    before = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        for number in range(depth):
            layers.append(Bottleneck(before, 64 << stage, 2 if stage and not number else 1))
            before = 256 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


SUBJECTS = (
    Subject(
        "ResNet-50",
        lambda: archonnx.compile(MODELS / "resnet.arch", model="ResNet50V1_5"),
        224,
        resnet50,
        (1, 64),
    ),
    Subject("DNN", lambda: archonnx.compile(MODELS / "dnn.arch"), 256, dnn, (1, 128)),
)
QUICK = (Subject("Small", lambda: archonnx.compile(text=SMALL), 32, small, (1, 4)),)
