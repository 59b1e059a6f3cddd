"""Numbers in 4 or 8 bits: blocks of them share a scale, and a zero point where they have one.

    number = (quantized - zero point) * scale

As onnxruntime's MatMulNBits defines it: quantized numbers and zero points are whole, from 0 to 2**bits - 1; without a
zero point it is 2**(bits - 1). Elements of 4 bits are packed two a byte, the first in the lower half.

    with a zero point   scale = (max - min) / (2**bits - 1), where 0 counts among the numbers of the block
    without             scale = m / -2**(bits - 1), where m is the number of the largest magnitude
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Bytes: TypeAlias = NDArray[np.uint8]

BITS = (4, 8)
BLOCK_SIZES = (32, 64, 128)


def quantized(blocks: Array, bits: int, *, symmetric: bool) -> tuple[Bytes, Array, Bytes]:
    """Blocks [..., block size] as quantized numbers of that shape, scales and zero points [...], scales in their dtype.

    What is no number, or infinite, makes the scale of its block so: the block stays wrong where it was.
    """
    top, middle = 2**bits - 1, 2 ** (bits - 1)
    wide = blocks.astype(np.float32, copy=False)
    low, high = wide.min(axis=-1), wide.max(axis=-1)
    with np.errstate(all="ignore"):  # a block of zeros has the scale 0
        if symmetric:
            largest = np.where(np.abs(high) > np.abs(low), high, low)
            scales = (largest / np.float32(-middle)).astype(blocks.dtype)
            zeros = np.full(scales.shape, middle, np.uint8)
        else:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
            scales = ((high - low) / np.float32(top)).astype(blocks.dtype)
            zeros = _rounded(-low / scales.astype(np.float32), top)
        reciprocal = np.where(scales != 0, np.float32(1) / scales.astype(np.float32), np.float32(0))
        numbers = _rounded(wide * reciprocal[..., None] + zeros[..., None].astype(np.float32), top)
    return numbers, scales, zeros


def _rounded(values: Array, top: int) -> Bytes:
    """Whole numbers from 0 to `top`, halves away from zero; 0 for what is no number."""
    held = np.clip(values, 0, top)
    np.copyto(held, 0, where=np.isnan(held))
    whole: Bytes = held.astype(np.uint8)
    whole += held - whole >= np.float32(0.5)
    return whole


def packed(numbers: Bytes, bits: int) -> Bytes:
    """Numbers of so many bits along the last axis, packed into bytes; the last byte is filled up with zeros."""
    if bits == 8:
        return numbers
    if numbers.shape[-1] % 2:
        numbers = np.concatenate([numbers, np.zeros((*numbers.shape[:-1], 1), np.uint8)], axis=-1)
    pairs: Bytes = numbers[..., 0::2] | (numbers[..., 1::2] << np.uint8(4))
    return pairs


def unpacked(data: Bytes, bits: int) -> Bytes:
    """The numbers in bytes, along the last axis."""
    if bits == 8:
        return data
    pairs: Bytes = np.stack([data & np.uint8(15), data >> np.uint8(4)], axis=-1)
    return pairs.reshape(*data.shape[:-1], -1)


def dequantized(numbers: Bytes, scales: Array, zeros: Bytes | None, bits: int) -> Array:
    """What quantized numbers [..., block size] stand for, in the dtype of the scales [...]."""
    middle = np.float32(2 ** (bits - 1)) if zeros is None else zeros[..., None].astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # a scale that is infinite or no number
        found: Array = (numbers.astype(np.float32) - middle) * scales[..., None].astype(np.float32)
        return found.astype(scales.dtype, copy=False)
