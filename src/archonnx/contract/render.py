"""Diagnostics as text for people and as plain data for tools.

Columns are counted in characters; carets are placed by what a terminal shows: tabs fill up to a multiple of four, wide
characters take two columns, combining marks none, and control characters are shown escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archonnx.contract.diagnostics import Diagnostic, Frame, Label, Place

_NEWLINE = re.compile(r"\r\n|\r|\n")
_WINDOW = 200  # characters of a very long line that are shown
_LEAD = 60  # of which stand before the marked place
_TRAIL_ENDS = 4  # frames kept at each end of a very long trail
_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "label": "\x1b[1;34m", "bold": "\x1b[1m", "off": "\x1b[0m"}


def source_lines(text: str) -> list[str]:
    """The lines of a source, as places count them: ended by LF, CRLF or CR, a byte order mark left out."""
    return _NEWLINE.split(text.removeprefix("\ufeff"))


def render_text(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], color: bool = False, context: int = 1
) -> str:
    """All diagnostics, a blank line between two of them, no newline at the end.

    `sources` are texts by file name; a place in a file that is not among them is named without its line. `context` is
    how many lines are shown above the first marked line of each file, blank ones left out.
    """
    found = list(diagnostics)
    lines: dict[str, list[str]] = {}
    for diagnostic in found:
        for place in _places(diagnostic):
            if place.file in sources and place.file not in lines:
                lines[place.file] = source_lines(sources[place.file])
    return "\n\n".join(_Renderer(lines, color, context).render(diagnostic) for diagnostic in found)


def render_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Each diagnostic as JSON data: code, severity, message, place, label, labels, trail and help."""
    return [
        {
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "place": _place_json(d.place),
            "label": d.label,
            "labels": [{"place": _place_json(label.place), "text": label.text} for label in d.labels],
            "trail": [
                {"name": frame.name, "place": _place_json(frame.place), "bindings": dict(frame.bindings)}
                for frame in d.trail
            ],
            "help": d.help,
        }
        for d in diagnostics
    ]


def render_count(diagnostics: Iterable[Diagnostic]) -> str:
    """What was found, in one line: `2 errors, 1 warning`; `no errors` for none."""
    found = [d.severity for d in diagnostics]
    counts = [(found.count("error"), "error"), (found.count("warning"), "warning")]
    return ", ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in counts if n) or "no errors"


def printable(text: str) -> str:
    """The text on one line, with what a terminal would not show, or would act on, escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character, 0)[0] for character in text)


def _places(diagnostic: Diagnostic) -> list[Place]:
    primary = [diagnostic.place] if diagnostic.place else []
    return primary + [label.place for label in diagnostic.labels]


def _place_json(place: Place | None) -> dict[str, object] | None:
    if place is None:
        return None
    names = ("file", "line", "column", "end_line", "end_column")
    return {name: getattr(place, name) for name in names}


def _shown(character: str, column: int) -> tuple[str, int]:
    """How a character is shown at a display column, and how many columns it takes."""
    if character == "\t":
        width = 4 - column % 4
        return " " * width, width
    if " " <= character <= "~":
        return character, 1
    category = unicodedata.category(character)
    if category in ("Mn", "Me"):
        return character, 0
    if category[0] == "C" or category in ("Zl", "Zp"):
        code = ord(character)
        escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
        return escape, len(escape)
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _layout(line: str) -> tuple[str, list[int]]:
    """A line as shown, and the display column of each of its characters and of its end."""
    if line.isascii() and line.isprintable():
        return line, list(range(len(line) + 1))
    shown: list[str] = []
    columns: list[int] = []
    column = 0
    for character in line:
        columns.append(column)
        text, width = _shown(character, column)
        shown.append(text)
        column += width
    columns.append(column)
    return "".join(shown), columns


@dataclass(slots=True)
class _Mark:
    """A stretch of one line, in characters from 0, to be underlined; `text` stands beside it."""

    line: int
    start: int
    end: int
    text: str
    primary: bool


class _Renderer:
    def __init__(self, lines: Mapping[str, list[str]], color: bool, context: int) -> None:
        self.lines = lines
        self.color = color
        self.context = context

    def paint(self, text: str, color: str) -> str:
        return f"{_COLORS[color]}{text}{_COLORS['off']}" if self.color and text else text

    def render(self, d: Diagnostic) -> str:
        head = self.paint(f"{d.severity}[{d.code}]", d.severity)
        out = [head + self.paint(": " + printable(d.message), "bold")]
        groups = self.groups(d)
        shown = [mark.line for marks in groups.values() for mark in marks]
        width = len(str(max(shown, default=1)))
        if d.place is not None:
            out.append(" " * (width + 1) + self.paint("-->", "label") + f" {_at(d.place)}")
        for number, (file, marks) in enumerate(groups.items()):
            if number or d.place is None or file != d.place.file:
                at = f"{printable(file)}:{marks[0].line}:{marks[0].start + 1}"
                out.append(" " * (width + 1) + self.paint(":::", "label") + f" {at}")
            out.append(" " * (width + 2) + self.paint("|", "label"))
            out += self.snippet(self.lines[file], marks, width, d.severity)
        edge = " " * (width + 2) + self.paint("=", "label") + " "
        out += [edge + self.paint(kind, "bold") + text for kind, text in _notes(d, self.lines)]
        return "\n".join(out)

    def groups(self, d: Diagnostic) -> dict[str, list[_Mark]]:
        """The marks of a diagnostic by file, the primary's file first, in source order."""
        groups: dict[str, list[_Mark]] = {}
        primary = [Label(d.place, d.label)] if d.place else []
        for label in (*primary, *d.labels):
            marks = self.marks(label.place, label.text, label is primary[0] if primary else False)
            if marks:
                groups.setdefault(label.place.file, []).extend(marks)
        for marks in groups.values():
            marks.sort(key=lambda mark: (mark.line, mark.start))
        return groups

    def marks(self, place: Place, text: str, primary: bool) -> list[_Mark]:
        """The marks of a place: one where it lies in one line, else one under its first line and one under its last."""
        lines = self.lines.get(place.file, [])
        if not 1 <= place.line <= len(lines):
            return []
        first = lines[place.line - 1]
        start = min(max(place.column - 1, 0), len(first))
        if place.end_line <= place.line:
            end = min(max(place.end_column - 1, start + 1), max(len(first), start + 1))
            return [_Mark(place.line, start, end, text, primary)]
        last_number = min(place.end_line, len(lines))
        last = lines[last_number - 1]
        end = min(place.end_column - 1, len(last))
        begin = len(last) - len(last.lstrip())
        marks = [_Mark(place.line, start, max(len(first), start + 1), "", primary)]
        if begin < end and last_number > place.line:
            marks.append(_Mark(last_number, begin, end, "", primary))
        marks[-1].text = text
        return marks

    def snippet(self, lines: list[str], marks: list[_Mark], width: int, severity: str) -> list[str]:
        """The marked lines, each with its underlines; a gap of one line is filled, a longer one shown as `...`."""
        out: list[str] = []
        above = marks[0].line
        bar = self.paint("|", "label")
        for number in range(max(1, above - self.context), above):
            if lines[number - 1].strip():
                out.append(self.unmarked(lines, number, width))
        previous = above
        for number in dict.fromkeys(mark.line for mark in marks):
            if number == previous + 2:
                out.append(self.unmarked(lines, number - 1, width))
            elif number > previous + 2:
                out.append("...")
            previous = number
            here = [mark for mark in marks if mark.line == number]
            shown, rows = self.underline(lines[number - 1], here, severity)
            out.append(f" {self.gutter(number, width)} {bar} {shown}".rstrip())
            out += [f"{' ' * (width + 2)}{bar} {row}" for row in rows]
        return out

    def unmarked(self, lines: list[str], number: int, width: int) -> str:
        """A line that is shown for what surrounds it."""
        shown, _ = _layout(lines[number - 1][:_WINDOW])
        return f" {self.gutter(number, width)} {self.paint('|', 'label')} {shown}".rstrip()

    def gutter(self, number: int, width: int) -> str:
        return self.paint(str(number).rjust(width), "label")

    def underline(self, line: str, marks: list[_Mark], severity: str) -> tuple[str, list[str]]:
        """A line as shown and the rows below it: marks share a row until one of them has a text."""
        cut = 0
        lead = ""
        if len(line) > _WINDOW:
            focus = next((mark.start for mark in marks if mark.primary), marks[0].start)
            cut = max(0, focus - _LEAD)
            lead = "..." if cut else ""
            line = line[cut : cut + _WINDOW]
        shown, columns = _layout(line)
        rows: list[str] = []
        filled = 0
        open_row = False
        for mark in marks:
            start = columns[min(max(mark.start - cut, 0), len(line))] + len(lead)
            if mark.end - cut <= len(line):
                end = columns[max(mark.end - cut, 0)] + len(lead)
            else:
                end = columns[-1] + len(lead)
            size = max(1, end - start)
            text = ("^" if mark.primary else "-") * size + (f" {printable(mark.text)}" if mark.text else "")
            painted = self.paint(text, severity if mark.primary else "label")
            if open_row and start > filled:
                rows[-1] += " " * (start - filled) + painted
            else:
                rows.append(" " * start + painted)
            filled = start + size
            open_row = not mark.text
        return lead + shown, rows


def _at(place: Place) -> str:
    return printable(str(place))


def _notes(d: Diagnostic, known: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """The lines below the snippet: labels whose text is not at hand, the trail innermost first, the help."""
    notes = [
        ("note: ", f"{printable(label.text)} ({_at(label.place)})")
        for label in d.labels
        if label.text and not 1 <= label.place.line <= len(known.get(label.place.file, ()))
    ]
    trail: Sequence[Frame] = d.trail
    if len(trail) > 2 * _TRAIL_ENDS + 1:
        notes += [("in: ", printable(str(frame))) for frame in trail[:_TRAIL_ENDS]]
        notes.append(("in: ", f"... {len(trail) - 2 * _TRAIL_ENDS} more applications ..."))
        trail = trail[-_TRAIL_ENDS:]
    notes += [("in: ", printable(str(frame))) for frame in trail]
    if d.help:
        notes.append(("help: ", "\n         ".join(printable(part) for part in d.help.split("\n"))))
    return notes
