"""Operators that hand their input on, and pairs that can be one."""

from __future__ import annotations

from collections.abc import Callable

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.constants import literal_ints
from archonnx.compiler.passes.axes import permutation_of
from archonnx.compiler.passes.changes import note
from archonnx.contract.dims import Facts
from archonnx.contract.dtypes import DTYPES


def remove_identities(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """Let the users of an operator that changes nothing read its input.

    1. Identity, and Dropout whose mask nobody reads (in a file that is run it hands its input on).
    2. Cast to the dtype that the input has.
    3. Reshape, Expand, Flatten, Squeeze and Unsqueeze to the shape that the input has.
    4. Transpose that keeps the order; Transpose of a Transpose becomes one.
    5. Reshape of a Reshape, Squeeze or Unsqueeze becomes one.
    6. Pad by nothing; Concat and Split of one.
    """
    builder = Builder(OperatorGraph(graph.name, graph.opset), facts)
    read = {id(tensor) for operator in graph.operators for tensor in operator.inputs if tensor is not None}
    read.update(id(tensor) for _, tensor in graph.outputs)
    instead: dict[int, Tensor] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        operator.inputs = [None if t is None else instead.get(id(t), t) for t in operator.inputs]
        rule = _RULES.get(operator.type) if not operator.domain else None
        before = operator.inputs[0] if operator.inputs else None
        source = rule(operator, builder) if rule is not None else None
        if source is None or any(id(tensor) in read for tensor in operator.outputs[1:]):
            kept.append(operator)
            if before is not None and operator.inputs[0] is not before:
                note(graph, "remove_identities", f"{operator.type} and the one before it: one", operator)
            continue
        undone = operator.inputs[0] is not before
        why = "that undoes the one before it" if undone else "that changes nothing"
        note(graph, "remove_identities", f"{operator.type} {why}", operator)
        result = operator.outputs[0]
        instead[id(result)] = source
        if source.stands_for is None and source.producer is not None:
            source.stands_for, source.permutation = result.stands_for, result.permutation
    graph.operators = kept
    graph.outputs = [(name, instead.get(id(tensor), tensor)) for name, tensor in graph.outputs]
    return graph


def _first(operator: Operator) -> Tensor:
    tensor = operator.inputs[0]
    assert tensor is not None
    return tensor


def _always(operator: Operator, builder: Builder) -> Tensor | None:
    return _first(operator)


def _dropout(operator: Operator, builder: Builder) -> Tensor | None:
    training = operator.inputs[2] if len(operator.inputs) > 2 else None
    return _first(operator) if training is None else None


def _cast(operator: Operator, builder: Builder) -> Tensor | None:
    x = _first(operator)
    return x if operator.attributes.get("to") == DTYPES[x.dtype].onnx else None


def _same_shape(operator: Operator, builder: Builder) -> Tensor | None:
    x = _first(operator)
    return x if builder.same_shape(x.shape, operator.outputs[0].shape) else None


def _transpose(operator: Operator, builder: Builder) -> Tensor | None:
    x = _first(operator)
    perm = permutation_of(operator)
    before = x.producer
    if before is not None and before.type == "Transpose" and not before.domain:
        inner = permutation_of(before)
        perm = tuple(inner[a] for a in perm)
        x = _first(before)
        operator.inputs[0] = x
        operator.attributes["perm"] = list(perm)
    return x if perm == tuple(range(x.rank)) else None


def _reshape(operator: Operator, builder: Builder) -> Tensor | None:
    x, result = _first(operator), operator.outputs[0]
    target = literal_ints(operator.inputs[1])
    before = x.producer
    while before is not None and before.type in ("Reshape", "Squeeze", "Unsqueeze") and not before.domain and target:
        source = _first(before)
        entries = builder.static_target(source.shape, result.shape)
        if entries is None or source.recipe is not None:
            break
        operator.inputs = [source, builder.ints(entries)]
        operator.attributes = {}
        x, before = source, source.producer
    return x if builder.same_shape(x.shape, result.shape) else None


def _pad(operator: Operator, builder: Builder) -> Tensor | None:
    pads = literal_ints(operator.inputs[1])
    return _first(operator) if pads is not None and not any(pads) else None


def _single(operator: Operator, builder: Builder) -> Tensor | None:
    return _first(operator) if len(operator.inputs) == 1 else None


def _split(operator: Operator, builder: Builder) -> Tensor | None:
    return _first(operator) if len(operator.outputs) == 1 else None


_RULES: dict[str, Callable[[Operator, Builder], Tensor | None]] = {
    "Identity": _always,
    "Dropout": _dropout,
    "Cast": _cast,
    "Reshape": _reshape,
    "Expand": _same_shape,
    "Flatten": _same_shape,
    "Squeeze": _same_shape,
    "Unsqueeze": _same_shape,
    "Transpose": _transpose,
    "Pad": _pad,
    "Concat": _single,
    "Split": _split,
}
