"""Sizes as the layers of a network make them: their canonical forms, their texts, and the bounds on the work."""

from __future__ import annotations

import gc
import subprocess
import sys
import time

import pytest

from archonnx.contract import dims_atoms
from archonnx.contract.dims import (
    Condition,
    Dim,
    DimTooLargeError,
    Expr,
    Ratio,
    ceil_div,
    compare,
    dim_max,
    dim_min,
    parse_condition,
    parse_dim,
    symbol,
)

H, W, N, T, D = map(symbol, ("H", "W", "N", "T", "D"))
P = symbol("P", 0)


def same(size: Dim, kernel: int, stride: int) -> Dim:
    """What a convolution with padding "same" makes of a size."""
    return ceil_div(size, stride)


def valid(size: Dim, kernel: int, stride: int, padding: int = 0) -> Dim:
    """What a convolution with explicit padding on both sides makes of a size."""
    return (size + 2 * padding - kernel) // stride + 1


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (2 * H + 1, "2*H + 1"),
        (ceil_div(H, 2), "ceil(H/2)"),
        (H // 2, "H//2"),
        (H % 8, "H%8"),
        (N * T, "N*T"),
        (W - H, "W - H"),
        (1 - H, "1 - H"),
        (-(H // 2), "-(H//2)"),
        (-H, "-H"),
        (2 * (H // 2), "2*(H//2)"),
        ((H + 1) // 3, "(H + 1)//3"),
        (H // (2 * D), "H//(2*D)"),
        (ceil_div(H, D), "ceil(H/D)"),
        (D % H, "D%H"),
        ((H // 2) % 3, "(H//2)%3"),
        (N * (H % 8), "H*N - 8*N*(H//8)"),
        ((H // 2) ** 2 * N, "N*(H//2)**2"),
        (dim_min(W, H), "min(H, W)"),
        (dim_max(0, H - 3), "max(H, 3) - 3"),
        (H**3 - 2 * H, "H**3 - 2*H"),
        (same(same(H, 3, 2), 3, 2), "ceil(H/4)"),
        (valid(H, 3, 2, padding=1), "ceil(H/2)"),
        (valid(H, 3, 2), "ceil(H/2) - 1"),
        (valid(valid(H, 7, 2, 3), 3, 2, 1), "ceil(H/4)"),
        (valid(H, 5, 1), "H - 4"),
        (ceil_div(H, 2) * ceil_div(W, 2) * 64, "64*ceil(H/2)*ceil(W/2)"),
    ],
)
def test_text(size: Dim, text: str) -> None:
    assert str(size) == text
    assert parse_dim(text) == size


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (H - H % 8, 8 * (H // 8)),
        ((N * T) // T, N),
        ((H * 4) // 4, H),
        ((6 * H + 5) // 6, H),
        ((H // 2) // 3, H // 6),
        ((H // D) // 3, H // (3 * D)),
        ((4 * H + 2) // 4, H),
        ((5 * H) // 2, 2 * H + H // 2),
        ((H + 1) * W // (H + 1), W),
        ((D - 1) // D, 0),
        (-(-H // 2), ceil_div(H, 2)),
        (Ratio(H, 2).ceil(), ceil_div(H, 2)),
        (Ratio(H + 3, 4).floor(), (H + 3) // 4),
        (H / 2 * 2, Ratio(2 * H, 2)),
        (dim_min(H, H + 1, dim_min(H + 2, 2 * H)), H),
        (dim_max(H + 1, W + 1), dim_max(H, W) + 1),
        (dim_min(2 * H, 2 * W), 2 * dim_min(H, W)),
        (dim_min(-H, -W), -dim_max(H, W)),
        (dim_max(H, 1), H),
        (H * 0, 0),
        (H - H, 0),
        (H**0, 1),
        (7 // (H * 0 + 2), 3),
        (parse_dim("floor(H/2) + ceil(7/2) - 2 ** 2"), H // 2),
    ],
)
def test_canonical_form(left: object, right: object) -> None:
    assert left == right
    assert hash(left) == hash(right)
    assert type(left) is type(right)


def test_a_divisor_that_may_be_zero_is_not_cancelled() -> None:
    assert str((P * H) // P) == "(H*P)//P"
    with pytest.raises(ZeroDivisionError):
        _ = H // 0


def test_the_same_name_with_another_minimum_is_another_symbol() -> None:
    assert symbol("H") == H
    assert symbol("H", 2) != H
    assert {symbol("H"), H} == {H}


def test_known_sizes_stay_numbers() -> None:
    assert type(ceil_div(7, 2)) is int
    assert (ceil_div(7, 2), dim_min(3, 2), dim_max(3, 2)) == (4, 2, 3)


def test_evaluation_and_substitution() -> None:
    size = ceil_div(H, 2) * (W + 1)
    assert isinstance(size, Expr)
    assert size.symbols() == {"H", "W"}
    assert size.evaluate({"H": 5, "W": 3}) == 12
    assert size.substitute({"W": 2 * H - 1}) == 2 * H * ceil_div(H, 2)
    assert size.substitute({"H": 4, "W": 1}) == 4
    assert size.substitute({"H": W, "W": H}) == ceil_div(W, 2) * (H + 1)
    with pytest.raises(KeyError, match="W"):
        size.evaluate({"H": 5})


@pytest.mark.parametrize(
    "text",
    ["H % 8 == 0 and W >= 2", "H == W or N >= 3 or W == 2", "(H == W or N >= 3) and W != 2", "2*H + 1 <= ceil(W/2)"],
)
def test_condition_text(text: str) -> None:
    condition = parse_condition(text)
    assert str(condition) == text
    assert parse_condition(str(condition)) == condition


def test_conditions_decided_without_facts_are_booleans() -> None:
    assert compare(">=", H, 1) is True
    assert compare("==", H, H) is True
    assert compare("==", 2 * H, 3) is False
    assert compare("<", H, H + 1) is True
    assert compare("<", H % 4, 4) is True
    assert parse_condition("not (1 <= 2 < 3)") is False
    assert isinstance(compare(">=", P, 1), Condition)
    assert Condition.and_(True, compare("==", H, W), True) == compare("==", H, W)
    assert Condition.or_(compare("==", H, W), True) is True
    assert str(Condition.not_(parse_condition("H == W and N < 3"))) == "H != W or N >= 3"


def test_conditions_evaluate_and_substitute() -> None:
    condition = parse_condition("H % 8 == 0 and W >= 2")
    assert isinstance(condition, Condition)
    assert condition.symbols() == {"H", "W"}
    assert condition.evaluate({"H": 16, "W": 2}) is True
    assert condition.evaluate({"H": 12, "W": 2}) is False
    assert condition.substitute({"H": 16}) == compare(">=", W, 2)
    assert condition.substitute({"H": 12}) is False


def test_a_long_sum_is_no_problem() -> None:
    total: Dim = 0
    for i in range(3000):
        total = total + symbol(f"S{i}") * i
    assert isinstance(total, Expr)
    assert total.evaluate({f"S{i}": 1 for i in range(3000)}) == sum(range(3000))
    assert parse_dim(str(total)) == total


def test_what_grows_without_bound_is_left_or_refused() -> None:
    power = (H + W + N + T + D) ** 60  # 600,000 terms, were it multiplied out
    assert str(power) == "(D + H + N + T + W)**60"
    assert parse_dim(str(power)) == power
    assert isinstance(power, Expr)
    assert power.evaluate(dict.fromkeys("HWNTD", 1)) == 5**60
    size: Dim = H
    with pytest.raises(DimTooLargeError, match="nested deeper"):
        for _ in range(200):
            size = dim_min(size * 3 + 1, W) // 5
    with pytest.raises(DimTooLargeError, match="bits"):
        _ = (2**100 * H) ** 4000
    with pytest.raises(ValueError, match="at least 0"):
        _ = H**-1


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "H", "-" * 5000 + "H", "2 ** 10 ** 9", "H ** 10 ** 9", "H ** W", "9" * 5000]
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_dim(text)


def test_deep_text_that_is_legal_is_read() -> None:
    assert parse_dim("(" * 50 + "H" + ")" * 50) == H


def test_names_given_by_the_caller() -> None:
    assert parse_dim("P + H", {"P": P}) == P + H
    assert parse_condition("P >= 1", {"P": P}) == compare(">=", P, 1)


def test_what_is_no_longer_used_is_let_go() -> None:
    gc.collect()
    before = len(dims_atoms._pool)
    sizes = [symbol(f"Used{i}") // 7 for i in range(5000)]
    assert len(dims_atoms._pool) >= 10000
    del sizes
    gc.collect()
    assert len(dims_atoms._pool) < before + 2 * 2048 + 1000  # what the bounded cache of divisions may hold


def test_operations_are_quick() -> None:
    start = time.process_time()
    for i in range(2000):
        size = ((H + i) * 2 // 2 - H) * W + ceil_div(H, 2) + (H * W + i) % 8
        assert size != H
    assert time.process_time() - start < 4  # 20,000 operations; about 0.1 s


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, archonnx.contract.dims; print(sorted({'numpy', 'onnx', 'fractions', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
