"""Weights stored in float16 or bfloat16, while all is computed in float32: each is cast where it is used.

1. A weight that is only looked up (Gather): the rows that were found are cast, so that the table stays half as large
   in memory too.
2. Another: one Cast for all who read it, which runtimes work out while they load the model.

Stored in half are float32 weights of at least 4,096 numbers and more than one axis: biases, scales and statistics gain
nothing in size and lose most. What else is left has a reason. No decision looks at what weights hold. Names are given
out before, so that the tensors of the file are called as those of a file in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.passes.changes import note
from archonnx.compiler.weights.halving import Halved, Notes, Rounding
from archonnx.compiler.weights.quantizing import Blockwise
from archonnx.contract.dtypes import DTYPES

LEAST = 4096  # numbers: below, half of them is not what a file is large by


@dataclass(slots=True)
class Halving:
    """What became of the float32 weights of a graph. `before` and `after` are the bytes of all its constants.

    stored: the names of those in half. left: why others of at least 4,096 numbers are not, by name. declared: weights
    that the source has in float16 or bfloat16 itself. notes: what rounding changed, once they are written.
    """

    dtype: str
    stored: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    declared: int = 0
    before: int = 0
    after: int = 0
    notes: Notes = field(default_factory=dict)

    @property
    def rounded(self) -> dict[str, Rounding]:
        """What rounding changed, by the weight's name; of those that were written, and not copied as they were."""
        return {name: Rounding.over(self.notes[name].values()) for name in self.stored if name in self.notes}

    @property
    def worst(self) -> tuple[str, float] | None:
        """The weight that rounding changed most, with its error; None where nothing is written."""
        errors = {name: found.relative for name, found in self.rounded.items()}
        name = max(errors, key=lambda each: errors[each], default=None)
        return None if name is None else (name, errors[name])

    @property
    def zeros(self) -> int:
        """How many numbers became 0."""
        return sum(found.zeros for found in self.rounded.values())


def store_in_half(graph: OperatorGraph, dtype: str) -> OperatorGraph:
    """The graph, named, with its large weights in `dtype`; `halving` says which."""
    found = graph.halving = Halving(dtype, before=_bytes(graph))
    halves = {id(tensor): tensor for tensor in _chosen(graph, found)}
    rows = set(halves) - _read_whole(graph)
    names = _Names(graph)
    wide: dict[int, Tensor] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        for place, tensor in enumerate(operator.inputs):
            if tensor is None or id(tensor) not in halves or id(tensor) in rows:
                continue
            if id(tensor) not in wide:
                kept.append(_cast(tensor, names, operator))
                note(graph, "store_in_half", f"a weight in {dtype}, cast before it is used", operator)
                wide[id(tensor)] = kept[-1].outputs[0]
            operator.inputs[place] = wide[id(tensor)]
        kept.append(operator)
        if operator.type == "Gather" and id(operator.inputs[0]) in rows:
            kept.append(_cast_rows(operator, dtype, names))
            note(graph, "store_in_half", f"a table in {dtype}, rows of which are cast", operator)
    graph.operators = kept
    for tensor in halves.values():  # last: until here their type was that of what is computed
        assert tensor.recipe is not None
        tensor.recipe = Halved(tensor.recipe, dtype, tensor.name, found.notes)
        tensor.type = TensorType(dtype, tensor.shape)
    found.after = _bytes(graph)
    return graph


def _bytes(graph: OperatorGraph) -> int:
    return sum(tensor.recipe.nbytes for tensor in graph.constants() if tensor.recipe is not None)


def _chosen(graph: OperatorGraph, found: Halving) -> Iterator[Tensor]:
    own = {id(tensor) for operator in graph.operators for tensor in operator.inputs if tensor is not None}
    inside = {id(t) for o in graph.operators for b in o.bodies.values() for t in _read_in(b)}
    for tensor in graph.constants():
        recipe = tensor.recipe
        if recipe is None or recipe.is_literal or isinstance(recipe, Blockwise):
            continue
        if tensor.dtype in ("float16", "bfloat16"):
            found.declared += 1
        if tensor.dtype != "float32" or recipe.size < LEAST:
            continue
        if sum(extent > 1 for extent in recipe.shape) < 2:
            found.left[tensor.name] = "it has one axis"
        elif id(tensor) in inside or id(tensor) not in own:
            found.left[tensor.name] = "it is used within a loop"
        else:
            found.stored.append(tensor.name)
            yield tensor


def _read_in(body: OperatorGraph) -> Iterator[Tensor]:
    for operator in body.everywhere():
        yield from (tensor for tensor in operator.inputs if tensor is not None)


def _read_whole(graph: OperatorGraph) -> set[int]:
    """The ids of what something else than Gather reads, or Gather as its places: all but case 1."""
    return {
        id(tensor)
        for operator in graph.operators
        for place, tensor in enumerate(operator.inputs)
        if tensor is not None and (place or operator.type != "Gather" or operator.domain)
    }


class _Names:
    """Names that the graph does not have yet."""

    def __init__(self, graph: OperatorGraph) -> None:
        every = list(graph.everywhere())
        self.operators = {operator.name for operator in every}
        self.tensors = {t.name for o in every for t in (*o.inputs, *o.outputs) if t is not None}
        self.tensors |= {tensor.name for tensor in graph.inputs}

    def take(self, wanted: str, taken: set[str]) -> str:
        name, number = wanted, 0
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        taken.add(name)
        return name


def _cast(tensor: Tensor, names: _Names, reader: Operator) -> Operator:
    """Case 2: the weight in float32, in the layer of who reads it first."""
    wide = Tensor(names.take(f"{tensor.name}:float32", names.tensors), TensorType("float32", tensor.shape))
    return _operator(tensor, wide, names, reader)


def _cast_rows(gather: Operator, dtype: str, names: _Names) -> Operator:
    """Case 1: what was found in half takes a name of its own, what it is cast to the one that all know."""
    (result,) = gather.outputs
    found = Tensor(names.take(f"{result.name}:{dtype}", names.tensors), TensorType(dtype, result.shape), gather)
    gather.outputs = [found]
    return _operator(found, result, names, gather)


def _operator(source: Tensor, result: Tensor, names: _Names, beside: Operator) -> Operator:
    prefix = beside.name[: beside.name.rfind("/") + 1]
    operator = Operator(
        "Cast",
        [source],
        [result],
        {"to": DTYPES["float32"].onnx},
        name=names.take(f"{prefix}Cast", names.operators),
        layer=beside.layer,
        place=beside.place,
        trail=beside.trail,
    )
    result.producer = operator
    return operator
