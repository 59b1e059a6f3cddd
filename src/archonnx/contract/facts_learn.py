"""Turns requirements into rules, bounds and inequalities, and draws what follows, within a bound on the work."""

from __future__ import annotations

from collections import deque
from math import gcd

from archonnx.contract.conditions import Condition, Operator
from archonnx.contract.dims_atoms import (
    Atom,
    Dim,
    DimTooLargeError,
    Extreme,
    Floor,
    Held,
    Monomial,
    Product,
    Symbol,
    held_atom,
)
from archonnx.contract.dims_cases import split_cases
from archonnx.contract.dims_expr import (
    Expr,
    from_atom,
    from_terms,
    terms_of,
)
from archonnx.contract.dims_proof import bounds, content, decide_sign, nonnegative, nonzero
from archonnx.contract.dims_range import EVERYTHING, INFINITY, intersect
from archonnx.contract.dims_simplify import floor_div, rewrite
from archonnx.contract.facts_rules import Rules

_ROUNDS = 400  # consequences drawn from one requirement
_INEQUALITIES = 64


class ContradictionError(Exception):
    """No values of the symbols satisfy everything that is required."""


class Learner(Rules):
    """Rules that grow. `unequal`: sizes that are not 0; `open`: conditions that nothing else says in full."""

    def __init__(self) -> None:
        super().__init__()
        self.unequal: dict[Dim, None] = {}
        self.open: dict[Condition, None] = {}
        self._queue: deque[tuple[str, Dim] | Condition] = deque()
        self._stale = False

    def copy(self) -> Learner:
        other = Learner()
        other.rules, other.limits, other.facts = dict(self.rules), dict(self.limits), self.facts
        other.unequal, other.open = dict(self.unequal), dict(self.open)
        return other

    @property
    def learnt(self) -> bool:
        """Whether there is anything that rewriting or proofs could use."""
        return bool(self.rules or self.limits or self.facts)

    def decide(self, condition: Condition | bool) -> bool | None:
        """Whether the condition is proven to hold, proven not to hold, or neither."""
        if isinstance(condition, bool):
            return condition
        if condition.sides:
            return self.decide_comparison(condition.operator, *condition.sides)
        decisive = condition.kind == "or"
        outcomes = [self.decide(part) for part in condition.parts]
        if decisive in outcomes:
            return decisive
        if None not in outcomes:
            return not decisive
        if self.open:
            if self._key(condition) in {self._key(c) for c in self.open}:
                return True
            opposite = Condition.not_(condition)
            if isinstance(opposite, Condition) and self._key(opposite) in {self._key(c) for c in self.open}:
                return False
        return None

    def decide_comparison(self, operator: Operator, a: Dim, b: Dim) -> bool | None:
        """`decide` for one comparison."""
        try:
            difference = self.reduce(a - b)
            decided = decide_sign(operator, difference, self)
            if decided is not None or isinstance(difference, int):
                return decided
            if operator in ("==", "!=") and (difference in self.unequal or -difference in self.unequal):
                return operator == "!="
            outcomes = set()
            for case, known in split_cases(difference, self):
                outcomes.add(decide_sign(operator, case, known))
                if None in outcomes or len(outcomes) > 1:
                    return None
            return next(iter(outcomes), None)
        except DimTooLargeError:  # the difference grew past what is worth working with, so nothing is proven
            return None

    def _key(self, condition: Condition) -> object:
        """The same for conditions that say the same about reduced sizes."""
        if not condition.sides:
            return condition.kind, frozenset(self._key(part) for part in condition.parts)
        operator = condition.operator
        try:
            difference = self.reduce(condition.sides[0] - condition.sides[1])
        except DimTooLargeError:  # then only the very same condition is recognised
            return condition
        if operator in ("==", "!="):
            return operator, frozenset((difference, -difference))
        if operator in (">", ">="):
            return ">=", difference - (operator == ">")
        return ">=", -difference - (operator == "<")

    def learn(self, condition: Condition) -> None:
        """Adds a requirement and what follows from it. ContradictionError; the rules are then of no more use."""
        self._queue.append(condition)
        for _ in range(_ROUNDS):
            item = self._queue.popleft() if self._queue else None
            if item is None and not self._stale:
                return
            try:
                if item is None:
                    self._look_again()
                elif isinstance(item, Condition):
                    self._condition(item)
                elif item[0] == "==":
                    self._equality(self.reduce(item[1]))
                else:
                    self._inequality(self.reduce(item[1]))
            except (
                DimTooLargeError
            ):  # what follows is too big to be worth knowing; what was asked stays among the open conditions
                if isinstance(item, Condition):
                    self.open[item] = None
        self._queue.clear()
        self._stale = False

    def _look_again(self) -> None:
        """A rule or a bound is new: everything known so far is put to it."""
        self._stale = False
        self.forget()
        for left, value in list(self.rules.items()):
            atom = left[0][0]
            if len(left) == 1 and left[0][1] == 1 and isinstance(atom, Symbol | Held):
                self.rules[left] = self.reduce(value)
                continue
            del self.rules[left]
            self.forget()
            whole = from_terms({left: 1})
            if self.reduce(whole) == whole:
                self.rules[left] = self.reduce(value)
            else:
                self._queue.append(("==", whole - value))
            self.forget()
        for atom, (low, high) in list(self.limits.items()):
            if not isinstance(atom, Symbol | Held):
                del self.limits[atom]
                self.forget()
                if low != -INFINITY:
                    self._queue.append((">=", from_atom(atom) - int(low)))
                if high != INFINITY:
                    self._queue.append((">=", int(high) - from_atom(atom)))
        facts, self.facts = self.facts, ()
        self._queue.extend((">=", fact) for fact in facts)
        unequal, self.unequal = self.unequal, {}
        for dim in unequal:
            self._differ(self.reduce(dim))
        conditions, self.open = self.open, {}
        self._queue.extend(conditions)

    def _condition(self, condition: Condition) -> None:
        decided = self.decide(condition)
        if decided is False:
            raise ContradictionError
        if decided is True:
            return
        if condition.kind == "and":
            self._queue.extend(condition.parts)
        elif condition.kind == "or":
            left = [part for part in condition.parts if self.decide(part) is not False]
            if len(left) == 1:
                self._queue.append(left[0])
            else:
                self.open[condition] = None
        else:
            difference = self.reduce(condition.sides[0] - condition.sides[1])
            if condition.kind == "==":
                self._equality(difference)
            elif condition.kind == "!=":
                self._differ(difference)
            elif condition.kind in (">", ">="):
                self._inequality(difference - (condition.kind == ">"))
            else:
                self._inequality(-difference - (condition.kind == "<"))

    def _differ(self, dim: Dim) -> None:
        """Learns dim != 0."""
        if dim == 0:
            raise ContradictionError
        if nonnegative(dim, self):
            self._inequality(dim - 1)
        elif nonnegative(-dim, self):
            self._inequality(-dim - 1)
        else:
            self.unequal[dim] = None

    def _inequality(self, dim: Dim) -> None:
        """Learns dim >= 0."""
        if nonnegative(dim, self):
            return
        if isinstance(dim, int) or nonnegative(-dim - 1, self):
            raise ContradictionError
        if nonnegative(-dim, self):
            self._equality(dim)
            return
        divisor = content(dim)
        if divisor > 1:
            dim = from_terms({m: c // divisor for m, c in terms_of(dim).items() if c // divisor})
        assert isinstance(dim, Expr)
        variable = [m for m in dim.terms if m]
        if len(variable) == 1:
            constant = dim.terms.get((), 0)
            if len(variable[0]) == 1 and variable[0][0][1] == 1:
                if dim.terms[variable[0]] > 0:
                    self._limit(variable[0][0][0], -constant, INFINITY)
                else:
                    self._limit(variable[0][0][0], -INFINITY, constant)
                return
            if dim.terms[variable[0]] > 0 and constant < 0:
                self._factors(variable[0])
        if dim not in self.facts and len(self.facts) < _INEQUALITIES:
            self.facts += (dim,)

    def _factors(self, monomial: Monomial) -> None:
        """The product is at least 1, so where no factor is negative none is 0."""
        if all(self.range(atom)[0] >= 0 for atom, _ in monomial):
            for atom, _ in monomial:
                self._limit(atom, 1, INFINITY)

    def _limit(self, atom: Atom, low: float, high: float) -> None:
        """Learns low <= atom <= high, and what it says about what the atom holds."""
        before = self.range(atom)
        now = intersect(before, (low, high))
        if now[0] > now[1]:
            raise ContradictionError
        if now == before:
            return
        self.limits[atom] = intersect(self.limits.get(atom, EVERYTHING), (low, high))
        self.forget()
        self._stale = True
        if now[0] == now[1]:
            self._queue.append(("==", from_atom(atom) - int(now[0])))
        if isinstance(atom, Floor) and isinstance(atom.denominator, int):
            if low != -INFINITY:
                self._queue.append((">=", atom.numerator - atom.denominator * int(low)))
            if high != INFINITY:
                self._queue.append((">=", atom.denominator * int(high) + atom.denominator - 1 - atom.numerator))
        if isinstance(atom, Extreme):
            for argument in atom.arguments:
                if atom.sign > 0 and low != -INFINITY:
                    self._queue.append((">=", argument - int(low)))
                if atom.sign < 0 and high != INFINITY:
                    self._queue.append((">=", int(high) - argument))

    def _equality(self, dim: Dim) -> None:
        """Learns dim == 0."""
        if dim == 0:
            return
        if isinstance(dim, int) or nonzero(dim, self):
            raise ContradictionError
        divisor = gcd(*dim.terms.values())
        if divisor > 1:
            dim = Expr({m: c // divisor for m, c in dim.terms.items()})
        left = self._pivot(dim)
        if left is not None:
            self._rule(left, dim)
            return
        rest = self._congruence(dim)
        if rest is not None:
            self._queue.append(("==", rest))
            self._queue.append(("==", dim))
            return
        self._both_ways(dim)

    def _both_ways(self, dim: Expr) -> None:
        """Learns dim == 0 as two inequalities, where no rule can be made of it."""
        for side in (dim, -dim):
            if side not in self.facts and len(self.facts) < _INEQUALITIES:
                self.facts += (side,)

    def _pivot(self, dim: Expr) -> Monomial | None:
        """The monomial to be replaced: a variable that stands alone, else the leading product; coefficient 1 or -1."""
        best: tuple[tuple[object, ...], Monomial] | None = None
        for monomial, coefficient in dim.terms.items():
            if abs(coefficient) != 1 or len(monomial) != 1 or monomial[0][1] != 1:
                continue
            atom = monomial[0][0]
            if isinstance(atom, Product) or sum(any(a is atom for a, _ in m) for m in dim.terms) > 1:
                continue
            negative = sum(c * coefficient > 0 for m, c in dim.terms.items() if m != monomial)
            kind = 0 if isinstance(atom, Symbol) else 1 if isinstance(atom, Held) else 2
            score = (-kind, -negative, -len(dim.terms), atom.order)
            if best is None or score > best[0]:
                best = score, monomial
        if best is not None:
            return best[1]
        lead, coefficient = dim.sorted_terms()[0]
        return lead if abs(coefficient) == 1 else None

    def _congruence(self, dim: Expr) -> Dim | None:
        """a*x + rest == 0 makes rest a multiple of a: that, as an equality, where it says something new."""
        for monomial, coefficient in dim.sorted_terms():
            if len(monomial) == 1 and monomial[0][1] == 1 and abs(coefficient) > 1:
                rest = dim - from_terms({monomial: coefficient})
                left = self.reduce(rest - abs(coefficient) * floor_div(rest, abs(coefficient), self))
                if isinstance(left, Expr) and left != dim and self._pivot(left) is not None:
                    return left
        return None

    def _rule(self, left: Monomial, dim: Expr) -> None:
        """Learns left == value from dim == 0, where left has the coefficient 1 or -1 in it."""
        coefficient = dim.terms[left]
        value = (from_terms({left: coefficient}) - dim) * coefficient
        held: dict[Atom, Dim] = {}

        def hold(atom: Atom) -> Dim | None:
            if not isinstance(atom, Symbol | Held) and any(_mentions(atom, a) for a, _ in left):
                variable = held_atom(from_atom(atom))
                held[variable] = from_atom(atom)
                low, high = self.range(atom)
                self.limits[variable] = intersect(self.limits.get(variable, EVERYTHING), (low, high))
                return from_atom(variable)
            return None

        value = rewrite(value, hold)
        low, high = bounds(from_terms({left: 1}), self)
        self.rules[left] = value
        self.forget()
        if any(self.reduce(meaning) != from_atom(variable) for variable, meaning in held.items()):
            del self.rules[left]  # as in x == x // y: replacing x would go on for ever
            self.forget()
            self._both_ways(dim)
            return
        self._stale = True
        if low != -INFINITY:
            self._queue.append((">=", value - int(low)))
        if high != INFINITY:
            self._queue.append((">=", int(high) - value))
        atom = left[0][0]
        if len(left) == 1 and left[0][1] == 1 and isinstance(atom, Floor | Extreme):
            self._consequences(atom, value)

    def _consequences(self, atom: Floor | Extreme, value: Dim) -> None:
        """What atom == value says about the sizes that the atom holds."""
        if isinstance(atom, Extreme):
            self._queue.extend((">=", (argument - value) * atom.sign) for argument in atom.arguments)
        elif bounds(atom.denominator, self)[0] > 0:
            rest = atom.numerator - atom.denominator * value
            self._queue.append((">=", rest))
            self._queue.append((">=", atom.denominator - 1 - rest))


def _mentions(atom: Atom, inner: Atom) -> bool:
    """Whether `inner` stands inside the atom, where rules reach it."""
    if atom is inner:
        return True
    held: tuple[Dim, ...] = ()
    if isinstance(atom, Floor):
        held = atom.numerator, atom.denominator
    elif isinstance(atom, Extreme):
        held = atom.arguments
    elif isinstance(atom, Product):
        held = tuple(factor for factor, _ in atom.factors)
    return any(_mentions(a, inner) for dim in held for m in terms_of(dim) for a, _ in m)
