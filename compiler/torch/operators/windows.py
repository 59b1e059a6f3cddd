"""Windows that slide: convolutions and pools, channels first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MAX = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _sides(
    x: torch.Tensor,
    size: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int] | None,
    auto_pad: str,
) -> list[tuple[int, int]]:
    """What is added before and after along each spatial axis."""
    rank = len(size)
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        numbers = list(pads) if pads is not None else [0] * (2 * rank)
        return list(zip(numbers[:rank], numbers[rank:], strict=True))
    found = []
    for extent, k, stride, dilation in zip(x.shape[2:], size, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        missing = max((-(-extent // stride) - 1) * stride + reach - extent, 0)
        low = missing // 2 if auto_pad == "SAME_UPPER" else missing - missing // 2
        found.append((low, missing - low))
    return found


def padded(x: torch.Tensor, sides: Sequence[tuple[int, int]], value: float = 0.0) -> torch.Tensor:
    """The spatial axes, the last ones, with so much before and after."""
    if not any(low or high for low, high in sides):
        return x
    return functional.pad(x, [n for side in reversed(sides) for n in side], value=value)


def _conv(
    x: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Sequence[int] | None = None,
) -> torch.Tensor:
    rank = kernel.ndim - 2
    steps, spread = strides or (1,) * rank, dilations or (1,) * rank
    sides = _sides(x, kernel.shape[2:], steps, spread, pads, auto_pad)
    if all(low == high for low, high in sides):
        return CONV[rank](x, kernel, bias, tuple(steps), tuple(low for low, _ in sides), tuple(spread), group)
    return CONV[rank](padded(x, sides), kernel, bias, tuple(steps), 0, tuple(spread), group)


def _conv_transpose(
    x: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
) -> torch.Tensor:
    """All that the windows reach, then cut, or zeros added where that is not enough."""
    rank = kernel.ndim - 2
    steps, spread = tuple(strides or (1,) * rank), tuple(dilations or (1,) * rank)
    y = TRANSPOSED[rank](x, kernel, None, steps, 0, 0, group, spread)
    numbers, more = list(pads or [0] * (2 * rank)), list(output_padding or [0] * rank)
    y = padded(y, [(-numbers[i], more[i] - numbers[rank + i]) for i in range(rank)])
    return y if bias is None else y + bias.reshape(1, -1, *(1,) * rank)


def _ceiled(
    x: torch.Tensor,
    sides: list[tuple[int, int]],
    size: Sequence[int],
    steps: Sequence[int],
    spread: Sequence[int],
    ceil_mode: int,
) -> list[tuple[int, int]]:
    """With `ceil_mode`, what a last window needs that begins inside the input or before it."""
    if not ceil_mode:
        return sides
    made = []
    for extent, (low, high), k, step, dilation in zip(x.shape[2:], sides, size, steps, spread, strict=True):
        reach, total = (k - 1) * dilation + 1, extent + low + high
        count = -(-(total - reach) // step) + 1
        if (count - 1) * step >= extent + low:
            count -= 1
        made.append((low, high + max((count - 1) * step + reach - total, 0)))
    return made


def _max_pool(
    x: torch.Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> torch.Tensor:
    rank = len(kernel_shape)
    steps, spread = strides or (1,) * rank, dilations or (1,) * rank
    sides = _sides(x, kernel_shape, steps, spread, pads, auto_pad)
    sides = _ceiled(x, sides, kernel_shape, steps, spread, ceil_mode)
    least = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    return MAX[rank](padded(x, sides, least), tuple(kernel_shape), tuple(steps), 0, tuple(spread))


def _sums(x: torch.Tensor, size: Sequence[int], steps: Sequence[int], spread: Sequence[int]) -> torch.Tensor:
    """The sum in each window."""
    rank = len(size)
    if all(d == 1 for d in spread):
        return MEAN[rank](x, tuple(size), tuple(steps)) * math.prod(size)
    channels = x.shape[1]
    ones = torch.ones((channels, 1, *size), dtype=x.dtype, device=x.device)
    return CONV[rank](x, ones, None, tuple(steps), 0, tuple(spread), channels)


def _average_pool(
    x: torch.Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> torch.Tensor:
    rank = len(kernel_shape)
    steps, spread = strides or (1,) * rank, dilations or (1,) * rank
    given = _sides(x, kernel_shape, steps, spread, pads, auto_pad)
    sides = _ceiled(x, given, kernel_shape, steps, spread, ceil_mode)
    total = _sums(padded(x, sides), kernel_shape, steps, spread)
    if not any(low or high for low, high in sides):
        return total / math.prod(kernel_shape)
    counted = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    if count_include_pad:
        counted = padded(counted, given, 1.0)
        sides = [(0, high - before) for (_, high), (_, before) in zip(sides, given, strict=True)]
    return total / _sums(padded(counted, sides), kernel_shape, steps, spread)


def _lp_pool(
    x: torch.Tensor,
    *,
    kernel_shape: Sequence[int],
    p: int = 2,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
) -> torch.Tensor:
    rank = len(kernel_shape)
    steps, spread = strides or (1,) * rank, dilations or (1,) * rank
    sides = _sides(x, kernel_shape, steps, spread, pads, auto_pad)
    sides = _ceiled(x, sides, kernel_shape, steps, spread, ceil_mode)
    return _sums(padded(x.abs() ** p, sides), kernel_shape, steps, spread) ** (1 / p)


def _lrn(x: torch.Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> torch.Tensor:
    squares = (x * x).movedim(1, -1)
    around = functional.pad(squares, ((size - 1) // 2, size // 2)).unfold(-1, size, 1).sum(-1).movedim(-1, 1)
    return x / (bias + alpha / size * around) ** beta


def _global(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda x: function(x, tuple(range(2, x.ndim)), keepdim=True)


OPERATORS: dict[str, Callable[..., Any]] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "LRN": _lrn,
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
}
