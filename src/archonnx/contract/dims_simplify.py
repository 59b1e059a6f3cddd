"""Canonical floor divisions, minima and maxima of sizes.

A quotient floor(n / d) is brought to one form by these steps, until none applies:

1. n is divided by d as polynomials are, coefficients rounded down: what comes out whole leaves the division.
2. factors that n and d share go; with a number left, floor((g*n + r) / (g*d)) = floor((n + floor(r / g)) / d).
3. floor((floor(n / k) + p) / m) = floor((n + k*p) / (k*m)), m > 0; -floor(n / k) is floor((k - 1 - n) / k), k > 0.
4. of the twins floor(n / d) = -floor((d - 1 - n) / d) the one with the smaller leading coefficient stays; where they
   tie (d even) the one that n had: H // 2 and ceil(H / 2) are both kept, as H - H // 2 reads and multiplies worse.
5. a quotient whose bounds meet is a number.

So n % d = n - d * (n // d) and ceil(n / d) = (n + d - 1) // d need no form of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import gcd

from archonnx.contract.dims_atoms import (
    Atom,
    Dim,
    Extreme,
    Floor,
    Held,
    Monomial,
    Product,
    Symbol,
    Terms,
    divide_monomials,
    extreme_atom,
    floor_atom,
    structural_key,
)
from archonnx.contract.dims_expr import (
    Expr,
    add_scaled,
    from_atom,
    from_terms,
    terms_of,
)
from archonnx.contract.dims_proof import NOTHING, Known, bounds, content, nonnegative, nonzero

_DIVISION_STEPS = 512
_COMPARED = 12  # arguments of a minimum or maximum that are compared pair by pair


def floor_div(n: Dim, d: Dim, known: Known = NOTHING) -> Dim:
    """n // d, rounded down, canonical under what is known. ZeroDivisionError where d is the number 0."""
    if isinstance(n, int) and isinstance(d, int):
        return n // d
    if d == 0:
        raise ZeroDivisionError(f"the size {n} is divided by 0")
    return _plain_floor_div(n, d) if known is NOTHING else _floor_div(n, d, known)


@lru_cache(maxsize=2048)
def _plain_floor_div(n: Dim, d: Dim) -> Dim:
    return _floor_div(n, d, NOTHING)


def _floor_div(n: Dim, d: Dim, known: Known) -> Dim:
    whole: Dim = 0
    sign = 1
    while True:
        if _leading(d)[1] < 0:
            n, d = -n, -d
        n, d = _cancel(n, d, known)
        if d == 1:
            return whole + n * sign
        quotient, rest = _divide(n, d)
        if rest == 0:
            if not nonzero(d, known):  # then 0 // 0 must stay visible
                return whole + from_atom(floor_atom(n, d)) * sign
            return whole + quotient * sign
        if _is_tie(n, rest, d):
            n, sign = d - 1 - n, -sign
            continue
        whole += quotient * sign
        if isinstance(rest, int) and isinstance(d, int):
            return whole + rest // d * sign
        positive = isinstance(d, int) or nonnegative(d - 1, known)
        smaller = _smaller(rest, d, positive)
        if smaller is not None:
            n, d = smaller
            continue
        if positive:
            nested = _unnest(rest, d, known)
            if nested is not None:
                n, d, out = nested
                whole += out * sign
                continue
            if _is_twin(rest, d):
                n, sign = d - 1 - rest, -sign
                continue
            number = _number(rest, d, known)
            if number is not None:
                return whole + number * sign
        return whole + from_atom(floor_atom(rest, d)) * sign


def _leading(dim: Dim) -> tuple[Monomial, int]:
    return ((), dim) if isinstance(dim, int) else dim.sorted_terms()[0]


def _cancel(n: Dim, d: Dim, known: Known) -> tuple[Dim, Dim]:
    """Without the atoms, known not to be 0, that every term of both shares."""
    if isinstance(n, int) or isinstance(d, int):
        return n, d
    shared: dict[Atom, int] | None = None
    for monomial in (*d.terms, *n.terms):
        exponents = dict(monomial)
        if shared is None:
            shared = {a: e for a, e in exponents.items() if nonzero(from_atom(a), known)}
        else:
            shared = {a: min(e, exponents[a]) for a, e in shared.items() if a in exponents}
        if not shared:
            return n, d
    assert shared is not None
    common = tuple(sorted(shared.items(), key=lambda item: item[0].order))
    return _without(n, common), _without(d, common)


def _without(dim: Expr, common: Monomial) -> Dim:
    return from_terms({divide_monomials(m, common) or (): c for m, c in dim.terms.items()})


def _divide(n: Dim, d: Dim) -> tuple[Dim, Dim]:
    """A quotient and a rest, n = quotient * d + rest, where no term of the rest can be divided further."""
    if isinstance(d, int):
        terms = terms_of(n)
        quotient = {m: c // d for m, c in terms.items() if c // d}
        return from_terms(quotient), from_terms({m: c % d for m, c in terms.items() if c % d})
    lead, factor = _leading(d)
    rest: Terms = dict(terms_of(n))
    quotient = {}
    for _ in range(_DIVISION_STEPS):
        for monomial, coefficient in rest.items():
            part = divide_monomials(monomial, lead)
            if part is not None and coefficient // factor:
                times = coefficient // factor
                break
        else:
            break
        add_scaled(quotient, {part: times})
        add_scaled(rest, d.terms, -times, part)
    return from_terms(quotient), from_terms(rest)


def _smaller(n: Dim, d: Dim, positive: bool) -> tuple[Dim, Dim] | None:
    """Both divided by the number that d and every term of n but the constant are multiples of."""
    divisor = gcd(0 if isinstance(n, int) else content(n), *terms_of(d).values())
    if divisor == 1 or not positive:
        return None
    return (
        from_terms({m: c // divisor for m, c in terms_of(n).items() if c // divisor}),
        from_terms({m: c // divisor for m, c in terms_of(d).items()}),
    )


def _unnest(n: Dim, d: Dim, known: Known) -> tuple[Dim, Dim, Dim] | None:
    """Step 3, where just one floor division stands in n with the coefficient 1 or -1: numerator, divisor, what left."""
    found: tuple[Floor, int] | None = None
    for monomial, coefficient in terms_of(n).items():
        if len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], Floor):
            minus = coefficient == -1 or (isinstance(d, int) and coefficient == d - 1 and d > 2)
            if coefficient == 1 or (minus and nonnegative(monomial[0][0].denominator - 1, known)):
                if found is not None:
                    return None
                found = monomial[0][0], coefficient
    if found is None:
        return None
    floor, coefficient = found
    rest = n - from_atom(floor) * coefficient
    inner = floor.numerator if coefficient == 1 else floor.denominator - 1 - floor.numerator
    out: Dim = from_atom(floor) if coefficient > 1 else 0  # d - 1 of it are d of it, which come out, less one
    return inner + floor.denominator * rest, floor.denominator * d, out


def _is_twin(n: Dim, d: Dim) -> bool:
    coefficient = _leading(n)[1]
    return 2 * coefficient > d if isinstance(d, int) else coefficient < 0


def _is_tie(n: Dim, rest: Dim, d: Dim) -> bool:
    if not isinstance(d, int):
        return False
    monomial, coefficient = _leading(rest)
    return 2 * coefficient == d and terms_of(n)[monomial] < 0 and bool(monomial)


def _number(n: Dim, d: Dim, known: Known) -> int | None:
    """The number that n // d is, d > 0, where the bounds leave only one."""
    if isinstance(d, int):
        low, high = bounds(n, known)
        if isinstance(low, int) and isinstance(high, int) and low // d == high // d:
            return low // d
        if low >= d or known is NOTHING:
            return None
    return 0 if nonnegative(n, known) and nonnegative(d - 1 - n, known) else None


def ceil_div(a: Dim, b: Dim) -> Dim:
    """ceil(a / b). ZeroDivisionError where b is the number 0."""
    return a // b if a == 0 or b == 1 else -(-a // b)


def dim_min(*dims: Dim) -> Dim:
    """The least of one or more sizes."""
    return extreme(1, dims)


def dim_max(*dims: Dim) -> Dim:
    """The greatest of one or more sizes."""
    return extreme(-1, dims)


def extreme(sign: int, dims: Sequence[Dim], known: Known = NOTHING) -> Dim:
    """The least (sign 1) or the greatest (-1) of the sizes: needless ones go, and what all share comes out."""
    if not dims:
        raise ValueError("the least or greatest of no sizes")
    numbers: list[int] = []
    others: dict[Expr, None] = {}
    for dim in dims:
        for argument in _flat(sign, dim):
            if isinstance(argument, int):
                numbers.append(argument)
            else:
                others[argument] = None
    arguments: list[Dim] = sorted(others, key=structural_key)
    if numbers:
        arguments.append(min(numbers) if sign > 0 else max(numbers))
    if len(arguments) <= _COMPARED:
        arguments = _needed(sign, arguments, known)
    if len(arguments) == 1:
        return arguments[0]
    shared = _shared_terms(arguments)
    parts = [a - shared for a in arguments]
    if all(_leading(p)[1] < 0 or p == 0 for p in parts):
        return shared - extreme(-sign, [-p for p in parts], known)
    divisor = gcd(*(c for p in parts for c in terms_of(p).values()))
    parts = [from_terms({m: c // divisor for m, c in terms_of(p).items()}) for p in parts]
    parts.sort(key=lambda p: (isinstance(p, int), structural_key(p)))
    return shared + from_atom(extreme_atom(sign, tuple(parts))) * divisor


def _flat(sign: int, dim: Dim) -> list[Dim]:
    """The sizes whose extreme of this sign the size is: k * min(a, b) + p, k > 0, is min(k*a + p, k*b + p)."""
    if isinstance(dim, int):
        return [dim]
    found = [(m[0][0], c) for m, c in dim.terms.items() if len(m) == 1 and isinstance(m[0][0], Extreme)]
    if len(found) == 1:
        atom, factor = found[0]
        alone = sum(any(a is atom for a, _ in m) for m in dim.terms) == 1 and ((atom, 1),) in dim.terms
        if isinstance(atom, Extreme) and alone and factor * atom.sign * sign > 0:
            rest = dim - from_atom(atom) * factor
            return [part for a in atom.arguments for part in _flat(sign, a * factor + rest)]
    return [dim]


def _needed(sign: int, arguments: list[Dim], known: Known) -> list[Dim]:
    kept: list[Dim] = []
    for new in arguments:
        if any(nonnegative((new - old) * sign, known) for old in kept):
            continue
        kept = [old for old in kept if not nonnegative((old - new) * sign, known)]
        kept.append(new)
    return kept


def _shared_terms(arguments: Sequence[Dim]) -> Dim:
    """The terms that stand in every argument, and the least constant."""
    first, *rest = (terms_of(a) for a in arguments)
    shared = {m: c for m, c in first.items() if m and all(other.get(m) == c for other in rest)}
    constant = min(terms_of(a).get((), 0) for a in arguments)
    if constant:
        shared[()] = constant
    return from_terms(shared)


def rewrite(dim: Dim, replace: Callable[[Atom], Dim | None]) -> Dim:
    """The polynomial with atoms replaced; None keeps an atom."""
    if isinstance(dim, int):
        return dim
    replaced: dict[Atom, Dim] = {}
    kept: set[Atom] = set()
    for monomial in dim.terms:
        for atom, _ in monomial:
            if atom not in replaced and atom not in kept:
                value = replace(atom)
                if value is None:
                    kept.add(atom)
                else:
                    replaced[atom] = value
    if not replaced:
        return dim
    result: Terms = {}
    for monomial, coefficient in dim.terms.items():
        product: Dim = from_terms({tuple(pair for pair in monomial if pair[0] in kept): coefficient})
        for atom, exponent in monomial:
            if atom in replaced:
                product = product * replaced[atom] ** exponent
        add_scaled(result, terms_of(product))
    return from_terms(result)


def rebuild(atom: Atom, inner: Callable[[Dim], Dim], known: Known = NOTHING) -> Dim:
    """The atom made anew from what `inner` makes of the sizes that it holds."""
    if isinstance(atom, Floor):
        return floor_div(inner(atom.numerator), inner(atom.denominator), known)
    if isinstance(atom, Extreme):
        return extreme(atom.sign, [inner(a) for a in atom.arguments], known)
    if isinstance(atom, Held):
        return inner(atom.meaning)
    if isinstance(atom, Product):
        product: Dim = 1
        for factor, exponent in atom.factors:
            product = product * inner(factor) ** exponent
        return product
    return from_atom(atom)


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """The size with symbols replaced by name, wherever they stand."""
    done: dict[Atom, Dim | None] = {}

    def replace(atom: Atom) -> Dim | None:
        if atom not in done:
            if atom.symbols.isdisjoint(values):
                done[atom] = None
            elif isinstance(atom, Symbol):
                done[atom] = values[atom.name]
            else:
                done[atom] = rebuild(atom, lambda d: rewrite(d, replace))
        return done[atom]

    return rewrite(dim, replace)
