"""The arrow: `source -> layer -> layer`."""

from __future__ import annotations

from typing import Any

from archonnx.compiler.elaborate import apply, calls, evaluate
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Appliable,
    is_poisoned,
    kind_of,
)
from archonnx.compiler.elaborate.wanted import Wanted
from archonnx.compiler.syntax import tree


def flow(node: tree.Flow, frame: Frame, wanted: Wanted | None = None) -> Any:
    """`source -> stage -> stage`. `wanted` is what is said of the last stage's results."""
    value: Any = (
        calls.Inputs([(a.name, evaluate.expression(a.value, frame), a.place) for a in node.source.arguments])
        if isinstance(node.source, tree.FlowInputs)
        else evaluate.expression(node.source, frame)
    )
    source_place = node.source.place
    last = len(node.stages) - 1
    for i, stage in enumerate(node.stages):
        frame.state.step(stage.place)
        layer = stage_of(stage, frame)
        if layer is POISON or _poisoned(value):
            if isinstance(layer, Appliable):
                layer.uses += 1  # not applied because of an earlier error: nothing to say of it
            value = POISON
            continue
        value = apply.apply(
            layer,
            value,
            frame,
            stage.place,
            source_place,
            wanted if i == last else None,
        )
        source_place = stage.place
    return value


def _poisoned(value: Any) -> bool:
    """Whether an earlier error took away what stands left of an arrow, or one of several inputs."""
    return is_poisoned(*(v for _, v, _ in value.given)) if isinstance(value, calls.Inputs) else is_poisoned(value)


def stage_of(stage: tree.Expr, frame: Frame) -> Any:
    """The layer that stands right of an arrow."""
    if isinstance(stage, tree.Name) and stage.id not in frame.names:
        what = calls.describe_callable(stage.id, frame)
        if what is not None and what[0].startswith(("a layer", "a block", "a model")):
            raise frame.error(
                "E0605", f"{stage.id} stands without its parentheses", stage.place, f"write {stage.id}(...)"
            )
        if what is not None:
            raise frame.error("E0605", f"{stage.id} is {what[0]}, not a layer", stage.place, f"call it: {what[1]}")
    if isinstance(stage, tree.Attribute) and isinstance(stage.value, tree.Name) and stage.value.id == "onnx":
        name = f"onnx.{stage.name}"
        raise frame.error("E0605", f"{name} stands without its parentheses", stage.place, f"write {name}()")
    layer = evaluate.expression(stage, frame)
    if layer is POISON or isinstance(layer, Appliable):
        return layer
    raise frame.error("E0605", f"right of `->` stands a layer, got {kind_of(layer)}", stage.place)
