"""A position in a list of tokens, and the ways to say that what stands there is wrong."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NoReturn

from archonnx.compiler.syntax.tokenizer import Token
from archonnx.compiler.syntax.words import OTHER_OPERATORS, PYTHON_STATEMENTS, RESERVED
from archonnx.contract.diagnostics import Diagnostic, Label, Place

_READABLE = 60  # characters of source that a reading in a help line may quote


_BETWEEN = {"": "one statement a line", ")": "a comma is missing", "]": "a comma is missing"}


class LineError(Exception):
    """A line that cannot be parsed, with what is said about it; caught where the next line begins."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Cursor:
    """Tokens of one line, or of the inside of one pair of brackets; the last one is of kind `end`."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.tokens: list[Token] = []
        self.at = 0
        self.line_starts: list[int] = []

    def take(self, text: str) -> bool:
        """Steps over the token that reads `text`, if it is the next one."""
        if self.tokens[self.at].text == text and self.tokens[self.at].kind != "end":
            self.at += 1
            return True
        return False

    def place(self, first: Token, last: Token) -> Place:
        return Place(self.name, first.line, first.column, last.end_line, last.end_column)

    def source(self, first: int, last: int) -> str:
        """The text of some tokens on one line, shortened where it is long."""
        start, end = self.tokens[first], self.tokens[last]
        text = " ".join(self.text[start.offset : self.end_offset(end)].split())
        return text if len(text) <= _READABLE else text[: _READABLE // 2] + "..." + text[-_READABLE // 4 :]

    def locate(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset in the text."""
        if not self.line_starts:
            self.line_starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def end_offset(self, token: Token) -> int:
        """Where a token ends in the text."""
        if token.end_line == token.line:
            return token.offset + token.end_column - token.column
        self.locate(0)
        return self.line_starts[token.end_line - 1] + token.end_column - 1

    def fail(
        self, code: str, message: str, first: Token, help: str | None = None, last: Token | None = None, label: str = ""
    ) -> NoReturn:
        self.fail_at(code, message, self.place(first, last or first), help, label)

    def fail_at(
        self, code: str, message: str, place: Place, help: str | None = None, label: str = "", *labels: Label
    ) -> NoReturn:
        raise LineError(Diagnostic(code, message, place, label, labels, help=help))

    def describe(self, token: Token) -> str:
        """A token as a message names it."""
        if token.kind == "end":
            return f"`{token.text}`" if token.text else "the end of the line"
        if token.kind == "name" and token.text in RESERVED:
            return f"the reserved word `{token.text}`"
        if token.kind in ("string", "fstring"):
            return "a string"
        return f"`{token.text}`"

    def unexpected(self, expected: str, help: str | None = None) -> NoReturn:
        """Fails at the next token: what it is, and what could have stood there."""
        token = self.tokens[self.at]
        if token.kind == "op" and token.text in OTHER_OPERATORS:
            self.fail("E0120", f"there is no operator `{token.text}`", token, OTHER_OPERATORS[token.text])
        if token.kind == "op" and len(token.text) > 1 and token.text[-1] == "=" and token.text[0] in "+-*/%@&|^<>":
            operator = token.text[:-1]
            if operator not in ("<", ">"):
                name = self.tokens[self.at - 1].text if self.at else "NAME"
                help = f"write the whole assignment: {name} = {name} {operator} ..."
                self.fail("E0120", f"there is no operator `{token.text}`", token, help)
        if token.text == "=" and token.kind == "op" and help is None:
            help = "`==` compares; `NAME = VALUE` on a line of its own assigns"
            self.fail("E0117", f"expected {expected}, found `=`", token, help)
        if token.kind == "name" and token.text in PYTHON_STATEMENTS:
            self.fail("E0119", f"there is no `{token.text}`", token, PYTHON_STATEMENTS[token.text])
        self.fail("E0112", f"expected {expected}, found {self.describe(token)}", token, help)

    def expect_end(self, expected: str) -> None:
        token = self.tokens[self.at]
        if token.kind == "end":
            return
        help = None
        operand = token.kind in ("name", "number", "string", "fstring", "paren", "list") and token.text not in RESERVED
        if operand and self.at:
            help = _BETWEEN.get(self.tokens[-1].text)
        self.unexpected(expected, help)
