"""What follows from requirements, on the arithmetic that networks do."""

from __future__ import annotations

import pytest

from archonnx.contract.dims import (
    Condition,
    Dim,
    Facts,
    Verdict,
    ceil_div,
    compare,
    dim_max,
    dim_min,
    parse_condition,
    parse_dim,
    symbol,
)

H, W, N, T, S, D, heads = map(symbol, ("H", "W", "N", "T", "S", "D", "heads"))


def known(*requirements: str) -> Facts:
    facts = Facts()
    for requirement in requirements:
        facts.require(parse_condition(requirement))
    return facts


@pytest.mark.parametrize(
    ("requirements", "size", "normal"),
    [
        (["H % 2 == 0"], "2*(H//2)", "H"),
        (["H % 2 == 0"], "H % 2", "0"),
        (["H % 32 == 0"], "(H//2)//2", "H//4"),
        (["H % 32 == 0"], "ceil(H/2)", "H//2"),
        (["H % 32 == 0"], "(H//2) % 16", "0"),
        (["H % 32 == 0"], "H - H//4", "3*(H//4)"),
        (["H % 32 == 0"], "(H + 1)//2", "H//2"),
        (["H % 32 == 0"], "H*H//4", "H*(H//4)"),
        (["H % 32 == 0"], "ceil(H/3)", "ceil(H/3)"),
        (["H % 4 == 0", "H % 6 == 0"], "12*(H//12)", "H"),
        (["H % 8 == 3"], "ceil(H/8)", "H//8 + 1"),
        (["H % 8 == 3"], "H % 2", "1"),
        (["H % 2 != 0"], "H % 2", "1"),
        (["S == T"], "T", "S"),
        (["T == 2*S"], "T//2", "S"),
        (["H == 224"], "ceil(H/32)", "7"),
        (["H // 2 == 7", "H != 14"], "H", "15"),
        (["S == T", "T % 8 == 0", "W == S"], "8*(W//8)", "S"),
        (["D % heads == 0"], "heads*(D//heads)", "D"),
        (["D % heads == 0"], "N*(D//heads)*heads", "D*N"),
        (["D % 8 == 0"], "8*(D//8)", "D"),
        (["D % heads == 0", "heads == 8"], "8*(D//8)", "D"),
        (["(H + W) % 2 == 0"], "2*((H + W)//2)", "H + W"),
        (["(N*T) % 8 == 0"], "8*((N*T)//8)", "N*T"),
        (["2*S == 3*T"], "T", "2*(S//3)"),
        (["H % 2 == 0 and W % 2 == 0"], "4*(H//2)*(W//2)", "H*W"),
        (["S <= T"], "min(S, T)", "S"),
        (["T <= 7"], "T//8", "0"),
        (["T <= 7"], "T % 8", "T"),
        (["H == 3 or H == 5", "H > 4"], "H", "5"),
    ],
)
def test_normal_form(requirements: list[str], size: str, normal: str) -> None:
    facts = known(*requirements)
    assert facts.normalize(parse_dim(size)) == parse_dim(normal)
    assert facts.equal(parse_dim(size), parse_dim(normal)) is Verdict.YES


@pytest.mark.parametrize(
    ("requirements", "left", "right", "verdict"),
    [
        ([], "H", "H + 1", Verdict.NO),
        ([], "2*H", "3", Verdict.NO),
        ([], "2*H", "2*W + 1", Verdict.NO),
        ([], "6*H + 4*W", "3 + 2*N", Verdict.NO),
        ([], "H", "W", Verdict.DEPENDS),
        ([], "H", "7", Verdict.DEPENDS),
        ([], "H", "0", Verdict.NO),
        ([], "ceil(H/2) + H//2", "H", Verdict.YES),
        ([], "H - H//2", "ceil(H/2)", Verdict.YES),
        ([], "H % 2", "2", Verdict.NO),
        ([], "(H % 4)//2 + 2*((H + 2)//4)", "H//2 + (H % 4)//2 * 2 - (H//2) % 2", Verdict.DEPENDS),
        ([], "min(H, W) + max(H, W)", "H + W", Verdict.YES),
        ([], "2*(H//2)", "H", Verdict.DEPENDS),
        (["H % 2 == 0"], "2*(H//2)", "H", Verdict.YES),
        (["H % 2 == 1"], "2*(H//2)", "H", Verdict.NO),
        (["H % 2 == 0"], "H", "2*W + 1", Verdict.NO),
        (["H != W"], "H", "W", Verdict.NO),
        (["H < W"], "H", "W", Verdict.NO),
        (["S == T"], "N*S", "N*T", Verdict.YES),
        (["H % 32 == 0"], "2*(2*(ceil(ceil(H/2)/2)))", "H", Verdict.YES),
    ],
)
def test_verdict(requirements: list[str], left: str, right: str, verdict: Verdict) -> None:
    assert known(*requirements).equal(parse_dim(left), parse_dim(right)) is verdict


@pytest.mark.parametrize(
    ("requirements", "condition", "decided"),
    [
        ([], "H*W >= H", True),
        ([], "H % 3 < 3", True),
        ([], "H > 1", None),
        (["H >= 8"], "H//2 >= 4", True),
        (["H >= 8"], "H//2 >= 5", None),
        (["T <= 512"], "T//2 <= 256", True),
        (["T <= 512"], "2*T > 1024", False),
        (["S <= T"], "S > T", False),
        (["S <= T"], "N*S <= N*T", True),
        (["S <= T", "T <= W"], "S <= W", True),
        (["H % 8 == 0"], "H >= 8", True),
        (["H % 8 == 0"], "H % 4 == 0", True),
        (["H % 8 == 0"], "H % 16 == 0", None),
        (["H % 8 == 0"], "H == 12", False),
        (["D % heads == 0"], "D >= heads", True),
        (["H == 3 or W == 5"], "W == 5 or H == 3", True),
        (["H == 3 or W == 5"], "H != 3 and W != 5", False),
        (["H // 2 == W"], "W >= 1", True),
    ],
)
def test_decide(requirements: list[str], condition: str, decided: bool | None) -> None:
    assert known(*requirements).decide(parse_condition(condition)) is decided


@pytest.mark.parametrize(
    "requirements",
    [
        ["H > 4", "H < 3"],
        ["H % 2 == 0", "H == 3"],
        ["H % 4 == 0", "H % 4 == 1"],
        ["S == T", "S < T"],
        ["H == 3 or H == 5", "H == 4"],
    ],
)
def test_a_contradiction_is_refused_and_changes_nothing(requirements: list[str]) -> None:
    facts = known(*requirements[:-1])
    with pytest.raises(ValueError, match="contradicts what is known"):
        facts.require(parse_condition(requirements[-1]))
    assert facts.decide(parse_condition(requirements[-1])) is False
    for requirement in requirements[:-1]:
        assert facts.decide(parse_condition(requirement)) is True
    with pytest.raises(ValueError, match="contradicts"):
        facts.require(False)


def test_bounds_and_multiples() -> None:
    facts = known("H % 32 == 0", "T <= 512")
    assert facts.bounds(H) == (32, None)
    assert facts.bounds(ceil_div(T, 2)) == (1, 256)
    assert facts.bounds(7) == (7, 7)
    assert facts.bounds(T - H) == (None, 480)
    assert facts.divisible(H // 2, 16)
    assert facts.divisible(3 * H, 96)
    assert not facts.divisible(H, 64)
    assert not facts.divisible(H, 0)
    assert facts.divisible(N * T, T)
    assert known("D % heads == 0").divisible(D, heads)
    assert facts.at_least(H, 32)
    assert not facts.at_least(H, 33)
    zero = symbol("P", 0)
    assert not facts.divisible(zero * H, zero)
    facts.require(compare(">=", zero, 1))
    assert facts.divisible(zero * H, zero)
    assert facts.normalize((zero * H) // zero) == H


def test_a_copy_is_independent() -> None:
    facts = known("H % 2 == 0")
    other = facts.copy()
    other.require(parse_condition("S == T"))
    assert other.equal(S, T) is Verdict.YES
    assert other.normalize(2 * (H // 2)) == H
    assert facts.equal(S, T) is Verdict.DEPENDS


def test_the_same_fact_twice_changes_nothing() -> None:
    facts = known("H % 2 == 0", "H % 2 == 0", "H >= 1")
    assert facts.normalize(H % 2) == 0


def test_a_u_net_comes_back_to_its_size() -> None:
    facts = known("H % 2 ** 4 == 0 and W % 2 ** 4 == 0")
    size: Dim = H
    skips = []
    for _ in range(4):
        skips.append(size)
        size = ceil_div(size, 2)
    for skip in reversed(skips):
        size = 2 * size
        assert facts.equal(size, skip) is Verdict.YES
    assert facts.normalize(size) == H


def test_many_facts_stay_quick() -> None:
    facts = Facts()
    for i in range(60):
        facts.require(compare("==", symbol(f"A{i}") % 8, 0))
        facts.require(compare("<=", symbol(f"A{i}"), symbol(f"B{i}")))
    assert facts.normalize(8 * (symbol("A7") // 8)) == symbol("A7")
    assert facts.at_least(symbol("B9") - symbol("A9"), 0)


def test_what_is_too_hard_depends() -> None:
    hard = parse_condition("min(H*W//7, T % 5 * N) == max(S*D//3, W**3 % 11)")
    assert isinstance(hard, Condition)
    facts = Facts()
    facts.require(hard)
    assert facts.decide(hard) is not False
    assert facts.equal(dim_min(H * W, T) // 3, dim_max(S, D) // 5) is Verdict.DEPENDS


def test_a_division_by_what_is_known_to_be_zero_is_left() -> None:
    facts = Facts()
    zero = symbol("P", 0)
    facts.require(compare("==", zero, 0))
    assert facts.normalize(H // zero) == H // zero
    assert facts.normalize(zero + 3) == 3
    assert facts.equal(H // zero, 1) is Verdict.DEPENDS
    with pytest.raises(ValueError, match="contradicts"):  # in one of its cases W would be 0
        known("ceil(H/3) - H//3 == W", "(H % 6)//(3*W) == H")
