"""Size expressions: polynomials with integer coefficients over atoms, always in canonical form.

An expression is immutable; a constant is never an expression but a plain `int`, so known sizes cost nothing. Atoms are
shared, so expressions are compared as dictionaries of identities. The rules that make floor divisions, minima and
maxima canonical are in `dims_simplify.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from archonnx.contract.dims_atoms import (
    MAX_BITS,
    MAX_EXPONENT,
    MAX_TERMS,
    Atom,
    Dim,
    DimTooLargeError,
    Extreme,
    Floor,
    Held,
    Monomial,
    Product,
    Symbol,
    Terms,
    monomial_order,
    multiply_monomials,
    product_atom,
    structural_key,
    symbol_atom,
)


def terms_of(dim: Dim) -> Terms:
    """The terms of a size, not to be changed by the caller."""
    if isinstance(dim, int):
        return {(): int(dim)} if dim else {}
    return dim.terms


def from_terms(terms: Terms) -> Dim:
    """The size with these terms, none of them zero; the dictionary is kept."""
    if len(terms) < 2:
        if not terms:
            return 0
        if () in terms:
            return terms[()]
    return Expr(terms)


def from_atom(atom: Atom) -> Expr:
    return Expr({((atom, 1),): 1})


def add_scaled(into: Terms, terms: Terms, factor: int = 1, monomial: Monomial = ()) -> None:
    """into += factor * monomial * terms."""
    for m, c in terms.items():
        m = multiply_monomials(m, monomial)
        total = into.get(m, 0) + c * factor
        if total:
            into[m] = total
        else:
            into.pop(m, None)


class Expr:
    """A size that is not a known number. Equality and hash are those of the canonical form."""

    __slots__ = ("_hash", "_symbols", "_text", "terms")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._hash: int | None = None
        self._symbols: frozenset[str] | None = None
        self._text: str | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Expr) and hash(self) == hash(other) and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.terms.items()))
        return self._hash

    def __str__(self) -> str:
        if self._text is None:
            from archonnx.contract.dims_text import format_dim

            self._text = format_dim(self)
        return self._text

    def __repr__(self) -> str:
        return f"<{self}>"

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: object) -> Expr:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return Expr, (self.terms,)  # the hash is one process's own, so it stays behind

    def sorted_terms(self) -> list[tuple[Monomial, int]]:
        """The terms, highest degree first, the constant last."""
        if len(self.terms) == 1:
            return list(self.terms.items())
        return sorted(self.terms.items(), key=lambda term: monomial_order(term[0]))

    def symbols(self) -> frozenset[str]:
        """The names of the symbols that the size depends on."""
        if self._symbols is None:
            self._symbols = frozenset().union(*(a.symbols for m in self.terms for a, _ in m))
        return self._symbols

    def __add__(self, other: Dim) -> Dim:
        if isinstance(other, Expr):
            terms, more = self.terms, other.terms
            if len(more) > len(terms):
                terms, more = more, terms
            terms = dict(terms)
            for m, c in more.items():
                total = terms.get(m, 0) + c
                if total:
                    terms[m] = total
                else:
                    del terms[m]
            return from_terms(terms)
        if isinstance(other, int):
            if not other:
                return self
            terms = dict(self.terms)
            constant = terms.get((), 0) + other
            if constant:
                terms[()] = constant
            else:
                del terms[()]
            return Expr(terms)
        return NotImplemented

    __radd__ = __add__

    def __neg__(self) -> Expr:
        return Expr({m: -c for m, c in self.terms.items()})

    def __pos__(self) -> Expr:
        return self

    def __sub__(self, other: Dim) -> Dim:
        if isinstance(other, int | Expr):
            return self + -other
        return NotImplemented

    def __rsub__(self, other: Dim) -> Dim:
        return -self + other if isinstance(other, int) else NotImplemented

    def __mul__(self, other: Dim) -> Dim:
        if isinstance(other, int):
            if not other:
                return 0
            return self if other == 1 else _checked({m: c * other for m, c in self.terms.items()})
        if isinstance(other, Expr):
            few, many = (self, other) if len(self.terms) <= len(other.terms) else (other, self)
            if len(few.terms) * len(many.terms) > MAX_TERMS:
                pair = sorted((few, many), key=structural_key)
                factors = ((few, 2),) if few == many else ((pair[0], 1), (pair[1], 1))
                return from_atom(product_atom(*factors))
            if len(few.terms) == 1:
                ((monomial, factor),) = few.terms.items()
                return _checked({multiply_monomials(m, monomial): c * factor for m, c in many.terms.items()})
            terms: Terms = {}
            for monomial, factor in few.terms.items():
                add_scaled(terms, many.terms, factor, monomial)
            return _checked(terms)
        return NotImplemented

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Dim:
        if not isinstance(exponent, int):
            return NotImplemented
        if exponent < 0:
            raise ValueError(f"a size is raised to a whole number of at least 0, got {exponent}")
        if exponent < 2:
            return self if exponent else 1
        if exponent > MAX_EXPONENT:
            raise DimTooLargeError(f"a size is raised to at most {MAX_EXPONENT:,}, got {exponent:,}")
        if len(self.terms) == 1:
            ((monomial, factor),) = self.terms.items()
            return _checked({tuple((a, e * exponent) for a, e in monomial): _int_power(factor, exponent)})
        result: Dim = 1
        if exponent * (len(self.terms) - 1) > 64:  # the number of terms is a binomial coefficient of the two
            return from_atom(product_atom((self, exponent)))
        for _ in range(exponent):
            product = self * result
            if isinstance(product, Expr) and len(product.terms) > MAX_TERMS // len(self.terms):
                return from_atom(product_atom((self, exponent)))
            result = product
        return result

    def __floordiv__(self, other: Dim) -> Dim:
        if isinstance(other, int | Expr):
            from archonnx.contract.dims_simplify import floor_div

            return floor_div(self, other)
        return NotImplemented

    def __rfloordiv__(self, other: Dim) -> Dim:
        if isinstance(other, int):
            from archonnx.contract.dims_simplify import floor_div

            return floor_div(other, self)
        return NotImplemented

    def __mod__(self, other: Dim) -> Dim:
        return self - other * (self // other) if isinstance(other, int | Expr) else NotImplemented

    def __rmod__(self, other: Dim) -> Dim:
        return other - self * (other // self) if isinstance(other, int) else NotImplemented

    def __truediv__(self, other: Dim) -> Ratio:
        return Ratio(self, other) if isinstance(other, int | Expr) else NotImplemented

    def __rtruediv__(self, other: Dim) -> Ratio:
        return Ratio(other, self) if isinstance(other, int) else NotImplemented

    def substitute(self, values: Mapping[str, Dim]) -> Dim:
        """The size with every symbol that `values` names replaced."""
        if self.symbols().isdisjoint(values):
            return self
        from archonnx.contract.dims_simplify import substitute

        return substitute(self, values)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The number that the size is for these values of its symbols. KeyError: one is missing; ZeroDivisionError."""
        total = 0
        for monomial, product in self.terms.items():
            for atom, exponent in monomial:
                product *= _evaluate_atom(atom, values) ** exponent
            total += product
        return total


def _evaluate_atom(atom: Atom, values: Mapping[str, int]) -> int:
    if isinstance(atom, Symbol):
        return values[atom.name]
    if isinstance(atom, Floor):
        return evaluate(atom.numerator, values) // evaluate(atom.denominator, values)
    if isinstance(atom, Extreme):
        arguments = (evaluate(a, values) for a in atom.arguments)
        return min(arguments) if atom.sign > 0 else max(arguments)
    if isinstance(atom, Held):
        return atom.meaning.evaluate(values)
    assert isinstance(atom, Product)
    result = 1
    for factor, exponent in atom.factors:
        result *= factor.evaluate(values) ** exponent
    return result


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The number that a size is for these values of its symbols; a number is itself."""
    return dim if isinstance(dim, int) else dim.evaluate(values)


def symbol(name: str, minimum: int = 1) -> Expr:
    """The size called `name`, which is at least `minimum`. The same name and minimum give an equal object."""
    return from_atom(symbol_atom(name, minimum))


def _int_power(base: int, exponent: int) -> int:
    if base.bit_length() * exponent > 2 * MAX_BITS:
        raise DimTooLargeError(f"a size has a coefficient of more than {MAX_BITS:,} bits")
    power: int = base**exponent
    return power


def _checked(terms: Terms) -> Dim:
    for coefficient in terms.values():
        if coefficient.bit_length() > MAX_BITS:
            raise DimTooLargeError(f"a size has a coefficient of more than {MAX_BITS:,} bits")
    return from_terms(terms)


class Ratio:
    """The exact quotient of two sizes, on its way to `floor()` or `ceil()`. ZeroDivisionError where it divides by 0."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Dim, denominator: Dim) -> None:
        if denominator == 0:
            raise ZeroDivisionError(f"the size {numerator} is divided by 0")
        self.numerator, self.denominator = numerator, denominator

    def floor(self) -> Dim:
        return self.numerator // self.denominator

    def ceil(self) -> Dim:
        return -(-self.numerator // self.denominator)

    def __add__(self, other: Dim | Ratio) -> Ratio:
        top, bottom = _fraction(other)
        if bottom == self.denominator:
            return Ratio(self.numerator + top, bottom)
        return Ratio(self.numerator * bottom + top * self.denominator, self.denominator * bottom)

    __radd__ = __add__

    def __neg__(self) -> Ratio:
        return Ratio(-self.numerator, self.denominator)

    def __sub__(self, other: Dim | Ratio) -> Ratio:
        return self + -other

    def __rsub__(self, other: Dim | Ratio) -> Ratio:
        return -self + other

    def __mul__(self, other: Dim | Ratio) -> Ratio:
        top, bottom = _fraction(other)
        return Ratio(self.numerator * top, self.denominator * bottom)

    __rmul__ = __mul__

    def __truediv__(self, other: Dim | Ratio) -> Ratio:
        top, bottom = _fraction(other)
        return Ratio(self.numerator * bottom, self.denominator * top)

    def __rtruediv__(self, other: Dim | Ratio) -> Ratio:
        top, bottom = _fraction(other)
        return Ratio(top * self.denominator, bottom * self.numerator)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ratio):
            return NotImplemented
        return (self.numerator, self.denominator) == (other.numerator, other.denominator)

    def __hash__(self) -> int:
        return hash((self.numerator, self.denominator))

    def __str__(self) -> str:
        from archonnx.contract.dims_text import format_ratio

        return format_ratio(self.numerator, self.denominator)

    def __repr__(self) -> str:
        return f"<{self}>"


def _fraction(value: Dim | Ratio) -> tuple[Dim, Dim]:
    return (value.numerator, value.denominator) if isinstance(value, Ratio) else (value, 1)
