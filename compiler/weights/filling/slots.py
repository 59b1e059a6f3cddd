"""The weights that are to be filled: those of a model, or of one scope of it, with the layers that they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.filling.widening import widens
from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Weight
    from archonnx.compiler.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Slot:
    """A weight. `path` is below the scope; `local` is what `layer` calls it, whose path is `layer_path`."""

    weight: Weight
    path: str
    layer: Any  # layers.base.Layer
    layer_path: str
    local: str


@dataclass(slots=True)
class Slots:
    """The weights below a scope by their paths there, and the layers that have some: path -> local name -> slot.

    `all_layers` are also those without weights, for messages; `parameters` the model's, those that are whole numbers.
    """

    model: str
    scope: str
    by_path: dict[str, Slot] = field(default_factory=dict)
    layers: dict[str, dict[str, Slot]] = field(default_factory=dict)
    all_layers: list[str] = field(default_factory=list)
    parameters: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Slot]:
        return iter(self.by_path.values())

    @property
    def said(self) -> str:
        """What a message calls it."""
        return f"{self.scope} of {self.model}" if self.scope else self.model

    def without(self, scopes: Sequence[str]) -> Slots:
        """The same without the weights of some scopes, which are whole paths."""
        left = tuple(scope.strip("/") + "/" for scope in scopes)
        paths = {path: slot for path, slot in self.by_path.items() if not slot.weight.path.startswith(left)}
        kept = {id(slot) for slot in paths.values()}
        layers = {
            path: held
            for path, slots in self.layers.items()
            if (held := {local: slot for local, slot in slots.items() if id(slot) in kept})
        }
        return replace(self, by_path=paths, layers=layers)


def slots_of(graph: LayerGraph, scope: str = "") -> Slots:
    """The weights of a scope; "" is the whole model. UsageError where there is no such scope, or none with weights."""
    prefix = scope.strip("/") + "/" if scope.strip("/") else ""
    made = Slots(graph.name, prefix.rstrip("/"))
    made.parameters = {n: int(text) for n, text in graph.arguments.items() if re.fullmatch(r"-?[0-9]{1,15}", text)}
    seen: dict[int, Slot] = {}
    for node in graph.nodes:
        if not f"{node.path}/".startswith(prefix):
            continue
        path = f"{node.path}/"[len(prefix) :].rstrip("/")
        if path not in made.layers:
            made.all_layers.append(path)
        for local, weight in node.layer.weights.items():
            if not weight.path.startswith(prefix):
                continue  # shared with a layer outside
            if id(weight) not in seen:
                slot = Slot(weight, weight.path[len(prefix) :], node.layer, path, local)
                seen[id(weight)] = made.by_path[slot.path] = slot
            if f"{node.path}/{local}" == weight.path or node.layer is seen[id(weight)].layer:
                made.layers.setdefault(path, {})[local] = seen[id(weight)]
    if prefix and not made.by_path:
        raise _no_scope(graph, scope)
    return made


def _no_scope(graph: LayerGraph, scope: str) -> UsageError:
    paths = [weight.path.split("/")[:-1] for weight in graph.weights()]
    known = list(dict.fromkeys("/".join(path[:depth]) for depth in (1, 2, 3) for path in paths if len(path) >= depth))
    near = did_you_mean(scope, known, most=1)
    listed = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    help = f"did you mean {near[0]}?" if near else f"scopes are {listed}"
    return UsageError(f"the model {graph.name} has no scope {scope} with weights; {help}")


def is_reference(layer: Any) -> bool:
    """Whether this is no layer but a weight of a block, which is read: it has no layout."""
    return layer.type_name == "weight" and list(layer.weights) == ["value"]


def type_of(thing: Weight | Recipe) -> str:
    """`float32[3, 4]`."""
    return f"{thing.dtype}{list(thing.shape)}"


def settled(slot: Slot, recipe: Recipe) -> tuple[Recipe | None, str]:
    """The recipe in the weight's type, or None and why it is none: "shape" or "dtype"."""
    weight = slot.weight
    if tuple(recipe.shape) != tuple(weight.shape):
        return None, "shape"
    if recipe.dtype == weight.dtype:
        return recipe, ""
    return (recipe.cast(weight.dtype), "") if widens(recipe.dtype, weight.dtype) else (None, "dtype")


def layers_of(slots: Slots) -> Mapping[str, tuple[Any, dict[str, Slot]]]:
    """Each layer with weights and its slots by local name."""
    return {path: (next(iter(held.values())).layer, held) for path, held in slots.layers.items()}
