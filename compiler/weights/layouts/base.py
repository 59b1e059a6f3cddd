"""What a layout is: a tool's names for the weights of a layer, and the way between its tensors and ours.

    layout.names(layer)               {"weight": True, "bias": True}        nn.Linear, for Dense
    layout.read(layer, their tensors) {"kernel": ..., "bias": ...}          recipes over what was given
    layout.write(layer, our tensors)  {"weight": ..., "bias": ...}

A layout says for each layer a list of exchanges: some of the layer's weights, for some of the tool's tensors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.weights.transforms import concatenate

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe

Shape = tuple[int, ...]


class Layout(ABC):
    """A tool's way to name and lay out weights. Names are local: ours below the layer, theirs below their module."""

    name: str

    @abstractmethod
    def names(self, layer: Layer) -> Mapping[str, bool]:
        """The tool's names of a layer's tensors, in order; False for one that may be absent."""

    @abstractmethod
    def read(self, layer: Layer, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        """Their tensors as ours, by the keys of layer.weights. ValueError, in plain words, where they do not fit."""

    @abstractmethod
    def write(self, layer: Layer, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        """Our tensors as theirs."""

    @abstractmethod
    def one(self, layer: Layer, ours: str, theirs: Recipe) -> Recipe:
        """One tensor of theirs as the weight `ours` of the layer. ValueError where it does not fit."""


class Exchange(ABC):
    """Some weights of a layer for some tensors of a tool. `theirs` says of each whether it must be there."""

    ours: Sequence[str]
    theirs: Mapping[str, bool]

    @abstractmethod
    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        """Our weights by name. ValueError where the tensors do not fit."""

    @abstractmethod
    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        """Their tensors by name."""

    @abstractmethod
    def one(self, ours: str, theirs: Recipe) -> Recipe:
        """One tensor as the weight `ours`."""


class Turned(Exchange):
    """One weight for one tensor: theirs is ours with its axes in another order, blocks moved, in another shape.

    shape: our weight's. perm: the order of our axes. blocks: the number of our block that stands in each place along
    their first axis. flat: their shape, where it is not what the order of axes gives.
    """

    def __init__(
        self,
        ours: str,
        shape: Shape,
        theirs: str,
        *,
        perm: Sequence[int] | None = None,
        blocks: Sequence[int] | None = None,
        flat: Shape | None = None,
    ) -> None:
        self.ours, self.theirs, self.shape = (ours,), {theirs: True}, shape
        self.perm = tuple(range(len(shape))) if perm is None else tuple(perm)
        self.turned = tuple(shape[axis] for axis in self.perm)
        self.blocks = blocks
        self.expected = self.turned if flat is None else flat

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        (name,) = self.theirs
        return {self.ours[0]: self._ours(theirs[name], name)}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        (name,) = self.theirs
        made = ours[self.ours[0]].transpose(self.perm)
        if self.blocks is not None:
            made = rearranged(made, self.blocks)
        return {name: made.reshape(self.expected)}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        return self._ours(theirs, "what is given")

    def _ours(self, theirs: Recipe, name: str) -> Recipe:
        # 1x1 convolutions stand for products and the other way round: axes of one element do not matter.
        if [e for e in theirs.shape if e != 1] != [e for e in self.expected if e != 1]:
            raise ValueError(f"{name} has the shape {shown(theirs.shape)}, expected {shown(self.expected)}")
        made = theirs.reshape(self.turned)
        if self.blocks is not None:
            made = rearranged(made, inverse(self.blocks))
        return made.transpose(inverse(self.perm))


class ByExchange(Layout):
    """A layout that says of each layer its exchanges."""

    @abstractmethod
    def exchanges(self, layer: Layer) -> Sequence[Exchange]:
        """Every weight of the layer is in one of them."""

    def names(self, layer: Layer) -> Mapping[str, bool]:
        return {name: needed for exchange in self.exchanges(layer) for name, needed in exchange.theirs.items()}

    def read(self, layer: Layer, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        found: dict[str, Recipe] = {}
        for exchange in self.exchanges(layer):
            missing = [name for name, needed in exchange.theirs.items() if needed and name not in theirs]
            if missing:
                raise ValueError(f"there is no {' and no '.join(missing)}")
            found |= exchange.read(theirs)
        return {name: found[name] for name in layer.weights}

    def write(self, layer: Layer, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        made: dict[str, Recipe] = {}
        for exchange in self.exchanges(layer):
            made |= exchange.write(ours)
        return made

    def one(self, layer: Layer, ours: str, theirs: Recipe) -> Recipe:
        for exchange in self.exchanges(layer):
            if ours in exchange.ours:
                return exchange.one(ours, theirs)
        raise ValueError(f"{layer.type_name} has no weight {ours}")


def rearranged(recipe: Recipe, order: Sequence[int]) -> Recipe:
    """The equal blocks along the first axis in another order: place i gets block order[i]."""
    size = recipe.shape[0] // len(order)
    return concatenate([recipe[number * size : (number + 1) * size] for number in order], 0)


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    """The order that undoes another."""
    return tuple(order.index(place) for place in range(len(order)))


def shown(shape: Shape) -> str:
    """`[5, 6]`."""
    return str(list(shape))
