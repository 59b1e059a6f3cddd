"""Numbers and strings: tokens to nodes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NoReturn

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.strings import StringError, f_parts, quotes_of, unescape
from archonnx.compiler.syntax.tokenizer import Token
from archonnx.contract.diagnostics import Place

if TYPE_CHECKING:
    from archonnx.compiler.syntax.operands import Operands

MAX_BITS = 4096
_INTEGER = re.compile(r"0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?[0-9])*")
_DIGITS = r"[0-9](?:_?[0-9])*"
_FLOAT = re.compile(rf"(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?{_DIGITS})?|{_DIGITS}[eE][-+]?{_DIGITS}")


def number(parser: Operands, token: Token) -> tree.Literal:
    """An integer of at most 4,096 bits, or a double."""
    text = token.text
    if _INTEGER.fullmatch(text):
        # Python reads decimal numbers of up to 4,300 digits, and others in linear time
        value = int(text, 0) if len(text) <= MAX_BITS * (2 if text[1:2].isalpha() else 1) else None
        if value is None or value.bit_length() > MAX_BITS:
            parser.fail("E0103", f"an integer of more than {MAX_BITS:,} bits", token)
        return tree.Literal(parser.place(token, token), value)
    if _FLOAT.fullmatch(text):
        double = float(text)
        if math.isinf(double):
            parser.fail("E0103", f"`{text}` is too large for a double", token, 'infinity is written float("inf")')
        return tree.Literal(parser.place(token, token), double)
    help = None
    if re.fullmatch(r"0[0-9]+", text):
        help = f"write {text.lstrip('0')}, or 0o{text.lstrip('0')} for octal"
    elif re.fullmatch(r"[0-9.]+[jJ]", text):
        help = "there are no complex numbers"
    elif re.fullmatch(r"[0-9]+[a-zA-Z]\w*", text):
        help = "a name begins with a letter or `_`; a product is written with `*`"
    return parser.fail("E0103", f"`{text}` is no number", token, help)


def strings(parser: Operands) -> tree.Expr:
    """The string at the cursor, joined with the ones right behind it."""
    first = parser.tokens[parser.at]
    parts: list[str | tree.Formatted] = []
    formatted = False
    while parser.tokens[parser.at].kind in ("string", "fstring"):
        token = parser.tokens[parser.at]
        start, end = quotes_of(token.text)
        body = token.text[start:end]
        try:
            if token.kind == "string":
                parts.append(unescape(body))
            else:
                formatted = True
                parts += [
                    part if isinstance(part, str) else _formatted(parser, token, start, part) for part in f_parts(body)
                ]
        except StringError as error:
            _fail_inside(parser, token, start, error)
        parser.at += 1
    place = parser.place(first, parser.tokens[parser.at - 1])
    if not formatted:
        return tree.Literal(place, "".join(part for part in parts if isinstance(part, str)))
    joined: list[str | tree.Formatted] = []
    for item in parts:
        if isinstance(item, str) and joined and isinstance(joined[-1], str):
            joined[-1] += item
        elif item != "":
            joined.append(item)
    return tree.FString(place, joined)


def requoted(written: str) -> str:
    """A string token in double quotes, unless a quote inside it would need an escape then."""
    start, end = quotes_of(written)
    prefix = "f" if written[0] in "fF" else ""
    quote = written[len(prefix) : start]
    body = written[start:end]
    double = quote.replace("'", '"')
    inner = '"' in body or (prefix and "'" in body) or "\\" in body[-1:]
    return prefix + (quote + body + quote if inner else double + body + double)


def _formatted(parser: Operands, token: Token, start: int, part: tuple[int, int, str]) -> tree.Formatted:
    begin, end = (token.offset + start + at for at in part[:2])
    line, column = parser.locate(begin)
    value = parser.part(begin, end, line, begin - column + 1)
    return tree.Formatted(Place(parser.name, line, column, *parser.locate(end)), value, part[2])


def _fail_inside(parser: Operands, token: Token, start: int, error: StringError) -> NoReturn:
    line, column = parser.locate(token.offset + start + error.offset)
    place = Place(parser.name, line, column, line, column + error.length)
    parser.fail_at("E0124", error.message, place, error.help)
