"""Normalizations, channels first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional


def _batch(
    x: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
) -> torch.Tensor:
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)


def _over(x: torch.Tensor, axes: tuple[int, ...], epsilon: float) -> torch.Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(axes, keepdim=True) + epsilon)


def _along_channels(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    return x * scale.reshape(shape) + bias.reshape(shape)


def _instance(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, *, epsilon: float = 1e-5) -> torch.Tensor:
    return _along_channels(_over(x, tuple(range(2, x.ndim)), epsilon), scale.to(x.device), bias.to(x.device))


def _group(
    x: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> torch.Tensor:
    grouped = x.reshape(x.shape[0], num_groups, -1)
    return _along_channels(_over(grouped, (2,), epsilon).reshape(x.shape), scale, bias)


def _layer(
    x: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> torch.Tensor:
    shape = tuple(x.shape[axis:])
    scale = scale.to(x.device).expand(shape)
    return functional.layer_norm(x, shape, scale, None if bias is None else bias.expand(shape), epsilon)


def _rms(
    x: torch.Tensor, scale: torch.Tensor, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> torch.Tensor:
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    axes = tuple(range(axis % x.ndim, x.ndim))
    return (wide * torch.rsqrt((wide * wide).mean(axes, keepdim=True) + epsilon)).to(x.dtype) * scale


def _mean_variance(x: torch.Tensor, *, axes: Any = (0, 2, 3)) -> torch.Tensor:
    centred = x - x.mean(tuple(axes), keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(tuple(axes), keepdim=True) + 1e-9)


def _lp(x: torch.Tensor, *, axis: int = -1, p: int = 2) -> Any:
    length = torch.linalg.vector_norm(x, p, axis, keepdim=True)
    return torch.where(length == 0, x, x / torch.where(length == 0, 1.0, length))


OPERATORS: dict[str, Callable[..., Any]] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    "InstanceNormalization": _instance,
    "LayerNormalization": _layer,
    "LpNormalization": _lp,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _rms,
}
