"""Weights of an ONNX model that has no initializers of its own: within its nodes.

1. initializers of the graphs within nodes, the branches of an If
2. where there are none either, the Constant nodes, as PaddlePaddle has its weights: each by its output's name

A name that two of these graphs have is followed by its number from the second on: `weight#1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

    from archonnx.compiler.wire import Inside, Region


def tensors_within(graph: GraphProto, inside: Inside) -> Iterator[tuple[str, TensorProto, Region]]:
    """The tensors with their names and places, in the file's order.

    Errors: ValueError where the graph and what was met in the file differ: an attribute has two values.
    """
    attributes: list[tuple[NodeProto, AttributeProto]] = []
    initializers: list[TensorProto] = []
    _collect(graph, attributes, initializers)
    if len(attributes) != len(inside.attributes) or len(initializers) != len(inside.initializers):
        raise ValueError("an attribute of a node has two values")
    if initializers:
        named = (
            (tensor.name, tensor, region) for tensor, region in zip(initializers, inside.initializers, strict=True)
        )
    else:
        named = (
            (node.output[0], attribute.t, region)
            for (node, attribute), region in zip(attributes, inside.attributes, strict=True)
            if node.op_type == "Constant" and not node.domain and attribute.name == "value" and node.output
        )
    return _told_apart(named)


def _collect(
    graph: GraphProto, attributes: list[tuple[NodeProto, AttributeProto]], initializers: list[TensorProto]
) -> None:
    """What is within the nodes of a graph, in the order of compiler/wire.py."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                attributes.append((node, attribute))
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                _collect(inner, attributes, initializers)
                initializers.extend(inner.initializer)


def _told_apart(named: Iterator[tuple[str, TensorProto, Region]]) -> Iterator[tuple[str, TensorProto, Region]]:
    taken: dict[str, int] = {}
    for name, tensor, region in named:
        count = taken[name] = taken.get(name, -1) + 1
        yield (f"{name}#{count}" if count else name), tensor, region
