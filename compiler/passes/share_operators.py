"""The same operator over the same inputs, twice: once is enough."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.passes.changes import note

# Two of them give different results: they draw numbers, Dropout where it trains.
DRAWS = frozenset("Bernoulli Dropout Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split())
# Both orders of two inputs give the same bits.
COMMUTATIVE = frozenset("Add And BitwiseAnd BitwiseOr BitwiseXor Equal Mul Or Xor".split())
DOMAINS = ("", "ai.onnx.ml")  # whose operators are known to give the same for the same


def share_operators(graph: OperatorGraph) -> OperatorGraph:
    """Let the users of an operator's results read those of an earlier one that computes the same.

    1. The same type, attributes and inputs, equal constants counting as the same: masks and tables of positions that
       each layer makes for itself. Of `a + b` and `b + a`, which give the same bits, one goes too.
    2. What read the results of one that went is the same then, too: whole chains go.

    Operators that draw numbers stay, as do those with bodies, of other domains, and those whose results have other
    types here: sizes that depend on data have a symbol of their own each time.
    """
    instead: dict[int, Tensor] = {}
    numbers: dict[Hashable, int] = {}  # of equal constants
    first: dict[Hashable, Operator] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        operator.inputs = [None if t is None else instead.get(id(t), t) for t in operator.inputs]
        key = _key(operator, numbers)
        same = operator if key is None else first.setdefault(key, operator)
        if same is operator or [t.type for t in same.outputs] != [t.type for t in operator.outputs]:
            kept.append(operator)
            continue
        for old, new in zip(operator.outputs, same.outputs, strict=True):
            instead[id(old)] = new
            if new.stands_for is None:
                new.stands_for, new.permutation = old.stands_for, old.permutation
        note(graph, "share_operators", f"{operator.type} is that of {same.layer or same.name}", operator)
    graph.operators = kept
    graph.outputs = [(name, instead.get(id(tensor), tensor)) for name, tensor in graph.outputs]
    return graph


def _key(operator: Operator, numbers: dict[Hashable, int]) -> Hashable | None:
    """The same for operators that compute the same; None for those that stay."""
    if operator.domain not in DOMAINS or operator.type in DRAWS or operator.bodies:
        return None
    attributes = []
    for name in sorted(operator.attributes):
        value = _attribute(operator.attributes[name])
        if value is None:
            return None
        attributes.append((name, value))
    inputs = [_input(tensor, numbers) for tensor in operator.inputs]
    if operator.type in COMMUTATIVE:
        inputs.sort()
    return operator.domain, operator.type, tuple(attributes), tuple(inputs), len(operator.outputs)


def _attribute(value: Any) -> Hashable | None:
    """An attribute by what is written of it: repr tells 0.0 from -0.0 and 1 from 1.0. None for tensors."""
    if isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, list | tuple) and all(isinstance(one, bool | int | float | str | bytes) for one in value):
        return repr(list(value))
    return None


def _input(tensor: Tensor | None, numbers: dict[Hashable, int]) -> tuple[int, int]:
    """What tells an input from another: none, a constant, a value."""
    if tensor is None:
        return 0, 0
    if tensor.recipe is None:
        return 2, id(tensor)
    key = (tensor.dtype, tensor.recipe.shape, tensor.recipe.key())
    return 1, numbers.setdefault(key, len(numbers))
