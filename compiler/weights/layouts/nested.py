"""The exchanges of layers inside others: TimeDistributed(Dense(4)), SpectralNormalization(Dense(4)), RNN(cell(4))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.weights.layouts.base import Exchange

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe


class Nested(Exchange):
    """An exchange of a layer inside. names: the outer layer's names by the inner one's. below: begins their names."""

    def __init__(self, inner: Exchange, names: Mapping[str, str], below: str) -> None:
        self.inner, self.names, self.below = inner, names, below
        self.ours = [names[name] for name in inner.ours]
        self.theirs = {below + name: needed for name, needed in inner.theirs.items()}

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        given = {name: theirs[self.below + name] for name in self.inner.theirs if self.below + name in theirs}
        return {self.names[name]: recipe for name, recipe in self.inner.read(given).items()}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        made = self.inner.write({name: ours[self.names[name]] for name in self.inner.ours})
        return {self.below + name: recipe for name, recipe in made.items()}

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        return self.inner.one(next(name for name in self.inner.ours if self.names[name] == ours), theirs)


def layers_inside(layer: Layer) -> Iterator[Layer]:
    """The layers that a layer runs, each once: those of its arguments, or of the block that it applies."""
    from archonnx.compiler.layers.recurrent import RNN
    from archonnx.compiler.layers.recurrent_stack import StackedRNNCells
    from archonnx.compiler.layers.spectral_normalization import SpectralNormalization
    from archonnx.compiler.layers.time_distributed import TimeDistributed

    found: list[Layer] = []
    if isinstance(layer, SpectralNormalization):
        found = [layer.layer]
    elif isinstance(layer, StackedRNNCells):
        found = list(layer.cells)
    elif isinstance(layer, TimeDistributed):
        found = [node.layer for one in layer.applications.values() for node in one.graph.nodes]
    elif isinstance(layer, RNN):
        blocks = [node.layer for one in layer.steps.values() for node in one.graph.nodes]
        found = blocks if layer.runs_cell else [layer.cell]
    yield from {id(one): one for one in found}.values()
