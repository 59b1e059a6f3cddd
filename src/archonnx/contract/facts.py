"""What is known about sizes from `require`, and what follows from it.

Equalities become rewriting rules: `S == T` replaces T by S; `H % 8 == 0`, which is H == 8 * (H // 8), makes H // 8 a
variable of its own (a `Held` atom) and replaces H by 8 times it, so that quotients of H come out exact by polynomials.
Inequalities become bounds of atoms, and sizes known to be at least 0. `normalize` goes back to the user's own symbols.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum

from archonnx.contract import dims_range as ranges
from archonnx.contract.conditions import Condition, compare
from archonnx.contract.dims_atoms import (
    Dim,
    DimTooLargeError,
)
from archonnx.contract.dims_proof import bounds
from archonnx.contract.dims_range import INFINITY
from archonnx.contract.facts_learn import ContradictionError, Learner
from archonnx.contract.facts_rules import present

_REMEMBERED = 4096  # normal forms kept


class Verdict(Enum):
    """Whether two sizes are equal: for every value of their symbols, for none, or neither is proven."""

    YES = "yes"
    NO = "no"
    DEPENDS = "depends"


class Facts:
    """A growing set of facts. One thread at a time."""

    __slots__ = ("_known", "_normal")

    def __init__(self) -> None:
        self._known = Learner()
        self._normal: dict[Dim, Dim] = {}

    def copy(self) -> Facts:
        """An independent copy: what is required of one is not known to the other."""
        other = Facts()
        other._known = self._known.copy()
        return other

    def require(self, condition: Condition | bool) -> None:
        """Adds a fact. ValueError where it contradicts what is known; nothing is added then."""
        decided = self._known.decide(condition)
        if decided is True:
            return
        work = self._known.copy()
        try:
            if isinstance(condition, bool) or decided is False:
                raise ContradictionError
            work.learn(condition)
        except ContradictionError:
            raise ValueError(f"the requirement {condition} contradicts what is known") from None
        self._known = work
        self._normal = {}

    def normalize(self, dim: Dim) -> Dim:
        """The size rewritten under the facts: sizes that they make equal by substitution become the same one."""
        if isinstance(dim, int) or not self._known.learnt:
            return dim
        found = self._normal.get(dim)
        if found is None:
            try:
                found = present(self._known.reduce(dim), self._known.rules)
            except DimTooLargeError:  # rewriting made it bigger than is worth working with
                found = dim
            if len(self._normal) >= _REMEMBERED:
                self._normal.clear()
            self._normal[dim] = found
        return found

    def equal(self, a: Dim, b: Dim) -> Verdict:
        """Whether two sizes are equal for all values of their symbols that the facts allow, for none, or it depends."""
        if isinstance(a, int) and isinstance(b, int):
            return Verdict.YES if a == b else Verdict.NO
        if a == b:
            return Verdict.YES
        decided = self._known.decide_comparison("==", a, b)
        if decided is None and self._known.open:
            decided = self.decide(compare("==", a, b))
        if decided is None:
            return Verdict.DEPENDS
        return Verdict.YES if decided else Verdict.NO

    def decide(self, condition: Condition | bool) -> bool | None:
        """Whether the condition is proven to hold (True), proven not to hold (False), or neither (None)."""
        decided = self._known.decide(condition)
        if decided is None and self._known.open:  # alternatives: what contradicts all of them is wrong
            if self._contradicts(condition):
                return False
            if self._contradicts(Condition.not_(condition)):
                return True
        return decided

    def _contradicts(self, condition: Condition | bool) -> bool:
        work = self._known.copy()
        try:
            if isinstance(condition, Condition):
                work.learn(condition)
        except ContradictionError:
            return True
        return condition is False

    def at_least(self, dim: Dim, n: int) -> bool:
        """Whether the size is proven to be at least n."""
        if isinstance(dim, int):
            return dim >= n
        return self.decide(compare(">=", dim, n)) is True

    def bounds(self, dim: Dim) -> tuple[int | None, int | None]:
        """A lower and an upper bound of the size by interval arithmetic, None where none is known."""
        low, high = bounds(dim, self._known)
        with suppress(DimTooLargeError):  # the bounds of the size as it stands hold all the same
            low, high = ranges.intersect((low, high), bounds(self._known.reduce(dim), self._known))
        return (None if low == -INFINITY else int(low), None if high == INFINITY else int(high))

    def divisible(self, dim: Dim, n: Dim) -> bool:
        """Whether the size is proven to be a multiple of n; False where n is not proven to differ from 0."""
        if isinstance(n, int) and isinstance(dim, int):
            return n != 0 and dim % n == 0
        if n == 0 or self._known.decide_comparison("!=", n, 0) is not True:
            return False
        return self.equal(dim % n, 0) is Verdict.YES
