"""Source text to rows of tokens, one row a physical line; brackets and continuations are joined in `lines`.

A character that belongs to no token is reported once a row and the row is marked broken: it still takes part in the
nesting of brackets and bodies, but is not parsed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

from archonnx.contract.diagnostics import Diagnostic, Diagnostics, Place


class Token(NamedTuple):
    """One token. Lines and columns count from 1, offsets from 0; `value` is for brackets that were parsed already."""

    kind: str  # name, number, string, fstring, op, bad, end; once folded: call, paren, subscript, list
    text: str
    line: int
    column: int
    end_line: int
    end_column: int
    offset: int
    value: object = None


@dataclass(slots=True)
class Comment:
    line: int
    column: int
    text: str
    alone: bool  # nothing else stands on its line


@dataclass(slots=True)
class Row:
    """The tokens that begin on one physical line."""

    indent: int
    tokens: list[Token]
    broken: bool = False


@dataclass(slots=True)
class Scan:
    rows: list[Row] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


# No group is repeated possessively, (...)*+ or (...)?+: Python 3.11.2, Debian 12's, matches that wrongly.
_TOKEN = re.compile(
    r"""[ \t]*+(?:
      (?P<name>(?![fFbBrRuU]{1,2}+["'])[^\W\d]\w*+)
    | (?P<op>->|\*\*=?|//=?|<<=?|>>=?|<=|>=|=>|===?|!=|<>|:=|&&|\|\||[-+*/%@&|^]=|\.\.\.
           |(?!\.[0-9])[-+*/%@&|^~<>=!:,.;()\[\]{}?$\\])
    | (?P<newline>\n)
    | (?P<number>0[xXoObB]\w*+|(?:[0-9]\w*+\.?\w*+|\.[0-9]\w*+)(?:(?<=[eE])[+-]\w++)?)
    | (?P<string>[fFbBrRuU]{0,2}+(?:\"\"\"|'''|["']))
    | (?P<comment>\#[^\n]*+)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_CLOSED = {
    '"': re.compile(r'(?:[^"\\\n]++|\\[^\n])*"'),
    "'": re.compile(r"(?:[^'\\\n]++|\\[^\n])*'"),
    '"""': re.compile(r'(?:[^"\\]++|\\.|"(?!""))*"""', re.DOTALL),
    "'''": re.compile(r"(?:[^'\\]++|\\.|'(?!''))*'''", re.DOTALL),
}
_SPACES = re.compile(r"[ \t]*+")
_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u0060\u00b4\u300c\u300d"
_LOOKALIKES = {
    "\u2192": "->", "\u2190": "=", "\u27f6": "->", "\u00d7": "*", "\u00f7": "/",
    "\u2212": "-", "\u2013": "-", "\u2014": "-",
    "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u2026": "...", "\u00b2": "** 2", "\u00b3": "** 3",
}  # fmt: skip


def scan(text: str, name: str, diagnostics: Diagnostics) -> Scan:
    """The rows and comments of a whole source: LF ends a line, and there is no byte order mark."""
    return _Scanner(text, name, diagnostics).run(0, len(text), 1, 0)


def scan_part(text: str, name: str, diagnostics: Diagnostics, start: int, end: int, line: int, line_start: int) -> Scan:
    """The tokens of `text[start:end]`, whose first character is on `line`, which begins at `line_start`."""
    return _Scanner(text, name, diagnostics).run(start, end, line, line_start)


class _Scanner:
    def __init__(self, text: str, name: str, diagnostics: Diagnostics) -> None:
        self.text = text
        self.name = name
        self.diagnostics = diagnostics
        self.ascii = text.isascii()
        self.open_triple = False  # an unclosed triple quote was seen: later ones are looked for on their line alone
        self.tab_told = False

    def run(self, position: int, end: int, line: int, line_start: int) -> Scan:
        text = self.text
        match = _TOKEN.match
        found = Scan()
        tokens: list[Token] = []
        row = Row(0, tokens)
        while True:
            m = match(text, position, end)
            if m is None:
                token = self.stray(position, end, line, line_start, row)
                position = token.offset + len(token.text)
                kind = token.kind
                if kind == "op" and token.value:
                    token = token._replace(text=str(token.value), value=None)
            else:
                kind = str(m.lastgroup)
                start = m.start(kind)
                position = m.end()
                column = start - line_start + 1
                if kind == "newline" or kind == "end":
                    if tokens:
                        found.rows.append(row)
                        tokens = []
                        row = Row(0, tokens)
                    if kind == "end":
                        return found
                    line += 1
                    line_start = position
                    continue
                if kind == "comment":
                    found.comments.append(Comment(line, column, text[start:position].rstrip(), not tokens))
                    continue
                token = Token(kind, text[start:position], line, column, line, column + position - start, start)
                if kind == "string":
                    token = self.string(token, end, row)
                    position = token.offset + len(token.text)
                elif kind == "name" and not self.ascii and not token.text.isascii():
                    token = self.spelled(token, row)
            if not tokens and token.column > 1:
                row.indent = self.indent(line, line_start, token.offset)
            tokens.append(token)
            if token.end_line != line:
                line = token.end_line
                line_start = position - token.end_column + 1

    def error(self, row: Row | None, code: str, message: str, place: Place, help: str | None = None) -> None:
        """Reports the first error of a row and marks the row broken."""
        if row is None or not row.broken:
            self.diagnostics.add(Diagnostic(code, message, place, help=help))
        if row is not None:
            row.broken = True

    def indent(self, line: int, line_start: int, offset: int) -> int:
        spaces = self.text[line_start:offset]
        spaces = spaces[: len(spaces) - len(spaces.lstrip(" \t"))]
        if "\t" in spaces:
            if not self.tab_told:
                self.tab_told = True
                column = spaces.index("\t") + 1
                place = Place(self.name, line, column, line, column + 1)
                help = "indent with spaces, four a level; `archonnx fmt` does it where tabs and spaces are not mixed"
                self.error(None, "E0104", "a tab in the indentation", place, help)
            return len(spaces.expandtabs(4))
        return len(spaces)

    def spelled(self, token: Token, row: Row) -> Token:
        """A name that is not ASCII: composed as Unicode's NFC; full-width characters and ligatures are errors."""
        composed = unicodedata.normalize("NFC", token.text)
        plain = unicodedata.normalize("NFKC", token.text)
        if plain != composed:
            place = Place(self.name, token.line, token.column, token.line, token.end_column)
            help = f"write {plain}"
            self.error(row, "E0101", f"`{token.text}` is written with look-alike characters", place, help)
        return token._replace(text=composed)

    def string(self, token: Token, end: int, row: Row) -> Token:
        """The whole string whose opening quotes were met; its kind is `fstring` where it has that prefix."""
        quote = token.text.lstrip("fFbBrRuU")
        prefix = token.text[: len(token.text) - len(quote)]
        body = token.offset + len(token.text)
        line_end = self.text.find("\n", body, end)
        line_end = end if line_end < 0 else line_end
        stop = line_end if self.open_triple and len(quote) == 3 else end
        m = _CLOSED[quote].match(self.text, body, stop)
        place = Place(self.name, token.line, token.column, token.line, token.column + max(1, line_end - token.offset))
        if m is None:
            self.open_triple = self.open_triple or len(quote) == 3
            if len(quote) == 3:
                self.error(row, "E0102", "this triple-quoted string is never closed", place, f"close it with {quote}")
            else:
                help = f"close it with {quote} on its line; text over several lines stands in triple quotes"
                self.error(row, "E0102", "this string is not closed on its line", place, help)
            closed = line_end
        else:
            closed = m.end()
        written = self.text[token.offset : closed]
        if prefix.lower() not in ("", "f"):
            place = Place(self.name, token.line, token.column, token.line, token.column + len(prefix))
            help = "write it without the prefix; a backslash is written \\\\"
            self.error(row, "E0124", f"strings have no prefix `{prefix}`", place, help)
        lines = written.count("\n")
        end_column = len(written) - written.rfind("\n") if lines else token.column + len(written)
        kind = "fstring" if prefix else "string"
        return Token(kind, written, token.line, token.column, token.line + lines, end_column, token.offset)

    def stray(self, position: int, end: int, line: int, line_start: int, row: Row) -> Token:
        """Reports a character that begins no token; what it was meant to be keeps brackets in step."""
        space = _SPACES.match(self.text, position, end)
        start = space.end() if space else position
        character = self.text[start]
        column = start - line_start + 1
        plain = unicodedata.normalize("NFKC", character)
        written = character
        meant = ""
        code = f"U+{ord(character):04X}"
        shown = f"`{character}` ({code})" if character.isprintable() else code
        help: str | None = None
        if character in _QUOTES:
            help = 'write a plain quote: "'
            close = re.compile(rf"[^\n{_QUOTES}]*+[{_QUOTES}]").match(self.text, start + 1, end)
            written = self.text[start : close.end()] if close else character
            shown = f"the quote `{character}`"
        elif character in _LOOKALIKES:
            meant = _LOOKALIKES[character]
            help = f"write {meant}"
        elif character.isspace() or plain.isspace() or character in "\u200b\u200c\u200d\u2060\ufeff\u00ad":
            help = "write a plain space" if plain.isspace() else "delete it"
            shown = f"the invisible character {code}"
        elif plain != character and plain.isascii():
            meant = plain
            help = f"write {plain}"
            shown = f"the full-width character `{character}`"
        elif character == "\x00":
            help = "this does not look like a text file"
        place = Place(self.name, line, column, line, column + len(written))
        self.error(row, "E0101", f"{shown} has no meaning here", place, help)
        operator = meant in ("->", "(", ")", "[", "]", ",", ":", "=")
        kind = "string" if character in _QUOTES else "op" if operator else "bad"
        return Token(kind, written, line, column, line, column + len(written), start, meant)
