"""Whole numbers in maps: `{i + 1}`, `x[768 * i:]`, `axis=-1`, `{[0, 5, 10][i] + j}`.

They are made of numbers, variables, + - * // %, parentheses, and lists of which one is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archonnx.contract.diagnostics import Place

LARGEST = 10**15


class NumberError(Exception):
    """A number that does not come out: `what` says why, `place` which part of the text."""

    def __init__(self, what: str, place: Place) -> None:
        super().__init__(what)
        self.what, self.place = what, place


@dataclass(frozen=True, slots=True)
class Number:
    """`operator` is "" for a literal, "name" for a variable, "list" (its index first), "neg", or one of + - * // %."""

    place: Place
    operator: str
    literal: int = 0
    name: str = ""
    parts: tuple[Number, ...] = ()

    def value(self, variables: Mapping[str, int]) -> int:
        """Raises NumberError for a division by zero and for what is out of all bounds."""
        found = self._value(variables)
        if abs(found) > LARGEST:
            raise NumberError("this number is out of all bounds", self.place)
        return found

    def _value(self, variables: Mapping[str, int]) -> int:
        if self.operator == "":
            return self.literal
        if self.operator == "name":
            return variables[self.name]
        if self.operator == "list":  # those that are not chosen need not come out
            return self.parts[1 + self.parts[0].place_in(len(self.parts) - 1, variables)].value(variables)
        values = [part.value(variables) for part in self.parts]
        if self.operator == "neg":
            return -values[0]
        left, right = values
        if self.operator in ("//", "%"):
            if right == 0:
                raise NumberError("this divides by zero", self.place)
            return left // right if self.operator == "//" else left % right
        return {"+": left + right, "-": left - right, "*": left * right}[self.operator]

    def place_in(self, count: int, variables: Mapping[str, int]) -> int:
        """Its value as a place in a list, or a text, of so many. Raises NumberError where it is none."""
        found = self.value(variables)
        if not 0 <= found < count:
            raise NumberError(f"this is {found} here, and the last of {count} is {count - 1}", self.place)
        return found

    def variables(self) -> set[str]:
        if self.operator == "name":
            return {self.name}
        return {name for part in self.parts for name in part.variables()}
