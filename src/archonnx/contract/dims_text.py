"""Sizes as text that reads like the language: `2*H + 1`, `ceil(H/2)`, `H//2`, `H%8`, `min(a, b)`."""

from __future__ import annotations

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
    monomial_order,
)
from archonnx.contract.dims_expr import (
    add_scaled,
    from_atom,
    terms_of,
)
from archonnx.contract.dims_simplify import ceil_div, floor_div

_SUM, _PRODUCT, _QUOTIENT, _POWER, _ATOM = range(5)  # how tightly a text holds together
Text = tuple[str, int]


def format_dim(dim: Dim, spaced: bool = False) -> str:
    """The size as text; `spaced` puts spaces round `//` and `%`, as conditions have them."""
    return _dim(dim, spaced)[0]


def format_ratio(numerator: Dim, denominator: Dim) -> str:
    return f"{_wrapped(_dim(numerator, False), _QUOTIENT)}/{_wrapped(_dim(denominator, False), _POWER)}"


def _wrapped(text: Text, least: int) -> str:
    return text[0] if text[1] >= least else f"({text[0]})"


def _dim(dim: Dim, spaced: bool) -> Text:
    if isinstance(dim, int):
        return str(dim), (_ATOM if dim >= 0 else _SUM)
    terms = dict(dim.terms)
    parts: list[tuple[object, int, Text]] = []  # sort key, coefficient, text without the coefficient
    for monomial, _ in dim.sorted_terms():
        if monomial in terms:
            modulus = _take_modulus(terms, monomial, spaced) or _take_ceil(terms, monomial)
            if modulus is not None:
                parts.append((monomial_order(monomial), *modulus))
    for monomial, coefficient in terms.items():
        parts.append((monomial_order(monomial), coefficient, _monomial(monomial, spaced)))
    parts.sort(key=lambda part: (part[0] == (0, []), part[0]))
    lead = next((i for i, part in enumerate(parts) if part[1] > 0), 0)
    parts.insert(0, parts.pop(lead))  # W - H rather than -H + W
    words: list[str] = []
    for _, coefficient, text in parts:
        words.append("-" if coefficient < 0 else "+")
        words.append(_scaled(abs(coefficient), text))
    if len(parts) == 1:
        coefficient, text = parts[0][1], parts[0][2]
        if coefficient == 1:
            return text
        if coefficient > 0:
            return words[1], _PRODUCT
    head = words[1] if words[0] == "+" else "-" + _negated(*parts[0][1:])
    return " ".join((head, *words[2:])), _SUM


def _scaled(coefficient: int, text: Text) -> str:
    if not text[0]:
        return str(coefficient)
    return text[0] if coefficient == 1 else f"{coefficient}*{_factor(text)}"


def _negated(coefficient: int, text: Text) -> str:
    return _scaled(abs(coefficient), text if text[1] != _QUOTIENT else (f"({text[0]})", _ATOM))


def _factor(text: Text) -> str:
    return f"({text[0]})" if text[1] in (_SUM, _QUOTIENT) else text[0]


def _monomial(monomial: Monomial, spaced: bool) -> Text:
    if len(monomial) == 1 and monomial[0][1] == 1:
        return _atom(monomial[0][0], spaced)
    texts = []
    for atom, exponent in monomial:
        text = _atom(atom, spaced)
        texts.append(_factor(text) if exponent == 1 else f"{_wrapped(text, _ATOM)}**{exponent}")
    return "*".join(texts), (_POWER if len(texts) == 1 else _PRODUCT)


def _atom(atom: Atom, spaced: bool) -> Text:
    if isinstance(atom, Symbol):
        return atom.name, _ATOM
    if isinstance(atom, Floor):
        if isinstance(atom.denominator, int) and _constant(atom.numerator) == atom.denominator - 1:
            return _ceil(atom.numerator - (atom.denominator - 1), atom.denominator)
        return _divided(atom.numerator, atom.denominator, "//", spaced)
    if isinstance(atom, Extreme):
        name = "min" if atom.sign > 0 else "max"
        return f"{name}({', '.join(_dim(a, False)[0] for a in atom.arguments)})", _ATOM
    if isinstance(atom, Held):
        return _dim(atom.meaning, spaced)
    assert isinstance(atom, Product)
    powers = [f"({_dim(f, False)[0]})" + (f"**{e}" if e > 1 else "") for f, e in atom.factors]
    return "*".join(powers), (_PRODUCT if len(powers) > 1 else _POWER)


def _divided(numerator: Dim, denominator: Dim, sign: str, spaced: bool) -> Text:
    sign = f" {sign} " if spaced else sign
    return f"{_wrapped(_top(numerator), _QUOTIENT)}{sign}{_wrapped(_dim(denominator, False), _POWER)}", _QUOTIENT


def _top(numerator: Dim) -> Text:
    """A numerator, in brackets where it is a quotient itself: a//b*c//d would be read wrongly by people."""
    text, level = _dim(numerator, False)
    return (text, level) if level in (_SUM, _POWER, _ATOM) or "/" not in text + "%" else (f"({text})", _ATOM)


def _ceil(numerator: Dim, denominator: Dim) -> Text:
    top = _top(numerator)
    top = (f"({top[0]})", _ATOM) if top[1] == _SUM else top
    return f"ceil({top[0]}/{_wrapped(_dim(denominator, False), _POWER)})", _ATOM


def _constant(dim: Dim) -> int:
    return terms_of(dim).get((), 0)


def _floor_with_cofactor(monomial: Monomial) -> tuple[Floor, Monomial] | None:
    floors = [a for a, e in monomial if isinstance(a, Floor) and e == 1]
    if len(floors) != 1:
        return None
    rest = divide_monomials(monomial, ((floors[0], 1),))
    return None if rest is None else (floors[0], rest)


def _take_modulus(terms: Terms, monomial: Monomial, spaced: bool) -> tuple[int, Text] | None:
    """Takes m * (n - d * (n // d)) out of the terms, if it is there, as m and `n%d`."""
    found = _floor_with_cofactor(monomial)
    if found is None:
        return None
    floor, cofactor = found
    denominator = terms_of(floor.denominator)
    if len(denominator) > 1:
        return None
    ((unit, factor),) = denominator.items()
    inner = floor.numerator
    if isinstance(floor.denominator, int):  # n // 6 is n // 2 // 3 too, as in n // 2 % 3
        factor = gcd(terms[monomial], floor.denominator)
        if 1 < factor < floor.denominator:
            inner = floor_div(inner, floor.denominator // factor)
            if floor_div(inner, factor) != from_atom(floor):
                return None
    if unit != cofactor or terms[monomial] % factor or (factor == 1 and not unit):
        return None
    times = -terms[monomial] // factor
    numerator = terms_of(inner)
    if not any(m for m in numerator) or any(terms.get(m) != c * times for m, c in numerator.items() if m):
        return None
    constant = numerator.get((), 0)
    if constant and terms.get((), 0) != constant * times:
        return None
    add_scaled(terms, numerator, -times)
    del terms[monomial]
    divisor = factor if isinstance(floor.denominator, int) else floor.denominator
    return times, _divided(inner, divisor, "%", spaced)


def _take_ceil(terms: Terms, monomial: Monomial) -> tuple[int, Text] | None:
    """Takes m * ((n - 1) // d + 1), d no number, out of the terms as m and `ceil(n/d)`, if the constant shrinks."""
    found = _floor_with_cofactor(monomial)
    if found is None or found[1] or isinstance(found[0].denominator, int) or _constant(found[0].numerator) != -1:
        return None
    times, constant = terms[monomial], terms.get((), 0)
    if isinstance(found[0].numerator, int) or abs(constant - times) >= abs(constant):
        return None
    numerator, denominator = found[0].numerator + 1, found[0].denominator
    if ceil_div(numerator, denominator) != from_atom(found[0]) + 1:  # it would not be read back as the same form
        return None
    del terms[monomial]
    add_scaled(terms, {(): -times})
    return times, _ceil(numerator, denominator)
