"""`x -> TimeDistributed(layer)`: what the layer inside does to one step becomes a layer graph of its own.

The weights are the model's, named `time_distributed/dense/kernel`; what a block reads from outside becomes an input of
the application.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archonnx.compiler.elaborate import apply, rules
from archonnx.compiler.elaborate.cells import captured_by
from archonnx.compiler.elaborate.naming import Scope
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import POISON, Abort, Appliable, AppliableLayer, Results
from archonnx.compiler.graph import Input, LayerGraph, Output, TensorType, Value
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.time_distributed import Distributed, TimeDistributed
from archonnx.contract.diagnostics import Place
from archonnx.contract.dims import Verdict


def apply_distributed(
    appliable: AppliableLayer, given: Sequence[tuple[str | None, Any, Place]], frame: Frame, place: Place
) -> Any:
    """`x -> TimeDistributed(layer)`: the result, or Results where the layer inside gives several."""
    layer = appliable.layer
    assert isinstance(layer, TimeDistributed)
    inside: Appliable = layer.layer.appliable
    values = [v for v in apply.arrange(layer, given, frame, place, place) if v is not None]
    if not values:
        raise frame.error("E0604", "TimeDistributed needs an input", place)
    apply.name_layer(appliable, frame)
    assert appliable.path is not None
    if inside.path is None:
        inside.scope = Scope(appliable.path, (*appliable.scope.blocks, layer.type_name), frozenset())
    rule = rules.Rules(frame, appliable.path, layer, True, place, values)
    try:
        types = layer.step_types(rule, [v.type for v in values])
        steps = [
            Input(f"step_{i}" if i else "step", Value(kind, None, 0, f"{appliable.path}/step_{i}", place=value.place))
            for i, (kind, value) in enumerate(zip(types, values, strict=True))
        ]
        mask = _mask(values[0], steps[0].value, appliable.path, frame, place)
        graph, names = _run(inside, steps, replace(frame, trainable=frame.trainable and appliable.trainable), place)
        results = tuple(layer.result_type(rule, values[0].type, output.value.type) for output in graph.outputs)
    except LayerError as error:
        raise rules.layer_error(error, frame, place, appliable.argument_places, values) from None
    graph.inputs = [*steps, *([] if mask is None else [Input("mask", mask)])]
    captured = tuple(captured_by(graph))
    kinds = (*(v.type for v in values), *(v.type for v in captured))
    layer.applied = Distributed(graph, captured, kinds, results)
    for weight in graph.weights():
        layer.weights[weight.path.removeprefix(f"{appliable.path}/")] = weight
    made = apply.add(layer, (*values, *captured), frame, place, appliable)
    node = (made[0] if isinstance(made, Results) else made).producer
    layer.applications[node.name] = layer.applied
    return Results.named(made, names) if isinstance(made, Results) else made


def _mask(whole: Value, step: Value, path: str, frame: Frame, place: Place) -> Value | None:
    """The mask of what the layer inside sees: of a mask with axes past time. E0624 where it is not the input's."""
    mask = whole.mask
    if mask is None:
        return None
    equal = frame.state.facts.equal
    wanted = whole.type.shape[:2]
    shape = mask.type.shape
    if len(shape) < 2 or any(equal(a, b) is not Verdict.YES for a, b in zip(shape[:2], wanted, strict=True)):
        message = f"TimeDistributed needs a mask bool[{wanted[0]}, {wanted[1]}, ...], got {mask.type}"
        raise frame.error("E0624", message, place)
    if len(shape) == 2:
        return None  # it tells steps apart, of which the layer inside sees one
    merged = TensorType(mask.type.dtype, (step.type.shape[0], *shape[2:]))
    step.mask = Value(merged, None, 0, f"{path}/mask", place=mask.place)
    return step.mask


def _told(abort: Abort, step: Value, place: Place) -> Abort:
    """What went wrong at the application, with a word of what the layer inside is given."""
    found = abort.diagnostic
    if found is None or found.place != place:
        return abort
    seen = f"TimeDistributed makes one axis of batch and steps: the layer inside gets {step.type}"
    return Abort(replace(found, help=f"{seen}; {found.help}" if found.help else seen))


def _run(
    inside: Appliable, steps: Sequence[Input], frame: Frame, place: Place
) -> tuple[LayerGraph, tuple[str | None, ...]]:
    """The graph of one application of the layer inside, and the names of its results where a block names them."""
    from archonnx.compiler.elaborate.elaborate import leave_out

    state = frame.state
    outside, errors = state.graph, len(state.diagnostics.errors)
    graph = LayerGraph(steps[0].value.name, facts=state.facts, requirements=outside.requirements)
    state.graph = graph
    try:
        values = [given.value for given in steps]
        try:
            made = apply.apply(inside, values if len(values) > 1 else values[0], frame, place, place)
        except Abort as abort:
            raise _told(abort, values[0], place) from None
        if made is POISON or len(state.diagnostics.errors) > errors:
            raise Abort(None)
        several = made if isinstance(made, Results) else (made,)
        graph.outputs = [Output(f"result_{i}", value) for i, value in enumerate(several)]
        leave_out(state)
    finally:
        state.graph = outside
    return graph, made.names if isinstance(made, Results) else ()
