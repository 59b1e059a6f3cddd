"""Slices that are put together again."""

from __future__ import annotations

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.constants import literal_ints
from archonnx.compiler.passes.changes import note
from archonnx.contract.dims import Dim, Facts

END = 2**31 - 1  # past the end of any axis, as exporters and we write it


def join_slices(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """Let a Concat read a value where it reads all of its parts in order; what then reads a part nowhere goes later.

    1. Slices along the Concat's axis, each from where the one before ends, from the first element to the last.
    2. All results of a Split along it.

    Their sizes must be known to add up to that of the value. So are the halves of a value that a network works on in
    part, and joins with what it made of them. A Concat of one input is left to remove_identities.
    """
    builder = Builder(OperatorGraph(graph.name, graph.opset), facts)
    for operator in graph.operators:
        if operator.domain or operator.type != "Concat":
            continue
        axis = operator.attributes["axis"] % operator.outputs[0].rank
        inputs: list[Tensor | None] = []
        place = 0
        while place < len(operator.inputs):
            whole, count = _whole(operator.inputs, place, axis)
            row = operator.inputs[place : place + count]
            total: Dim = 0
            for part in row:
                total = total + (part.shape[axis] if part is not None else 0)
            fits = whole is not None and builder.same(total, whole.shape[axis])
            inputs += [whole] if fits else row
            place += count
        if len(inputs) < len(operator.inputs):
            note(graph, "join_slices", f"{len(operator.inputs) - len(inputs) + 1} parts joined: the value", operator)
            operator.inputs = inputs
    return graph


def _whole(inputs: list[Tensor | None], place: int, axis: int) -> tuple[Tensor | None, int]:
    """The value whose parts stand in a row from a place on, and how many; None and 1 where there is none."""
    first = _producer(inputs[place])
    if first is None:
        return None, 1
    x = first.inputs[0]
    assert x is not None
    if first.type == "Split":
        count = len(first.outputs)
        row = inputs[place : place + count]
        along = first.attributes.get("axis", 0) % x.rank == axis
        alike = len(row) == count > 1 and all(a is b for a, b in zip(row, first.outputs, strict=True))
        return (x, count) if along and alike else (None, 1)
    reached = 0
    for count, tensor in enumerate(inputs[place:], 1):
        part = _producer(tensor)
        bounds = _bounds(part, axis) if part is not None and part.inputs[0] is x else None
        if bounds is None or bounds[0] != reached or bounds[1] < reached:
            return None, 1
        reached = bounds[1]
        size = x.shape[axis]
        if reached >= (size if isinstance(size, int) else END):
            return (x, count) if count > 1 else (None, 1)
    return None, 1


def _producer(tensor: Tensor | None) -> Operator | None:
    producer = tensor.producer if tensor is not None else None
    return producer if producer is not None and producer.type in ("Slice", "Split") and not producer.domain else None


def _bounds(part: Operator, axis: int) -> tuple[int, int] | None:
    """Where a Slice along this axis alone begins and ends, counted from the first element; None where it is another."""
    if part.type != "Slice" or len(part.inputs) < 4:
        return None
    starts, ends, axes, steps = (literal_ints(t) for t in (*part.inputs[1:], None)[:4])
    x = part.inputs[0]
    if starts is None or ends is None or axes is None or x is None or len(axes) != 1 or axes[0] % x.rank != axis:
        return None
    if len(part.inputs) > 4 and steps != [1]:
        return None
    size = x.shape[axis]
    if isinstance(size, int):
        return tuple(min(n + size if n < 0 else n, size) for n in (starts[0], ends[0]))  # type: ignore[return-value]
    return (starts[0], ends[0]) if starts[0] >= 0 and ends[0] >= 0 else None
