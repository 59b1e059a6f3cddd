"""Random changes of images in training, a different one for each image; at inference images are handed on.

This module imports PyTorch: it is imported inside functions only. Images are [batch, height, width, channels], or one
image without the batch, or have the channels first.
"""

from __future__ import annotations

import math
from typing import Any

import torch

Pair = tuple[float, float]


class Augmenting(torch.nn.Module):
    """The base: brings images to [batch, channels, height, width] in floating point, and back."""

    def __init__(self, channels_first: bool) -> None:
        super().__init__()
        self.channels_first = channels_first

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return images
        x = images if images.ndim == 4 else images[None]
        x = x if self.channels_first else x.permute(0, 3, 1, 2)
        y = self.change(x if x.is_floating_point() else x.float()).to(images.dtype)
        y = y if self.channels_first else y.permute(0, 2, 3, 1)
        return y if images.ndim == 4 else y[0]

    def change(self, x: torch.Tensor) -> torch.Tensor:
        """The changed images."""
        raise NotImplementedError(type(self).__name__)


def drawn(x: torch.Tensor, bounds: Pair) -> torch.Tensor:
    """A number for each image, [batch], evenly between the bounds."""
    return torch.empty(x.shape[0], dtype=x.dtype, device=x.device).uniform_(*bounds)


class Flip(Augmenting):
    """Flips each image with a chance of one half along each of these axes of [batch, channels, height, width]."""

    def __init__(self, axes: tuple[int, ...], channels_first: bool) -> None:
        super().__init__(channels_first)
        self.axes = axes

    def change(self, x: torch.Tensor) -> torch.Tensor:
        for axis in self.axes:
            flips = drawn(x, (0.0, 1.0)) < 0.5
            x = torch.where(flips[:, None, None, None], torch.flip(x, (axis,)), x)
        return x

    def extra_repr(self) -> str:
        return f"axes={self.axes}"


class Affine(Augmenting):
    """Moves, turns and zooms: each place takes the image's value at another, between pixels or the nearest.

    shift: parts of the height and the width, down and to the right. turn: parts of a full turn, against the clock.
    zoom: how much less is seen of height and width, below 0, or more; one pair for both keeps the proportions.
    """

    def __init__(
        self,
        channels_first: bool,
        *,
        shift: tuple[Pair, Pair] = ((0, 0), (0, 0)),
        turn: Pair = (0, 0),
        zoom: tuple[Pair, Pair | None] = ((0, 0), None),
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        interpolation: str = "bilinear",
    ) -> None:
        super().__init__(channels_first)
        self.shift, self.turn, self.zoom = shift, turn, zoom
        self.fill_mode, self.fill_value, self.interpolation = fill_mode, fill_value, interpolation

    def change(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        down, right = (drawn(x, bounds) for bounds in self.shift)
        angle = drawn(x, self.turn) * (2 * math.pi)
        tall = drawn(x, self.zoom[0]) + 1
        wide = tall if self.zoom[1] is None else drawn(x, self.zoom[1]) + 1
        rows = torch.arange(height, dtype=x.dtype, device=x.device) - (height - 1) / 2
        columns = torch.arange(width, dtype=x.dtype, device=x.device) - (width - 1) / 2
        v = rows[None, :, None] - (down * height)[:, None, None]
        u = columns[None, None, :] - (right * width)[:, None, None]
        cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
        across = (cos * u - sin * v) * wide[:, None, None] + (width - 1) / 2
        along = (sin * u + cos * v) * tall[:, None, None] + (height - 1) / 2
        return self._sampled(x, across, along)

    def _sampled(self, x: torch.Tensor, across: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
        """The images at these places, in pixels."""
        height, width = x.shape[2:]
        if self.fill_mode == "wrap":
            across, along = across.remainder(width), along.remainder(height)
        grid = torch.stack([(2 * across + 1) / width - 1, (2 * along + 1) / height - 1], -1)
        padding = {"constant": "zeros", "reflect": "reflection"}.get(self.fill_mode, "border")
        shifted = x - self.fill_value if self.fill_mode == "constant" else x
        y = torch.nn.functional.grid_sample(shifted, grid, self.interpolation, padding, align_corners=False)
        return y + self.fill_value if self.fill_mode == "constant" else y

    def extra_repr(self) -> str:
        return f"shift={self.shift}, turn={self.turn}, zoom={self.zoom}, fill_mode={self.fill_mode!r}"


class Brightness(Augmenting):
    """Adds a number to each image, a part of the range of its values, and keeps within the range."""

    def __init__(self, factor: Pair, value_range: Pair, channels_first: bool) -> None:
        super().__init__(channels_first)
        self.factor, self.value_range = factor, value_range

    def change(self, x: torch.Tensor) -> torch.Tensor:
        low, high = self.value_range
        return torch.clamp(x + (drawn(x, self.factor) * (high - low))[:, None, None, None], low, high)

    def extra_repr(self) -> str:
        return f"factor={self.factor}, value_range={self.value_range}"


class Contrast(Augmenting):
    """Multiplies what each channel of an image has beyond its mean, and keeps within the range of values."""

    def __init__(self, factor: Pair, value_range: Pair, channels_first: bool) -> None:
        super().__init__(channels_first)
        self.factor, self.value_range = factor, value_range

    def change(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)
        factor = drawn(x, (1 - self.factor[0], 1 + self.factor[1]))[:, None, None, None]
        return torch.clamp((x - mean) * factor + mean, *self.value_range)

    def extra_repr(self) -> str:
        return f"factor={self.factor}, value_range={self.value_range}"


def spread(factor: Any) -> Pair:
    """A number as the bounds around 0, a pair as it is."""
    return (-factor, factor) if isinstance(factor, (int, float)) else (float(factor[0]), float(factor[1]))
