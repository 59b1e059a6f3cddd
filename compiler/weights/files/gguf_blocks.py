"""The blocks in which GGUF stores quantized numbers, and the float32 numbers that they stand for.

A block is whole numbers of few bits with a scale, and in most types a minimum, for all of them (32 elements), or with
scales of few bits for each 16 or 32 of its 256 elements, themselves scaled (the types named _K). Bits of neighbouring
elements do not lie beside each other: a byte holds one element of each half, quarter or eighth of a stretch.

Definition: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h and ggml-quants.c there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from archonnx.compiler.weights.recipe import Array


class Block(NamedTuple):
    """A type of blocks: `numbers` gives float32[n, elements] for uint8[n, bytes]."""

    name: str
    elements: int
    bytes: int
    numbers: Callable[[Array], Array]


def _half(data: Array) -> Array:
    """uint8[n, 2 k] -> float32[n, k]: numbers of float16."""
    return np.ascontiguousarray(data).view("<f2").astype(np.float32)


def _parts(data: Array, bits: int, stretch: int) -> Array:
    """uint8[n, k] -> uint8[n, 8 / bits k]: of each stretch of bytes first the lowest bits of all, then the next."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    stretches = data.reshape(len(data), -1, 1, stretch) >> shifts & np.uint8((1 << bits) - 1)
    return stretches.reshape(len(data), -1)


def _high(data: Array) -> Array:
    """uint8[n, k] -> uint8[n, 8 k]: a bit an element, in order."""
    return np.unpackbits(data, axis=1, bitorder="little")


def _float(whole: Array) -> Array:
    return whole.astype(np.float32)


def _signed(parts: Array, zero: int) -> Array:
    """Small unsigned numbers as float32, `zero` of which stands for 0."""
    return _float(parts.astype(np.int8) - np.int8(zero))


def _scaled(scales: Array, numbers: Array, least: Array | None = None) -> Array:
    """Each of the scales, float32[n, k], times its share of the numbers, less its minimum."""
    n, k = scales.shape
    found = scales[:, :, None] * numbers.reshape(n, k, -1)
    if least is not None:
        found = found - least[:, :, None]
    return found.reshape(n, -1)


def _q4_0(b: Array) -> Array:
    return _half(b[:, :2]) * _signed(_parts(b[:, 2:], 4, 16), 8)


def _q4_1(b: Array) -> Array:
    return _half(b[:, :2]) * _float(_parts(b[:, 4:], 4, 16)) + _half(b[:, 2:4])


def _q5_0(b: Array) -> Array:
    return _half(b[:, :2]) * _signed(_parts(b[:, 6:], 4, 16) | _high(b[:, 2:6]) << 4, 16)


def _q5_1(b: Array) -> Array:
    return _half(b[:, :2]) * _float(_parts(b[:, 8:], 4, 16) | _high(b[:, 4:8]) << 4) + _half(b[:, 2:4])


def _q8_0(b: Array) -> Array:
    return _half(b[:, :2]) * _float(b[:, 2:].view(np.int8))


def _q2_k(b: Array) -> Array:
    scales, least = _half(b[:, 80:82]) * _float(b[:, :16] & 15), _half(b[:, 82:]) * _float(b[:, :16] >> 4)
    return _scaled(scales, _float(_parts(b[:, 16:80], 2, 32)), least)


def _q3_k(b: Array) -> Array:
    # Sixteen scales of 6 bits: 4 low bits in eight bytes, 2 high bits in four.
    scales = _signed(_parts(b[:, 96:104], 4, 8) | _parts(b[:, 104:108], 2, 4) << 4, 32)
    # The third bit says that 4 is not to be taken away.
    return _scaled(_half(b[:, 108:]) * scales, _signed(_parts(b[:, 32:96], 2, 32) | _parts(b[:, :32], 1, 32) << 2, 4))


def _scales_k(b: Array) -> tuple[Array, Array]:
    """The eight scales and minima of Q4_K and Q5_K, 6 bits each: the last four of both have their bits spread."""
    scale, least, rest = (b[:, at : at + 4] for at in (4, 8, 12))
    scales = np.concatenate([scale & 63, rest & 15 | scale >> 2 & 48], axis=1)
    minima = np.concatenate([least & 63, rest >> 4 | least >> 2 & 48], axis=1)
    return _half(b[:, :2]) * _float(scales), _half(b[:, 2:4]) * _float(minima)


def _q4_k(b: Array) -> Array:
    scales, least = _scales_k(b)
    return _scaled(scales, _float(_parts(b[:, 16:], 4, 32)), least)


def _q5_k(b: Array) -> Array:
    scales, least = _scales_k(b)
    return _scaled(scales, _float(_parts(b[:, 48:], 4, 32) | _parts(b[:, 16:48], 1, 32) << 4), least)


def _q6_k(b: Array) -> Array:
    scales = _half(b[:, 208:]) * _float(b[:, 192:208].view(np.int8))
    return _scaled(scales, _signed(_parts(b[:, :128], 4, 64) | _parts(b[:, 128:192], 2, 32) << 4, 32))


# Four bits that choose one of sixteen numbers.
_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


def _iq4_nl(b: Array) -> Array:
    return _half(b[:, :2]) * _IQ4[_parts(b[:, 2:], 4, 16)]


def _iq4_xs(b: Array) -> Array:
    # Eight scales of 6 bits, neighbours side by side: 4 low bits of each in four bytes, 2 high bits in two.
    scales = _signed(_parts(b[:, 4:8], 4, 1) | _parts(b[:, 2:4], 2, 1) << 4, 32)
    return _scaled(_half(b[:, :2]) * scales, _IQ4[_parts(b[:, 8:], 4, 16)])


def _mxfp4(b: Array) -> Array:
    # The scale is half a power of two, the numbers are twice those of float4; the least two scales are subnormal.
    exponent = b[:, :1].astype(np.uint32)
    scale = np.where(exponent < 2, np.uint32(0x200000) << exponent, exponent - (exponent > 0) << np.uint32(23))
    return scale.astype(np.uint32).view(np.float32) * _FP4[_parts(b[:, 1:], 4, 16)]


BLOCKS = {
    2: Block("Q4_0", 32, 18, _q4_0),
    3: Block("Q4_1", 32, 20, _q4_1),
    6: Block("Q5_0", 32, 22, _q5_0),
    7: Block("Q5_1", 32, 24, _q5_1),
    8: Block("Q8_0", 32, 34, _q8_0),
    10: Block("Q2_K", 256, 84, _q2_k),
    11: Block("Q3_K", 256, 110, _q3_k),
    12: Block("Q4_K", 256, 144, _q4_k),
    13: Block("Q5_K", 256, 176, _q5_k),
    14: Block("Q6_K", 256, 210, _q6_k),
    20: Block("IQ4_NL", 32, 18, _iq4_nl),
    23: Block("IQ4_XS", 256, 136, _iq4_xs),
    39: Block("MXFP4", 32, 17, _mxfp4),
}
