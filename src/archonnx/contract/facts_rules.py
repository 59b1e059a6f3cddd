"""The rewriting rules that facts have become, and the way back from them to the user's own symbols."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from archonnx.contract.dims_atoms import (
    Atom,
    Dim,
    Floor,
    Held,
    Monomial,
    Symbol,
    Terms,
    divide_monomials,
)
from archonnx.contract.dims_expr import (
    Expr,
    add_scaled,
    from_atom,
    from_terms,
    terms_of,
)
from archonnx.contract.dims_proof import Known
from archonnx.contract.dims_simplify import floor_div, rebuild, rewrite

_PASSES = 16  # of rewriting, until nothing changes
_STEPS = 1024  # replaced monomials of one size


class Rules(Known):
    """Bounds and inequalities, with rules monomial -> size that hold for every allowed value of the symbols."""

    def __init__(self) -> None:
        super().__init__()
        self.rules: dict[Monomial, Dim] = {}
        self._atoms: dict[Atom, Dim | None] = {}
        self._active: set[Atom] = set()

    def forget(self) -> None:
        super().forget()
        self._atoms.clear()

    def reduce(self, dim: Dim) -> Dim:
        """The size after all rules, in variables that may be `Held`. May raise DimTooLargeError."""
        for _ in range(_PASSES):
            if isinstance(dim, int):
                return dim
            new = self._apply(rewrite(dim, self._replace))
            if new == dim:
                return new
            dim = new
        return dim

    def _replace(self, atom: Atom) -> Dim | None:
        """What an atom that holds other sizes becomes when those are reduced; None: it stays."""
        if isinstance(atom, Symbol | Held) or atom in self._active:
            return None
        if atom not in self._atoms:
            self._active.add(atom)
            try:
                new = rebuild(atom, self.reduce, self)
            except ZeroDivisionError:  # it has no value under the facts; it stays, to be refused where it is evaluated
                new = from_atom(atom)
            finally:
                self._active.discard(atom)
            self._atoms[atom] = None if new == from_atom(atom) else new
        return self._atoms[atom]

    def _apply(self, dim: Dim) -> Dim:
        if isinstance(dim, int) or not self.rules:
            return dim
        result: Terms = {}
        waiting: Terms = dict(dim.terms)
        for _ in range(_STEPS):
            if not waiting:
                break
            monomial, coefficient = waiting.popitem()
            match = self._match(monomial)
            if match is None:
                add_scaled(result, {monomial: coefficient})
            else:
                rest, value = match
                add_scaled(waiting, terms_of(value), coefficient, rest)
        add_scaled(result, waiting)
        return from_terms(result)

    def _match(self, monomial: Monomial) -> tuple[Monomial, Dim] | None:
        for pair in monomial:
            if ((pair[0], 1),) in self.rules:
                left: Monomial = ((pair[0], 1),)
                return divide_monomials(monomial, left) or (), self.rules[left]
        for left, value in self.rules.items():
            if len(left) > 1 or left[0][1] > 1:
                rest = divide_monomials(monomial, left)
                if rest is not None:
                    return rest, value
        return None


def present(dim: Dim, rules: dict[Monomial, Dim]) -> Dim:
    """The size without `Held` variables: 8*q is H again and 4*q is H // 2, where H was replaced by 8*q."""
    return _Presenter(rules).present(dim)


class _Presenter:
    def __init__(self, rules: dict[Monomial, Dim]) -> None:
        self.active: set[Atom] = set()
        self.origins: dict[Atom, tuple[Expr, int, Monomial, Dim]] = {}
        for left, value in sorted(rules.items(), key=lambda rule: [a.order for a, _ in rule[0]]):
            if all(isinstance(atom, Symbol) for atom, _ in left) and isinstance(value, Expr):
                self._add_origins(Expr({left: 1}), value)

    def _add_origins(self, whole: Expr, value: Expr) -> None:
        """whole == factor * monomial * variable + rest: the simplest such rest is kept for each variable."""
        for monomial, factor in value.terms.items():
            for atom, exponent in monomial:
                alone = sum(any(a is atom for a, _ in m) for m in value.terms) == 1
                if isinstance(atom, Held) and exponent == 1 and factor > 0 and alone:
                    rest = from_terms({m: c for m, c in value.terms.items() if m != monomial})
                    found = self.origins.get(atom)
                    if found is None or (isinstance(rest, int) and not isinstance(found[3], int)):
                        self.origins[atom] = whole, factor, divide_monomials(monomial, ((atom, 1),)) or (), rest

    def present(self, dim: Dim) -> Dim:
        if isinstance(dim, int) or not dim.symbols():
            return dim
        total, dim = self._merged(dim)
        for monomial, coefficient in terms_of(dim).items():
            rest = tuple(pair for pair in monomial if not isinstance(pair[0], Held))
            product: Dim = 1
            for atom, exponent in monomial:
                if isinstance(atom, Held):
                    for _ in range(exponent):
                        factor, coefficient, rest = self._factor(atom, coefficient, rest)
                        product = product * factor
            for atom, exponent in rest:
                product = product * self._atom(atom) ** exponent
            total = total + product * coefficient
        return total

    def _merged(self, dim: Expr) -> tuple[Dim, Dim]:
        """What of 11*q - q // 3 makes one quotient again, ceil(H/3) where H was replaced by 32*q; and what does not."""
        for (variable, coefficient), origin in self._loose(dim):
            whole, factor, _, offset = origin
            floors = [
                (atom, c)
                for m, c in dim.terms.items()
                if len(m) == 1 and m[0][1] == 1 and abs(c) == 1 and isinstance(atom := m[0][0], Floor)
                if isinstance(atom.denominator, int) and ((variable, 1),) in terms_of(atom.numerator)
            ]
            if len(floors) == 1:
                floor, sign = floors[0]
                loose = from_atom(variable) * coefficient
                inside = floor.numerator + loose * (sign * floor.denominator)
                terms = dict(terms_of(inside * factor))
                times = terms.pop(((variable, 1),), 0) // factor
                numerator = self.present(from_terms(terms) + (whole - offset) * times)
                rest = dim - loose - from_atom(floor) * sign
                return floor_div(numerator, floor.denominator * factor) * sign, rest
        return 0, dim

    def _loose(self, dim: Expr) -> Iterator[tuple[tuple[Held, int], tuple[Expr, int, Monomial, Dim]]]:
        """The variables that stand alone in dim, times no multiple of what would make them their symbol again."""
        for monomial, coefficient in dim.sorted_terms():
            if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(atom := monomial[0][0], Held):
                origin = self.origins.get(atom)
                if origin and not origin[2] and isinstance(origin[3], int) and coefficient % origin[1]:
                    yield (atom, coefficient), origin

    def _atom(self, atom: Atom) -> Dim:
        return from_atom(atom) if isinstance(atom, Symbol) else rebuild(atom, self.present)

    def _factor(self, atom: Held, coefficient: int, rest: Monomial) -> tuple[Dim, int, Monomial]:
        """One factor `atom` of coefficient * rest * atom in the user's symbols, and what is left of the other two."""
        origin = self.origins.get(atom)
        if origin is not None and atom not in self.active:
            whole, factor, monomial, offset = origin
            common = _common(rest, monomial)
            shared = gcd(coefficient, factor)
            left = divide_monomials(rest, common) or ()
            if shared == factor and common == monomial:
                self.active.add(atom)
                offset = self.present(offset)
                self.active.discard(atom)
                return whole - offset, coefficient // factor, left
            if isinstance(offset, int) and (not monomial or not offset):
                divisor = from_terms({divide_monomials(monomial, common) or (): factor // shared})
                return whole // divisor - offset // divisor, coefficient // shared, left
        return self.present(atom.meaning), coefficient, rest


def _common(left: Monomial, right: Monomial) -> Monomial:
    other = dict(right)
    return tuple((a, min(e, other[a])) for a, e in left if a in other)
