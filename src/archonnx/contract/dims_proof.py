"""Proofs about signs of sizes: enough for the arithmetic of layers, bounded in work, and never a wrong yes.

A size is shown to be at least 0 by (1) interval arithmetic, (2) bounding each floor division by its exact quotient and
each minimum by its arguments, (3) writing every variable as its bound plus something that is at least 0 and looking at
the coefficients, (4) taking away multiples of what is known to be at least 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from archonnx.contract import dims_range as ranges
from archonnx.contract.dims_atoms import (
    Atom,
    Dim,
    DimTooLargeError,
    Extreme,
    Floor,
    Monomial,
    Terms,
    divide_monomials,
)
from archonnx.contract.dims_expr import (
    Expr,
    add_scaled,
    from_terms,
    terms_of,
)
from archonnx.contract.dims_range import EVERYTHING, INFINITY, Range

_STEPS = 48  # attempts in one proof
_TERMS = 96  # a longer polynomial is not worked on
_DEGREE = 6


class Known:
    """What a proof may assume: narrower ranges of atoms, and sizes that are at least 0."""

    def __init__(self, limits: dict[Atom, Range] | None = None, facts: tuple[Expr, ...] = ()) -> None:
        self.limits = limits or {}
        self.facts = facts
        self._ranges: dict[Atom, Range] = {}

    def range(self, atom: Atom) -> Range:
        """Bounds of an atom."""
        if not self.limits:
            return atom.range
        found = self._ranges.get(atom)
        if found is None:
            found = atom.range
            if isinstance(atom, Floor):
                inner = ranges.floor_divide(bounds(atom.numerator, self), bounds(atom.denominator, self))
                found = ranges.intersect(found, inner)
            elif isinstance(atom, Extreme):
                least = min if atom.sign > 0 else max
                inside = [bounds(a, self) for a in atom.arguments]
                found = ranges.intersect(found, (least(r[0] for r in inside), least(r[1] for r in inside)))
            found = ranges.intersect(found, self.limits.get(atom, EVERYTHING))
            self._ranges[atom] = found
        return found

    def forget(self) -> None:
        """Drops what was worked out, after a limit has changed."""
        self._ranges.clear()


NOTHING = Known()


def decide_sign(operator: str, dim: Dim, known: Known = NOTHING) -> bool | None:
    """Whether `dim operator 0` is proven to hold, proven not to hold, or neither. operator: == != < <= > >=."""
    if operator in ("==", "!="):
        equal = operator == "=="
        if dim == 0:
            return equal
        if nonzero(dim, known):
            return not equal
        return equal if nonnegative(dim, known) and nonnegative(-dim, known) else None
    if operator in (">", "<="):
        opposite = operator == "<="
        dim = dim - 1
    else:
        opposite = operator == "<"
    if nonnegative(dim, known):
        return not opposite
    return opposite if nonnegative(-dim - 1, known) else None


def bounds(dim: Dim, known: Known = NOTHING) -> Range:
    """Bounds of a size by interval arithmetic."""
    if isinstance(dim, int):
        return dim, dim
    total: Range = (0, 0)
    for monomial, coefficient in dim.terms.items():
        total = ranges.add(total, ranges.scale(_monomial_range(monomial, known), coefficient))
    return total


def _monomial_range(monomial: Monomial, known: Known) -> Range:
    result: Range = (1, 1)
    for atom, exponent in monomial:
        result = ranges.multiply(result, ranges.power(known.range(atom), exponent))
    return result


def nonnegative(dim: Dim, known: Known = NOTHING) -> bool:
    """Whether the size is proven to be at least 0."""
    if isinstance(dim, int):
        return dim >= 0
    low, high = bounds(dim, known)
    if low >= 0 or high < 0 or len(dim.terms) > _TERMS:
        return low >= 0
    try:
        return _Proof(known).holds(dim, 2)
    except DimTooLargeError:  # a step of the proof grew past what is worth working with, so there is no proof
        return False


def nonzero(dim: Dim, known: Known = NOTHING) -> bool:
    """Whether the size is proven never to be 0: by its sign, or by a divisor of all coefficients but the constant."""
    if isinstance(dim, int):
        return dim != 0
    constant = dim.terms.get((), 0)
    if constant and constant % content(dim):
        return True
    return nonnegative(dim - 1, known) or nonnegative(-dim - 1, known)


def content(dim: Expr) -> int:
    """The greatest common divisor of the coefficients, the constant left out."""
    return gcd(*(c for m, c in dim.terms.items() if m))


class _Proof:
    """One search, with the number of attempts that it has left."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.steps = _STEPS

    def holds(self, dim: Dim, uses: int) -> bool:
        """Whether dim >= 0 is proven, with at most `uses` facts taken away."""
        if isinstance(dim, int):
            return dim >= 0
        low, high = bounds(dim, self.known)
        if low >= 0 or high < 0:
            return low >= 0
        self.steps -= 1
        if self.steps < 0 or len(dim.terms) > _TERMS:
            return False
        atom = _deepest(dim)
        if isinstance(atom, Extreme) and self._by_arguments(dim, atom, uses):
            return True
        if isinstance(atom, Floor):
            relaxed = self._without_floor(dim, atom)
            if relaxed is not None and self.holds(relaxed, uses):
                return True
        if self._by_coefficients(dim):
            return True
        if uses:
            for fact in self.known.facts:
                for rest in self._less_fact(dim, fact):
                    if self.holds(rest, uses - 1):
                        return True
                    if self.steps < 0:
                        return False
        return False

    def _positive(self, monomial: Monomial) -> bool:
        return all(e % 2 == 0 or self.known.range(a)[0] >= 0 for a, e in monomial)

    def _by_arguments(self, dim: Expr, atom: Extreme, uses: int) -> bool:
        """An extreme equals one of its arguments; where it only helps to be the extreme one, any argument bounds it."""
        signs = set()
        for monomial, coefficient in dim.terms.items():
            rest = divide_monomials(monomial, ((atom, 1),))
            if rest is not None:
                alone = all(a is not atom for a, _ in rest) and self._positive(rest)
                signs.add((coefficient > 0) - (coefficient < 0) if alone else 0)
        outcomes = (self.holds(replace_atom(dim, atom, argument), uses) for argument in atom.arguments)
        return any(outcomes) if signs == {-atom.sign} else all(outcomes)

    def _without_floor(self, dim: Expr, atom: Floor) -> Dim | None:
        """A lower bound of dim, times a positive number, that does not hold the division; None where there is none."""
        numerator, denominator = terms_of(atom.numerator), terms_of(atom.denominator)
        if len(denominator) > 1 or bounds(atom.denominator, self.known)[0] <= 0:
            return None
        ((unit, factor),) = denominator.items()
        result: Terms = {}
        for monomial, coefficient in dim.terms.items():
            cofactor = divide_monomials(monomial, ((atom, 1),))
            if cofactor is None:
                add_scaled(result, {monomial: coefficient}, factor)
                continue
            if any(a is atom for a, _ in cofactor) or not self._positive(cofactor):
                return None
            rest = divide_monomials(cofactor, unit)
            if rest is not None:  # denominator * floor lies between numerator - denominator + 1 and numerator
                add_scaled(result, numerator, coefficient, rest)
                if coefficient > 0:
                    add_scaled(result, denominator, -coefficient, rest)
                    add_scaled(result, {(): 1}, coefficient, rest)
            elif coefficient < 0 and bounds(atom.numerator, self.known)[0] >= 0:
                add_scaled(result, numerator, coefficient * factor, cofactor)
            elif coefficient > 0 and self.known.range(atom)[0] > -INFINITY:
                add_scaled(result, {(): int(self.known.range(atom)[0])}, coefficient * factor, cofactor)
            else:
                return None
        return from_terms(result)

    def _by_coefficients(self, dim: Expr) -> bool:
        """Writes each variable as a bound plus or minus what is at least 0: all signs must be + then."""
        if any(sum(e for _, e in m) > _DEGREE for m in dim.terms):
            return False
        atoms = {a: self.known.range(a) for m in dim.terms for a, _ in m}
        from_above = {a for a, (low, _) in atoms.items() if low == -INFINITY}
        for _ in range(2):
            shifted = dim
            for atom, (low, high) in atoms.items():
                start = high if atom in from_above else low
                if start in (INFINITY, -INFINITY):
                    return False
                if start or atom in from_above:
                    moved = replace_atom(shifted, atom, _line(atom, int(start), -1 if atom in from_above else 1))
                    if isinstance(moved, int):
                        return moved >= 0
                    shifted = moved
                    if len(shifted.terms) > _TERMS:
                        return False
            against = {a for m, c in shifted.terms.items() if c < 0 for a, _ in m}
            if not against and shifted.terms.get((), 0) >= 0:
                return True
            from_above |= {a for a in against if atoms[a][1] < INFINITY}
        return False

    def _less_fact(self, dim: Expr, fact: Expr) -> Iterator[Dim]:
        """dim less a positive multiple of the fact, for multiples that make a term of dim vanish."""
        for monomial, coefficient in dim.terms.items():
            for fact_monomial, fact_coefficient in fact.terms.items():
                if (coefficient > 0) != (fact_coefficient > 0):
                    continue
                cofactor = divide_monomials(monomial, fact_monomial)
                if cofactor is None or not self._positive(cofactor):
                    continue
                rest: Terms = {}
                add_scaled(rest, dim.terms, abs(fact_coefficient))
                add_scaled(rest, fact.terms, -abs(coefficient), cofactor)
                yield from_terms(rest)


def _line(atom: Atom, start: int, slope: int) -> Dim:
    return from_terms({((atom, 1),): slope, (): start} if start else {((atom, 1),): slope})


def _deepest(dim: Expr) -> Atom | None:
    """The division or extreme to be rid of first: none of the others holds it."""
    found = {a for m in dim.terms for a, _ in m if isinstance(a, Floor | Extreme)}
    return max(found, key=lambda a: (a.depth, a.order), default=None)


def replace_atom(dim: Expr, atom: Atom, value: Dim) -> Dim:
    """The polynomial with one of its atoms replaced; what stands inside other atoms stays."""
    result: Terms = {}
    powers: dict[int, Terms] = {}
    for monomial, coefficient in dim.terms.items():
        exponent = next((e for a, e in monomial if a is atom), 0)
        if not exponent:
            add_scaled(result, {monomial: coefficient})
            continue
        if exponent not in powers:
            powers[exponent] = terms_of(value**exponent)
        rest = tuple(pair for pair in monomial if pair[0] is not atom)
        add_scaled(result, powers[exponent], coefficient, rest)
    return from_terms(result)
