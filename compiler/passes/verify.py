"""What every operator graph keeps to, before and after each pass. The tests of passes ask for it."""

from __future__ import annotations

from collections.abc import Iterator

from archonnx.compiler.ir import OperatorGraph, Tensor


def broken_rules(graph: OperatorGraph) -> Iterator[str]:
    """One line for each place where the graph is not what an operator graph is.

    1. A tensor that is read is an input of the graph, a constant, or the result of an operator further up.
    2. A tensor knows the operator that gives it, and no two operators give one tensor.
    3. A constant has no producer; its recipe has its dtype and shape, which is known.
    4. A permutation orders all axes, is not the plain order, and belongs to a tensor that stands for a value.
    5. Outputs have names of their own.
    6. A body keeps to all this, and reads nothing from outside but constants.
    """
    given: dict[int, Tensor] = {id(tensor): tensor for tensor in graph.inputs}
    for tensor in graph.inputs:
        if tensor.producer is not None or tensor.recipe is not None:
            yield f"the input {tensor.name} has a producer or a recipe"
    for operator in graph.operators:
        for body in operator.bodies.values():
            yield from broken_rules(body)
        for tensor in filter(None, operator.inputs):
            yield from _read(tensor, given, f"{operator.name or operator.type} reads")
        for tensor in operator.outputs:
            if id(tensor) in given:
                yield f"{tensor.name} is given twice"
            if tensor.producer is not operator:
                yield f"{tensor.name} does not know that {operator.name or operator.type} gives it"
            given[id(tensor)] = tensor
            yield from _permutation(tensor)
    for name, tensor in graph.outputs:
        yield from _read(tensor, given, f"the output {name} is")
    names = [name for name, _ in graph.outputs]
    if len(set(names)) < len(names):
        yield f"outputs share a name: {names}"


def _read(tensor: Tensor, given: dict[int, Tensor], who: str) -> Iterator[str]:
    if tensor.recipe is None:
        if id(tensor) not in given:
            yield f"{who} {tensor.name} before anything gives it"
    elif tensor.producer is not None:
        yield f"{who} the constant {tensor.name}, which has a producer"
    elif (tensor.recipe.dtype, tensor.recipe.shape) != (tensor.dtype, tensor.shape):
        yield f"{who} {tensor.name}: {tensor.type}, whose recipe is {tensor.recipe.dtype}{list(tensor.recipe.shape)}"


def _permutation(tensor: Tensor) -> Iterator[str]:
    plain = tuple(range(tensor.rank))
    if tensor.permutation is not None and (
        tensor.stands_for is None or tensor.permutation == plain or tuple(sorted(tensor.permutation)) != plain
    ):
        yield f"{tensor.name} stands for {tensor.stands_for} in the order {tensor.permutation}"
