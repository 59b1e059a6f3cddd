"""Ranges hold what is computed: of numbers drawn from ranges, each function gives one within what it gives of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.runtime.padding import ranges as rg
from archonnx.runtime.padding.ranges import ANYTHING, EITHER, ONE_ALONE, ZERO, Range

NUMBERS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 2.0, -1e4, 3.4e38, -3.4e38, math.inf, -math.inf]),
    st.floats(-1e3, 1e3, width=32),
)


@st.composite
def held(draw: st.DrawFn) -> tuple[Range, float]:
    """A range, and a number in it."""
    a, b, c = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return Range(a, c), b


def inside(found: Range, number: float) -> bool:
    if math.isnan(number):
        return found.nan
    room = 1e-9 * max(1.0, abs(number)) if math.isfinite(number) else 0.0
    return found.low - room <= number <= found.high + room


PAIRS = {
    "add": (rg.add, np.add),
    "subtract": (rg.subtract, np.subtract),
    "multiply": (rg.multiply, np.multiply),
    "divide": (rg.divide, np.divide),
    "least": (rg.least, np.minimum),
    "largest": (rg.largest, np.maximum),
}
SINGLES = {
    "negate": (rg.negate, np.negative),
    "square": (rg.square, np.square),
    "root": (rg.root, np.sqrt),
    "exponential": (rg.exponential, np.exp),
    "logarithm": (rg.logarithm, np.log),
    "tanh": (rg.rising(math.tanh), np.tanh),
}


@pytest.mark.parametrize("name", PAIRS)
@given(held(), held())
def test_two_ranges_hold_what_is_computed_of_two_numbers(
    name: str, first: tuple[Range, float], second: tuple[Range, float]
) -> None:
    function, real = PAIRS[name]
    with np.errstate(all="ignore"):
        number = float(real(np.float64(first[1]), np.float64(second[1])))
    assert inside(function(first[0], second[0]), number)


@pytest.mark.parametrize("number", [0.0, -1.0, 3.4e38])
def test_what_is_added_to_infinity_is_infinite(number: float) -> None:
    for end in (math.inf, -math.inf):
        assert rg.add(Range(number, number), Range(end, end)) == Range(end, end)


def test_an_exponential_is_finite_for_longer_than_it_is_told_exactly() -> None:
    found = rg.exponential(Range(701.0, 1e30))
    assert found.low <= math.exp(701.0)
    assert found.high == math.inf
    assert rg.exponential(Range(-math.inf, math.inf)) == Range(0.0, math.inf)
    assert rg.exponential(Range(math.inf, math.inf)) == Range(math.inf, math.inf)


@pytest.mark.parametrize("name", SINGLES)
@given(held())
def test_a_range_holds_what_is_computed_of_a_number(name: str, drawn: tuple[Range, float]) -> None:
    function, real = SINGLES[name]
    with np.errstate(all="ignore"):
        number = float(real(np.float64(drawn[1])))
    assert inside(function(drawn[0]), number)


@given(held(), held())
def test_what_is_said_of_two_ranges_is_so_of_all_numbers_in_them(
    first: tuple[Range, float], second: tuple[Range, float]
) -> None:
    (a, x), (b, y) = first, second
    for function, real in ((rg.less, x < y), (rg.less_or_equal, x <= y), (rg.equal, x == y)):
        for whole in (False, True):
            assert function(a, b, whole).holds(float(real))


@given(held(), st.sampled_from([1, 10, 11]))
def test_types_of_floats_hold_what_they_make_of_a_number(drawn: tuple[Range, float], dtype: int) -> None:
    from onnx import helper

    with np.errstate(all="ignore"):
        rounded = float(np.float64(drawn[1]).astype(helper.tensor_dtype_to_np_dtype(dtype)))
    found = rg.typed(drawn[0], dtype)
    room = 1e-3 * abs(rounded) if math.isfinite(rounded) else 0.0
    assert found.low - room <= rounded <= found.high + room


@given(st.integers(-(2**40), 2**40), st.integers(0, 2**40), st.sampled_from([2, 3, 4, 5, 6, 12]), st.data())
def test_types_of_whole_numbers_come_round_again(low: int, wide: int, dtype: int, data: st.DataObject) -> None:
    from onnx import helper

    number = data.draw(st.integers(low, low + wide))
    kind = np.iinfo(helper.tensor_dtype_to_np_dtype(dtype))
    rounded = (number - int(kind.min)) % 2**kind.bits + int(kind.min)
    found = rg.typed(Range(float(low), float(low + wide)), dtype)
    assert found.low <= rounded <= found.high


def test_numbers_that_rounding_may_make_alike_are_not_told_apart() -> None:
    near = Range(1000.0, 1000.0), Range(1001.0, 1001.0)
    assert rg.less(*near) == EITHER
    assert rg.less(*near, True) == ONE_ALONE
    assert rg.equal(Range(0.1, 0.1), Range(0.1, 0.1)) == EITHER
    assert rg.equal(ZERO, ZERO) == ONE_ALONE
    assert rg.equal(ANYTHING, ZERO) == EITHER


def test_nothing_times_what_may_be_infinite_may_be_no_number() -> None:
    assert rg.multiply(ZERO, Range(-math.inf, 0)).nan
    assert not rg.multiply(ZERO, Range(-3.4e38, 0)).nan
    assert rg.multiply(ZERO, Range(-3.4e38, 0)).only == 0
    assert not ANYTHING.sure
    assert not Range(0, 1e31).sure
    assert Range(0, 1e29).sure
