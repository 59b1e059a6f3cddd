"""Operators whose results nobody reads."""

from __future__ import annotations

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.changes import note


def remove_dead(graph: OperatorGraph) -> OperatorGraph:
    """Leave out what no output needs.

    1. An operator none of whose results is an output or read by an operator that stays.
    """
    needed = {id(tensor) for _, tensor in graph.outputs}
    kept, dead = [], []
    for operator in reversed(graph.operators):
        if any(id(tensor) in needed for tensor in operator.outputs):
            kept.append(operator)
            needed.update(id(tensor) for tensor in operator.inputs if tensor is not None)
        else:
            dead.append(operator)
    for operator in reversed(dead):
        note(graph, "remove_dead", f"{operator.type} that no output needs", operator)
    graph.operators = kept[::-1]
    return graph
