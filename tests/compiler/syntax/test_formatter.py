"""The formatter changes the text and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from strategies import programs
from syntax_trees import DOCUMENT, plain, read

from archonnx.compiler.syntax.formatter import format_text
from archonnx.compiler.syntax.layout import WIDTH
from archonnx.compiler.syntax.tokenizer import scan
from archonnx.contract.diagnostics import CompileError, Diagnostics


def formatted(text: str) -> str:
    return format_text(text, "test.arch")


def comments(text: str) -> list[str]:
    return sorted(comment.text for comment in scan(text, "test.arch", Diagnostics()).comments)


@given(programs())
def test_the_tree_stays(text: str) -> None:
    assert plain(read(formatted(text))) == plain(read(text))


@given(programs())
def test_formatting_again_changes_nothing(text: str) -> None:
    once = formatted(text)
    assert formatted(once) == once


@given(programs())
def test_comments_stay(text: str) -> None:
    assert comments(formatted(text)) == comments(text)


@given(programs(indent="  "))
def test_another_width_of_indentation_is_mended(text: str) -> None:
    once = formatted(text)
    assert plain(read(once)) == plain(read(formatted(once)))


@pytest.mark.parametrize("source", re.findall(r"```arch\n(.*?)```", DOCUMENT, re.DOTALL))
def test_the_examples_of_the_reference_are_canonical(source: str) -> None:
    assert formatted(source) == source


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x=1", "x = 1\n"),
        ("", ""),
        ("\n\n# only\n\n", "# only\n"),
        ("x = 'a' \"b\" f'c' 'it\"s' f'{\"q\"}'", "x = \"a\" \"b\" f\"c\" 'it\"s' f'{\"q\"}'\n"),
        ("x = '''a\n\"\"\"'''", "x = '''a\n\"\"\"'''\n"),
        ("x = - 1 ** - 2 if not a else ~ b", "x = -1 ** -2 if not a else ~b\n"),
        ("x = y [ 1 : 2 , : : -1 , ... , None ]", "x = y[1:2, ::-1, ..., None]\n"),
        ("def f ( x , by=8 )=x", "def f(x, by = 8) = x\n"),
        ("x = f ( a = 1 , b = 2 if c else 3 )", "x = f(a=1, b = 2 if c else 3)\n"),
        ("x = (a , ) + ( b )", "x = (a,) + (b)\n"),
        ("x = [1,2,]", "x = [1, 2]\n"),
        ("x = [\n1,2,\n]", "x = [\n    1,\n    2,\n]\n"),
        ("x = [\n1,\n2]", "x = [1, 2]\n"),
        ("model A() :\n    input x : float32 [ N , 3 ] = None", "model A():\n    input x: float32[N, 3] = None\n"),
        ("model A():\n    Dense(8),", "model A():\n    Dense(8)\n"),
        ("model A():\n    keras . layers . Dense(8)", "model A():\n    Dense(8)\n"),
        ("model A():\n    f(layers.Dense(8), x.layers.Dense)", "model A():\n    f(Dense(8), x.layers.Dense)\n"),
        ("model A():\n\tDense(8)\n\n\n\tDense(9)", "model A():\n    Dense(8)\n\n    Dense(9)\n"),
        ("model A():\n  Dense(8)\nmodel B():\n  Dense(8)", "model A():\n    Dense(8)\n\nmodel B():\n    Dense(8)\n"),
        ("x = 1  # one\ny = 22 # two", "x = 1  # one\ny = 22  # two\n"),
        ("x = 1     # one\ny = 22    # two", "x = 1     # one\ny = 22    # two\n"),
        ("# a\nx = 1\n# of A\nmodel A():\n\n    pass", "# a\nx = 1\n\n# of A\nmodel A():\n    pass\n"),
        (
            "block b():\n    y = x -> f()\n      -> g()  # why\n      # then\n      -> h()",
            "block b():\n    y = x -> f()\n          -> g()  # why\n          # then\n          -> h()\n",
        ),
        ("block b():\n    x\n        -> g()", "block b():\n    x\n        -> g()\n"),
        (
            "x = f(  # first\n    1, # one\n    # two\n    2\n    # last\n)",
            "x = f(\n    # first\n    1,  # one\n    # two\n    2,\n    # last\n)\n",
        ),
    ],
)  # fmt: skip
def test_layout(before: str, after: str) -> None:
    assert formatted(before) == after
    assert formatted(after) == after


def test_long_lines_are_broken() -> None:
    name = "n" * 30
    source = (
        f"block b():\n    {name} = Layer({name}, {name}, other={name}, {name}_2={name})\n"
        f"    {name} -> Layer({name}) -> Layer({name}) -> Layer({name})\n"
        f"    require ({name} == {name} and {name} == {name} or {name} < {name})\n"
        f"    table = [{', '.join(str(n) for n in range(100))}]\n"
    )
    once = formatted(source)
    assert max(map(len, once.splitlines())) <= WIDTH
    assert formatted(once) == once
    assert plain(read(once)) == plain(read(source))


def test_deep_and_long_sources() -> None:
    deep = "x = " + "f(" * 150 + ")" * 150 + "\n"
    assert plain(read(formatted(deep))) == plain(read(deep))
    long = "x = " + " + ".join(["[1, 2]"] * 3000) + "\n"
    assert formatted(formatted(long)) == formatted(long)


@pytest.mark.parametrize("bad", ["x = (", "model A():\n  \tDense(8)\n    Dense(9)", "x = 1 2"])
def test_what_does_not_parse_is_not_formatted(bad: str) -> None:
    with pytest.raises(CompileError):
        formatted(bad)


@pytest.mark.parametrize(
    "text",
    [
        "x = (f(a)\n# why\n[0])",
        "x = (a\n# why\n(1, 2), b)",
        "x = [a\n# why\n[\n1,\n# inner\n2][0], b]",
        "x = (a\n# one\n[0]\n# two\n(1)\n# three\n)",
    ],
)
def test_comments_before_brackets_within_brackets_stay(text: str) -> None:
    once = formatted(text)
    assert comments(once) == comments(text)
    assert plain(read(once)) == plain(read(text))
    assert formatted(once) == once
