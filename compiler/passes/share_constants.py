"""Equal constants become one."""

from __future__ import annotations

from collections.abc import Hashable

from archonnx.compiler.ir import OperatorGraph, Tensor


def share_constants(graph: OperatorGraph) -> OperatorGraph:
    """Let the users of equal constants read one tensor.

    1. Literals of the same dtype, shape and numbers.
    2. The same weight, transformed in the same way. Two weights are never one, whatever they hold.
    """
    found: dict[Hashable, Tensor] = {}
    instead: dict[int, Tensor] = {}

    def shared(tensor: Tensor) -> Tensor:
        if tensor.recipe is None:
            return tensor
        if id(tensor) not in instead:
            instead[id(tensor)] = found.setdefault((tensor.dtype, tensor.recipe.shape, tensor.recipe.key()), tensor)
        return instead[id(tensor)]

    constants = list(graph.constants())  # kept alive: `instead` goes by their identity
    for operator in graph.operators:
        operator.inputs = [None if t is None else shared(t) for t in operator.inputs]
    graph.outputs = [(name, shared(tensor)) for name, tensor in graph.outputs]
    del constants
    return graph
