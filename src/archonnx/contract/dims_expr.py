"""Size expressions: polynomials with integer coefficients over symbols, floor divisions, minima and maxima; canonical.

An expression is immutable; a constant is never an expression but a plain `int`, so known sizes cost nothing. Atoms are
shared, one object for one meaning, held by weak references only, so expressions are compared as dictionaries of
identities. The rules that make floor divisions, minima and maxima canonical are in `dims_simplify.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import TypeAlias
from weakref import WeakValueDictionary

from archonnx.contract import dims_range as ranges
from archonnx.contract.dims_range import EVERYTHING, INFINITY, Range

DIM_LIMIT = 2**63 - 1
MAX_BITS = 4096  # of a coefficient
MAX_DEPTH = 64  # of atoms inside atoms
MAX_TERMS = 2048  # of a product that is still multiplied out
MAX_EXPONENT = 4096
MAX_KEY = 100_000  # characters of an atom's structural key: bounds the whole tree

Monomial: TypeAlias = "tuple[tuple[Atom, int], ...]"  # atoms with exponents >= 1, in the order of `Atom.order`
Terms: TypeAlias = "dict[Monomial, int]"  # no zero coefficients; the constant stands under ()
Dim: TypeAlias = "int | Expr"


class DimTooLargeError(OverflowError):
    """A size expression that has outgrown what is worth working with: its coefficients, its depth or its length."""


class Atom:
    """What a polynomial is built over. `order` is a total order that depends on nothing but the meaning."""

    __slots__ = ("__weakref__", "depth", "order", "range", "symbols")
    order: tuple[int, str, int]
    range: Range  # without any facts
    depth: int
    symbols: frozenset[str]

    def __copy__(self) -> Atom:
        return self

    def __deepcopy__(self, memo: object) -> Atom:
        return self


class Symbol(Atom):
    """A size that is not known before run time, at least `minimum`."""

    __slots__ = ("minimum", "name")

    def __init__(self, name: str, minimum: int) -> None:
        self.name, self.minimum = name, minimum
        self.order = (0, name, minimum)
        self.range = (minimum, INFINITY)
        self.depth = 0
        self.symbols = frozenset((name,))

    def __reduce__(self) -> tuple[object, ...]:
        return symbol_atom, (self.name, self.minimum)


class Held(Atom):
    """A quotient that facts have made a variable of its own: it means `meaning`, and no rule looks inside it."""

    __slots__ = ("meaning",)

    def __init__(self, meaning: Expr) -> None:
        self.meaning = meaning
        self.range = range_of(meaning)
        self.order = (1, structural_key(meaning), 0)
        self.depth = depth_of(meaning)
        self.symbols = meaning.symbols()

    def __reduce__(self) -> tuple[object, ...]:
        return held_atom, (self.meaning,)


class Floor(Atom):
    """floor(numerator / denominator), rounded down as Python's `//` does."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: Dim, denominator: Dim) -> None:
        self.numerator, self.denominator = numerator, denominator
        self.range = ranges.floor_divide(range_of(numerator), range_of(denominator))
        self.order = (2, f"({structural_key(numerator)})//({structural_key(denominator)})", 0)
        self.depth = 1 + max(depth_of(numerator), depth_of(denominator))
        self.symbols = symbols_of(numerator) | symbols_of(denominator)
        _check_size(self)

    def __reduce__(self) -> tuple[object, ...]:
        return floor_atom, (self.numerator, self.denominator)


class Extreme(Atom):
    """The least (`sign` 1) or the greatest (`sign` -1) of two or more sizes."""

    __slots__ = ("arguments", "sign")

    def __init__(self, sign: int, arguments: tuple[Dim, ...]) -> None:
        self.sign, self.arguments = sign, arguments
        least = min if sign > 0 else max
        bounds = [range_of(a) for a in arguments]
        self.range = (least(b[0] for b in bounds), least(b[1] for b in bounds))
        self.order = (3 if sign > 0 else 4, ",".join(structural_key(a) for a in arguments), 0)
        self.depth = 1 + max(depth_of(a) for a in arguments)
        self.symbols = frozenset().union(*(symbols_of(a) for a in arguments))
        _check_size(self)

    def __reduce__(self) -> tuple[object, ...]:
        return extreme_atom, (self.sign, self.arguments)


class Product(Atom):
    """A product or a power that would have too many terms, left as it is."""

    __slots__ = ("factors",)

    def __init__(self, factors: tuple[tuple[Expr, int], ...]) -> None:
        self.factors = factors
        self.range = EVERYTHING
        self.order = (5, "*".join(f"({structural_key(f)})^{e}" for f, e in factors), 0)
        self.depth = 1 + max(depth_of(f) for f, _ in factors)
        self.symbols = frozenset().union(*(f.symbols() for f, _ in factors))
        _check_size(self)

    def __reduce__(self) -> tuple[object, ...]:
        return product_atom, self.factors


_pool: WeakValueDictionary[tuple[object, ...], Atom] = WeakValueDictionary()
_pool_lock = RLock()


def _shared(key: tuple[object, ...], create: Callable[[], Atom]) -> Atom:
    atom = _pool.get(key)
    if atom is None:
        with _pool_lock:  # two threads must not both make the atom: equality is identity
            atom = _pool.get(key)
            if atom is None:
                atom = create()
                _pool[key] = atom
    return atom


def symbol_atom(name: str, minimum: int) -> Atom:
    return _shared((Symbol, name, minimum), lambda: Symbol(name, minimum))


def held_atom(meaning: Expr) -> Atom:
    return _shared((Held, meaning), lambda: Held(meaning))


def floor_atom(numerator: Dim, denominator: Dim) -> Atom:
    return _shared((Floor, numerator, denominator), lambda: Floor(numerator, denominator))


def extreme_atom(sign: int, arguments: tuple[Dim, ...]) -> Atom:
    return _shared((Extreme, sign, arguments), lambda: Extreme(sign, arguments))


def product_atom(*factors: tuple[Expr, int]) -> Atom:
    return _shared((Product, factors), lambda: Product(factors))


def _check_size(atom: Atom) -> None:
    if atom.depth > MAX_DEPTH:
        raise DimTooLargeError(f"a size expression is nested deeper than {MAX_DEPTH} divisions, minima and maxima")
    if len(atom.order[1]) > MAX_KEY:
        raise DimTooLargeError(f"a size expression needs more than {MAX_KEY:,} characters")


def monomial_order(monomial: Monomial) -> tuple[object, ...]:
    """Sorts by degree, highest first, then by the exponents of the atoms: a monomial order, so division ends."""
    return -sum(e for _, e in monomial), [(a.order, -e) for a, e in monomial]


def structural_key(dim: Dim) -> str:
    """A text that two sizes share only if they are the same: what atoms are ordered by, whatever the machine."""
    if isinstance(dim, int):
        return str(dim)
    return "+".join(
        f"{c}" + "".join(f"*{a.order[0]}{a.order[1]}'{a.order[2]}^{e}" for a, e in m) for m, c in dim.sorted_terms()
    )


def range_of(dim: Dim) -> Range:
    """Bounds of a size that hold without any facts."""
    if isinstance(dim, int):
        return dim, dim
    total: Range = (0, 0)
    for monomial, coefficient in dim.terms.items():
        term: Range = (coefficient, coefficient)
        for atom, exponent in monomial:
            term = ranges.multiply(term, ranges.power(atom.range, exponent))
        total = ranges.add(total, term)
    return total


def depth_of(dim: Dim) -> int:
    return 0 if isinstance(dim, int) else max((a.depth for m in dim.terms for a, _ in m), default=0)


def symbols_of(dim: Dim) -> frozenset[str]:
    return frozenset() if isinstance(dim, int) else dim.symbols()


def multiply_monomials(left: Monomial, right: Monomial) -> Monomial:
    if not left:
        return right
    if not right:
        return left
    exponents = dict(left)
    for atom, exponent in right:
        exponents[atom] = exponents.get(atom, 0) + exponent
    return tuple(sorted(exponents.items(), key=lambda item: item[0].order))


def divide_monomials(left: Monomial, right: Monomial) -> Monomial | None:
    """left / right, or None where it is no monomial."""
    if not right:
        return left
    exponents = dict(left)
    for atom, exponent in right:
        rest = exponents.get(atom, 0) - exponent
        if rest < 0:
            return None
        exponents[atom] = rest
    return tuple((a, e) for a, e in exponents.items() if e)


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
