"""Which of a model's own nodes each node of onnxruntime's optimised graph does the work of.

A node of the optimised graph does what leads from its inputs to its outputs in the model, as far as the values of both
have kept their names; where a layout of its own changed them, onnxruntime calls the node as its output was called
(`..._nchwc`). What is left over is one of these:

1. what depends on no input: it was computed while the model was loaded;
2. a node that does the same as one that runs: it shares that one's result;
3. what follows a node that runs, such as the sum and the activation behind a convolution: it is part of that;
4. what follows nothing that runs: it was dropped, as it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_LAYOUT = "_nchwc"
LOADED, SHARED, DROPPED = "computed while loading", "shares a result", "dropped"


@dataclass(slots=True)
class Fusion:
    """Nodes by their places in the two graphs. parts: for each optimised node, the model's own that it does the work
    of, in the model's order; none for one that onnxruntime added. apart: the others, with what became of them."""

    parts: list[list[int]]
    apart: dict[int, str] = field(default_factory=dict)


def match(own: Sequence[Any], optimised: Sequence[Any], constants: Iterable[str]) -> Fusion:
    """own, optimised: NodeProtos, in an order in which they can run; constants: names of the model's initializers."""
    graph = _Graph(own, set(constants))
    return _settled(graph, [graph.anchors(node) for node in optimised])


def settle(own: Sequence[Any], anchors: Sequence[Sequence[int]], constants: Iterable[str]) -> Fusion:
    """The same where another library says which of the model's nodes each of its own does, not all of them perhaps.

    own: NodeProtos, in an order in which they can run; anchors: their places, for each node that ran.
    """
    return _settled(_Graph(own, set(constants)), anchors)


def _settled(graph: _Graph, anchors: Sequence[Sequence[int]]) -> Fusion:
    fusion = Fusion([[] for _ in anchors])
    owner: dict[int, int] = {}
    for number, found in enumerate(anchors):
        for place in found:
            owner.setdefault(place, number)
    ends = set(owner)
    kept = {graph.first[place] for place in ends}
    shared = {place for place, first in graph.first.items() if place not in ends and first in kept}
    fixed = graph.constant | shared | ends
    for number, found in enumerate(anchors):
        waiting = [place for place in found if owner[place] == number]
        while waiting:
            for name in graph.reads[waiting.pop()]:
                before = graph.produced.get(name)
                if before is not None and before not in owner and before not in fixed:
                    owner[before] = number
                    waiting.append(before)
    for place in range(len(graph.own)):
        if place in owner:
            continue
        makers = [graph.produced[name] for name in graph.reads[place] if name in graph.produced]
        hosts = [owner[maker] for maker in makers if maker in owner]
        if place in graph.constant:
            fusion.apart[place] = LOADED
        elif place in shared:
            fusion.apart[place] = SHARED
        elif hosts:
            owner[place] = max(hosts)
        else:
            fusion.apart[place] = DROPPED
    for place in sorted(owner):
        fusion.parts[owner[place]].append(place)
    return fusion


class _Graph:
    """The model's own nodes: what each reads, which produces a value, which are the same, which depend on no input."""

    def __init__(self, own: Sequence[Any], constants: set[str]) -> None:
        self.own = own
        self.produced = {name: place for place, node in enumerate(own) for name in node.output if name}
        self.names = {node.name: place for place, node in enumerate(own) if node.name}
        self.reads = [_reads(node) for node in own]
        self.readers: dict[str, list[int]] = {}
        for place, names in enumerate(self.reads):
            for name in names:
                self.readers.setdefault(name, []).append(place)
        self.constant: set[int] = set()
        self.first: dict[int, int] = {}
        same: dict[tuple[Any, ...], int] = {}  # what a node computes -> the first that does
        stands: dict[str, str] = {}  # a value -> the first that is the same
        for place, node in enumerate(own):
            random = node.op_type.startswith("Random") or node.op_type in ("Multinomial", "Bernoulli", "Dropout")
            if not random and all(name in constants for name in self.reads[place]):
                self.constant.add(place)
                constants.update(name for name in node.output if name)
            computes = (node.domain, node.op_type, *(stands.get(name, name) for name in node.input), *_attributes(node))
            first = place if random else same.setdefault(computes, place)
            self.first[place] = first
            if first != place:
                stands.update(zip(node.output, own[first].output, strict=False))

    def anchors(self, node: Any) -> list[int]:
        """The nodes whose outputs are outputs of an optimised one, else the one that it is named after."""
        found = [self.produced[name] for name in node.output if name in self.produced]
        if found:
            return found
        value = node.name.removesuffix(_LAYOUT)
        if value != node.name and value in self.produced:
            return [self._end(node, self.produced[value])]
        place = self.names.get(node.name)
        if place is not None:
            return [place] if self.own[place].op_type == node.op_type else []
        return self._named_after(node.name)

    def _named_after(self, name: str) -> list[int]:
        """The node of a name such as `activation/Mul/QuickGeluFusion/`, where values have none that the model knows."""
        while "/" in name:
            name = name.rpartition("/")[0]
            if name in self.names:
                return [self.names[name]]
        return []

    def _end(self, node: Any, place: int) -> int:
        """The last node that one in onnxruntime's layout does: it is named before a sum and an activation join it."""
        if node.op_type == "Conv" and len(node.input) > 3 and node.input[3]:
            place = self._next(place, "Add", "Sum")
        activation = next((each.s.decode() for each in node.attribute if each.name == "activation"), "")
        return self._next(place, activation) if activation and self.own[place].op_type != activation else place

    def _next(self, place: int, *operators: str) -> int:
        readers = [reader for name in self.own[place].output for reader in self.readers.get(name, ())]
        return next((reader for reader in readers if self.own[reader].op_type in operators), place)


def _reads(node: Any) -> list[str]:
    """The values that a node reads, those that graphs inside of it take from outside among them."""
    found = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            made = {each.name for each in [*graph.input, *graph.initializer]}
            for inner in graph.node:
                found += [name for name in _reads(inner) if name not in made]
                made.update(inner.output)
            found += [each.name for each in graph.output if each.name not in made]
    return found


def _attributes(node: Any) -> list[bytes]:
    return sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
