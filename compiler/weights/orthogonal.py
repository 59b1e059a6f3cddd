"""Orthonormal rows from normal numbers, the same on every machine: block Gram-Schmidt, each block projected twice.

A BLAS library adds up in an order of its own, so its matrix products differ between machines. Here they cannot: factors
are split into whole numbers of 20 bits, whose products and sums of up to 4096 of them are exact in a double.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

BITS = 20
EXACT = 1 << 12  # how many products of two 20-bit numbers add up within 53 bits
BLOCK = 32


class Split:
    """A matrix with elements of at most 1 as (high + low * 2**-20) * 2**-20, both whole: 40 bits of it."""

    def __init__(self, high: Doubles, low: Doubles) -> None:
        self.high, self.low = high, low

    @classmethod
    def of(cls, matrix: Doubles) -> Split:
        scaled = matrix * 2.0**BITS
        high = np.rint(scaled)
        return cls(high, np.rint((scaled - high) * 2.0**BITS))


def product(a: Split, b: Split, *, transposed: bool) -> Doubles:
    """a @ b, or a @ b.T: within 2**-38 or so of the exact product, and the same everywhere."""
    inner = a.high.shape[1]
    total = np.zeros((a.high.shape[0], b.high.shape[0 if transposed else 1]))
    for start in range(0, inner, EXACT):
        part = slice(start, start + EXACT)
        ah, al = a.high[:, part], a.low[:, part]
        bh, bl = (b.high[:, part].T, b.low[:, part].T) if transposed else (b.high[part], b.low[part])
        total += (ah @ bh) * 2.0 ** (-2 * BITS) + (ah @ bl + al @ bh) * 2.0 ** (-3 * BITS)
    return total


def row_sums(a: Doubles) -> Doubles:
    """Sums of rows in a fixed order: halves added to halves. numpy's own order depends on the processor."""
    while a.shape[1] > 1:
        half = a.shape[1] // 2
        folded = a[:, :half] + a[:, half : 2 * half]
        if a.shape[1] % 2:
            folded[:, :1] += a[:, -1:]
        a = folded
    return a[:, 0]


def normalise(rows: Doubles) -> None:
    """Scale rows to length 1, in place."""
    rows /= np.sqrt(row_sums(rows * rows))[:, None]


def orthonormal_rows(a: Doubles) -> Doubles:
    """Gram-Schmidt of the rows of `a` (no more rows than columns, linearly independent), in place.

    It is Q of the QR factorisation of a.T, transposed, with the signs for which R has a positive diagonal.
    """
    normalise(a)
    high, low = np.empty_like(a), np.empty_like(a)
    for start in range(0, len(a), BLOCK):
        block = a[start : start + BLOCK]
        for _ in range(2):  # the second time removes what rounding left: "twice is enough" (Kahan and Parlett)
            if start:
                done = Split(high[:start], low[:start])
                across = product(Split.of(block), done, transposed=True)
                block -= product(Split.of(across), done, transposed=False)
                normalise(block)
            for i in range(len(block)):
                row = block[i : i + 1]
                if i:
                    normalise(row)
                after = block[i + 1 :]
                after -= row_sums(after * row)[:, None] * row
            normalise(block)
        split = Split.of(block)
        high[start : start + BLOCK], low[start : start + BLOCK] = split.high, split.low
    return a
