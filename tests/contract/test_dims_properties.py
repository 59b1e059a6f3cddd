"""Random sizes and conditions: whatever is rewritten, proven or printed is checked against numbers."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archonnx.contract.dims import (
    Condition,
    Dim,
    DimTooLargeError,
    Facts,
    Verdict,
    compare,
    dim_max,
    dim_min,
    evaluate,
    parse_condition,
    parse_dim,
    symbol,
)

SYMBOLS: dict[str, Dim] = {"A": symbol("A"), "B": symbol("B"), "P": symbol("P", 0)}
Values = dict[str, int]
SCALE = max(1, settings().max_examples // 100)  # 1, unless a thorough profile was asked for


def examples(number: int) -> settings:
    """That many examples, the same ones on every run of the suite; new and more of them in a thorough run."""
    return settings(max_examples=number * SCALE, derandomize=SCALE == 1, deadline=None)


Tree = tuple[Any, ...]  # an operator and its arguments, or ("number", 3), or ("symbol", "A")

LEAVES = st.one_of(
    st.tuples(st.just("symbol"), st.sampled_from(sorted(SYMBOLS))), st.tuples(st.just("number"), st.integers(-9, 9))
)
DIVISORS = st.one_of(
    st.tuples(st.just("number"), st.integers(1, 8)),
    st.tuples(st.just("number"), st.integers(-4, -1)),
    st.tuples(st.just("symbol"), st.sampled_from(["A", "B"])),
)


def grown(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "min", "max"]), inner, inner),
        st.tuples(st.sampled_from(["//", "%", "ceil"]), inner, DIVISORS),
        st.tuples(st.sampled_from(["//", "%"]), inner, inner),
        st.tuples(st.just("**"), inner, st.tuples(st.just("number"), st.integers(0, 3))),
    )


TREES: st.SearchStrategy[Tree] = st.recursive(LEAVES, grown, max_leaves=8)
VALUES = st.fixed_dictionaries({"A": st.integers(1, 40), "B": st.integers(1, 40), "P": st.integers(0, 40)})
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])

SIZES: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "**": lambda a, b: a**b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "ceil": lambda a, b: -(-a // b),
}


def built(tree: Tree) -> Dim:
    """The size that a tree describes, by the operators of sizes."""
    kind, *arguments = tree
    if kind == "number":
        return int(arguments[0])
    if kind == "symbol":
        return SYMBOLS[arguments[0]]
    left, right = map(built, arguments)
    if kind in ("min", "max"):
        return dim_min(left, right) if kind == "min" else dim_max(left, right)
    result: Dim = SIZES[kind](left, right)
    return result


def computed(tree: Tree, values: Values) -> int:
    """The number that a tree describes, by Python's own arithmetic."""
    kind, *arguments = tree
    if kind == "number":
        return int(arguments[0])
    if kind == "symbol":
        return values[arguments[0]]
    left, right = (computed(a, values) for a in arguments)
    if kind in ("min", "max"):
        return min(left, right) if kind == "min" else max(left, right)
    return int(SIZES[kind](left, right))


def size_of(tree: Tree) -> Dim:
    """As `built`; a tree that divides by nothing but 0, or nests too deep, is no example."""
    try:
        return built(tree)
    except (ZeroDivisionError, DimTooLargeError):
        assume(False)
        raise


def value_of(tree: Tree, values: Values) -> int:
    try:
        return computed(tree, values)
    except ZeroDivisionError:
        assume(False)
        raise


@given(TREES, VALUES)
@examples(300)
def test_canonical_form_keeps_the_value(tree: Tree, values: Values) -> None:
    size, expected = size_of(tree), value_of(tree, values)
    assert evaluate(size, values) == expected


@given(TREES)
@examples(200)
def test_text_is_read_back_as_the_same_size(tree: Tree) -> None:
    size = size_of(tree)
    assert parse_dim(str(size), SYMBOLS) == size


@given(TREES, TREES, OPERATORS)
@examples(150)
def test_condition_text_is_read_back_as_the_same_condition(left: Tree, right: Tree, operator: Any) -> None:
    condition = compare(operator, size_of(left), size_of(right))
    if isinstance(condition, Condition):
        assert parse_condition(str(condition), SYMBOLS) == condition


@given(TREES, VALUES)
@examples(150)
def test_substituting_every_symbol_evaluates(tree: Tree, values: Values) -> None:
    size, expected = size_of(tree), value_of(tree, values)
    assert (size if isinstance(size, int) else size.substitute(values)) == expected


@given(TREES, TREES, VALUES)
@examples(100)
def test_substituting_a_size_and_evaluating_commute(tree: Tree, inner: Tree, values: Values) -> None:
    size, part = size_of(tree), size_of(inner)
    replaced = {**values, "A": value_of(inner, values)}
    expected = value_of(tree, replaced)
    assume(replaced["A"] >= 1)  # a symbol is never less than its minimum
    try:
        moved = size if isinstance(size, int) else size.substitute({"A": part})
    except (ZeroDivisionError, DimTooLargeError):
        assume(False)
        raise
    assert evaluate(moved, values) == expected


@given(TREES, TREES, OPERATORS, VALUES)
@examples(200)
def test_conditions_evaluate_as_python_does(left: Tree, right: Tree, operator: Any, values: Values) -> None:
    condition = compare(operator, size_of(left), size_of(right))
    a, b = value_of(left, values), value_of(right, values)
    expected = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
    assert (condition if isinstance(condition, bool) else condition.evaluate(values)) == expected
    opposite = Condition.not_(condition)
    assert (opposite if isinstance(opposite, bool) else opposite.evaluate(values)) != expected


@given(TREES)
@examples(60)
def test_copies_and_pickles_are_equal(tree: Tree) -> None:
    size = size_of(tree)
    assert copy.deepcopy(size) == size
    again = pickle.loads(pickle.dumps(size))
    assert again == size
    assert hash(again) == hash(size)


@given(TREES, TREES, TREES)
@examples(80)
def test_sums_and_products_do_not_depend_on_order(x: Tree, y: Tree, z: Tree) -> None:
    a, b, c = size_of(x), size_of(y), size_of(z)
    assert (a + b) + c == a + (c + b)
    assert a * b == b * a
    assert a * (b + c) == a * b + a * c
    assert dim_min(a, b) == dim_min(b, a)


SMALL = [dict(zip("ABP", v, strict=True)) for v in itertools.product(range(1, 10), range(1, 10), range(10))]
LIMITED = [{"A": a, "B": b, "P": p} for a in (*range(1, 26), 32, 48) for b in (*range(1, 14), 24) for p in (0, 1, 2, 5)]
SIMPLE: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.just("symbol"), st.sampled_from(sorted(SYMBOLS))),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*"]), inner, LEAVES),
        st.tuples(st.sampled_from(["//", "%", "ceil"]), inner, DIVISORS),
        st.tuples(st.sampled_from(["min", "max"]), inner, LEAVES),
    ),
    max_leaves=4,
)


@st.composite
def requirements(draw: st.DrawFn) -> list[Condition]:
    """One to three requirements such as people write: multiples, bounds, equalities, alternatives."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        operator: Any = draw(st.sampled_from(["==", "==", "==", "!=", "<=", ">=", "<"]))
        left = size_of(draw(SIMPLE))
        right = size_of(draw(st.one_of(SIMPLE, st.tuples(st.just("number"), st.integers(0, 6)))))
        condition = compare(operator, left, right)
        if draw(st.integers(0, 5)) == 0:
            other = compare("==", size_of(draw(SIMPLE)), draw(st.integers(1, 5)))
            condition = Condition.or_(condition, other)
        if isinstance(condition, Condition):
            found.append(condition)
    assume(found)
    return found


def holds(condition: Condition, values: Values) -> bool:
    try:
        return condition.evaluate(values)
    except ZeroDivisionError:
        return False


def known_values(conditions: list[Condition]) -> tuple[Facts, list[Values]]:
    """The facts, and the small values that satisfy them; a contradiction is right only if there are none."""
    facts = Facts()
    satisfying = [v for v in LIMITED if all(holds(c, v) for c in conditions)]
    for condition in conditions:
        try:
            facts.require(condition)
        except ValueError:
            assert not satisfying, (conditions, satisfying[0])
            assume(False)
    return facts, satisfying


@given(requirements(), st.lists(SIMPLE, min_size=2, max_size=4))
@examples(120)
def test_facts_never_say_what_is_wrong(conditions: list[Condition], trees: list[Tree]) -> None:
    facts, satisfying = known_values(conditions)
    for condition in conditions:
        assert not satisfying or facts.decide(condition) is not False
    sizes = [size_of(t) for t in trees]
    for a, b in itertools.pairwise(sizes):
        normal, verdict = facts.normalize(a), facts.equal(a, b)
        low, high = facts.bounds(a)
        less = compare("<", a, b)
        decided, multiple = facts.decide(less), facts.divisible(a, 4)
        for values in satisfying[:200]:
            x, y = evaluate(a, values), evaluate(b, values)
            assert evaluate(normal, values) == x, (conditions, str(a), str(normal), values)
            assert verdict is Verdict.DEPENDS or (x == y) == (verdict is Verdict.YES), (conditions, a, b, values)
            assert low is None or low <= x, (conditions, a, low, values)
            assert high is None or x <= high, (conditions, a, high, values)
            assert decided is None or (x < y) == decided, (conditions, less, values)
            assert not multiple or x % 4 == 0, (conditions, a, values)


@given(SIMPLE, SIMPLE)
@examples(250)
def test_verdicts_without_facts_hold_for_all_small_values(left: Tree, right: Tree) -> None:
    a, b = size_of(left), size_of(right)
    verdict = Facts().equal(a, b)
    outcomes = {evaluate(a, values) == evaluate(b, values) for values in SMALL}
    assert verdict is Verdict.DEPENDS or outcomes == {verdict is Verdict.YES}


@given(requirements(), SIMPLE)
@examples(100)
def test_normal_forms_are_stable(conditions: list[Condition], tree: Tree) -> None:
    facts, _ = known_values(conditions)
    normal = facts.normalize(size_of(tree))
    assert "?" not in str(normal)
    assert facts.equal(normal, size_of(tree)) is not Verdict.NO
    assert facts.normalize(normal) == normal


@pytest.mark.parametrize(
    "text", ["A +", "A ++ * B", "2 ** A", "(A", "A)", "min()", "ceil(A, B)", "A/2", "A $ B", "", "A//0"]
)
def test_bad_text_says_where(text: str) -> None:
    with pytest.raises(ValueError, match=r"position|divided"):
        parse_dim(text)
