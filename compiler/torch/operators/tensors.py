"""What operators share: names of dtypes, small whole numbers of a tensor, and tensors of two devices brought together.

Sizes stay on the CPU, where they are read: only what meets data on another device goes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

# By ONNX's numbers for element types (onnx.TensorProto.DataType).
DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    4: torch.uint16,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    12: torch.uint32,
    13: torch.uint64,
    16: torch.bfloat16,
}


def ints(x: torch.Tensor) -> list[int]:
    """The numbers of a small tensor, flat."""
    return [int(n) for n in x.reshape(-1).tolist()]


def number(x: torch.Tensor) -> Any:
    """The one number of a tensor."""
    return x.reshape(-1)[0].item() if x.numel() == 1 else x.item()


def together(*tensors: torch.Tensor | None) -> list[Any]:
    """The tensors on one device: those on the CPU go to where another is."""
    devices = {t.device for t in tensors if t is not None}
    if len(devices) < 2:
        return list(tensors)
    there = next(device for device in devices if device.type != "cpu")
    return [t if t is None or t.device == there else t.to(there) for t in tensors]


def axes_of(x: torch.Tensor, given: torch.Tensor | Sequence[int] | None) -> list[int]:
    """Axes from an input or an attribute, as numbers from 0 on; all of them for None."""
    if given is None:
        return list(range(x.ndim))
    return sorted(a % x.ndim for a in (ints(given) if isinstance(given, torch.Tensor) else given))
