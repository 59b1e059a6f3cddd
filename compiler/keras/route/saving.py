"""The whole second route: layer graph, Keras, TensorFlow, tf2onnx, and back under our names and through our gate."""

from __future__ import annotations

import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.keras.building import build
from archonnx.compiler.keras.names import keras_name
from archonnx.compiler.keras.route.conversion import Frozen, convert, freeze, quiet, require_tools, route_opset
from archonnx.compiler.keras.route.reading import Port, read
from archonnx.compiler.keras.route.recognizing import Recognizer
from archonnx.contract.diagnostics import CompileError, Diagnostic

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.graph import LayerGraph, Node, Value
    from archonnx.compiler.recipes import Evaluation
    from archonnx.compiler.saving import SaveReport
    from archonnx.compiler.writer import Skeleton

FIXED_STEPS = "give the input a known number of steps, or build without --via keras"
HELP = "nothing was written; without --via keras the model is built by archonnx's own lowering"


def save(
    model: CompiledModel,
    path: str | os.PathLike[str],
    *,
    seed: int = 0,
    opset: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SaveReport:
    """Write the model as Keras and tf2onnx have it, under our names; a failure leaves the old file as it was.

    opset: by default the model's own, as far as tf2onnx goes. progress: called with bytes done and in all.

    Errors: MachineError without the extra `keras`; NoCounterpartError; RouteError where it cannot be converted;
    CompileError where what came out does not pass; those of CompiledModel.save.
    """
    from archonnx.compiler import saving

    graph = route(model, seed=seed, opset=opset)
    return write(
        model, graph, path, seed=seed, progress=progress, kind=saving.kind_of_weights(model.lower(), model.given)
    )


def write(
    model: CompiledModel,
    graph: OperatorGraph,
    path: str | os.PathLike[str],
    *,
    seed: int,
    kind: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SaveReport:
    """Write what `route` gave."""
    from archonnx.compiler import saving

    sources = {**model.sources, **{short: model.sources[name] for name, short in model.below_root.items()}}
    try:
        return saving.save(
            graph,
            path,
            seed=seed,
            given=model.given,
            kind=kind,
            progress=progress,
            facts=model.graph.facts,
            sources=sources,
            finish=_leave_types_open,
        )
    except CompileError as error:
        raise _not_passed(error, sources) from None


@dataclass(frozen=True, slots=True)
class Probe:
    """A value of the layer graph to be an output too, and its name as one."""

    value: Value
    name: str


def route(
    model: CompiledModel, *, seed: int = 0, opset: int | None = None, probes: Sequence[Probe] | None = None
) -> OperatorGraph:
    """The model's operators as tf2onnx gives them, named and ordered anew. `probes`: other outputs than its own.

    Errors as of `save`.
    """
    from archonnx.compiler.lowering.naming import assign_names
    from archonnx.compiler.lowering.places import below_root

    require_tools()
    evaluation = model.evaluation(seed)
    chosen = route_opset(opset, model.opset)
    _require_right_layers(model)
    ours = model.lower(optimization=1)  # its layers one by one, as the route has them
    tokens = _Tokens(model.graph)
    frozen, asked = _frozen(model, tokens, evaluation, [name for name, _ in ours.outputs], probes)
    gc.collect()  # Keras' model, and TensorFlow's graphs of it
    written = convert(frozen, chosen)
    _require_operators(written, model, tokens)
    inputs = [Port(t, given.name, given.value.type) for t, given in zip(frozen.inputs, model.graph.inputs, strict=True)]
    outputs = [Port(t, probe.name, probe.value.type) for t, probe in zip(frozen.outputs, asked, strict=True)]
    graph = read(written, inputs, outputs, tokens.node, Recognizer(model.graph.nodes, evaluation).recipe)
    graph.name, graph.documentation = model.graph.name, model.graph.documentation or ""
    graph.measured |= ours.measured
    graph.metadata = dict(ours.metadata)
    assign_names(graph)
    below_root(graph, model.below_root)
    return graph


def _frozen(
    model: CompiledModel,
    tokens: _Tokens,
    evaluation: Evaluation,
    names: Sequence[str],
    probes: Sequence[Probe] | None,
) -> tuple[Frozen, list[Probe]]:
    """The model of Keras, traced, and what its outputs are: the model's own under `names`, or the probes."""
    with quiet():
        built = build(model, evaluation, tokens.name)
    asked = [Probe(output.value, name) for output, name in zip(model.graph.outputs, names, strict=True)]
    if probes is not None:  # what is computed of the source's numbers alone is no part of Keras' model
        asked = [probe for probe in probes if hasattr(built.tensors[id(probe.value)], "_keras_history")]
    outputs = [built.tensors[id(probe.value)] for probe in asked]
    inputs = [given.value.type for given in model.graph.inputs]
    return freeze(built.model, outputs, inputs, _scopes(model.graph, built.tensors, tokens)), asked


class _Tokens:
    """Names of layers that are found again in TensorFlow's, which numbers names: `n12x` is the 13th path."""

    def __init__(self, graph: LayerGraph) -> None:
        self.nodes: dict[str, Node] = {}
        self.number: dict[str, int] = {}
        for node in graph.nodes:
            if node.path not in self.nodes:
                self.number[node.path] = len(self.nodes)
                self.nodes[node.path] = node
        self.paths = list(self.nodes)

    def name(self, path: str) -> str:
        """What Keras calls the layer of that path, or the one of a node's name."""
        number = self.number.get(path.partition("#")[0])
        return keras_name(path) if number is None else f"n{number}x"

    def node(self, name: str) -> Node | None:
        """The node that a scope of TensorFlow's name says."""
        for scope in name.split("/"):
            found = re.match(r"n(\d+)x(?![A-Za-z0-9])", scope)
            if found is not None and int(found[1]) < len(self.paths):
                return self.nodes[self.paths[int(found[1])]]
        return None


def _scopes(graph: LayerGraph, tensors: Mapping[int, Any], tokens: _Tokens) -> list[tuple[Any, str]]:
    """The operations of Keras that are no layers, each with the token of the node that it was made for."""
    import keras

    found: list[tuple[Any, str]] = []
    seen: set[int] = set()
    for node in graph.nodes:
        waiting = [tensors[id(value)] for value in node.outputs]
        while waiting:
            history = getattr(waiting.pop(), "_keras_history", None)
            if history is None or id(history.operation) in seen:
                continue
            seen.add(id(history.operation))
            if not isinstance(history.operation, keras.layers.Layer):
                found.append((history.operation, tokens.name(node.path)))
            waiting.extend(history.operation._inbound_nodes[history.node_index].input_tensors)
    return found


def _require_right_layers(model: CompiledModel) -> None:
    """E1052 for each layer that Keras computes wrongly once TensorFlow traces it."""
    found = []
    for node in model.graph.nodes:
        given = node.inputs[0] if node.inputs else None
        if node.layer.keras != "TimeDistributed" or given is None or isinstance(given.type.shape[1], int):
            continue
        message = (
            f"{node.name}: Keras' TimeDistributed, traced with {given.type.shape[1]} steps, "
            "runs as many steps as the batch has rows"
        )
        found.append(Diagnostic("E1052", message, node.place, trail=node.trail, help=FIXED_STEPS))
    if found:
        raise CompileError(found, model.sources)


def _require_operators(written: ModelProto, model: CompiledModel, tokens: _Tokens) -> None:
    """E1050 for each layer whose operation of TensorFlow tf2onnx left as it was."""
    from onnx import defs

    versions = {entry.domain: entry.version for entry in written.opset_import}
    count: Counter[tuple[str, str]] = Counter()
    owners: dict[tuple[str, str], Node | None] = {}
    for node in _nodes(written.graph):
        if defs.has(node.op_type, max_inclusive_version=versions.get(node.domain, 1), domain=node.domain):
            continue
        owner = tokens.node(node.name)
        key = (node.op_type, owner.path if owner is not None else "")
        count[key] += 1
        owners[key] = owner
    found = []
    for (kind, path), owner in owners.items():
        where = f"{path}: " if path else ""
        message = f"{where}tf2onnx has no form for TensorFlow's {kind} in operator set {versions['']}"
        place, trail = (owner.place, owner.trail) if owner is not None else (None, ())
        found.append(Diagnostic("E1050", message, place, trail=trail, help=HELP))
    if found:
        raise CompileError(found, model.sources)


def _nodes(graph: GraphProto) -> list[NodeProto]:
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += _nodes(attribute.g)
    return found


def _not_passed(error: CompileError, sources: dict[str, str]) -> CompileError:
    """The gate's findings as those of the second route: the mistake is none of archonnx's."""
    found = [
        Diagnostic("E1051", f"{d.message} [{d.code}]", d.place, d.label, d.labels, d.trail, HELP, d.severity)
        for d in error.diagnostics
    ]
    return CompileError(found, sources)


def _leave_types_open(skeleton: Skeleton) -> None:
    """Take away the types of inner tensors: another tool's sizes have no names of ours. onnx infers what it can."""
    _open(skeleton.graph)


def _open(graph: GraphProto) -> None:
    del graph.value_info[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                for value in (*attribute.g.input, *attribute.g.output):
                    shape = value.type.tensor_type.shape
                    if any(dim.HasField("dim_param") for dim in shape.dim):
                        value.type.tensor_type.ClearField("shape")
                _open(attribute.g)
