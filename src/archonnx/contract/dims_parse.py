"""Reads sizes and conditions from text, Python's way: the inverse of their `str`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Never, TypeAlias, cast

from archonnx.contract.conditions import Condition, Operator, compare
from archonnx.contract.dims_atoms import (
    Dim,
    DimTooLargeError,
)
from archonnx.contract.dims_expr import (
    Expr,
    Ratio,
    symbol,
)
from archonnx.contract.dims_simplify import dim_max, dim_min

_TOKEN = re.compile(r"\s*(?:(\d+)|([^\W\d]\w*)|(\*\*|//|[<>=!]=|[-+*/%(),<>]))")
Value: TypeAlias = "Dim | Ratio | Condition"  # booleans are ints here, told apart by their type
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_NEST = 100
_POWER_BITS = 8192
_WORDS = ("and", "or", "not")
_FUNCTIONS = ("ceil", "floor", "min", "max")


def parse_dim(text: str, symbols: Mapping[str, Dim] | None = None) -> Dim:
    """The size that `text` gives. Names found in `symbols` are what stands there, others are symbols of at least 1.

    ValueError, with the position, where it is no size.
    """
    reader = _Reader(text, symbols or {})
    return reader.size(reader.whole(reader.sum))


def parse_condition(text: str, symbols: Mapping[str, Dim] | None = None) -> Condition | bool:
    """The condition that `text` gives, as `parse_dim`; one that is decided without facts is a boolean."""
    reader = _Reader(text, symbols or {})
    return reader.truth(reader.whole(reader.disjunction))


class _Reader:
    """A recursive descent over the tokens, at most `_NEST` brackets and signs deep."""

    def __init__(self, text: str, symbols: Mapping[str, Dim]) -> None:
        self.text = text
        self.symbols = symbols
        self.tokens: list[tuple[str, int]] = []
        self.next = 0
        self.depth = 0
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise ValueError(f"position {at + 1} of {text!r}: unexpected {text[at]!r}")
            self.tokens.append((match.group(match.lastindex or 0), match.start(match.lastindex or 0)))
            at = match.end()
        self.tokens.append(("", len(text)))

    def whole(self, rule: Callable[[], Value]) -> Value:
        """What the rule reads, which must be all there is."""
        try:
            value = rule()
        except (ZeroDivisionError, DimTooLargeError) as error:
            raise ValueError(f"{self.text!r}: {error}") from error
        if self.peek():
            self.fail("the end")
        return value

    def peek(self) -> str:
        return self.tokens[self.next][0]

    def fail(self, expected: str) -> Never:
        token, at = self.tokens[self.next]
        where = repr(token) if token else "the end"
        raise ValueError(f"position {at + 1} of {self.text!r}: expected {expected}, got {where}")

    def take(self, *tokens: str) -> str | None:
        token = self.peek()
        if token not in tokens:
            return None
        self.next += 1
        return token

    def size(self, value: Value) -> Dim:
        if isinstance(value, bool) or not isinstance(value, int | Expr):
            self.fail(f"a size, not {'the quotient ' if isinstance(value, Ratio) else ''}{value},")
        return value

    def number(self, value: Value) -> Dim | Ratio:
        return value if isinstance(value, Ratio) else self.size(value)

    def truth(self, value: Value) -> Condition | bool:
        if not isinstance(value, bool | Condition):
            self.fail(f"a comparison, not {value},")
        return value

    def disjunction(self) -> Value:
        value = self.conjunction()
        while self.take("or"):
            value = Condition.or_(self.truth(value), self.truth(self.conjunction()))
        return value

    def conjunction(self) -> Value:
        value = self.inversion()
        while self.take("and"):
            value = Condition.and_(self.truth(value), self.truth(self.inversion()))
        return value

    def inversion(self) -> Value:
        if not self.take("not"):
            return self.comparison()
        self.deeper()
        value = Condition.not_(self.truth(self.inversion()))
        self.depth -= 1
        return value

    def comparison(self) -> Value:
        left = self.sum()
        result: Condition | bool | None = None
        while operator := self.take(*_COMPARISONS):
            right = self.sum()
            found = compare(cast(Operator, operator), self.size(left), self.size(right))
            result = found if result is None else Condition.and_(result, found)
            left = right
        return left if result is None else result

    def sum(self) -> Value:
        value = self.product()
        while sign := self.take("+", "-"):
            left, right = self.number(value), self.number(self.product())
            value = left + right if sign == "+" else left - right
        return value

    def product(self) -> Value:
        value = self.signed()
        while sign := self.take("*", "/", "//", "%"):
            left, right = self.number(value), self.number(self.signed())
            if sign == "*":
                value = left * right
            elif sign == "/":
                value = Ratio(left, 1) / right if isinstance(left, int | Expr) else left / right
            elif sign == "//":
                value = self.size(left) // self.size(right)
            else:
                value = self.size(left) % self.size(right)
        return value

    def signed(self) -> Value:
        sign = self.take("-", "+")
        if sign is None:
            return self.power()
        self.deeper()
        value = self.number(self.signed())
        self.depth -= 1
        return -value if sign == "-" else value

    def power(self) -> Value:
        base = self.primary()
        if not self.take("**"):
            return base
        self.deeper()
        exponent = self.size(self.signed())
        self.depth -= 1
        base = self.size(base)
        if not isinstance(exponent, int) or exponent < 0:
            self.fail(f"an exponent that is a number of at least 0, not {exponent},")
        if isinstance(base, int) and base.bit_length() * exponent > _POWER_BITS:
            self.fail(f"a power of at most {_POWER_BITS:,} bits")
        return cast(Dim, base**exponent)

    def primary(self) -> Value:
        token = self.peek()
        if token.isdigit() and token.isascii():
            self.next += 1
            return int(token)
        if self.take("("):
            self.deeper()
            value = self.disjunction()
            self.close()
            return value
        if not (token[:1].isalpha() or token[:1] == "_") or token in _WORDS:
            self.fail("a size")
        self.next += 1
        if token in _FUNCTIONS and self.take("("):
            self.deeper()
            arguments = [self.number(self.sum())]
            while self.take(","):
                arguments.append(self.number(self.sum()))
            self.close()
            return self.call(token, arguments)
        known = self.symbols.get(token)
        return symbol(token) if known is None else known

    def call(self, name: str, arguments: list[Dim | Ratio]) -> Dim:
        if name in ("min", "max"):
            sizes = [self.size(a) for a in arguments]
            return dim_min(*sizes) if name == "min" else dim_max(*sizes)
        if len(arguments) != 1:
            self.fail(f"one argument of {name}, got {len(arguments)},")
        argument = arguments[0]
        if not isinstance(argument, Ratio):
            return argument
        return argument.ceil() if name == "ceil" else argument.floor()

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _NEST:
            self.fail(f"brackets and signs at most {_NEST} deep")

    def close(self) -> None:
        self.depth -= 1
        if not self.take(")"):
            self.fail("')'")
