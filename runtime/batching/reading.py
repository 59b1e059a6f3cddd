"""What both analyses of a graph read of it: what onnx infers, and what its nodes hold."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from archonnx.runtime.batching.table import DRAWS, ML, TABLE


def inferred(proto: Any, given: Collection[str]) -> Any:
    """The values of a model's graph with the types that onnx infers of them whatever the open sizes are; declared sizes
    may be wrong, and a constant that a call gives may be another one. Nothing where onnx finds a contradiction."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    del bare.graph.value_info[:]
    for at in reversed(range(len(bare.graph.initializer))):
        if bare.graph.initializer[at].name in given:
            del bare.graph.initializer[at]
    for value in bare.graph.input:
        for dim in value.type.tensor_type.shape.dim if value.type.HasField("tensor_type") else ():
            if dim.dim_value < 0:  # old exporters write -1 where they mean unknown
                dim.Clear()
    for output in bare.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(bare, data_prop=True).graph
    except onnx.shape_inference.InferenceError:  # a model that is run all the same, by a runtime that knows more
        return []
    return [*graph.value_info, *graph.output]


def inferred_shapes(values: Any) -> dict[str, list[int | None]]:
    """The sizes that are known of values with types."""
    return {
        value.name: [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
        for value in values
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")
    }


def attribute_value(attribute: Any) -> Any:
    from onnx import helper

    return helper.get_attribute_value(attribute)


def graphs_of(attribute: Any) -> list[Any]:
    """The graphs that an attribute holds."""
    return [attribute.g] if attribute.type == attribute.GRAPH else list(attribute.graphs)


def captured_names(node: Any) -> set[str]:
    """The names that graphs inside of a node take from outside."""
    found: set[str] = set()
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            own = {each.name for each in [*graph.input, *graph.initializer]}
            for inner in graph.node:
                found |= {name for name in [*inner.input, *captured_names(inner)] if name and name not in own}
                own |= set(inner.output)
            found |= {each.name for each in graph.output if each.name not in own}
    return found


def drawn_by(node: Any) -> str:
    """The operator of this node, or of one inside of it, that draws numbers; else nothing."""
    if node.op_type in DRAWS:
        return str(node.op_type)
    for attribute in node.attribute:
        for graph in graphs_of(attribute):
            for inner in graph.node:
                found = drawn_by(inner)
                if found or (inner.op_type == "Dropout" and len(inner.input) > 2):
                    return found or "Dropout"
    return ""


def standard(node: Any) -> bool:
    """Whether this operator, and those inside of it, give the same for the same: ONNX's own do, and those of the
    table."""
    from onnx import defs

    domain = domain_name(node.domain)
    if (domain, node.op_type) not in TABLE and (domain not in ("", ML) or not defs.has(node.op_type, domain)):
        return False
    return all(
        standard(inner) for attribute in node.attribute for graph in graphs_of(attribute) for inner in graph.node
    )


def domain_name(name: str) -> str:
    return "" if name == "ai.onnx" else name
