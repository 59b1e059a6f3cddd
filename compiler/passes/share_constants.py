"""Equal constants become one."""

from __future__ import annotations

from collections.abc import Hashable

from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.passes.changes import note


def share_constants(graph: OperatorGraph) -> OperatorGraph:
    """Let the users of equal constants read one tensor.

    1. Literals of the same dtype, shape and numbers, in the graph and in each body for itself.
    2. The same weight, transformed in the same way, in the graph and its bodies. Two weights are never one, whatever
       they hold.
    """
    _share(graph, {}, graph)
    return graph


def _share(graph: OperatorGraph, outside: dict[Hashable, Tensor], told: OperatorGraph, inside: bool = False) -> None:
    """`told` is the graph that changes are noted of."""
    own: dict[Hashable, Tensor] = {}

    def shared(tensor: Tensor) -> Tensor:
        if tensor.recipe is None:
            return tensor
        found = own if inside and tensor.stays_inside else outside
        return found.setdefault((tensor.dtype, tensor.recipe.shape, tensor.recipe.key()), tensor)

    for operator in graph.operators:
        before = operator.inputs
        operator.inputs = [None if t is None else shared(t) for t in before]
        for old, new in zip(before, operator.inputs, strict=True):
            if new is not old and new is not None and new.recipe is not None:
                what = "literal" if new.recipe.is_literal else "weight"
                note(told, "share_constants", f"{what} {new.type} shared with another operator", operator)
        for body in operator.bodies.values():
            _share(body, outside, told, inside=True)
    graph.outputs = [(name, shared(tensor)) for name, tensor in graph.outputs]
