"""Runs of a model that OpenVINO's own library watches: what each node of the graph that it executes took, and which of
the model's nodes that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archonnx.runtime.devices import Choice
from archonnx.runtime.engine import start
from archonnx.runtime.openvino.library import NAME, core
from archonnx.runtime.profiling.ceilings import Ceilings
from archonnx.runtime.profiling.collecting import Turns
from archonnx.runtime.profiling.events import Event, Run
from archonnx.runtime.profiling.fusion import settle
from archonnx.runtime.profiling.making import Own, Timed
from archonnx.runtime.settings import Settings

_WATCH = {"PERF_COUNT": "YES"}
_BYTES = {"f32": 4, "i32": 4, "u32": 4, "bf16": 2, "f16": 2, "i64": 8, "u64": 8, "i8": 1, "u8": 1, "boolean": 1}
_STILL = frozenset({"Reshape", "ShapeOf"})  # as for onnxruntime in costs.py
_PICKS = frozenset({"Gather", "GatherND", "GatherElements", "Slice", "StridedSlice"})
_SIDE, _RUNS = 1024, 12


@dataclass(frozen=True, slots=True)
class _Executed:
    """A node of the graph that is executed. layers: the model's, by OpenVINO's names, none for one that it added;
    readers: of its results, by name; moved: bytes, None where shapes are open."""

    layers: tuple[str, ...]
    readers: tuple[str, ...]
    moved: int | None


def watch(
    source: str,
    choice: Choice,
    threads: int | None,
    own: Own,
    take: Callable[[Turns, Callable[[], object], Callable[[], object]], None],
) -> tuple[Timed, Turns]:
    """source: the model's file; choice: of OpenVINO's library; take: makes the turns, given one run of what is watched,
    and what is to be called after each that counts.

    Raises MachineError, ModelFileError, RunError.
    """
    runner = start(source, own.model, _watching(choice), Settings("openvino", threads, cache="off"))
    binding = runner.bind(own.feeds, {})
    turns, runs = Turns(), list[list[Event]]()
    take(turns, lambda: runner.run_bound(binding, own.feeds, {}), lambda: runs.append(_events(binding[0].request)))
    executed = _executed(binding[0].request.get_compiled_model().get_runtime_model())
    watched = [Run(0.0, seconds, tuple(events)) for seconds, events in zip(turns.watched, runs, strict=True)]
    return _timed(watched, executed, own), turns


def _watching(choice: Choice) -> Choice:
    """The same, told to keep the times of nodes."""
    first, *others = choice.providers
    return replace(choice, providers=(replace(first, properties={**first.properties, **_WATCH}), *others))


def measure(choice: Choice, threads: int | None, memory: float) -> Ceilings:
    """The ceiling of OpenVINO's products, in the precision of `choice`; memory: bytes a second, which are the
    machine's, whoever moves them."""
    import numpy as np
    from openvino import Model, opset13

    weights = opset13.constant(np.full((_SIDE, _SIDE), 0.5, np.float32))
    given = opset13.parameter([_SIDE, _SIDE], np.float32)
    properties = _watching(choice).providers[0].settings(threads, choice.floats)
    product = opset13.matmul(given, weights, False, False)
    request = core().compile_model(Model([product], [given]), "CPU", properties).create_infer_request()
    array = np.full((_SIDE, _SIDE), 0.5, np.float32)
    times = []
    for _ in range(_RUNS + 1):
        request.infer([array], share_inputs=True)
        times.append(max(event.seconds for event in _events(request)))  # the product, and no change of type before it
    return Ceilings(2 * _SIDE**3 / min(times[1:]), memory)


def _events(request: Any) -> list[Event]:
    """The nodes that ran, in order. OpenVINO does not say when: they are laid one after the other."""
    found, at = [], 0.0
    for info in request.get_profiling_info():
        if info.status != type(info).Status.EXECUTED:
            continue
        seconds = info.real_time.total_seconds()
        found.append(Event(info.node_name, info.node_type, NAME, at, seconds, seconds, None))
        at += seconds
    return found


def _executed(graph: Any) -> dict[str, _Executed]:
    found = {}
    for node in graph.get_ordered_ops():
        layers = _told(node, "originalLayersNames")
        outputs = [output for output in node.outputs() if not output.get_partial_shape().is_dynamic]
        targets = [each for output in node.outputs() for each in output.get_target_inputs()]
        readers = [each.get_node().get_friendly_name() for each in targets]
        inputs = [each.get_source_output() for each in node.inputs()]
        sizes = [_size(output) for output in [*inputs, *outputs]]
        whole = len(outputs) == len(node.outputs()) and None not in sizes
        moved = sum(size or 0 for size in sizes) if whole else None
        kind = next(iter(_told(node, "layerType")), "")
        if whole and kind in _STILL | _PICKS:
            moved = 2 * sum(_size(output) or 0 for output in outputs) if kind in _PICKS else 0
        found[node.get_friendly_name()] = _Executed(tuple(layers), tuple(readers), moved)
    return found


def _told(node: Any, key: str) -> list[str]:
    """What the graph tells of a node, a list with commas between."""
    info = node.get_rt_info()
    return [word for word in str(info[key].value).split(",") if word] if key in info else []


def _size(output: Any) -> int | None:
    if output.get_partial_shape().is_dynamic:
        return None
    types = _told(output.get_node(), "outputPrecisions")
    type_ = types[min(output.get_index(), len(types) - 1)] if types else ""
    return math.prod(output.get_shape()) * _BYTES[type_] if type_ in _BYTES else None


def _timed(runs: Sequence[Run], executed: Mapping[str, _Executed], own: Own) -> Timed:
    shown = sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]
    names = [event.name for event in shown.events]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for run in runs:
        took: dict[str, float] = {}
        for event in run.events:
            took[event.name] = took.get(event.name, 0.0) + event.seconds
        for name in seconds:
            seconds[name].append(took.get(name, 0.0))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    places = _places(names, executed, own)
    # One node may have become several: its work is that of the slowest.
    hosts: dict[int, str] = {}
    for name in sorted(places, key=lambda name: -median[name]):
        for place in places[name]:
            hosts.setdefault(place, name)
    fusion = settle(own.nodes, [[p for p in places[name] if hosts[p] == name] for name in places], own.constants)
    firsts = {event.name: event for event in reversed(shown.events)}
    nodes = []
    for name, parts in zip(places, fusion.parts, strict=True):
        shared = own.origin(places[name])[0][:1]  # the others of several stand where it stands
        origin = own.origin(parts) if parts else (shared, 0)
        moved = executed[name].moved if name in executed else None
        nodes.append(own.timed(firsts[name], origin, median[name], names.count(name), (origin[1], moved)))
    numbers = {name: number for number, name in enumerate(places)}
    timeline = tuple((numbers[event.name], event.began, event.span) for event in shown.events)
    between = max(0.0, statistics.median(run.between for run in runs))
    return Timed(tuple(nodes), between, own.apart(fusion), timeline)


def _places(names: Sequence[str], executed: Mapping[str, _Executed], own: Own) -> dict[str, list[int]]:
    """Name of a node that ran -> the model's nodes that it is, in the order of the run: those that OpenVINO names, else
    those of the first that reads its result. What it added itself is nobody's."""
    by_name = {node.name: place for place, node in enumerate(own.nodes) if node.name}
    by_value = {value: place for place, node in enumerate(own.nodes) for value in node.output if value}

    def known(layer: str) -> int | None:
        while layer:
            place = by_name.get(layer, by_value.get(layer))
            if place is not None:
                return place
            layer = layer.rpartition("/")[0]  # conv2d/Conv/WithoutBiases
        return None

    def told(name: str) -> list[int]:
        layers = executed[name].layers if name in executed else ()
        return [place for layer in layers if (place := known(layer)) is not None]

    def behind(name: str) -> list[int]:
        seen, waiting = {name}, [name]
        for each in waiting:  # which grows
            for reader in executed[each].readers if each in executed else ():
                if found := told(reader):
                    return found[:1]
                if reader not in seen:
                    seen.add(reader)
                    waiting.append(reader)
        return []

    found: dict[str, list[int]] = {}
    for name in dict.fromkeys(names):
        added = name in executed and not executed[name].layers
        found[name] = [] if added else told(name) or behind(name)
    return found
