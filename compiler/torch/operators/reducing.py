"""Sums, means, extremes and orders along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from archonnx.compiler.torch.operators.tensors import axes_of


def _reduction(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The axes come as an input, or as an attribute in older operator sets."""

    def apply(
        x: torch.Tensor,
        given: torch.Tensor | None = None,
        *,
        axes: Sequence[int] | None = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> torch.Tensor:
        chosen = given if given is not None else axes
        none = chosen is None or (chosen.numel() if isinstance(chosen, torch.Tensor) else len(chosen)) == 0
        if none and noop_with_empty_axes:
            return x
        places = axes_of(x, None if none else chosen)
        return function(x, places, bool(keepdims)) if places else x

    return apply


def _product(x: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    for axis in reversed(axes):
        x = torch.prod(x, axis, keepdim=keepdims, dtype=x.dtype)
    return x


def _mean(x: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    if x.is_floating_point():
        return torch.mean(x, axes, keepdim=keepdims)
    return torch.mean(x.to(torch.float64), axes, keepdim=keepdims).to(x.dtype)


def _extreme(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Of nothing it is what every number is above, or below."""

    def apply(x: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
        if all(x.shape[axis] for axis in axes):
            return function(x, axes, keepdim=keepdims)
        low = function is torch.amax
        kept = [1 if a in axes else size for a, size in enumerate(x.shape) if keepdims or a not in axes]
        if x.dtype == torch.bool:
            return x.new_full(kept, not low)
        info = torch.iinfo(x.dtype) if not x.is_floating_point() else None
        least, largest = (-math.inf, math.inf) if info is None else (info.min, info.max)
        return x.new_full(kept, least if low else largest)

    return apply


def _total(x: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    return torch.sum(x, axes, keepdim=keepdims, dtype=x.dtype)


def _arg(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def apply(x: torch.Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> torch.Tensor:
        x = x.to(torch.uint8) if x.dtype == torch.bool else x
        if not select_last_index:
            return function(x, axis, keepdim=bool(keepdims))
        return x.shape[axis] - 1 - function(torch.flip(x, (axis,)), axis, keepdim=bool(keepdims))

    return apply


def _running_sum(x: torch.Tensor, axis: torch.Tensor, *, exclusive: int = 0, reverse: int = 0) -> torch.Tensor:
    place = int(axis.reshape(-1)[0].item())
    turned = torch.flip(x, (place,)) if reverse else x
    total = torch.cumsum(turned, place, dtype=x.dtype)
    if exclusive:
        total = total - turned
    return torch.flip(total, (place,)) if reverse else total


def _top(
    x: torch.Tensor,
    k: torch.Tensor,
    *,
    axis: int = -1,
    largest: int = 1,
    sorted: int = 1,  # noqa: A002 (ONNX's name)
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of equal elements the first comes first, as ONNX Runtime has it."""
    values, places = torch.sort(x, dim=axis, descending=bool(largest), stable=True)
    count = int(k.reshape(-1)[0].item())
    return values.narrow(axis, 0, count), places.narrow(axis, 0, count)


OPERATORS: dict[str, Callable[..., Any]] = {
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "CumSum": _running_sum,
    "ReduceL1": _reduction(lambda x, axes, keepdims: _total(torch.abs(x), axes, keepdims)),
    "ReduceL2": _reduction(lambda x, axes, keepdims: torch.linalg.vector_norm(x, 2, axes, keepdim=keepdims)),
    "ReduceLogSum": _reduction(lambda x, axes, keepdims: torch.log(_total(x, axes, keepdims))),
    "ReduceLogSumExp": _reduction(lambda x, axes, keepdims: torch.logsumexp(x, axes, keepdim=keepdims)),
    "ReduceMax": _reduction(_extreme(torch.amax)),
    "ReduceMean": _reduction(_mean),
    "ReduceMin": _reduction(_extreme(torch.amin)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(_total),
    "ReduceSumSquare": _reduction(lambda x, axes, keepdims: _total(x * x, axes, keepdims)),
    "TopK": _top,
}
