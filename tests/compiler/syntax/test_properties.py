"""Whatever the text, the parser answers with a tree and diagnostics, and these can be rendered."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Writer, expressions, programs
from syntax_trees import DOCUMENT, plain, read

from archonnx.compiler.syntax.parser import MAX_REPORTED, parse, parse_bytes, parse_expression
from archonnx.compiler.syntax.tokenizer import Comment, scan
from archonnx.contract.diagnostics import CompileError, Diagnostic, Diagnostics
from archonnx.contract.render import render_json, render_text, source_lines

TOKENS = (
    "model block def defaults from import input output state weight buffer require asset it if elif else for in not "
    "and or is None x Dense float32 0 1.5 'a' \" ''' f\"{ ( ) [ ] { } : , = == -> + - * ** @ . ... "
    "\n \n \n     \t # \\ ! ; é → “"
).split(" ")


def check(found: list[Diagnostic], text: str) -> None:
    """Diagnostics point into the text, in order, and render."""
    lines = source_lines(text)
    places = [d.place for d in found if d.place is not None]
    assert len(places) == len(found) <= MAX_REPORTED + 1
    assert all(1 <= place.line <= place.end_line <= len(lines) for place in places)
    assert all(1 <= place.column <= len(lines[place.line - 1]) + 1 for place in places)
    assert [(place.line, place.column) for place in places] == sorted((place.line, place.column) for place in places)
    rendered = render_text(found, {"x.arch": text})
    assert rendered.count("error[") >= len(found)
    assert len(render_json(found)) == len(found)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    file, found = parse_bytes(data, "x.arch")
    check(found, file.text)


@given(st.text(max_size=120))
def test_any_text(text: str) -> None:
    file, found = parse(text, "x.arch")
    check(found, file.text)


@given(st.lists(st.sampled_from(TOKENS), max_size=60), st.sampled_from(["", " "]))
def test_any_tokens(tokens: list[str], between: str) -> None:
    text = between.join(tokens)
    file, found = parse(text, "x.arch")
    check(found, file.text)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_damaged_programs(seed: int, size: int) -> None:
    writer = Writer(seed, size)
    text = writer.program("    ")
    for _ in range(3):
        at = writer.random.randrange(len(text) + 1)
        text = text[:at] + writer.pick(["", "", *TOKENS]) + text[at + writer.pick([0, 1, 1, 5]) :]
    file, found = parse(text, "x.arch")
    check(found, file.text)


@given(programs())
def test_programs_have_no_errors(text: str) -> None:
    assert parse(text, "x.arch")[1] == []


@given(expressions())
def test_expressions_read_alone_as_in_a_file(text: str) -> None:
    (constant,) = read(f"c = ({text})").declarations
    assert plain(parse_expression(text, "value")) == plain(constant)[3]  # type: ignore[index]


@given(st.text(max_size=40))
def test_any_text_as_an_expression(text: str) -> None:
    try:
        parse_expression(text, "value")
    except CompileError as error:
        assert error.diagnostics
        assert str(error).startswith("error[")


@given(programs(), st.sampled_from(["\r\n", "\r"]), st.booleans())
def test_line_ends_and_byte_order_marks_make_no_difference(text: str, end: str, mark: bool) -> None:
    changed = ("\ufeff" if mark else "") + text.replace("\n", end)
    assert parse(changed, "x.arch")[0] == parse(text, "x.arch")[0]


@given(programs())
def test_places_hold_what_they_name(text: str) -> None:
    lines = source_lines(text)
    for declaration in read(text).declarations:
        place = getattr(declaration, "name_place", None)
        if place is not None:
            name = getattr(declaration, "name", "")
            assert lines[place.line - 1][place.column - 1 : place.end_column - 1] == name


@given(programs())
def test_scanning_loses_no_character(text: str) -> None:
    found = scan(text, "x.arch", Diagnostics())
    pieces = [token.text for row in found.rows for token in row.tokens]
    pieces += [comment.text for comment in found.comments]
    assert sorted(re.sub(r"\s", "", "".join(pieces))) == sorted(re.sub(r"\s", "", text))
    assert all(isinstance(comment, Comment) and comment.text.startswith("#") for comment in found.comments)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_documents(seed: int) -> None:
    chance = random.Random(seed)
    source = "\n".join(re.findall(r"```arch\n(.*?)```", DOCUMENT, re.DOTALL))
    lines = source.split("\n")
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(lines))
        match chance.randint(0, 3):
            case 0:
                del lines[at]
            case 1:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 2:
                lines[at] = " " * chance.randint(0, 9) + lines[at].strip()
            case _:
                lines.insert(at, chance.choice(lines))
    text = "\n".join(lines)
    file, found = parse(text, "x.arch")
    check(found, file.text)
    assert len(file.declarations) >= source.count("\nmodel ") // 2, "an error in one place leaves the rest"
