"""What lies between two numbers: the range of what a value holds at some of its places, and how ranges are computed.

An end that is infinite says that the value may be infinite there; `nan` that it may be no number. All is computed in
float64, for values that are rounded as coarsely as bfloat16 does: who compares ranges leaves room for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SAFE = 1e30  # numbers below this are finite in float32 and bfloat16, whatever rounding has added to them
_HALF = 3e4  # the same of float16, whose largest number is 65,504
ROUNDED = 0.02  # of a number, what bfloat16 may have rounded off, a few times over
_EXACT = 256  # whole numbers up to here are themselves in every type of float
_FLOATS = {1: 3.4028234663852886e38, 10: 65504.0, 11: math.inf, 16: 3.4028234663852886e38}
_INTS = {2: (8, False), 3: (8, True), 4: (16, False), 5: (16, True), 6: (32, True), 7: (64, True)}
_INTS |= {12: (32, False), 13: (64, False)}
FLOAT16, BOOL = 10, 9
_COUNTED = 2.0**53
_STEEP = 700.0  # exp of more is infinite in float64, or nearly
_TINY = {1: 1.2e-38, 10: 6.2e-5, 16: 1.2e-38}  # what is smaller may become 0


@dataclass(frozen=True, slots=True)
class Range:
    """All numbers from `low` to `high`; nan: and perhaps what is no number."""

    low: float
    high: float
    nan: bool = False

    @property
    def most(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def only(self) -> float | None:
        """The one number that it is; None where there are several."""
        return self.low if self.low == self.high and not self.nan else None

    @property
    def sure(self) -> bool:
        """Whether it is neither infinite nor no number, with room for rounding."""
        return not self.nan and self.most < SAFE

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high


ANYTHING = Range(-math.inf, math.inf, nan=True)
ZERO, ONE_ALONE, EITHER = Range(0, 0), Range(1, 1), Range(0, 1)
Function = Callable[..., Range]


def within(most: float) -> Range:
    """From -most to most."""
    return ANYTHING if math.isinf(most) or math.isnan(most) else Range(-most, most)


def hull(ranges: Iterable[Range]) -> Range:
    """All of them together."""
    every = list(ranges)
    return Range(min(r.low for r in every), max(r.high for r in every), any(r.nan for r in every))


def typed(found: Range, dtype: int) -> Range:
    """What a type makes of a result: floats overflow to infinity, whole numbers come round again."""
    if dtype == BOOL:
        return found if found.low >= 0 and found.high <= 1 and not found.nan else EITHER
    if dtype in _INTS:
        bits, negative = _INTS[dtype]
        whole = Range(-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if negative else Range(0.0, 2.0**bits)
        exact = not found.nan and found.most <= _COUNTED  # past it they are not themselves here
        return found if exact and whole.low <= found.low and found.high < whole.high else whole
    most = _FLOATS.get(dtype)
    if most is None:
        return ANYTHING
    low = -math.inf if found.low < -most else min(found.low, most)
    high = math.inf if found.high > most else max(found.high, -most)
    tiny = _TINY.get(dtype, 0.0)
    low, high = (0.0 if 0 < low < tiny else low), (0.0 if -tiny < high < 0 else high)
    if dtype == FLOAT16 and found.most > _HALF and math.isfinite(found.most):
        low, high = (-math.inf if low < -_HALF else low), (math.inf if high > _HALF else high)
    return Range(low, high, found.nan)


def every(dtype: int) -> Range:
    """What a type may hold."""
    return typed(ANYTHING, dtype)


def add(a: Range, b: Range, whole: bool = False) -> Range:
    """whole: they are whole numbers, of which sums are exact."""
    opposed = (a.high == math.inf and b.low == -math.inf) or (a.low == -math.inf and b.high == math.inf)
    if opposed and (a.only is not None or b.only is not None):
        return ANYTHING
    low = -math.inf if -math.inf in (a.low, b.low) else a.low + b.low - _lost(a.low, b.low, whole)
    high = math.inf if math.inf in (a.high, b.high) else a.high + b.high + _lost(a.high, b.high, whole)
    return Range(low, high, a.nan or b.nan or opposed)


def _lost(x: float, y: float, whole: bool) -> float:
    """How far a sum may be from what is reckoned here: what is left of two numbers that nearly cancel is what they were
    rounded by."""
    if math.isinf(x) or math.isinf(y):
        return 0.0
    if whole or x * y >= 0 or _exact(x, y):
        return 0.0
    return ROUNDED * max(abs(x), abs(y))


def negate(a: Range) -> Range:
    return Range(-a.high, -a.low, a.nan)


def subtract(a: Range, b: Range, whole: bool = False) -> Range:
    return add(a, negate(b), whole)


def multiply(a: Range, b: Range) -> Range:
    undefined = (a.holds(0) and math.isinf(b.most)) or (b.holds(0) and math.isinf(a.most))
    found = [x * y if x and y else 0.0 for x in (a.low, a.high) for y in (b.low, b.high)]
    return Range(min(found), max(found), a.nan or b.nan or undefined)


def square(a: Range) -> Range:
    found = multiply(a, a)
    return Range(0.0 if a.holds(0) else min(a.low * a.low, a.high * a.high), found.high, a.nan)


def divide(a: Range, b: Range) -> Range:
    if b.holds(0) or math.isinf(b.most):
        return ANYTHING
    found = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Range(min(found), max(found), a.nan or b.nan)


def quotient(a: Range, b: Range) -> Range:
    """Of whole numbers, with what is left over dropped."""
    if b.holds(0):
        return ANYTHING
    return Range(-a.most, a.most) if not a.nan else ANYTHING


def least(a: Range, b: Range) -> Range:
    return Range(min(a.low, b.low), min(a.high, b.high), a.nan or b.nan)


def largest(a: Range, b: Range) -> Range:
    return Range(max(a.low, b.low), max(a.high, b.high), a.nan or b.nan)


def choose(which: Range, a: Range, b: Range) -> Range:
    """Where: of each place the one or the other."""
    if which.only is not None:
        return a if which.only else b
    return hull([a, b])


def below(a: Range, b: Range, whole: bool) -> bool:
    """Whether all of a is less than all of b, and would be if both were rounded. whole: they are whole numbers."""
    if a.nan or b.nan:
        return False
    room = 0.0 if whole or _exact(a.high, b.low) else ROUNDED * max(abs(a.high), abs(b.low))
    return a.high + room < b.low


def _exact(*numbers: float) -> bool:
    return all(abs(number) <= _EXACT and number == int(number) for number in numbers)


def stepped(function: Callable[[float], int], a: Range) -> Range:
    """Of a function to whole numbers: one beside it, where rounding may have led there."""
    if math.isinf(a.most):
        ends = [float(function(x)) if math.isfinite(x) else x for x in (a.low, a.high)]
        return Range(ends[0] - 1, ends[1] + 1, a.nan)
    low, high = function(a.low) - (not _exact(a.low)), function(a.high) + (not _exact(a.high))
    room = 0.0 if _exact(a.low, a.high) else ROUNDED * a.most
    return Range(math.floor(low - room), math.ceil(high + room), a.nan)


def less(a: Range, b: Range, whole: bool = False) -> Range:
    if below(a, b, whole):
        return ONE_ALONE
    return ZERO if not_above(b, a, whole) else EITHER


def less_or_equal(a: Range, b: Range, whole: bool = False) -> Range:
    if not_above(a, b, whole):
        return ONE_ALONE
    return ZERO if below(b, a, whole) else EITHER


def not_above(a: Range, b: Range, whole: bool = False) -> bool:
    """Whether all of a is at most all of b, and would be if both were rounded."""
    if a.nan or b.nan:
        return False
    return below(a, b, whole) or (a.high <= b.low and (whole or _exact(a.high, b.low)))


def equal(a: Range, b: Range, whole: bool = False) -> Range:
    if a.only is not None and a.only == b.only and (whole or _exact(a.only)):
        return ONE_ALONE
    return ZERO if below(a, b, whole) or below(b, a, whole) else EITHER


def rising(function: Callable[[float], float]) -> Function:
    """Of a function that never falls."""

    def found(a: Range) -> Range:
        return Range(function(a.low), function(a.high), a.nan)

    return found


def shrinking(a: Range) -> Range:
    """Of a function that leaves 0 as it is and brings nothing further away from it."""
    return Range(-a.most if a.low < 0 else 0.0, a.most if a.high > 0 else 0.0, a.nan) if a.only != 0 else ZERO


def root(a: Range) -> Range:
    return Range(math.sqrt(max(a.low, 0.0)), math.sqrt(max(a.high, 0.0)), a.nan or a.low < 0)


def exponential(a: Range) -> Range:
    least = math.inf if a.low == math.inf else math.exp(min(a.low, _STEEP))
    return Range(least, math.inf if a.high > _STEEP else math.exp(a.high), a.nan)


def logarithm(a: Range) -> Range:
    low = math.log(a.low) - ROUNDED if a.low > 0 else -math.inf
    return Range(low, math.log(a.high) + ROUNDED if a.high > 0 else low, a.nan or a.low < 0)
