"""String literals: their escapes, and the parts of f-strings."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\'\"abfnrtv0])(?![0-7])|(\n)|(.?))", re.DOTALL
)
_PLAIN = {"\\": "\\", "'": "'", '"': '"', "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PLAIN |= {"0": "\0"}
_PART = re.compile(r"\{\{|\}\}|\{|\}")


class StringError(Exception):
    """What is wrong in a string, at an offset from the start of the text that was looked at."""

    def __init__(self, message: str, offset: int, length: int = 1, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.help = help


def quotes_of(written: str) -> tuple[int, int]:
    """Where the body of a string token begins and ends in it."""
    start = 1 if written[0] in "fF" else 0
    size = 3 if written[start : start + 3] in ('"""', "'''") and len(written) >= start + 6 else 1
    return start + size, len(written) - size


def unescape(body: str) -> str:
    """A string's body with its escapes replaced: Python's, without octal ones and `\\N`.

    Raises StringError for an unknown escape and for one that stands for no character.
    """
    if "\\" not in body:
        return body

    def replaced(m: re.Match[str]) -> str:
        code = m[1] or m[2] or m[3]
        if code:
            point = int(code, 16)
            if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
                raise StringError(f"`{m[0]}` stands for no character", m.start(), len(m[0]))
            return chr(point)
        if m[4]:
            return _PLAIN[m[4]]
        if m[5]:
            return ""
        raise StringError(f"`{m[0]}` is no escape", m.start(), len(m[0]), f"a backslash itself is written `\\{m[0]}`")

    return _ESCAPE.sub(replaced, body)


def f_parts(body: str) -> Iterator[str | tuple[int, int, str]]:
    """The parts of an f-string's body: texts, and (start, end, format) of each expression, by offsets in the body.

    Raises StringError for braces that do not match, an empty expression, a conversion (`!r`) and braces in a format.
    """
    at = 0
    text: list[str] = []
    while True:
        m = _PART.search(body, at)
        text.append(unescape_at(body[at : m.start() if m else len(body)], at))
        if m is None:
            break
        if m[0] in ("{{", "}}"):
            text.append(m[0][0])
            at = m.end()
            continue
        if m[0] == "}":
            raise StringError("a single `}` in an f-string", m.start(), help="a brace itself is written twice: }}")
        if "".join(text):
            yield "".join(text)
        text = []
        end, close = _expression_end(body, m.end())
        if not body[m.end() : end].strip():
            raise StringError("an f-string's braces hold an expression", m.start(), close + 1 - m.start())
        form = body[end + 1 : close] if body[end] == ":" else ""
        if "{" in form:
            raise StringError("a format holds no braces", end + 1 + form.index("{"))
        yield m.end(), end, unescape_at(form, end + 1)
        at = close + 1
    if "".join(text):
        yield "".join(text)


def unescape_at(text: str, at: int) -> str:
    """`unescape`, its errors' offsets counted from `at` characters before the text."""
    try:
        return unescape(text)
    except StringError as error:
        raise StringError(error.message, error.offset + at, error.length, error.help) from None


def _expression_end(body: str, start: int) -> tuple[int, int]:
    """Where the expression that begins at `start` ends, and where its `}` is."""
    depth = 0
    quote = ""
    for at in range(start, len(body)):
        character = body[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]" or (character == "}" and depth):
            depth -= 1
        elif character == "!" and body[at + 1 : at + 2] != "=":
            raise StringError("an f-string has no conversions", at, 2, "write `str(VALUE)`, or a format after `:`")
        elif not depth and character == "}":
            return at, at
        elif not depth and character == ":":
            close = body.find("}", at)
            if close < 0:
                break
            return at, close
    raise StringError("this brace is never closed", start - 1, help="close it with }, or write it twice to mean itself")
