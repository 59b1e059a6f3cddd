"""Tensors whose elements are known while compiling: numbers of the source, and what raw operators make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.elaborate.state import State
from archonnx.compiler.graph import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def array_of(value: Value, state: State) -> Array | None:
    """The elements of a tensor, None where they are known only when the model runs."""
    waiting, known = [value], state.known
    while waiting:
        top = waiting[-1]
        below = [v for v in _sources(top) if id(v) not in known] if id(top) not in known else []
        if not below:
            waiting.pop()
        if below:
            waiting.extend(below)
        elif id(top) not in known:
            _work_out(top, state)
    found: Array | None = known[id(value)]
    return found


def _sources(value: Value) -> list[Value]:
    """The tensors that have to be known first."""
    from archonnx.compiler.functions.raw import Raw

    node = value.producer
    if node is None or not (node.type_name == "cast" or isinstance(node.layer, Raw)):
        return []
    return [v for v in node.inputs if v is not None]


def _work_out(value: Value, state: State) -> None:
    from archonnx.compiler.functions.raw import Raw
    from archonnx.compiler.functions.raw_values import results_of
    from archonnx.compiler.recipes import Constant, Evaluation, numpy_dtype

    node, known = value.producer, state.known
    known[id(value)] = None
    if node is None:
        return
    if node.type_name == "constant":
        known[id(value)] = Constant(node.layer.arguments["value"], value.type.dtype).whole(Evaluation(0))
    elif node.type_name == "cast" and node.inputs[0] is not None:
        source = known[id(node.inputs[0])]
        known[id(value)] = None if source is None else source.astype(numpy_dtype(value.type.dtype))
    elif isinstance(node.layer, Raw):
        types = [None if v is None else v.type for v in node.inputs]
        arrays = [None if v is None else known[id(v)] for v in node.inputs]
        made = results_of(node.layer, state.opset, types, arrays, len(node.outputs))
        for position, result in enumerate(node.outputs):
            known[id(result)] = made[position] if made is not None else None


def silence(value: Value, state: State) -> None:
    """Let nothing be said where the nodes that a known tensor comes of are left out: what reads it took the numbers."""
    waiting = [value]
    while waiting:
        top = waiting.pop()
        if top.producer is not None and id(top.producer) not in state.silent:
            state.silent.add(id(top.producer))
            waiting.extend(v for v in top.producer.inputs if v is not None)
