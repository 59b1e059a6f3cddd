"""Canonical layout of a source: its text changes, its tree and its comments never do."""

from __future__ import annotations

from dataclasses import dataclass

from archonnx.compiler.syntax.layout import lay_out
from archonnx.compiler.syntax.lines import Line, join_rows
from archonnx.compiler.syntax.parser import parse
from archonnx.compiler.syntax.tokenizer import Comment, scan
from archonnx.contract.diagnostics import CompileError, Diagnostics

_MENDED = frozenset(["E0104", "E0105"])  # errors of indentation that the layout mends


def format_text(text: str, name: str) -> str:
    """The source in canonical layout, ending in one newline; empty where it holds nothing.

    Raises CompileError where it does not parse, but for tabs in the indentation and widths other than four spaces:
    these are mended, where the file does not mix tabs and spaces.
    """
    file, found = parse(text, name)
    indents = {line[: len(line) - len(line.lstrip(" \t"))] for line in file.text.split("\n")}
    mixed = any("\t" in indent for indent in indents) and any(" " in indent for indent in indents)
    errors = [d for d in found if d.severity == "error"]
    if any(d.code not in _MENDED for d in errors) or (errors and mixed):
        raise CompileError(found, {name: file.text})
    diagnostics = Diagnostics()
    scanned = scan(file.text, name, diagnostics)
    lines = join_rows(scanned.rows, name, diagnostics)
    return _text(_blank_lines(_units(lines, scanned.comments)))


@dataclass(slots=True)
class _Unit:
    """One logical line, or one comment on a line of its own."""

    depth: int
    start: int  # the lines it took in the source
    end: int
    text: list[str]
    header: bool = False  # whether it opens a body
    declares: bool = False  # whether it opens the body of a model or block
    comment: bool = False
    trailing: Comment | None = None
    blank: bool = False  # whether a blank line goes before it


def _units(lines: list[Line], comments: list[Comment]) -> list[_Unit]:
    """What stands on lines of its own, in order, with its depth."""
    units: list[_Unit] = []
    waiting = comments[::-1]
    stack = [0]
    before = 0
    for line in lines:
        alone: list[Comment] = []
        while waiting and waiting[-1].line < line.tokens[0].line:
            alone.append(waiting.pop())
        above = list(stack)
        while stack[-1] > line.indent:
            stack.pop()
        if stack[-1] < line.indent:
            stack.append(line.indent)
        depth = len(stack) - 1
        opened = bool(units) and units[-1].header
        units += [_comment(comment, above, depth if opened else min(before, depth), depth) for comment in alone]
        units.append(_line(line, depth, waiting))
        before = depth
    units += [_comment(comment, stack, 0, before) for comment in waiting[::-1]]
    return units


def _comment(comment: Comment, stack: list[int], least: int, next_depth: int) -> _Unit:
    """A comment between two lines: as deep as its column says, within what the lines around it allow."""
    depth = max(at for at, indent in enumerate(stack) if indent < comment.column)
    depth = min(max(depth, least), max(len(stack) - 1, next_depth))
    return _Unit(depth, comment.line, comment.line, [" " * (4 * depth) + comment.text], comment=True)


def _line(line: Line, depth: int, waiting: list[Comment]) -> _Unit:
    tokens = line.tokens[:-1]
    if len(tokens) > 1 and tokens[-1].text == ",":
        tokens = tokens[:-1]
    last = line.tokens[-2]
    inner: list[Comment] = []
    while waiting and (waiting[-1].line, waiting[-1].column) < (last.line, last.column):
        inner.append(waiting.pop())
    unit = _Unit(depth, tokens[0].line, last.end_line, lay_out(tokens, inner, 4 * depth))
    unit.header = last.text == ":" and last.kind == "op"
    unit.declares = unit.header and tokens[0].text in ("model", "block")
    if waiting and waiting[-1].line == last.end_line:
        unit.trailing = waiting.pop()
    return unit


def _blank_lines(units: list[_Unit]) -> list[_Unit]:
    """One blank line where there were some, and around the bodies of models and blocks; none where a body begins."""
    leads = False  # whether a model or block begins here, or right below these comments
    for unit, above in zip(units[:0:-1], units[-2::-1], strict=True):
        leads = unit.declares or (unit.comment and leads)
        gap = unit.start > above.end + 1
        unit.blank = gap and not above.header
        if not unit.depth and (above.depth or (leads and not (above.comment and not gap))):
            unit.blank = True
        leads = leads and not gap
    return units


def _text(units: list[_Unit]) -> str:
    out: list[str] = []
    for unit in units:
        if unit.blank:
            out.append("")
        out += [line.rstrip() for line in unit.text] if unit.comment else unit.text
        if unit.trailing is not None:
            # a comment keeps its column where the code leaves room, so that comments in one column stay there
            width = len(out[-1]) - out[-1].rfind("\n") - 1
            out[-1] += " " * max(2, unit.trailing.column - 1 - width) + unit.trailing.text
    return "\n".join(out) + "\n" if out else ""
