"""Picking elements by numbers, and putting them down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from archonnx.compiler.torch.operators.tensors import together


def _counted(indices: torch.Tensor, size: int) -> torch.Tensor:
    """Negative numbers count from the end."""
    indices = indices.to(torch.int64)
    return torch.where(indices < 0, indices + size, indices)


def _gather(x: torch.Tensor, indices: torch.Tensor, *, axis: int = 0) -> torch.Tensor:
    x, indices = together(x, indices)
    axis %= x.ndim
    if indices.ndim == 0 and indices.device.type == "cpu":
        return x.select(axis, int(indices.item()))
    flat = _counted(indices, x.shape[axis]).reshape(-1)
    return x.index_select(axis, flat).reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _gather_elements(x: torch.Tensor, indices: torch.Tensor, *, axis: int = 0) -> torch.Tensor:
    x, indices = together(x, indices)
    return torch.gather(x, axis, _counted(indices, x.shape[axis]))


def _gather_nd(x: torch.Tensor, indices: torch.Tensor, *, batch_dims: int = 0) -> torch.Tensor:
    x, indices = together(x, indices)
    depth = indices.shape[-1]
    numbers = [_counted(indices[..., i], x.shape[batch_dims + i]) for i in range(depth)]
    batch = [
        torch.arange(x.shape[i], device=x.device).reshape([-1 if a == i else 1 for a in range(indices.ndim - 1)])
        for i in range(batch_dims)
    ]
    return x[(*batch, *numbers)]


MODES = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _scatter_elements(
    x: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, *, axis: int = 0, reduction: str = "none"
) -> torch.Tensor:
    x, indices, updates = together(x, indices, updates)
    places = _counted(indices, x.shape[axis])
    if reduction == "none":
        return torch.scatter(x, axis, places, updates)
    return torch.scatter_reduce(x, axis, places, updates, MODES[reduction], include_self=True)


def _scatter_nd(
    x: torch.Tensor, indices: torch.Tensor, updates: torch.Tensor, *, reduction: str = "none"
) -> torch.Tensor:
    x, indices, updates = together(x, indices, updates)
    places = tuple(_counted(indices[..., i], x.shape[i]) for i in range(indices.shape[-1]))
    if reduction in ("none", "add"):
        return x.index_put(places, updates, accumulate=reduction == "add")
    raise NotImplementedError(f"ScatterND with reduction {reduction}")


def _one_hot(indices: torch.Tensor, depth: torch.Tensor, values: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    count = int(depth.reshape(-1)[0].item())
    chosen = _counted(indices, count).unsqueeze(axis if axis >= 0 else indices.ndim + 1 + axis)
    shape = [1] * chosen.ndim
    shape[axis] = count
    here = torch.arange(count, device=indices.device).reshape(shape) == chosen
    off, on = together(here, values)[1].unbind()
    return torch.where(here, on, off)


def _non_zero(x: torch.Tensor) -> torch.Tensor:
    return torch.nonzero(x).T.contiguous()


def _compress(x: torch.Tensor, condition: torch.Tensor, *, axis: int | None = None) -> torch.Tensor:
    if axis is None:
        x, axis = x.reshape(-1), 0
    x, condition = together(x, condition)
    return x.index_select(axis, torch.nonzero(condition).reshape(-1))


OPERATORS: dict[str, Callable[..., Any]] = {
    "Compress": _compress,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "OneHot": _one_hot,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
}
