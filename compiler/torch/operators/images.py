"""Resizing, sampling on a grid, and the short-time Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from archonnx.compiler.torch.operators.tensors import ints, together


def _coordinates(mode: str, old: int, new: int, scale: float, device: torch.device) -> torch.Tensor:
    """Where in the old axis each new place lies."""
    places = torch.arange(new, dtype=torch.float64, device=device)
    if mode == "asymmetric":
        return places / scale
    if mode == "align_corners":
        return places * ((old - 1) / (old * scale - 1)) if new > 1 else places * 0
    if mode == "pytorch_half_pixel" and new == 1:
        return places * 0
    if mode == "half_pixel_symmetric":
        adjusted = old / 2 * (1 - new / (old * scale))
        return adjusted + (places + 0.5) / scale - 0.5
    return (places + 0.5) / scale - 0.5


ROUNDING: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "round_prefer_floor": lambda x: torch.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: torch.floor(x + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def _resize(
    x: torch.Tensor,
    region: torch.Tensor | None = None,
    scales: torch.Tensor | None = None,
    sizes: torch.Tensor | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    antialias: int = 0,
    axes: Sequence[int] | None = None,
) -> torch.Tensor:
    places = [a % x.ndim for a in axes] if axes is not None else list(range(x.ndim))
    given = x.dtype
    for number, axis in enumerate(places):
        old = x.shape[axis]
        if sizes is not None:
            new = ints(sizes)[number]
            scale = new / old
        else:
            assert scales is not None
            scale = float(scales.reshape(-1)[number].item())
            new = int(old * scale)
        if new == old and scale == 1:
            continue
        at = _coordinates(coordinate_transformation_mode, old, new, scale, x.device)
        if mode == "nearest":
            x = x.index_select(axis, ROUNDING[nearest_mode](at).clamp(0, old - 1).to(torch.int64))
        elif antialias and scale < 1:
            x = _averaged(x, axis, at, scale, cubic_coeff_a if mode == "cubic" else None, bool(exclude_outside))
        else:
            taps = _linear(at) if mode == "linear" else _cubic(at, cubic_coeff_a)
            x = _mixed(x, axis, taps, bool(exclude_outside) and (mode == "cubic" or bool(antialias)))
    return x.to(given)


Taps = list[tuple[torch.Tensor, torch.Tensor]]


def _linear(at: torch.Tensor) -> Taps:
    low = torch.floor(at)
    return [(low, 1 - (at - low)), (low + 1, at - low)]


def _cubic(at: torch.Tensor, a: float) -> Taps:
    """Keys' kernel."""
    low = torch.floor(at)
    t = at - low
    weights = [
        ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
        ((a + 2) * t - (a + 3)) * t * t + 1,
        ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1,
        ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a,
    ]
    return [(low + offset, weight) for offset, weight in zip((-1, 0, 1, 2), weights, strict=True)]


def _averaged(
    x: torch.Tensor, axis: int, at: torch.Tensor, scale: float, a: float | None, exclude: bool
) -> torch.Tensor:
    """An axis that shrinks, antialiased: all pixels below a kernel as wide as the step, linear, or cubic with `a`."""
    old, radius = x.shape[axis], 1 if a is None else 2
    beyond = math.ceil(radius / scale)
    pixels = torch.arange(-beyond, old + beyond, device=at.device)
    far = (pixels - at[:, None]).abs() * scale
    if a is None:
        weights = (1 - far).clamp(min=0)
    else:
        near, wide = ((a + 2) * far - (a + 3)) * far * far + 1, ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
        weights = torch.where(far < 1, near, torch.where(far < 2, wide, 0.0))
    if exclude:
        weights = torch.where((pixels < 0) | (pixels >= old), 0.0, weights)
    weights = weights / weights.sum(dim=1, keepdim=True)
    held = torch.zeros((len(at), old), dtype=weights.dtype, device=at.device)
    held.index_add_(1, pixels.clamp(0, old - 1), weights)  # beyond the edge is the edge
    wide_x = x if x.is_floating_point() else x.to(torch.float32)
    return torch.moveaxis(torch.moveaxis(wide_x, axis, -1) @ held.T.to(wide_x.dtype), -1, axis)


def _mixed(x: torch.Tensor, axis: int, taps: Taps, exclude: bool) -> torch.Tensor:
    """Neighbours along an axis by their weights; those outside are the border, or left out."""
    last = x.shape[axis] - 1
    if exclude:
        taps = [(place, torch.where((place < 0) | (place > last), 0.0, weight)) for place, weight in taps]
        total = sum(weight for _, weight in taps)
        taps = [(place, weight / total) for place, weight in taps]
    wide = x if x.is_floating_point() else x.to(torch.float32)
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    made = torch.zeros((), dtype=wide.dtype, device=x.device)
    for place, weight in taps:
        picked = wide.index_select(axis, place.clamp(0, last).to(torch.int64))
        made = made + picked * weight.to(wide.dtype).reshape(shape)
    return made


def _grid_sample(
    x: torch.Tensor,
    grid: torch.Tensor,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> Any:
    x, grid = together(x, grid)
    named = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    wide = torch.promote_types(x.dtype, torch.float32)  # places in half precision would be off by parts of an element
    made: torch.Tensor = functional.grid_sample(
        x.to(wide), grid.to(wide), mode=named, padding_mode=padding_mode, align_corners=bool(align_corners)
    )
    return made if made.dtype == x.dtype else made.to(x.dtype)


def _stft(
    signal: torch.Tensor,
    step: torch.Tensor,
    window: torch.Tensor | None = None,
    length: torch.Tensor | None = None,
    *,
    onesided: int = 1,
) -> torch.Tensor:
    """signal [batch, samples, 1 or 2] to [batch, frames, bins, 2], the last axis the real and the imaginary part."""
    signal, window = together(signal, window)
    size = int(length.reshape(-1)[0].item()) if length is not None else window.shape[0]
    wave = torch.view_as_complex(signal) if signal.shape[-1] == 2 else signal[..., 0]
    frames = wave.unfold(1, size, int(step.reshape(-1)[0].item()))
    if window is not None:
        frames = frames * window
    made = torch.fft.rfft(frames) if onesided else torch.fft.fft(frames)
    return torch.view_as_real(made)


OPERATORS: dict[str, Callable[..., Any]] = {"GridSample": _grid_sample, "Resize": _resize, "STFT": _stft}
