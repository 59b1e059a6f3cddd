"""Interval arithmetic over whole numbers of any size and the two infinities, as sizes need it."""

from __future__ import annotations

from typing import TypeAlias

INFINITY = float("inf")
Range: TypeAlias = tuple[float, float]  # lower and upper bound, both included: ints, or an infinity where there is none
EVERYTHING: Range = (-INFINITY, INFINITY)


def _add(a: float, b: float) -> float:
    if a in (INFINITY, -INFINITY):  # never infinity - infinity: lower bounds meet lower ones, upper ones upper ones
        return a
    if b in (INFINITY, -INFINITY):
        return b
    return a + b


def _multiply(a: float, b: float) -> float:
    if not a or not b:
        return 0
    if a in (INFINITY, -INFINITY) or b in (INFINITY, -INFINITY):  # a float times a huge int would overflow
        return INFINITY if (a > 0) == (b > 0) else -INFINITY
    return a * b


def add(a: Range, b: Range) -> Range:
    return _add(a[0], b[0]), _add(a[1], b[1])


def multiply(a: Range, b: Range) -> Range:
    if a[0] >= 0 and b[0] >= 0:
        return _multiply(a[0], b[0]), _multiply(a[1], b[1])
    corners = [_multiply(x, y) for x in a for y in b]
    return min(corners), max(corners)


def power(a: Range, exponent: int) -> Range:
    """The range of x ** exponent, exponent >= 1."""
    if exponent == 1:
        return a
    low, high = _power(a[0], exponent), _power(a[1], exponent)
    if exponent % 2:
        return low, high
    return (0 if a[0] < 0 < a[1] else min(low, high)), max(low, high)


def _power(a: float, exponent: int) -> float:
    if a in (INFINITY, -INFINITY):
        return a if exponent % 2 else INFINITY
    if isinstance(a, int) and a.bit_length() * exponent > 8192:  # a bound this far out is none
        return INFINITY if a > 0 or exponent % 2 == 0 else -INFINITY
    return a**exponent


def scale(a: Range, factor: int) -> Range:
    return multiply(a, (factor, factor))


def intersect(a: Range, b: Range) -> Range:
    return max(a[0], b[0]), min(a[1], b[1])


def floor_divide(n: Range, d: Range) -> Range:
    """The range of n // d; everything where d may be 0."""
    if d[1] < 0:
        n, d = scale(n, -1), scale(d, -1)
    if d[0] <= 0:
        return EVERYTHING
    low = _quotient(n[0], d[1] if n[0] >= 0 else d[0])
    high = _quotient(n[1], d[0] if n[1] >= 0 else d[1])
    return low, high


def _quotient(n: float, d: float) -> float:
    if n in (INFINITY, -INFINITY):
        return n
    if d == INFINITY:
        return 0 if n >= 0 else -1
    return n // d
