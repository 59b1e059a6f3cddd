"""Parts of a layer in a map: `attention/query = self.q` fills `attention/query/kernel` and `attention/query/bias`.

A part is a projection inside the layer, which the other tool has as a layer of its own: its weights go by the layout's
one name for each, `kernel` by `weight` with PyTorch, and are laid out as the layer says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.layouts.base import Layout

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe
    from archonnx.compiler.weights.filling.slots import Slot

# What a layer that has each of these weights calls it; others have names that depend on the layer.
_OF_MODULES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "embeddings": "weight"}


class PartLayout(Layout):
    """The layout of a part. `names` are ours, local to the layer, by the tool's, local to the part."""

    def __init__(self, whole: Layout, part: Mapping[str, Slot]) -> None:
        self.name, self.whole = whole.name, whole
        of_modules = whole.name in ("torch", "onnx")
        self.ours: dict[str, str] = {}
        for local in part:
            last = local.rpartition("/")[2]
            theirs = _OF_MODULES.get(last) if of_modules else last
            if theirs is None or theirs in self.ours:
                raise ValueError(f"layout {whole.name} has no one name for {local}; name the weights one by one")
            self.ours[theirs] = local

    def names(self, layer: Any) -> Mapping[str, bool]:
        return dict.fromkeys(self.ours, True)

    def read(self, layer: Any, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {ours: self.whole.one(layer, ours, theirs[name]) for name, ours in self.ours.items()}

    def write(self, layer: Any, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {name: ours[local] for name, local in self.ours.items()}

    def one(self, layer: Any, ours: str, theirs: Recipe) -> Recipe:
        return self.whole.one(layer, ours, theirs)


def parts_of(layers: Mapping[str, tuple[Any, dict[str, Slot]]]) -> dict[str, tuple[Any, dict[str, Slot]]]:
    """The parts of all layers by path: those weights whose names within the layer begin alike."""
    found: dict[str, tuple[Any, dict[str, Slot]]] = {}
    for path, (layer, held) in layers.items():
        for local, slot in held.items():
            part = local.rpartition("/")[0]
            if part:
                found.setdefault(f"{path}/{part}", (layer, {}))[1][local] = slot
    return {path: part for path, part in found.items() if path not in layers}
