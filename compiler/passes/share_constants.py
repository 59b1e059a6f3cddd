"""Equal constants become one."""

from __future__ import annotations

from collections.abc import Hashable

from archonnx.compiler.ir import OperatorGraph, Tensor


def share_constants(graph: OperatorGraph) -> OperatorGraph:
    """Let the users of equal constants read one tensor.

    1. Literals of the same dtype, shape and numbers, in the graph and in each body for itself.
    2. The same weight, transformed in the same way, in the graph and its bodies. Two weights are never one, whatever
       they hold.
    """
    _share(graph, {})
    return graph


def _share(graph: OperatorGraph, outside: dict[Hashable, Tensor], inside: bool = False) -> None:
    own: dict[Hashable, Tensor] = {}

    def shared(tensor: Tensor) -> Tensor:
        if tensor.recipe is None:
            return tensor
        found = own if inside and tensor.stays_inside else outside
        return found.setdefault((tensor.dtype, tensor.recipe.shape, tensor.recipe.key()), tensor)

    for operator in graph.operators:
        operator.inputs = [None if t is None else shared(t) for t in operator.inputs]
        for body in operator.bodies.values():
            _share(body, outside, inside=True)
    graph.outputs = [(name, shared(tensor)) for name, tensor in graph.outputs]
