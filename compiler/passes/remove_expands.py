"""Expands whose readers would stretch the value themselves."""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.passes.changes import note
from archonnx.contract.dims import Dim, Facts

# Operators that broadcast all their inputs alike.
BROADCASTING = frozenset(
    "Add Sub Mul Div Pow Mod Min Max And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual Where "
    "BitwiseAnd BitwiseOr BitwiseXor".split()
)


def remove_expands(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """Let operators that broadcast read what an Expand stretches, where their result keeps its shape.

    1. Another input has every axis that the Expand makes, as `x + expand(table, shape(x))`; what nobody reads any
       longer is left to remove_dead.
    2. Several Expands of one operator go one after another, as long as one input still makes each axis.
    """
    builder = Builder(OperatorGraph(graph.name, graph.opset), facts)
    for operator in graph.operators:
        if operator.domain or operator.type not in BROADCASTING:
            continue
        for place, tensor in enumerate(operator.inputs):
            source = _stretched(tensor)
            if source is None:
                continue
            inputs = [source if i == place else t for i, t in enumerate(operator.inputs)]
            if _gives(builder, [t.shape for t in inputs if t is not None], operator.outputs[0].shape):
                operator.inputs = inputs
                note(graph, "remove_expands", f"Expand that {operator.type} does by itself", operator)
    return graph


def _stretched(tensor: Tensor | None) -> Tensor | None:
    """What an Expand stretches to this tensor."""
    producer: Operator | None = tensor.producer if tensor is not None else None
    if producer is None or producer.domain or producer.type != "Expand":
        return None
    return producer.inputs[0]


def _gives(builder: Builder, shapes: Sequence[Sequence[Dim]], result: Sequence[Dim]) -> bool:
    """Whether the shapes broadcast to the result: at each axis one has the size, the others have it or 1 or nothing."""
    for axis in range(1, len(result) + 1):
        sizes = [shape[-axis] for shape in shapes if len(shape) >= axis]
        fit = [builder.same(size, result[-axis]) for size in sizes]
        if not any(fit) or not all(f or size == 1 for f, size in zip(fit, sizes, strict=True)):
            return False
    return True
