"""Our own layout: every weight under its name, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.weights.layouts.base import Layout

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe


class OurLayout(Layout):
    """What a map has that says nothing of a layout."""

    name = "none"

    def names(self, layer: Layer) -> Mapping[str, bool]:
        return dict.fromkeys(layer.weights, True)

    def read(self, layer: Layer, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        missing = [name for name in layer.weights if name not in theirs]
        if missing:
            raise ValueError(f"there is no {' and no '.join(missing)}")
        return {name: theirs[name] for name in layer.weights}

    def write(self, layer: Layer, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return dict(ours)

    def one(self, layer: Layer, ours: str, theirs: Recipe) -> Recipe:
        return theirs


LAYOUT = OurLayout()
