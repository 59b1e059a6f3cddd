"""Values on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archonnx.cli.literals import assignment, assignments, literal
from archonnx.contract.diagnostics import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("1e-3", 1e-3),
        ("1_000", 1000),
        ("True", True),
        ("None", None),
        ("relu", "relu"),
        ('"relu"', "relu"),
        ("'two words'", "two words"),
        ("[3, 4, 6, 3]", [3, 4, 6, 3]),
        ("(3, 3)", (3, 3)),
        ("[[0, 1], [1, 0]]", [[0, 1], [1, 0]]),
        ("weights.bin", "weights.bin"),
    ],
)
def test_literals_are_read_as_the_language_writes_them(text: str, value: Any) -> None:
    found = literal(text, "--set x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("text", "meant"), [("true", "True"), ("false", "False"), ("none", "None"), ("null", "None")])
def test_other_spellings_of_constants_are_refused_with_theirs(text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"--set x: {text} is written {meant}"):
        literal(text, "--set x")


@pytest.mark.parametrize("text", ["", "[1, 2", "1 +", "f(x)", "x y", "__import__('os')", "(" * 500, "\0"])
def test_what_is_no_literal_is_quoted(text: str) -> None:
    with pytest.raises(UsageError, match=r"--set x: .* is no literal; expected a number"):
        literal(text, "--set x")


@pytest.mark.parametrize("text", ["{1: 2}", "{1, 2}", "b'x'", "2j", "[1, {2}]"])
def test_what_only_python_has_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="which architecture files do not have"):
        literal(text, "--set x")


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_usage_error(text: str) -> None:
    try:
        value = literal(text, "--set x")
    except UsageError as error:
        assert str(error).startswith("--set x")
    else:
        assert value is None or isinstance(value, bool | int | float | str | list | tuple)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=12))
def test_a_literal_written_out_comes_back(value: Any) -> None:
    assert literal(repr(value), "--set x") == value


def test_an_assignment_needs_a_name_and_an_equals_sign() -> None:
    assert assignment("x = 3", "--set") == ("x", "3")
    assert assignment("x=a=b", "--set") == ("x", "a=b")
    for text in ("x", "=3", "2x=3", "a b=3"):
        with pytest.raises(UsageError, match="expected name=value, as in --set classes=10"):
            assignment(text, "--set")


def test_a_name_is_given_once() -> None:
    assert assignments(("a=1", "b=[2]"), "--set") == {"a": 1, "b": [2]}
    with pytest.raises(UsageError, match="--set a is given twice"):
        assignments(("a=1", "a=2"), "--set")
