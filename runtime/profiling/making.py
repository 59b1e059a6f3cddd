"""From watched runs to a profile: nodes of the optimised graph, their medians, and the model's nodes behind them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.profiling.collecting import Collected
from archonnx.runtime.profiling.costs import Values, graphs_of, own_macs
from archonnx.runtime.profiling.events import Event, Run
from archonnx.runtime.profiling.fusion import Fusion, match
from archonnx.runtime.profiling.profile import Part, TimedNode
from archonnx.runtime.translate import find_node

if TYPE_CHECKING:
    import numpy as np

# The model's own nodes that a node did the work of, the one that names its place first; what it had to do.
Origin = tuple[list[Part], int | None]
Work = tuple[int | None, int | None]  # multiply-accumulates, and bytes that were read and written
Key = tuple[int | None, str, str]


@dataclass(slots=True)
class _Gathered:
    """One node over all runs. first: an event of it; seconds: of each run."""

    first: Event
    seconds: list[float] = field(default_factory=list)
    calls: int = 0
    macs: int | None = 0
    moved: int | None = 0


@dataclass(frozen=True, slots=True)
class Timed:
    """What a profile is made of; its fields have these names."""

    nodes: tuple[TimedNode, ...]
    between: float
    apart: tuple[tuple[Part, str], ...]
    timeline: tuple[tuple[int, float, float], ...]


class Own:
    """The model's own nodes: NodeProtos, what is told of each, and the multiply-accumulates of each for some inputs."""

    def __init__(self, model: ModelFile, bare: bytes, feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """bare: the model as a ModelProto, with or without weights."""
        import onnx

        proto = onnx.load_from_string(bare)
        self.model, self.feeds = model, feeds
        self.nodes = list(proto.graph.node)
        self.constants = [each.name for each in proto.graph.initializer]
        self.parts = [_part(model, node) for node in self.nodes]
        self.merged = [_merged(model, node) for node in self.nodes]
        counted = onnx.ModelProto()
        counted.CopyFrom(proto)
        self.macs = own_macs(counted, model.inputs, feeds)

    def origin(self, places: Sequence[int]) -> Origin:
        """What a node that does the work of these is: most of the one with most of the work, else of the last."""
        weights = [self.macs[place] for place in places]
        ordered = sorted(range(len(places)), key=lambda at: (-(weights[at] or 0), -at))
        known = None if None in weights or not weights else sum(weight or 0 for weight in weights)
        parts = [self.parts[places[at]] for at in ordered]
        return parts + [other for at in ordered for other in self.merged[places[at]]], known

    def apart(self, fusion: Fusion) -> tuple[tuple[Part, str], ...]:
        """The nodes that did not run, with what became of them."""
        return tuple((self.parts[place], why) for place, why in sorted(fusion.apart.items()))

    def timed(self, event: Event, origin: Origin | None, seconds: float, calls: int, work: Work) -> TimedNode:
        """A node that ran. origin: None for one of a branch or a body, which keeps its name."""
        if origin is not None:
            parts = origin[0]
            main = parts[0].name if parts else None
        else:
            parts, main = [], find_node(self.model, event.name) if event.name else None
        source = self.model.nodes.get(main) if main else None
        found = source or NodePlace(event.operator)
        where = (main, found.layer, found.place, found.trail)
        name, operator, provider = event.name, event.operator, event.provider
        return TimedNode(name, operator, provider, *where, seconds, calls, *work, tuple(parts[1:]))


def timed(collected: Collected, own: Own) -> Timed:
    """The nodes of onnxruntime's optimised graph, in the order of a run, and what lies between them."""
    graph = collected.optimised.graph
    fusion = match(own.nodes, graph.node, own.constants)
    origins = [own.origin(places) for places in fusion.parts]
    shown = _middle(collected.runs)
    gathered = _gather(collected.runs, shown, graph, own.feeds, origins)
    nodes = tuple(
        own.timed(
            each.first,
            None if number is None else origins[number],
            statistics.median(each.seconds),
            each.calls,
            (each.macs, each.moved),
        )
        for (number, _, _), each in gathered.items()
    )
    numbers = {key: number for number, key in enumerate(gathered)}
    timeline = tuple((numbers[key], event.began - shown.began, event.span) for key, event in _keyed(shown, graph))
    between = max(0.0, statistics.median(run.between for run in collected.runs))
    return Timed(nodes, between, own.apart(fusion), timeline)


def _part(model: ModelFile, node: Any) -> Part:
    place = model.nodes.get(node.name) if node.name else None
    return Part(node.name, node.op_type, place.layer if place else None, place.place if place else None)


def _merged(model: ModelFile, node: Any) -> list[Part]:
    """The operators of other layers that the compiler made part of a node; they have no name in the file."""
    place = model.nodes.get(node.name) if node.name else None
    found = place.merged if place else ()
    return [Part(f"{layer}/{operator}", operator, layer or None, where or None) for operator, layer, where in found]


def _middle(runs: Sequence[Run]) -> Run:
    """The run of median time, the lower one of two."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]


def _gather(
    runs: Sequence[Run],
    shown: Run,
    graph: Any,
    feeds: Mapping[str, np.ndarray[Any, Any]],
    origins: Sequence[Origin],
) -> dict[Key, _Gathered]:
    """The nodes of the run that is shown, by number in the optimised graph, or by name where a branch or body has
    them, each with its seconds in all runs."""
    values = Values(graph, feeds)
    inner = {node.name: node for outer in graph.node for node in _inside(outer)}
    found: dict[Key, _Gathered] = {}
    for key, event in _keyed(shown, graph):
        each = found.setdefault(key, _Gathered(event))
        node = inner.get(event.name) if key[0] is None else graph.node[key[0]]
        macs, moved = (None, event.moved) if node is None else values.ran(node, event)
        if key[0] is not None and origins[key[0]][1] is not None:
            macs = origins[key[0]][1]
        each.calls += 1
        each.macs = None if macs is None or each.macs is None else each.macs + macs
        each.moved = None if moved is None or each.moved is None else each.moved + moved
    for run in runs:
        seconds: dict[Key, float] = {}
        for key, event in _keyed(run, graph):
            seconds[key] = seconds.get(key, 0.0) + event.seconds
        for key, each in found.items():
            each.seconds.append(seconds.get(key, 0.0))
    return found


def _keyed(run: Run, graph: Any) -> list[tuple[Key, Event]]:
    """Each event with what it is of. onnxruntime runs a graph in the order in which it writes it; if ever not, names
    tell. A node that has no name in the graph has one in the profile."""
    outer = [event for event in run.events if not event.nested]
    nodes = graph.node
    same = len(outer) == len(nodes) and all(
        event.operator == node.op_type and node.name in ("", event.name)
        for event, node in zip(outer, nodes, strict=True)
    )
    if same:
        numbers = {id(event): number for number, event in enumerate(outer)}
    else:
        names = Counter(node.name for node in nodes)
        by_name = {node.name: number for number, node in enumerate(nodes) if names[node.name] == 1}
        numbers = {id(event): by_name[event.name] for event in outer if event.name in by_name}
    found: list[tuple[Key, Event]] = []
    for event in run.events:
        number = numbers.get(id(event))
        found.append(((number, "", "") if number is not None else (None, event.name, event.operator), event))
    return found


def _inside(node: Any) -> list[Any]:
    """The nodes of a node's branches and bodies, and of theirs."""
    return [each for graph in graphs_of(node) for inner in graph.node for each in [inner, *_inside(inner)]]
