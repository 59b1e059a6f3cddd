"""Where in a file the tensors of a unit stand: names below which exactly these tensors are, of these shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from archonnx.compiler.weights.proposing.units import Unit, Variant
from archonnx.compiler.weights.proposing.words import without_numbers

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe

Key = tuple[tuple[tuple[str, tuple[int, ...]], ...], frozenset[str]]


@dataclass(slots=True)
class Place:
    """A name of the file and the variant of a unit that stands below it."""

    name: str
    variant: Variant

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from others: a module of several layers is one for each of them."""
        return (self.name, *sorted(self.variant.tensors))


class Modules:
    """The tensors of a file, looked up by what stands below a name. `order` is each one's place in the file."""

    def __init__(self, tensors: Mapping[str, Recipe]) -> None:
        self.shapes = {name: tuple(recipe.shape) for name, recipe in tensors.items()}
        self.dtypes = {name: recipe.dtype for name, recipe in tensors.items()}
        self.order = {name: place for place, name in enumerate(self.shapes)}
        self._found: dict[Key, list[str]] = {}

    @cached_property
    def _below(self) -> Counter[str]:
        """How many tensors stand below each name."""
        return Counter(name[:at] for name in self.shapes for at, c in enumerate(name) if c in "./")

    @cached_property
    def ordered(self) -> bool:
        """Whether the file's order may be that of the layers: not that of the alphabet, and numbers ascend in it."""
        names = list(self.shapes)
        last: dict[str, tuple[int, ...]] = {}
        for name in names:
            kind, numbers = without_numbers(name)
            if last.get(kind, ()) > numbers:
                return False
            last[kind] = numbers
        return names != sorted(names)

    def places(self, unit: Unit) -> list[Place]:
        """Where the unit may stand, in the file's order; the first variant is taken where several fit."""
        found: dict[tuple[str, ...], Place] = {}
        for variant in unit.variants:
            for place in (Place(name, variant) for name in self._names(variant)):
                found.setdefault(place.key, place)
        return sorted(found.values(), key=lambda place: self.first(place))

    def first(self, place: Place) -> int:
        """Where in the file the first of a place's tensors is."""
        return min(self.order[place.name + end] for end in place.variant.tensors)

    def needed(self, place: Place) -> list[str]:
        """The tensors of a place that weights are made of."""
        return [place.name + end for end in place.variant.tensors]

    def tensors(self, place: Place) -> list[str]:
        """The tensors of a place, with those that need not be there."""
        may = [place.name + end for end in place.variant.may if place.name + end in self.shapes]
        return [*self.needed(place), *may]

    def _names(self, variant: Variant) -> list[str]:
        key = (tuple(variant.tensors.items()), variant.may)
        if key not in self._found:
            self._found[key] = self._search(variant)
        return self._found[key]

    def _search(self, variant: Variant) -> list[str]:
        ends = list(variant.tensors)
        end, shape = ends[0], variant.tensors[ends[0]]
        found = []
        for full, size in self.shapes.items():
            name = full[: len(full) - len(end)] if end else full
            if not full.endswith(end) or not name or not _same(size, shape):
                continue
            if not all(_same(self.shapes.get(name + e), s) for e, s in variant.tensors.items()):
                continue
            beside = sum(name + e in self.shapes for e in variant.may)
            if not end or self._below[name] == len(ends) + beside or any("weight_ih" in e for e in ends):
                found.append(name)
        return found


def _same(size: tuple[int, ...] | None, shape: tuple[int, ...]) -> bool:
    """Whether a tensor has the shape."""
    return size is not None and size == shape
