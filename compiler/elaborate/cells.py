"""`x -> RNN(cell)`: a block's body becomes a layer graph of its own, for one step of time.

The weights are the model's, named `rnn/cell/...`; what the body reads from outside becomes an input of the application.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from archonnx.compiler.elaborate import apply, blocks, types
from archonnx.compiler.elaborate.naming import Scope, walk
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import POISON, Abort, AppliableBlock, AppliableLayer, Results
from archonnx.compiler.graph import Input, LayerGraph, Output, TensorType, Value
from archonnx.compiler.layers.recurrent import RNN, CellBlock, Elaborated
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Label, Place
from archonnx.contract.dims import Dim, Verdict

SHAPE = "a cell takes the step and one or more states, and gives the result and the next states"


class CellInputs:
    """What a cell's inputs take: the step, then states, each with the tensor that it starts from, None for zeros."""

    def __init__(self, step: Value, path: str) -> None:
        self.step, self.path = step, path
        self.inputs: list[Input] = []
        self.initials: list[Value | None] = []

    def enter(self, node: tree.Input, value: Any, frame: Frame) -> Any:
        """The value that the body sees for what the application gave: the step, a new state for an initial one."""
        if not self.inputs:
            if value is not self.step:
                raise frame.error("E0622", f"the first input of a cell is the step, not {node.name}", node.place, SHAPE)
            self.inputs.append(Input(node.name, self.step, place=node.place))
            return value
        given = value if isinstance(value, list) else [value]
        if any(self._is_ours(v) for v in given):
            return value
        made = [self._state(name, node, v.type, v) for name, v in zip(_names(node, value), given, strict=True)]
        return made if isinstance(value, list) else made[0]

    def unset(self, node: tree.Input, count: int | None, frame: Frame) -> Any:
        """A state, or `count` of them, that the application does not give: zeros, of the type that is written."""
        kind = self._written(node, frame)
        if count is None:
            return self._state(node.name, node, kind, None)
        return [self._state(f"{node.name}_{i}", node, kind, None) for i in range(count)]

    def _is_ours(self, value: Value) -> bool:
        return any(given.value is value for given in self.inputs)

    def _state(self, name: str, node: tree.Input, kind: TensorType, initial: Value | None) -> Value:
        value = Value(kind, None, 0, f"{self.path}/{name}", place=node.place)
        self.inputs.append(Input(name, value, place=node.place))
        self.initials.append(initial)
        return value

    def _written(self, node: tree.Input, frame: Frame) -> TensorType:
        """The type of a state as far as its declaration tells; an unbound symbol of its first axis is the batch."""
        written = node.type
        if written is None or written.shape is None:
            raise self._unknown(node, "its type is not written", frame)
        dtype = types.dtype_of(written.dtype, frame) if written.dtype is not None else self.step.type.dtype
        shape: list[Dim] = []
        for axis, entry in enumerate(written.shape):
            if isinstance(entry, tree.Literal) and entry.value is ...:
                raise self._unknown(node, "`...` does not tell its axes", frame)
            new = [entry.id] if isinstance(entry, tree.Name) and entry.id == "_" else types.unbound(entry, frame)
            if new and axis == 0 and isinstance(entry, tree.Name):
                shape.append(self.step.type.shape[0])
                if entry.id != "_":
                    frame.names[entry.id] = Binding(shape[0], entry.place, "symbol")
                continue
            if new:
                raise self._unknown(node, f"nothing says what {new[0]} is", frame)
            shape.append(types.size_of(entry, frame))
        if dtype == "string":
            raise self._unknown(node, "strings have no zero", frame)
        return TensorType(dtype, tuple(shape))

    def _unknown(self, node: tree.Input, why: str, frame: Frame) -> Abort:
        assert frame.body is not None
        assert frame.application is not None
        name = frame.body.name
        return frame.outside().error(
            "E0621",
            f"the state {node.name} of {name} has no initial value, and zeros of its shape cannot be made: {why}",
            frame.application,
            f"give it, (x, {node.name}) -> RNN({name}(...)), or write its type: input {node.name}: [N, units]",
            labels=[Label(node.place, "the state is declared here")],
        )


def _names(node: tree.Input, value: Any) -> list[str]:
    return [f"{node.name}_{i}" for i in range(len(value))] if isinstance(value, list) else [node.name]


def apply_recurrent(
    appliable: AppliableLayer, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place
) -> Any:
    """`(x, states...) -> RNN(cell)`: the result, or Results with the last states."""
    layer = appliable.layer
    assert isinstance(layer, RNN)
    assert isinstance(layer.cell, CellBlock)
    block: AppliableBlock = layer.cell.block
    sequence = _sequence(layer, given, frame, place)
    if not blocks.declares_input(block.body.statements):
        raise frame.error("E0622", f"{block.constructor} declares no input", block.place, SHAPE)
    apply.name_layer(appliable, frame)
    assert appliable.path is not None
    if block.path is None:
        block.scope = Scope(appliable.path, (*appliable.scope.blocks, layer.type_name), frozenset())
    kind = sequence.type
    step = Value(TensorType(kind.dtype, (kind.shape[0], *kind.shape[2:])), None, 0, f"{appliable.path}/step")
    step.place = sequence.place
    entered = CellInputs(step, appliable.path)
    graph = _run(block, entered, given[1:], replace(frame, trainable=frame.trainable and appliable.trainable), place)
    _check_states(graph, block, frame, place)
    _check_mask(sequence, graph, frame, place)
    captured = tuple(captured_by(graph))
    inputs = (sequence, *entered.initials, *captured)
    kinds = tuple(v.type if v is not None else None for v in inputs)
    layer.applied = Elaborated(graph, captured, kinds, _results(layer, kind, graph, block, frame, place))
    for weight in graph.weights():
        layer.weights[weight.path.removeprefix(f"{appliable.path}/")] = weight
    made = apply.add(layer, inputs, frame, place, appliable)
    node = (made[0] if isinstance(made, Results) else made).producer
    layer.steps[node.name] = layer.applied
    return made


def _sequence(layer: RNN, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place) -> Value:
    """The first of what stands left of the arrow: a tensor [batch, steps, ...]."""
    name, value, at = given[0] if given else (None, None, place)
    if name is not None or value is None:
        raise frame.error("E0604", "RNN needs its sequence first", at, "(x, h) -> RNN(...): the sequence, then states")
    sequence = apply._tensor(value, layer, frame, at, False)
    assert sequence is not None
    if len(sequence.type.shape) < 2:
        labels = [Label(sequence.place, "it comes from here")] if sequence.place not in (None, at) else []
        message = f"RNN needs 2 axes or more (batch, steps, ...), got {sequence.type}"
        raise frame.error("E0302", message, place, labels=labels)
    return sequence


def _run(
    block: AppliableBlock,
    entered: CellInputs,
    states: Sequence[tuple[str | None, Any, Place]],
    frame: Frame,
    place: Place,
) -> LayerGraph:
    """The body's graph: its inputs the step and the states, its outputs the result and the next states."""
    from archonnx.compiler.elaborate.elaborate import leave_out

    state = frame.state
    outside, errors = state.graph, len(state.diagnostics.errors)
    graph = LayerGraph(entered.path, facts=state.facts, requirements=outside.requirements)
    state.graph = graph
    try:
        made = blocks.apply_block(block, [(None, entered.step, place), *states], frame, place, entered)
        if made is POISON or len(state.diagnostics.errors) > errors:
            raise Abort(None)
        graph.inputs = entered.inputs
        graph.outputs = _ordered(made, block, entered, frame, place)
        leave_out(state)
    finally:
        state.graph = outside
    return graph


def _ordered(made: Any, block: AppliableBlock, entered: CellInputs, frame: Frame, place: Place) -> list[Output]:
    """The result, then the next states in the states' order: by name where it is `output state`, else by place."""
    names = made.names if isinstance(made, Results) else (None,)
    given: list[tuple[str | None, Value]] = []
    marked = {n.name for n in walk(block.body.statements) if isinstance(n, tree.Output) and n.state}
    states = [i.name for i in entered.inputs[1:]]
    for name, value in zip(names, made if isinstance(made, Results) else (made,), strict=True):
        many = isinstance(value, list)
        for i, one in enumerate(value if isinstance(value, list) else [value]):
            given.append((f"{name}_{i}" if many and name in marked else name, one))
    by_name = [name for name, _ in given if name is not None and _is_marked(name, marked, states)]
    if by_name:
        named = {name: value for name, value in given if name in states}
        rest = [value for name, value in given if name not in named]
        if len(rest) == 1 and len(named) == len(states):
            return [Output("result", rest[0]), *(Output(name, named[name]) for name in states)]
    elif states and len(given) == len(states) + 1:
        return [Output(n, value) for n, (_, value) in zip(["result", *states], given, strict=True)]
    told = f"the state{'s' if len(states) != 1 else ''} {', '.join(states)}" if states else "no state"
    gives = f"{len(given)} result{'s' if len(given) != 1 else ''}"
    hint = f"end {block.constructor} with: output y, then output state {states[0]} = ..." if states else None
    raise frame.error(
        "E0622",
        f"{block.constructor} has {told} and gives {gives}",
        place,
        hint or f"declare a state in {block.constructor}: input h: [N, units]",
        labels=[Label(block.body.name_place, SHAPE)],
    )


def _is_marked(name: str, marked: set[str | None], states: Sequence[str]) -> bool:
    """Whether an output is a state's next value by its name: `h`, or `h_0` of `output state h = list`."""
    return name in marked or (name in states and name.rpartition("_")[0] in marked | {""})


def captured_by(graph: LayerGraph) -> Iterator[Value]:
    """The values from outside that the graph reads, once, in order of first use."""
    own = {id(given.value) for given in graph.inputs} | {id(v) for node in graph.nodes for v in node.outputs}
    read: list[Value | None] = []
    for node in graph.nodes:
        read.extend(node.inputs)
        if node.layer.masking == "use":
            read.extend(value.mask for value in node.inputs if value is not None)
    read.extend(output.value for output in graph.outputs)
    for value in read:
        if value is not None and id(value) not in own:
            own.add(id(value))
            yield value


def _check_states(graph: LayerGraph, block: AppliableBlock, frame: Frame, place: Place) -> None:
    """A state keeps its type from step to step (E0623)."""
    equal = frame.state.facts.equal
    for before, after in zip(graph.inputs[1:], graph.outputs[1:], strict=True):
        old, new = before.value.type, after.value.type
        fits = old.dtype == new.dtype and len(old.shape) == len(new.shape)
        if not fits or any(equal(a, b) is not Verdict.YES for a, b in zip(old.shape, new.shape, strict=True)):
            labels = [Label(before.place, f"here it is {old}")] if before.place is not None else []
            if after.value.place is not None:
                labels.append(Label(after.value.place, f"{new} comes from here"))
            message = f"the state {before.name} of {block.constructor} is {old}, its next value {new}"
            raise frame.error("E0623", message, place, "a state keeps its type from step to step", labels=labels)


def _check_mask(sequence: Value, graph: LayerGraph, frame: Frame, place: Place) -> None:
    """Masked steps hold states and result back: all of them have the axis of the batch first (E0624)."""
    mask = sequence.mask
    if mask is None:
        return
    equal = frame.state.facts.equal
    batch, steps = sequence.type.shape[:2]
    wanted = (batch, steps)
    if len(mask.type.shape) != 2 or any(
        equal(a, b) is not Verdict.YES for a, b in zip(mask.type.shape, wanted, strict=True)
    ):
        message = f"RNN needs a mask bool[{batch}, {steps}], got {mask.type}"
        raise frame.error("E0624", message, place)
    for output in graph.outputs:
        shape = output.value.type.shape
        if not shape or equal(shape[0], batch) is not Verdict.YES:
            what = "the result" if output is graph.outputs[0] else f"the state {output.name}"
            raise frame.error(
                "E0624",
                f"the sequence carries a mask, which holds {what} back where a step is masked: its first axis has to "
                f"be {batch}, and it is {output.value.type}",
                place,
            )


def _results(
    layer: RNN, kind: TensorType, graph: LayerGraph, block: AppliableBlock, frame: Frame, place: Place
) -> tuple[TensorType, ...]:
    result = graph.outputs[0].value.type
    if layer.return_sequences:
        if not result.shape:
            message = f"{block.constructor} gives a result without axes, {result}: a sequence needs the batch's"
            raise frame.error("E0622", message, place, SHAPE)
        result = TensorType(result.dtype, (result.shape[0], kind.shape[1], *result.shape[1:]))
    states = [given.value.type for given in graph.inputs[1:]]
    return (result, *states) if layer.return_state else (result,)
