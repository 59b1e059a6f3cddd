"""A very long graph in pieces for the gate: onnx needs memory for each layer that it looks at, and gets pieces.

What passes from piece to piece is an input of the type that was compared in the piece before: pieces are as strict as
the whole, and stricter behind a size that onnx cannot infer. Only numbers that shapes are made of are not followed
over a border: what onnx would work out from them is unknown to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.writer import Skeleton, fill_value

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST = 10_000  # operators of a piece, 100 MB or so of onnx's messages


def pieces(skeleton: Skeleton, graph: OperatorGraph) -> Iterator[tuple[Skeleton, OperatorGraph]]:
    """The graph and its messages, one after the other in stretches of at most LONGEST operators; a short one whole."""
    if len(graph.operators) <= LONGEST:
        yield skeleton, graph
        return
    ends = range(LONGEST, len(graph.operators) + LONGEST, LONGEST)
    last: dict[int, int] = {id(tensor): len(graph.operators) for _, tensor in graph.outputs}
    for number, operator in enumerate(graph.operators):
        for tensor in operator.inputs:
            last[id(tensor)] = max(number, last.get(id(tensor), 0))
    for end in ends:
        start, end = end - LONGEST, min(end, len(graph.operators))
        operators = graph.operators[start:end]
        produced = {id(tensor) for operator in operators for tensor in operator.outputs}
        read = {id(t): t for o in operators for t in o.inputs if t is not None and t.recipe is None}
        piece = OperatorGraph(graph.name, graph.opset, domains=graph.domains, measured=graph.measured)
        piece.operators = operators
        piece.inputs = [tensor for key, tensor in read.items() if key not in produced]
        given = [tensor for operator in operators for tensor in operator.outputs if tensor.name]
        piece.outputs = [(tensor.name, tensor) for tensor in given if last.get(id(tensor), 0) >= end]
        yield _messages(skeleton, piece, start, given), piece


def _messages(skeleton: Skeleton, piece: OperatorGraph, start: int, given: Sequence[Tensor]) -> Skeleton:
    """The messages of a piece, its operators copied from those of the whole."""
    import onnx

    proto = onnx.GraphProto(name=skeleton.graph.name)
    proto.node.extend(skeleton.graph.node[start : start + len(piece.operators)])
    outputs = {id(tensor) for _, tensor in piece.outputs}
    for tensor in piece.inputs:
        fill_value(proto.input.add(), tensor.name, tensor.type)
    for tensor in given:
        fill_value((proto.output if id(tensor) in outputs else proto.value_info).add(), tensor.name, tensor.type)
    constants = {id(tensor) for tensor in piece.constants()}
    return Skeleton(skeleton.model, proto, [i for i in skeleton.initializers if id(i.tensor) in constants])
