"""Finds the table in a text: what terminals, notebooks, web pages and logs added is taken away."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from archonnx.compiler.analysis.reference import ReferenceTextError
from archonnx.compiler.analysis.reference_cells import COUNT

VERTICALS = "│┃║|"
HEADER = re.compile(r"Layer\s*\(type\b")
RULE = re.compile(r"[\s_=\-─━═¯+|│┃┏┳┓┡╇┩├┼┤└┴┘┌┬┐╞╪╡╭╮╰╯:]+")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\[(?:\d{1,3}(?:;\d{1,3})*)?m(?![a-z])")
TAG = re.compile(r"</?(?:pre|span|code|b|font|div|html|body|br|p)\b[^>]*>", re.IGNORECASE)
MODEL = re.compile(r"Model:?\s*[\"'“”]([^\"'“”]*)[\"'“”]")
TOTAL = re.compile(r"(Total|Trainable|Non[- ]trainable|Optimi[sz]er) params\s*:?\s*(.*)", re.IGNORECASE)


class Line(NamedTuple):
    """A line of the text and its number, from 1."""

    number: int
    text: str


@dataclass(slots=True)
class Table:
    """The header, the lines below it down to the totals, and the totals. Rules are still in `body`."""

    name: str
    style: Literal["ruled", "boxed", "torchinfo"]
    header: Line
    body: list[Line]
    model: str | None
    totals: dict[str, int] = field(default_factory=dict)  # "total", "trainable", "non", "optimizer"
    notes: list[str] = field(default_factory=list)

    def error(self, line: Line, expected: str) -> ReferenceTextError:
        shown = line.text.strip()
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        return ReferenceTextError(self.name, line.number, f"expected {expected}, got {shown!r}")


def is_rule(text: str) -> bool:
    """A line of nothing but what tables are drawn with, three of it or more."""
    return len(text.strip()) >= 3 and RULE.fullmatch(text) is not None


def find_table(text: str, name: str) -> Table:
    """The first summary in `text`. Raises ReferenceTextError where there is none, or no row in it."""
    lines = clean(text)
    at = next((i for i, line in enumerate(lines) if HEADER.search(line.text)), None)
    if at is None:
        near = next((line for line in lines if line.text.strip()), None)
        if near is None:
            raise ReferenceTextError(
                name, None, "expected a summary of Keras, torchinfo or archonnx, got an empty text"
            )
        message = (
            'expected a header line "Layer (type)  Output Shape  Param #" of Keras or torchinfo, or JSON; found none'
        )
        raise ReferenceTextError(name, None, message)
    lines = strip_prefix(lines, at)
    header = lines[at]
    style = _style(header.text, lines[at + 1 :])
    end = next((i for i in range(at + 1, len(lines)) if _total(lines[i].text)), None)
    following = next((i for i in range(at + 1, len(lines)) if HEADER.search(lines[i].text)), None)
    notes = []
    if following is not None:
        notes.append(f"line {lines[following].number} begins another summary, which was not read")
        if end is not None and end > following:
            end = None
    body = lines[at + 1 : end if end is not None else following]
    if end is None:
        notes.append("the text has no totals")
        body = _up_to_closing_rule(body)
    table = Table(name, style, header, body, _model(lines[:at]), notes=notes)
    if end is not None:
        table.totals = dict(_totals(lines[end : following if following is not None else len(lines)]))
    if not any(line.text.strip() and not is_rule(line.text) for line in table.body):
        raise ReferenceTextError(name, header.number, "expected rows of layers below this header, got none")
    return table


def clean(text: str) -> list[Line]:
    """Lines without colours, markup, non-breaking spaces and byte order marks, tabs spread out as a terminal does."""
    if re.search(r"</?(?:pre|span)\b", text, re.IGNORECASE):
        text = html.unescape(TAG.sub("", text))
    text = ANSI.sub("", text).replace("\ufeff", "").replace("\u200b", "")
    text = re.sub("[\u00a0\u2000-\u200a\u202f\u3000]", " ", text)
    numbered = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    tabular = _tab_columns(numbered)
    lines = [Line(i, _tabs(line, tabular)) for i, line in enumerate(numbered, 1)]
    return [Line(number, line.rstrip()) for number, line in _unwrap(lines)]


def _unwrap(lines: list[Line]) -> list[Line]:
    """Join what a terminal narrower than the table broke: its rules betray it, each goes on in the next line."""
    broken = {
        len(line.text)
        for line, following in pairwise(lines)
        if re.fullmatch(r"_+|=+", line.text)
        and line.text.startswith(following.text)
        and 0 < len(following.text) < len(line.text)
    }
    if len(broken) != 1:
        return lines
    width = broken.pop()
    joined: list[Line] = []
    waiting = False  # the line before filled the terminal: this one goes on with it
    for line in lines:
        if waiting and joined:
            joined[-1] = Line(joined[-1].number, joined[-1].text + line.text)
        else:
            joined.append(line)
        waiting = len(line.text) == width
    return joined


def _tab_columns(lines: list[str]) -> bool:
    """Whether tabs separate cells, as in a table copied from a spreadsheet, or fill columns up."""
    header = next((line for line in lines if HEADER.search(line)), "")
    cells = header.split("\t")
    return len(cells) > 2 and all(cell.strip() for cell in cells)


def _tabs(line: str, tabular: bool) -> str:
    if "\t" not in line:
        return line
    if tabular:
        return " | ".join(cell.strip() for cell in line.split("\t"))
    return line.expandtabs(8)


def strip_prefix(lines: list[Line], header: int) -> list[Line]:
    """Take off what a logger, a quotation or a comment put before every line: `INFO: `, `> `, `# `, a date and time."""
    text = lines[header].text
    found = HEADER.search(text)
    assert found is not None
    prefix = text[: found.start()].rstrip(" " + VERTICALS)
    if not prefix.strip():
        return lines
    shape = re.sub(r"\d", "0", prefix)
    bare = shape.rstrip()

    def strip(line: Line) -> Line:
        start = re.sub(r"\d", "0", line.text[: len(prefix)])
        if start == shape:
            return Line(line.number, line.text[len(prefix) :])
        return Line(line.number, "") if start.rstrip() == bare else line

    return [strip(line) for line in lines]


def _style(header: str, below: list[Line]) -> Literal["ruled", "boxed", "torchinfo"]:
    if ":depth-idx" in header or "(var_name)" in header:
        return "torchinfo"
    if any(mark in header for mark in VERTICALS):
        return "boxed"
    # torchinfo asked for no numbers and no names prints the same header as Keras; its rows do not look the same.
    rows = [line.text.strip() for line in below if line.text.strip() and not is_rule(line.text)]
    if any(row.startswith(("├─", "└─", "│    └─")) for row in rows) or (
        rows and re.match(r"\w+\s+(?:\[\d|--|[\d,]+$)", rows[0])
    ):
        return "torchinfo"
    return "ruled"


def _total(text: str) -> bool:
    return re.match(r"\W*Total params\b", text, re.IGNORECASE) is not None


def _totals(lines: list[Line]) -> Iterator[tuple[str, int]]:
    seen: set[str] = set()
    for line in lines:
        found = TOTAL.match(line.text.strip(" " + VERTICALS))
        if not found:
            continue
        key = re.split(r"[- ]", found.group(1).lower().replace("optimiser", "optimizer"))[0]
        count = COUNT.match(found.group(2).strip())
        if key in seen:
            return
        if count:
            seen.add(key)
            yield key, int(count.group().split(".")[0].replace(",", ""))


def _model(above: list[Line]) -> str | None:
    """The name nearest above the header; an earlier summary's is not it, but there is none: the first table is read."""
    for line in reversed(above):
        found = MODEL.search(line.text)
        if found:
            return found.group(1)
    return None


def _up_to_closing_rule(body: list[Line]) -> list[Line]:
    """Without totals a table ends with its second rule of equals signs, or with the text."""
    rules = [i for i, line in enumerate(body) if is_rule(line.text) and set(line.text.strip()) == {"="}]
    if len(rules) > 1:
        return body[: rules[1]]
    bottom = next(
        (i for i, line in enumerate(body) if line.text.strip().startswith("└") and is_rule(line.text)), len(body)
    )
    return body[:bottom]
