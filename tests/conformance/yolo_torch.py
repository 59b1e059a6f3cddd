"""YOLOv8 in plain PyTorch, from the published table of its 23 layers and its publications' figures.

Channels first. The rows below are the table: from which earlier layers, which layer, how often, its channels and more.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

TABLE: list[tuple[Any, str, int, tuple[Any, ...]]] = [
    (-1, "Conv", 1, (64, 3, 2)),  # 0
    (-1, "Conv", 1, (128, 3, 2)),
    (-1, "C2f", 3, (128, True)),
    (-1, "Conv", 1, (256, 3, 2)),
    (-1, "C2f", 6, (256, True)),  # 4
    (-1, "Conv", 1, (512, 3, 2)),
    (-1, "C2f", 6, (512, True)),  # 6
    (-1, "Conv", 1, (1024, 3, 2)),
    (-1, "C2f", 3, (1024, True)),
    (-1, "SPPF", 1, (1024, 5)),  # 9
    (-1, "Upsample", 1, ()),
    ((-1, 6), "Concat", 1, ()),
    (-1, "C2f", 3, (512, False)),  # 12
    (-1, "Upsample", 1, ()),
    ((-1, 4), "Concat", 1, ()),
    (-1, "C2f", 3, (256, False)),  # 15
    (-1, "Conv", 1, (256, 3, 2)),
    ((-1, 12), "Concat", 1, ()),
    (-1, "C2f", 3, (512, False)),  # 18
    (-1, "Conv", 1, (512, 3, 2)),
    ((-1, 9), "Concat", 1, ()),
    (-1, "C2f", 3, (1024, False)),  # 21
]
HEADS = (15, 18, 21)

# Depth, width, most channels.
SCALES = {
    "n": (0.33, 0.25, 1024),
    "s": (0.33, 0.50, 1024),
    "m": (0.67, 0.75, 768),
    "l": (1.00, 1.00, 512),
    "x": (1.00, 1.25, 512),
}


class Conv(nn.Module):
    def __init__(self, given: int, made: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(made, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 3)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    def __init__(self, given: int, made: int, repeats: int, shortcut: bool) -> None:
        super().__init__()
        hidden = made // 2
        self.cv1 = Conv(given, 2 * hidden)
        self.cv2 = Conv((2 + repeats) * hidden, made)
        self.m = nn.ModuleList(Bottleneck(hidden, shortcut) for _ in range(repeats))

    def forward(self, x: Tensor) -> Tensor:
        first, last = self.cv1(x).chunk(2, dim=1)
        kept = [first, last]
        for module in self.m:
            last = module(last)
            kept.append(last)
        return self.cv2(torch.cat(kept, dim=1))


class SPPF(nn.Module):
    def __init__(self, given: int, made: int, kernel: int) -> None:
        super().__init__()
        self.cv1 = Conv(given, given // 2)
        self.cv2 = Conv(given // 2 * 4, made)
        self.kernel = kernel

    def forward(self, x: Tensor) -> Tensor:
        """By pooling squares of 5, 9 and 13, which is what the chain of poolings comes to."""
        x = self.cv1(x)
        sides = [self.kernel + i * (self.kernel - 1) for i in range(3)]
        pooled = [nn.functional.max_pool2d(x, side, 1, side // 2) for side in sides]
        return self.cv2(torch.cat([x, *pooled], dim=1))


class DFL(nn.Module):
    """The mean of 0 to 15, weighed by a softmax, as the fixed convolution that the table counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 1, 1, bias=False)
        self.conv.weight.data[:] = torch.arange(16.0).view(1, 16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, places = x.shape
        return self.conv(x.view(batch, 4, 16, places).permute(0, 2, 1, 3).softmax(1)).view(batch, 4, places)


class Detect(nn.Module):
    def __init__(self, channels: list[int], classes: int) -> None:
        super().__init__()
        box, score = max(16, channels[0] // 4, 64), max(channels[0], min(classes, 100))
        self.cv2 = nn.ModuleList(
            nn.Sequential(Conv(c, box, 3), Conv(box, box, 3), nn.Conv2d(box, 64, 1)) for c in channels
        )
        self.cv3 = nn.ModuleList(
            nn.Sequential(Conv(c, score, 3), Conv(score, score, 3), nn.Conv2d(score, classes, 1)) for c in channels
        )
        self.dfl = DFL()

    def forward(self, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Boxes [batch, places, x y width height] in pixels, and scores [batch, places, classes]."""
        sides = torch.cat([f(x).flatten(2) for f, x in zip(self.cv2, grids, strict=True)], dim=2)
        scores = torch.cat([f(x).flatten(2) for f, x in zip(self.cv3, grids, strict=True)], dim=2).sigmoid()
        reach = self.dfl(sides)
        centres, strides = [], []
        for x, stride in zip(grids, (8, 16, 32), strict=True):
            rows, columns = x.shape[2:]
            for place in range(rows * columns):
                centres.append((place % columns + 0.5, place // columns + 0.5))
                strides.append(stride)
        centre = torch.tensor(centres).T
        left_top, right_bottom = reach.chunk(2, dim=1)
        middle = centre + (right_bottom - left_top) / 2
        boxes = torch.cat([middle, left_top + right_bottom], dim=1) * torch.tensor(strides, dtype=torch.float32)
        return boxes.transpose(1, 2), scores.transpose(1, 2)


class YOLOv8(nn.Module):
    def __init__(self, scale: str, classes: int = 80) -> None:
        super().__init__()
        depth, width, most = SCALES[scale]
        channels: list[int] = []
        modules: list[nn.Module] = []
        for source, kind, number, given in TABLE:
            before = channels[-1] if channels else 3
            repeats = max(round(number * depth), 1) if number > 1 else number
            made = math.ceil(min(given[0], most) * width / 8) * 8 if given else before
            if kind == "Conv":
                modules.append(Conv(before, made, *given[1:]))
            elif kind == "C2f":
                modules.append(C2f(before, made, repeats, given[1]))
            elif kind == "SPPF":
                modules.append(SPPF(before, made, given[1]))
            elif kind == "Upsample":
                modules.append(nn.Upsample(scale_factor=2, mode="nearest"))
            else:
                modules.append(nn.Identity())
                made = sum(channels[i] for i in source)
            channels.append(made)
        modules.append(Detect([channels[i] for i in HEADS], classes))
        self.model = nn.ModuleList(modules)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        made: list[Tensor] = []
        x = image
        for (source, *_), module in zip(TABLE, self.model, strict=False):
            x = module(torch.cat([made[i] for i in source], dim=1) if isinstance(source, tuple) else x)
            made.append(x)
        return self.model[-1]([made[i] for i in HEADS])
