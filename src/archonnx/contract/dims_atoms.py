"""What size expressions are built over: symbols, floor divisions, minima and maxima, products too big to multiply out.

Atoms are shared, one object for one meaning, and held by weak references only: equality is identity. Their order
depends on nothing but their meaning, so that every machine writes the same texts.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

from archonnx.contract import dims_range as ranges
from archonnx.contract.dims_range import EVERYTHING, INFINITY, Range

if TYPE_CHECKING:
    from archonnx.contract.dims_expr import Expr

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
