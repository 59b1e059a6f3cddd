"""Shapes and places: reshape, transpose, pad, slice, join, split, repeat, and new tensors of a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from archonnx.compiler.torch.operators.tensors import DTYPES, axes_of, ints, number, together


def _shape(x: torch.Tensor, *, start: int = 0, end: int | None = None) -> torch.Tensor:
    return torch.tensor(list(x.shape)[slice(start, end)], dtype=torch.int64)


def _reshape(x: torch.Tensor, shape: torch.Tensor, *, allowzero: int = 0) -> torch.Tensor:
    sizes = ints(shape)
    if not allowzero:
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _transpose(x: torch.Tensor, *, perm: Sequence[int] | None = None) -> torch.Tensor:
    return x.permute(tuple(perm) if perm is not None else tuple(reversed(range(x.ndim))))


def _squeeze(x: torch.Tensor, given: torch.Tensor | None = None, *, axes: Sequence[int] | None = None) -> torch.Tensor:
    chosen = given if given is not None else axes
    return x.squeeze() if chosen is None else x.squeeze(tuple(axes_of(x, chosen)))


def _unsqueeze(x: torch.Tensor, given: torch.Tensor | None = None, *, axes: Sequence[int] = ()) -> torch.Tensor:
    places = ints(given) if given is not None else list(axes)
    rank = x.ndim + len(places)
    for place in sorted(p % rank for p in places):
        x = x.unsqueeze(place)
    return x


def _flatten(x: torch.Tensor, *, axis: int = 1) -> torch.Tensor:
    ahead = x.shape[: axis % x.ndim if axis < 0 else axis]
    rows = 1
    for size in ahead:
        rows *= size
    return x.reshape(rows, -1)


def _concat(*tensors: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.cat(together(*tensors), axis)


def _split(
    x: torch.Tensor,
    sizes: torch.Tensor | None = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    results: int = 1,
) -> tuple[torch.Tensor, ...]:
    if sizes is not None:
        return torch.split(x, ints(sizes), axis)
    count = num_outputs or results
    return torch.split(x, -(-x.shape[axis] // count), axis)


def _slice(
    x: torch.Tensor,
    starts: torch.Tensor,
    ends: torch.Tensor,
    axes: torch.Tensor | None = None,
    steps: torch.Tensor | None = None,
) -> torch.Tensor:
    begin, finish = ints(starts), ints(ends)
    places = ints(axes) if axes is not None else list(range(len(begin)))
    strides = ints(steps) if steps is not None else [1] * len(begin)
    for place, low, high, step in zip(places, begin, finish, strides, strict=True):
        x = cut(x, place % x.ndim, range(x.shape[place])[_python(low, high, step, x.shape[place])])
    return x


def _python(low: int, high: int, step: int, size: int) -> slice:
    """ONNX's bounds as Python's: an end before the beginning means everything up to it, backwards."""
    return slice(low, None if step < 0 and high < -size else high, step)


def cut(x: torch.Tensor, axis: int, chosen: range) -> torch.Tensor:
    """The elements of a range along an axis, backwards too."""
    if chosen == range(x.shape[axis]):
        return x
    if chosen.step < 0:
        chosen = chosen[::-1]
        return torch.flip(cut(x, axis, chosen), (axis,))
    if not chosen:
        return x.narrow(axis, 0, 0)
    index = [slice(None)] * axis + [slice(chosen.start, chosen[-1] + 1, chosen.step)]
    return x[tuple(index)]


def _pad(
    x: torch.Tensor,
    pads: torch.Tensor,
    value: torch.Tensor | None = None,
    axes: torch.Tensor | None = None,
    *,
    mode: str = "constant",
) -> torch.Tensor:
    amounts = ints(pads)
    if mode == "constant" and axes is None:  # all axes at once, the last one first
        sides = [n for axis in reversed(range(x.ndim)) for n in (amounts[axis], amounts[axis + x.ndim])]
        return torch.nn.functional.pad(x, sides, value=0 if value is None else number(value))
    places = axes_of(x, axes)
    count = len(places)
    given = ints(axes) if axes is not None else places
    for number_, place in enumerate(given):
        axis, low, high = place % x.ndim, amounts[number_], amounts[number_ + count]
        if low < 0 or high < 0:
            x = cut(x, axis, range(max(-low, 0), x.shape[axis] - max(-high, 0)))
        low, high = max(low, 0), max(high, 0)
        if low or high:
            x = _pad_axis(x, axis, low, high, mode, 0 if value is None else number(value))
    return x


def _pad_axis(x: torch.Tensor, axis: int, low: int, high: int, mode: str, value: Any) -> torch.Tensor:
    """One axis of any tensor: torch.nn.functional.pad reflects the last axes of a few ranks only."""
    if mode == "constant":
        sides = [0, 0] * (x.ndim - 1 - axis) + [low, high]
        return torch.nn.functional.pad(x, sides, value=value)
    places = torch.arange(-low, x.shape[axis] + high, device=x.device)
    last = x.shape[axis] - 1
    if mode == "edge":
        places = places.clamp(0, last)
    elif mode == "wrap":
        places = places % (last + 1)
    elif last > 0:  # reflect
        places = places.abs() % (2 * last)
        places = torch.where(places > last, 2 * last - places, places)
    else:
        places = torch.zeros_like(places)
    return x.index_select(axis, places)


def _expand(x: torch.Tensor, shape: torch.Tensor) -> torch.Tensor:
    wanted = ints(shape)
    ahead = [1] * (len(wanted) - x.ndim) + list(x.shape)
    wanted = [1] * (x.ndim - len(wanted)) + wanted
    return x.expand([size if size != 1 else old for size, old in zip(wanted, ahead, strict=True)])


def _tile(x: torch.Tensor, repeats: torch.Tensor) -> torch.Tensor:
    return x.repeat(ints(repeats)) if x.ndim else x


def _range(start: torch.Tensor, limit: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    low, high, step = (t.item() for t in (start, limit, delta))
    return torch.arange(low, high, step, dtype=start.dtype)


def _constant_of_shape(shape: torch.Tensor, *, value: Any = None) -> torch.Tensor:
    filled = torch.zeros(1) if value is None else torch.from_numpy(value)
    return filled.reshape(()).expand(ints(shape)).clone()


def _constant(
    *,
    value: Any = None,
    value_float: float | None = None,
    value_floats: Sequence[float] | None = None,
    value_int: int | None = None,
    value_ints: Sequence[int] | None = None,
) -> torch.Tensor:
    if value is not None:
        return torch.from_numpy(np.array(value))
    floats = value_float if value_float is not None else value_floats
    if floats is not None:
        return torch.tensor(floats, dtype=torch.float32)
    return torch.tensor(value_int if value_int is not None else value_ints, dtype=torch.int64)


def _eye_like(x: torch.Tensor, *, k: int = 0, dtype: int | None = None) -> torch.Tensor:
    made = torch.zeros_like(x, dtype=x.dtype if dtype is None else DTYPES[dtype])
    made.diagonal(k).fill_(1)
    return made


def _triangle(x: torch.Tensor, k: torch.Tensor | None = None, *, upper: int = 1) -> torch.Tensor:
    diagonal = 0 if k is None else int(k.item())
    return torch.triu(x, diagonal) if upper else torch.tril(x, diagonal)


def _depth_to_space(x: torch.Tensor, *, blocksize: int, mode: str = "DCR") -> torch.Tensor:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "CRD":
        return torch.nn.functional.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def _space_to_depth(x: torch.Tensor, *, blocksize: int, mode: str = "DCR") -> torch.Tensor:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "CRD":
        return torch.nn.functional.pixel_unshuffle(x, b)
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


def reverse_sequence(
    x: torch.Tensor, lengths: torch.Tensor, *, batch_axis: int = 1, time_axis: int = 0
) -> torch.Tensor:
    moved = x.movedim((batch_axis, time_axis), (0, 1))
    places = torch.arange(moved.shape[1], device=x.device)[None]
    ends = lengths.to(x.device)[:, None]
    order = torch.where(places < ends, ends - 1 - places, places)
    rows = torch.arange(moved.shape[0], device=x.device)[:, None]
    return moved[rows, order].movedim((0, 1), (batch_axis, time_axis))


OPERATORS: dict[str, Callable[..., Any]] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ReverseSequence": reverse_sequence,
    "Shape": _shape,
    "Size": lambda x: torch.tensor(x.numel(), dtype=torch.int64),
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _triangle,
    "Unsqueeze": _unsqueeze,
}
