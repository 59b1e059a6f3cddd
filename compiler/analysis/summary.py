"""The summary of a layer graph as data: one row a layer, totals, cost and memory. Renderers are in summary_text.py.

summarize(graph)                   one row a layer, applied once or many times, in the order of first application
summarize(graph, depth=1)          blocks folded into one row each, with their sums
summarize(graph, bindings={"T": 128})   symbols bound, so that costs come out as numbers
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archonnx.compiler.analysis.cost import Parameters, batch_symbol, bind, count_parameters, node_macs, sample_bindings
from archonnx.compiler.analysis.memory import activation_peak_bytes

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, TensorType, Value
    from archonnx.contract.dims import Dim

NONE = Parameters()
Extent = int | str  # a symbolic dimension is a string
Shape = tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the model."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer, or one folded block. MACs are a string where a symbol stays in them.

    `also` are the names of the type in Keras and PyTorch; `activation` the name of a built-in activation;
    `connected_to` names what it reads, `producer[use][result]` as Keras writes it; `place` is `file:line:column`;
    `uses` counts applications. `layers` is how many layers the row stands for. `second_biases` are parameters that
    PyTorch has beside these.
    """

    path: str
    type: str
    output_shapes: tuple[Shape, ...]
    parameters: int
    macs: int | str
    counted: Parameters = NONE
    also: tuple[str, ...] = ()
    activation: str | None = None
    connected_to: tuple[str, ...] = ()
    place: str | None = None
    uses: int = 1
    layers: int = 1
    second_biases: int = 0

    @property
    def output_shape(self) -> list[Any]:
        """The shape as JSON has it: a list, or a list of lists for several results."""
        shapes = [list(shape) for shape in self.output_shapes]
        return shapes[0] if len(shapes) == 1 else shapes


@dataclass(frozen=True, slots=True)
class Summary:
    """What `archonnx summary` shows.

    `batch` is the symbol taken as the batch; `keras_order` sorts inputs and layers as Keras does.

    In `keras_order` a number below len(inputs) is an input, the others are layers, counted on from there. `chain`
    says that each layer reads the one before it and nothing else.
    """

    model: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[LayerRow, ...]
    parameters: Parameters
    macs: int | str
    activation_peak_bytes: int | None
    batch: str | None = None
    keras_order: tuple[int, ...] = ()
    chain: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON prints it."""
        return {
            "model": self.model,
            "inputs": [{"name": p.name, "dtype": p.dtype, "shape": list(p.shape)} for p in self.inputs],
            "outputs": [{"name": p.name, "dtype": p.dtype, "shape": list(p.shape)} for p in self.outputs],
            "layers": [
                {
                    "path": row.path,
                    "type": row.type,
                    "output_shape": row.output_shape,
                    "parameters": row.parameters,
                    "macs": row.macs,
                }
                for row in self.layers
            ],
            "parameters": {
                "total": self.parameters.total,
                "trainable": self.parameters.trainable,
                "non_trainable": self.parameters.non_trainable,
            },
            "macs": self.macs,
            "activation_peak_bytes": self.activation_peak_bytes,
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        from archonnx.compiler.analysis.summary_text import render

        return render(self, "table")


def summarize(graph: LayerGraph, *, depth: int | None = None, bindings: Mapping[str, int] | None = None) -> Summary:
    """Sum a graph up. `depth` keeps that many scopes of a path and folds what is deeper; `bindings` fix symbols."""
    bound = sample_bindings(graph, bindings)
    rows, total = _rows(graph, bound, dict(bindings or {}))
    order, chain = _order(graph)
    summary = Summary(
        model=graph.name,
        inputs=tuple(_port(given.name, given.value.type, bindings) for given in graph.inputs),
        outputs=tuple(_port(output.name, output.value.type, bindings) for output in graph.outputs),
        layers=tuple(rows),
        parameters=count_parameters(graph.weights()),
        macs=_plain(total),
        activation_peak_bytes=activation_peak_bytes(graph, bindings),
        batch=batch_symbol(graph),
        keras_order=order,
        chain=chain,
    )
    return summary if depth is None else fold(summary, graph, depth)


def _plain(dim: Dim) -> Extent:
    return dim if isinstance(dim, int) else str(dim)


def _shape(tensor: TensorType, bindings: Mapping[str, int] | None) -> Shape:
    return tuple(_plain(bind(extent, bindings or {})) for extent in tensor.shape)


def _port(name: str, tensor: TensorType, bindings: Mapping[str, int] | None) -> Port:
    return Port(name, tensor.dtype, _shape(tensor, bindings))


def _rows(graph: LayerGraph, bound: Mapping[str, int], shown: Mapping[str, int]) -> tuple[list[LayerRow], Dim]:
    """A row for each layer. Weights count in the first layer that has them; MACs add up over a layer's applications."""
    uses: dict[int, list[Node]] = defaultdict(list)
    hidden = _hidden(graph)
    for node in graph.nodes:
        if id(node) in hidden:
            continue
        uses[id(node.layer)].append(node)
    inputs = {id(given.value): f"{given.name}[0][0]" for given in graph.inputs}
    counted: set[int] = set()
    total: Dim = 0
    rows = []
    for applied in uses.values():
        first, last = applied[0], applied[-1]
        weights = [weight for weight in first.layer.weights.values() if id(weight) not in counted]
        counted.update(map(id, weights))
        parameters = count_parameters(weights)
        macs: Dim = 0
        for node in applied:
            macs = macs + node_macs(node, bound)
        total = total + macs
        read = [value for node in applied for value in _read(node, hidden)]
        rows.append(
            LayerRow(
                path=first.path,
                type=first.type_name,
                output_shapes=tuple(_shape(value.type, shown) for value in last.results),
                parameters=parameters.total,
                macs=_plain(macs),
                counted=parameters,
                also=tuple(
                    name.rsplit(".", 1)[-1]
                    for name in first.layer.counterparts()
                    if name.rsplit(".", 1)[-1] != first.type_name
                ),
                activation=_activation(first),
                connected_to=tuple(
                    inputs[id(value)]
                    if value.producer is None
                    else f"{value.producer.path}[{value.producer.use}][{value.index}]"
                    for value in read
                ),
                place=str(first.place) if first.place else None,
                uses=len(applied),
                second_biases=first.layer.biases_of_torch(),
            )
        )
    return rows, total


def _hidden(graph: LayerGraph) -> set[int]:
    """The ids of nodes that are no layers to anybody: constants, and `embed.kernel`, a weight counted before."""
    hidden: set[int] = set()
    seen: set[int] = set()
    for node in graph.nodes:
        weights = {id(weight) for weight in node.layer.weights.values()}
        if weights <= seen and all(value is None for value in node.inputs):
            hidden.add(id(node))
        seen |= weights
    return hidden


def _read(node: Node, hidden: set[int]) -> list[Value]:
    """What an application reads of inputs and of layers that are shown."""
    given = [value for value in node.inputs if value is not None]
    return [value for value in given if value.producer is None or id(value.producer) not in hidden]


def _activation(node: Node) -> str | None:
    value = node.layer.arguments.get("activation")
    return value if isinstance(value, str) else None


def _order(graph: LayerGraph) -> tuple[tuple[int, ...], bool]:
    """Keras' order of inputs and layers, and whether Keras would take the model for a chain."""
    from archonnx.compiler.analysis.order import is_chain, keras_order

    count = len(graph.inputs)
    hidden = _hidden(graph)
    shown = [node for node in graph.nodes if id(node) not in hidden]
    application = {id(node): count + number for number, node in enumerate(shown)}
    source = {id(given.value): number for number, given in enumerate(graph.inputs)}
    layers: dict[int, int] = {}
    parents: list[list[int]] = [[] for _ in range(count)]
    layer_of = list(range(count))

    def maker(value: Value) -> int:
        return source[id(value)] if value.producer is None else application[id(value.producer)]

    for node in shown:
        parents.append([maker(value) for value in _read(node, hidden)])
        layer_of.append(layers.setdefault(id(node.layer), count + len(layers)))
    ends = [output.value for output in graph.outputs]
    made = [maker(value) for value in ends if value.producer is None or id(value.producer) not in hidden]
    order = keras_order(parents, layer_of, made, range(count))
    return tuple(order), is_chain(parents, layer_of)


def fold(summary: Summary, graph: LayerGraph, depth: int) -> Summary:
    """Rows of blocks: what lies deeper than `depth` scopes becomes one row, where its first layer stood."""
    if depth < 0:
        raise ValueError(f"expected a depth of 0 or more, got {depth}")
    trails = {node.path: node.block_trail for node in graph.nodes}
    folded: dict[str, LayerRow] = {}
    for row in summary.layers:
        parts = row.path.split("/")
        trail = trails.get(row.path, ())
        level = min(depth, len(trail))
        inside = len(trail) > depth
        key = "/".join(parts[: level + 1]) if inside else row.path
        if key not in folded:
            folded[key] = replace(row, path=key, type=trail[depth] if inside else row.type)
            continue
        before = folded[key]
        counted = before.counted + row.counted
        folded[key] = replace(
            before,
            output_shapes=row.output_shapes,
            parameters=counted.total,
            counted=counted,
            macs=_add(before.macs, row.macs),
            also=(),
            activation=None,
            layers=before.layers + row.layers,
            second_biases=before.second_biases + row.second_biases,
        )
    return replace(summary, layers=tuple(folded.values()), keras_order=(), chain=False)


def _add(left: Extent, right: Extent) -> Extent:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    from archonnx.contract.dims import parse_dim

    return _plain(parse_dim(str(left)) + parse_dim(str(right)))
