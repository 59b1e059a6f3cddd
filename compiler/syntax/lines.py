"""Rows to logical lines: a line goes on inside brackets, and below where the next row begins with `->`.

A bracket that is never closed must not eat the file. That it is not is known at a row that
1. begins with a word that no expression can hold there (`input`, `model`, ...);
2. follows a finished operand with another one (a missing comma reads the same, so the row must not be indented deeper
   than the line, except below a header, whose body is);
and at the end of the file. The line then ends before the first row that could begin a statement and is not indented
deeper, where there was one.
"""

from __future__ import annotations

from dataclasses import dataclass

from archonnx.compiler.syntax.tokenizer import Row, Token
from archonnx.compiler.syntax.words import HEADERS, OPERATOR_WORDS, STATEMENT_WORDS
from archonnx.contract.diagnostics import Diagnostic, Diagnostics, Label, Place

CLOSER = {"(": ")", "[": "]", "{": "}"}
MAX_NESTING = 200
_MANY_REWINDS = 20  # past this many, lines end at once where they could, so that no file is read more often
_DANGLING = frozenset("-> + - * / // % @ ** & | ^ ~ << >> == != < > <= >= = . and or not in is \\".split())


@dataclass(slots=True)
class Line:
    """One logical line; a bad one was reported already. `tokens` end with one of kind `end`."""

    indent: int
    tokens: list[Token]
    bad: bool


def join_rows(rows: list[Row], name: str, diagnostics: Diagnostics) -> list[Line]:
    """The logical lines of a file, their brackets balanced unless they are bad."""
    return _Joiner(rows, name, diagnostics).run()


class _Joiner:
    def __init__(self, rows: list[Row], name: str, diagnostics: Diagnostics) -> None:
        self.rows = rows
        self.name = name
        self.diagnostics = diagnostics
        self.rewinds = 0

    def run(self) -> list[Line]:
        lines: list[Line] = []
        at = 0
        while at < len(self.rows):
            row = self.rows[at]
            first = row.tokens[0]
            if first.text == "->":
                self.error("E0115", "there is no line above for this `->` to continue", first)
                row.broken = True
            line, at = self.line(at)
            lines.append(line)
        return lines

    def error(self, code: str, message: str, token: Token, help: str | None = None, *labels: Label) -> None:
        self.diagnostics.add(Diagnostic(code, message, self.place(token), labels=labels, help=help))

    def place(self, token: Token) -> Place:
        return Place(self.name, token.line, token.column, token.end_line, token.end_column)

    def line(self, at: int) -> tuple[Line, int]:
        """The logical line that begins at row `at`, and the row after it."""
        first = self.rows[at]
        line = Line(first.indent, list(first.tokens), first.broken)
        stack: list[Token] = []
        weak = (
            0  # the first row that could begin a statement, and how many tokens and open brackets there were before it
        )
        before: tuple[int, Token] | None = None
        header = first.tokens[0].text in HEADERS
        self.nest(first, stack, line)
        at += 1
        while at < len(self.rows):
            row = self.rows[at]
            start = row.tokens[0]
            if stack:
                if line.bad and self.rows[at - 1].broken and row.indent <= first.indent:
                    break  # the row above lost characters, its brackets say nothing
                shallow = row.indent <= first.indent
                if shallow and not weak and start.kind == "name" and start.text not in OPERATOR_WORDS:
                    weak, before = at, (len(line.tokens), stack[-1])
                if self.begins_statement(line.tokens[-1], row, stack[-1], shallow, header) or (
                    weak == at and self.rewinds >= _MANY_REWINDS
                ):
                    break
            elif start.text == "->":
                if row.indent <= first.indent:
                    help = f"indent it deeper than line {first.tokens[0].line}, which it continues"
                    self.error(
                        "E0115",
                        "a line that begins with `->` is indented deeper than the one it continues",
                        start,
                        help,
                    )
                    line.bad = True
            elif not self.dangles(line, row):
                break
            line.tokens += row.tokens
            line.bad = line.bad or row.broken
            self.nest(row, stack, line)
            at += 1
        if stack and before is not None:
            self.rewinds += weak < at
            at = weak
            del line.tokens[before[0] :]
            self.unclosed(before[1], line, self.rows[at])
        elif stack:
            self.unclosed(stack[-1], line, self.rows[at] if at < len(self.rows) else None)
        elif not line.bad and at >= len(self.rows):
            self.dangles(line, None)
        return self.ended(line), at

    def ended(self, line: Line) -> Line:
        last = line.tokens[-1]
        offset = last.offset + len(last.text)
        line.tokens.append(Token("end", "", last.end_line, last.end_column, last.end_line, last.end_column + 1, offset))
        return line

    def nest(self, row: Row, stack: list[Token], line: Line) -> None:
        """Opens and closes the brackets of a row."""
        for token in row.tokens:
            if token.kind != "op":
                continue
            text = token.text
            if text in "([{":
                stack.append(token)
                if len(stack) == MAX_NESTING + 1:
                    if not line.bad:
                        help = "give the inner parts names on lines of their own"
                        self.error("E0111", f"brackets nested more than {MAX_NESTING} deep", token, help)
                    line.bad = True
            elif text in ")]}":
                if stack and CLOSER[stack[-1].text] == text:
                    stack.pop()
                    continue
                if not line.bad:
                    self.wrong_closer(token, stack)
                line.bad = True
                if stack:
                    stack.pop()

    def wrong_closer(self, token: Token, stack: list[Token]) -> None:
        if not stack:
            self.error(
                "E0110", f"`{token.text}` closes no bracket", token, "delete it, or open the bracket that it closes"
            )
            return
        opened = stack[-1]
        label = Label(self.place(opened), "this bracket is open")
        message = f"`{token.text}` cannot close `{opened.text}`"
        self.error("E0110", message, token, f"close it with `{CLOSER[opened.text]}`", label)

    def begins_statement(self, last: Token, row: Row, opened: Token, shallow: bool, header: bool) -> bool:
        """Whether a row inside brackets must begin a statement of its own: rules 1 and 2 above."""
        start = row.tokens[0]
        if start.kind != "name":
            return False
        following = row.tokens[1] if len(row.tokens) > 1 else None
        if start.text in STATEMENT_WORDS:
            return following is None or following.text != "="
        if header and last.text == ":":
            return opened.text == "("
        if start.text in OPERATOR_WORDS:
            texts = [token.text for token in row.tokens]
            balanced = sum(text in CLOSER for text in texts) == sum(text in CLOSER.values() for text in texts)
            return shallow and not header and start.text in ("for", "if") and texts[-1] == ":" and balanced
        finished = last.kind in ("number", "string", "fstring") or last.text in (")", "]", "}")
        finished = finished or (last.kind == "name" and last.text not in OPERATOR_WORDS)
        return finished and (shallow or header)

    def unclosed(self, opened: Token, line: Line, row: Row | None) -> None:
        if not line.bad:
            labels = [Label(self.place(row.tokens[0]), "a new line begins here")] if row else []
            help = f"close it with `{CLOSER[opened.text]}`"
            self.error("E0109", f"this `{opened.text}` is never closed", opened, help, *labels)
        line.bad = True

    def dangles(self, line: Line, row: Row | None) -> bool:
        """Reports a line that ends in an arrow or another operator; whether the row below it is meant to go on."""
        last = line.tokens[-1]
        if last.text not in _DANGLING or last.kind not in ("op", "name"):
            return False
        goes_on = row is not None and row.indent > line.indent
        if not line.bad and (goes_on or last.text in ("->", "\\")):
            if last.text == "->":
                help = "begin the line below with the `->` instead, indented deeper than this one"
            elif last.text == "\\":
                help = "delete the backslash: a line goes on inside brackets, and where the next one begins with `->`"
            else:
                help = "put the expression in parentheses: a line goes on inside brackets"
            self.error("E0114", f"a line does not end in `{last.text}`", last, help)
            line.bad = True
        return goes_on
