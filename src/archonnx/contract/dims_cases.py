"""Splits a question about a size into cases: which argument of a minimum is the least, what residue a symbol leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from math import lcm, prod

from archonnx.contract.dims_atoms import (
    Atom,
    Dim,
    Extreme,
    Floor,
    Held,
    Symbol,
    symbol_atom,
)
from archonnx.contract.dims_expr import (
    Expr,
    from_atom,
    terms_of,
)
from archonnx.contract.dims_proof import Known
from archonnx.contract.dims_range import INFINITY
from archonnx.contract.dims_simplify import rebuild, rewrite

_CASES = 64
_SPLITS = 3  # minima and maxima taken apart


def split_cases(dim: Expr, known: Known) -> Iterator[tuple[Dim, Known]]:
    """The size in every case that the facts allow, with what is known there; none where nothing can be split."""
    waiting: list[tuple[Dim, Known, int]] = [(dim, known, 0)]
    while waiting:
        case, more, depth = waiting.pop()
        atom = _extreme(case) if depth < _SPLITS else None
        if atom is not None:
            first, second = atom.arguments
            for chosen, fact in ((first, second - first), (second, first - second - 1)):
                if atom.sign < 0:  # a >= b where a is the greatest, a < b where it is not
                    fact = -fact - 2 * (chosen is second)
                assumed = Known(more.limits, (*more.facts, fact) if isinstance(fact, Expr) else more.facts)
                with suppress(ZeroDivisionError):  # as below
                    waiting.append((_replaced(case, {atom: chosen}, assumed), assumed, depth + 1))
            continue
        split = False
        if isinstance(case, Expr):
            for residue in residue_cases(case, more):  # one at a time: the first that is not proven ends the search
                split = True
                yield residue
        if depth and not split:
            yield case, more


def _extreme(dim: Dim) -> Extreme | None:
    """The first minimum or maximum of two sizes that stands in no other."""
    atoms = (a for m in terms_of(dim) for a, _ in m if isinstance(a, Extreme) and len(a.arguments) == 2)
    return min(atoms, key=lambda a: a.order, default=None)


def residue_cases(dim: Expr, known: Known) -> Iterator[tuple[Dim, Known]]:
    """The size for every combination of residues of its symbols that the bounds allow; none where those are too many.

    A symbol s of modulus k becomes k*t + r for each r below k, t a new variable with bounds of its own.
    """
    moduli: dict[Atom, int] = {}
    _collect(dim, 1, moduli)
    while moduli and prod(moduli.values()) > _CASES:
        del moduli[max(moduli, key=lambda a: (moduli[a], a.order))]
    if not moduli:
        return
    atoms = sorted(moduli, key=lambda a: a.order)
    for residues in product(*(range(moduli[a]) for a in atoms)):
        values: dict[Atom, Dim] = {}
        limits = dict(known.limits)
        for atom, residue in zip(atoms, residues, strict=True):
            modulus = moduli[atom]
            part = symbol_atom(f"{atom.order}//{modulus}", 0)  # no name of a user's symbol holds a slash
            low, high = known.range(atom)
            limits[part] = (
                low if low == -INFINITY else -((residue - low) // modulus),
                high if high == INFINITY else (high - residue) // modulus,
            )
            values[atom] = from_atom(part) * modulus + residue
        if all(limits[a][0] <= limits[a][1] for a in limits):
            case = Known(limits, known.facts)
            try:
                replaced = _replaced(dim, values, case)
            except ZeroDivisionError:  # the size has no value there, so nothing is to be shown of it
                continue
            yield replaced, case


def _collect(dim: Dim, scale: int, moduli: dict[Atom, int]) -> None:
    if isinstance(dim, int):
        return
    for monomial in dim.terms:
        for atom, _ in monomial:
            if isinstance(atom, Symbol | Held):
                if scale > 1:
                    moduli[atom] = lcm(moduli.get(atom, 1), scale)
            elif isinstance(atom, Extreme):
                for argument in atom.arguments:
                    _collect(argument, scale, moduli)
            elif isinstance(atom, Floor):
                divisor = atom.denominator
                _collect(atom.numerator, scale * divisor if isinstance(divisor, int) else scale, moduli)


def _replaced(dim: Dim, values: dict[Atom, Dim], known: Known) -> Dim:
    def replace(atom: Atom) -> Dim | None:
        if atom in values or isinstance(atom, Symbol | Held):
            return values.get(atom)
        return rebuild(atom, lambda d: rewrite(d, replace), known)

    return rewrite(dim, replace)
