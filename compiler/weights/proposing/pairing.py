"""Pairing units with places in the file where several of one shape stand on both sides: by words, numbers and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from archonnx.compiler.weights.proposing.modules import Modules, Place
from archonnx.compiler.weights.proposing.units import Unit
from archonnx.compiler.weights.proposing.words import likeness, natural, without_numbers

Key = tuple[str, ...]  # of a place
CLEAR = 0.05  # how much likelier the best of several names has to be


class Sureness(IntEnum):
    """Why a pair is one, the surest first."""

    SHAPE = 0  # nothing else has these shapes
    NAME = 1  # the words agree, and the numbers' order
    ORDER = 2  # the order in the file and that of the numbers agree
    GUESS = 3  # by order alone, which may be wrong


@dataclass(frozen=True, slots=True)
class Pair:
    unit: Unit
    place: Place
    why: Sureness


def paired(units: Sequence[Unit], places: Mapping[int, Sequence[Place]], modules: Modules) -> list[Pair]:
    """Pairs for as many units as there are; `places` are those of a unit by its identity."""
    groups: dict[frozenset[Key], list[Unit]] = {}
    for unit in units:
        keys = frozenset(place.key for place in places[id(unit)])
        if keys:
            groups.setdefault(keys, []).append(unit)
    made: list[Pair] = []
    taken: set[str] = set()
    for _, group in sorted(groups.items(), key=lambda item: len(item[0])):  # what has the fewest choices first
        free = [p for p in places[id(group[0])] if not taken & set(modules.tensors(p))]
        own = {id(u): {p.key: p for p in places[id(u)]} for u in group}
        for unit, key, why in _matched(group, free, modules):
            place = own[id(unit)][key]
            taken |= set(modules.tensors(place))
            made.append(Pair(unit, place, why))
    return made


def _matched(units: list[Unit], places: list[Place], modules: Modules) -> list[tuple[Unit, Key, Sureness]]:
    if len(units) == len(places) == 1:
        return [(units[0], places[0].key, Sureness.SHAPE)]
    found, left, free = _by_words(units, places)
    counted, left, free = _by_counts(left, free)
    found += counted
    by_number = sorted(free, key=_numbers)
    in_file = sorted(free, key=modules.first)
    one_kind = len({kind(u.path) for u in left}) == len({without_numbers(p.name)[0] for p in free}) == 1
    agree = [p.key for p in by_number] == [p.key for p in in_file]
    if len(left) == len(free):
        # Names without numbers stand in the order of the alphabet, which says nothing.
        numbered = sum(bool(without_numbers("".join(p.key))[1]) for p in free) * 2 > len(free)
        sure = Sureness.ORDER if numbered and (one_kind or (agree and modules.ordered)) else Sureness.GUESS
        if len(left) == 1 and found:  # what stays is as sure as what went before
            sure = max(Sureness.ORDER, *(why for _, _, why in found))
        order = in_file if modules.ordered else by_number
        found += [(u, p.key, sure) for u, p in zip(left, order, strict=True)]
    else:  # more of one side: those that are likest, the rest stays
        rest = {p.key for p in free}
        every = ((likeness(u.path, p.name), -n, u, p.key) for n, u in enumerate(left) for p in free)
        scores = sorted(every, key=lambda s: s[:2], reverse=True)
        done: set[int] = set()
        for score, _, unit, key in scores:
            if score > 0 and key in rest and id(unit) not in done:
                rest.discard(key)
                done.add(id(unit))
                found.append((unit, key, Sureness.GUESS))
    return found


def _kinds(units: list[Unit], places: list[Place]) -> tuple[dict[str, list[Unit]], dict[str, list[Place]]]:
    """Both sides by their names without numbers."""
    ours: dict[str, list[Unit]] = {}
    for unit in units:
        ours.setdefault(kind(unit.path), []).append(unit)
    theirs: dict[str, list[Place]] = {}
    for place in places:
        theirs.setdefault(without_numbers(place.name)[0], []).append(place)
    return ours, theirs


def _by_counts(
    units: list[Unit], places: list[Place]
) -> tuple[list[tuple[Unit, Key, Sureness]], list[Unit], list[Place]]:
    """Kinds of which there are as many as of one kind of the other side, and of no other; and what is left over."""
    ours, theirs = _kinds(units, places)
    found: list[tuple[Unit, Key, Sureness]] = []
    for several in ours.values():
        alike = [kept for kept in theirs.values() if len(kept) == len(several)]
        if len(several) > 1 and len(alike) == 1 and sum(len(s) == len(several) for s in ours.values()) == 1:
            order = sorted(alike[0], key=_numbers)
            found += [(u, p.key, Sureness.ORDER) for u, p in zip(several, order, strict=True)]
    used = {id(unit) for unit, _, _ in found}
    keys = {key for _, key, _ in found}
    return found, [u for u in units if id(u) not in used], [p for p in places if p.key not in keys]


def _by_words(
    units: list[Unit], places: list[Place]
) -> tuple[list[tuple[Unit, Key, Sureness]], list[Unit], list[Place]]:
    """Kinds of names, numbers left out, whose words go with one another and no others; and what is left over."""
    ours, theirs = _kinds(units, places)
    found: list[tuple[Unit, Key, Sureness]] = []
    scores = {(a, b): likeness(a, b) for a in ours for b in theirs}
    for one, several in ours.items():
        fitting = sorted(theirs, key=lambda other: scores[one, other], reverse=True)
        if not fitting or scores[one, fitting[0]] <= 0:
            continue
        best = fitting[0]
        rivals = [scores[one, other] for other in fitting[1:]] + [scores[a, best] for a in ours if a != one]
        if any(score > scores[one, best] - CLEAR for score in rivals) or len(several) != len(theirs[best]):
            continue
        order = sorted(theirs[best], key=_numbers)
        found += [(u, p.key, Sureness.NAME) for u, p in zip(several, order, strict=True)]
    used = {id(unit) for unit, _, _ in found}
    keys = {key for _, key, _ in found}
    return found, [u for u in units if id(u) not in used], [p for p in places if p.key not in keys]


def kind(path: str) -> str:
    """A path with the counts at the ends of its parts left out."""
    return re.sub(r"_[0-9]+(?=/|$)", "", path)


def _numbers(place: Place) -> tuple[tuple[tuple[int, str, int], ...], ...]:
    """What sorts places by their numbers."""
    return tuple(natural(part) for part in place.key)
