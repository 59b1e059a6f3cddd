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
from archonnx.runtime.profiling.fusion import match
from archonnx.runtime.profiling.profile import Part, TimedNode
from archonnx.runtime.translate import find_node

if TYPE_CHECKING:
    import numpy as np

# The model's own nodes that a node did the work of, the one that names its place first; what it had to do.
Origin = tuple[list[Part], int | None]
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


def timed(collected: Collected, model: ModelFile, bare: bytes, feeds: Mapping[str, np.ndarray[Any, Any]]) -> Timed:
    """The nodes in the order of a run, and what lies between them.

    bare: the model as a ModelProto, with or without weights; feeds: the inputs of the runs.
    """
    import onnx

    graph = collected.optimised.graph
    proto = onnx.load_from_string(bare)
    own = list(proto.graph.node)
    fusion = match(own, graph.node, [each.name for each in proto.graph.initializer])
    parts = [_part(model, node) for node in own]
    macs = own_macs(proto, model.inputs, feeds)
    origins: list[Origin] = []
    for places in fusion.parts:
        weights = [macs[place] for place in places]
        ordered = sorted(range(len(places)), key=lambda at: (-(weights[at] or 0), -at))
        known = None if None in weights or not weights else sum(weight or 0 for weight in weights)
        origins.append(([parts[places[at]] for at in ordered], known))
    shown = _middle(collected.runs)
    gathered = _gather(collected.runs, shown, graph, feeds, origins)
    nodes = tuple(_timed(key, each, model, origins) for key, each in gathered.items())
    numbers = {key: number for number, key in enumerate(gathered)}
    timeline = tuple((numbers[key], event.began - shown.began, event.span) for key, event in _keyed(shown, graph))
    between = max(0.0, statistics.median(run.between for run in collected.runs))
    apart = tuple((parts[place], why) for place, why in sorted(fusion.apart.items()))
    return Timed(nodes, between, apart, timeline)


def _part(model: ModelFile, node: Any) -> Part:
    place = model.nodes.get(node.name) if node.name else None
    return Part(node.name, node.op_type, place.layer if place else None, place.place if place else None)


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


def _timed(key: Key, each: _Gathered, model: ModelFile, origins: Sequence[Origin]) -> TimedNode:
    event = each.first
    if key[0] is not None:
        parts = origins[key[0]][0]
        main = parts[0].name if parts else None
    else:  # a node of a branch or a body keeps its name
        parts, main = [], find_node(model, event.name) if event.name else None
    source = model.nodes.get(main, NodePlace(event.operator)) if main else NodePlace(event.operator)
    return TimedNode(
        event.name,
        event.operator,
        event.provider,
        main,
        source.layer,
        source.place,
        source.trail,
        statistics.median(each.seconds),
        each.calls,
        each.macs,
        each.moved,
        tuple(parts[1:]),
    )
