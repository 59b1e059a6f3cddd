"""Conditions on sizes: what `require` states, what the artifact carries, and what the runtime checks on every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from archonnx.contract.dims_atoms import (
    Dim,
    symbols_of,
)
from archonnx.contract.dims_expr import (
    evaluate,
)
from archonnx.contract.dims_proof import decide_sign
from archonnx.contract.dims_text import format_dim

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Kind: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "and", "or"]

_OPPOSITE: dict[str, Operator] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class Condition:
    """A comparison of two sizes, or two or more conditions of which all or any hold. Immutable; equality is structural.

    kind: a comparison's operator, "and" or "or"; sides: the two sizes of a comparison; parts: the others' conditions.
    `and_`, `or_` and `not_` also take plain booleans, called as `Condition.and_(a, b)`.
    """

    __slots__ = ("_hash", "kind", "parts", "sides")

    def __init__(self, kind: Kind, sides: tuple[Dim, ...] = (), parts: tuple[Condition, ...] = ()) -> None:
        self.kind, self.sides, self.parts = kind, sides, parts
        self._hash = hash((kind, sides, parts))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return (self._hash, self.kind, self.sides, self.parts) == (other._hash, other.kind, other.sides, other.parts)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return Condition, (self.kind, self.sides, self.parts)

    def __str__(self) -> str:
        if self.sides:
            left, right = (format_dim(side, spaced=True) for side in self.sides)
            return f"{left} {self.kind} {right}"
        inside = self.kind == "and"
        return f" {self.kind} ".join(f"({p})" if inside and p.kind == "or" else str(p) for p in self.parts)

    def __repr__(self) -> str:
        return f"<{self}>"

    def and_(self: Condition | bool, *others: Condition | bool) -> Condition | bool:
        """Whether all hold."""
        return _joined("and", (self, *others))

    def or_(self: Condition | bool, *others: Condition | bool) -> Condition | bool:
        """Whether at least one holds."""
        return _joined("or", (self, *others))

    def not_(self: Condition | bool) -> Condition | bool:
        """The opposite, with the `not` carried to the comparisons."""
        return not self if isinstance(self, bool) else _opposite(self)

    def symbols(self) -> frozenset[str]:
        """The names of the symbols that it depends on."""
        return frozenset().union(*(symbols_of(s) for s in self.sides), *(p.symbols() for p in self.parts))

    def evaluate(self, values: Mapping[str, int]) -> bool:
        """Whether it holds for these values of its symbols. KeyError: a symbol has none; ZeroDivisionError."""
        if self.sides:
            left, right = self.sides
            return _HOLDS[self.kind](evaluate(left, values), evaluate(right, values))
        holds = (part.evaluate(values) for part in self.parts)
        return all(holds) if self.kind == "and" else any(holds)

    def substitute(self, values: Mapping[str, Dim]) -> Condition | bool:
        """The condition with every symbol that `values` names replaced."""
        if self.sides:
            left, right = (s if isinstance(s, int) else s.substitute(values) for s in self.sides)
            return compare(self.operator, left, right)
        return _joined(self.kind, tuple(part.substitute(values) for part in self.parts))

    @property
    def operator(self) -> Operator:
        """The operator of a comparison. ValueError for "and" and "or"."""
        if self.kind == "and" or self.kind == "or":
            raise ValueError(f"{self} is no comparison")
        return self.kind


def _joined(kind: Kind, conditions: tuple[Condition | bool, ...]) -> Condition | bool:
    """All (`and`) or any (`or`) of the conditions, flat, each once, booleans resolved."""
    decisive = kind == "or"
    parts: dict[Condition, None] = {}
    for condition in conditions:
        if isinstance(condition, bool):
            if condition is decisive:
                return decisive
        elif condition.kind == kind:
            parts.update(dict.fromkeys(condition.parts))
        else:
            parts[condition] = None
    if len(parts) < 2:
        return next(iter(parts), not decisive)
    return Condition(kind, parts=tuple(parts))


def _opposite(condition: Condition) -> Condition:
    if condition.sides:
        return Condition(_OPPOSITE[condition.kind], condition.sides)
    return Condition("or" if condition.kind == "and" else "and", parts=tuple(_opposite(p) for p in condition.parts))


def compare(operator: Operator, left: Dim, right: Dim) -> Condition | bool:
    """The condition `left operator right`, or its truth where that is the same for every value of the symbols."""
    if isinstance(left, int) and isinstance(right, int):
        return _HOLDS[operator](left, right)
    decided = decide_sign(operator, left - right)
    return Condition(operator, (left, right)) if decided is None else decided
