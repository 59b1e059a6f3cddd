"""Orthonormal rows from normal numbers, the same on every machine: Gram-Schmidt of halves, again where that is due.

A BLAS library adds up in an order of its own, so its matrix products differ between machines. Here they cannot: factors
are split into whole numbers of 20 bits, whose products and sums of up to 4096 of them are exact in a double.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

BITS = 20
EXACT = 1 << 12  # how many products of two 20-bit numbers add up within 53 bits
BLOCK = 32  # rows that are made orthogonal one by one; more are two halves, and large products are fast ones
SHRUNK = (
    0.25  # what of a row has to be left for one pass to do: errors of 2**-38 grow by no more than its inverse squared
)


class Split:
    """A matrix with elements of at most 1 as (high + low * 2**-20) * 2**-20, both whole: 40 bits of it."""

    def __init__(self, high: Doubles, low: Doubles) -> None:
        self.high, self.low = high, low

    def rows(self, start: int, stop: int) -> Split:
        """Some of its rows, not copied."""
        return Split(self.high[start:stop], self.low[start:stop])

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


def normalise(rows: Doubles) -> Doubles:
    """Scale rows to length 1, in place; the lengths that they had."""
    lengths: Doubles = np.sqrt(row_sums(rows * rows))
    rows /= lengths[:, None]
    return lengths


def orthonormal_rows(a: Doubles) -> Doubles:
    """Gram-Schmidt of the rows of `a` (no more rows than columns, linearly independent), in place.

    It is Q of the QR factorisation of a.T, transposed, with the signs for which R has a positive diagonal.
    """
    normalise(a)
    if _pass(a).min() < SHRUNK:  # a second time removes what rounding left: "twice is enough" (Kahan and Parlett)
        _pass(a)
    return a


def _pass(a: Doubles) -> Doubles:
    """Make rows of length 1 orthonormal, in place; of each the part of its length that was left."""
    left = np.ones(len(a))
    split = Split(np.empty_like(a), np.empty_like(a))
    _halves(a, split, left)
    return left


def _halves(a: Doubles, split: Split, left: Doubles) -> None:
    """The same of a stretch of rows; `split` becomes that of the result."""
    if len(a) > BLOCK:
        half = (len(a) // 2 + BLOCK - 1) // BLOCK * BLOCK
        first, second = split.rows(0, half), split.rows(half, len(a))
        _halves(a[:half], first, left[:half])
        rest = a[half:]
        across = product(Split.of(rest), first, transposed=True)
        rest -= product(Split.of(across), first, transposed=False)
        left[half:] *= normalise(rest)
        _halves(rest, second, left[half:])
        return
    for i in range(len(a)):
        row = a[i : i + 1]
        if i:
            left[i : i + 1] *= normalise(row)
        after = a[i + 1 :]
        after -= row_sums(after * row)[:, None] * row
    made = Split.of(a)
    split.high[...], split.low[...] = made.high, made.low
