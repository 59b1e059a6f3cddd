"""Whole numbers in maps: `{i + 1}`, `x[768 * i:]`, `axis=-1`. Numbers, variables, + - * // % and parentheses."""

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
    """`operator` is "" for a literal, "name" for a variable, else one of + - * // %, or "neg"."""

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
        values = [part.value(variables) for part in self.parts]
        if self.operator == "neg":
            return -values[0]
        left, right = values
        if self.operator in ("//", "%"):
            if right == 0:
                raise NumberError("this divides by zero", self.place)
            return left // right if self.operator == "//" else left % right
        return {"+": left + right, "-": left - right, "*": left * right}[self.operator]

    def variables(self) -> set[str]:
        if self.operator == "name":
            return {self.name}
        return {name for part in self.parts for name in part.variables()}
