"""Names bound to values: unpacking as Python does it, and the loops of comprehensions."""

from __future__ import annotations

from typing import Any

from archonnx.compiler.elaborate import arithmetic, evaluate
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.builtins import sequence
from archonnx.compiler.elaborate.state import Binding, Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Abort,
    kind_of,
)
from archonnx.compiler.graph import Value
from archonnx.compiler.syntax import tree


def comprehension(node: tree.Comprehension, frame: Frame) -> Any:
    """Its variables are its own: what they hid is back afterwards."""
    hidden = dict(frame.names)
    made: list[Any] = []
    try:
        _clauses(node, 0, frame, made)
    finally:
        for name in _targets(node):
            if name in hidden:
                frame.names[name] = hidden[name]
            else:
                frame.names.pop(name, None)
    return made


def _targets(node: tree.Comprehension) -> list[str]:
    found: list[str] = []
    stack: list[tree.Target] = [c.target for c in node.clauses]
    while stack:
        top = stack.pop()
        if isinstance(top, tree.TargetTuple):
            stack.extend(top.items)
        else:
            found.append(top.id)
    return found


def _clauses(node: tree.Comprehension, depth: int, frame: Frame, made: list[Any]) -> None:
    if depth == len(node.clauses):
        made.append(evaluate.expression(node.element, frame))
        arithmetic.bounded(made)
        return
    clause = node.clauses[depth]
    walked = evaluate.expression(clause.iterable, frame)
    if walked is POISON:
        raise Abort(None)
    try:
        turns = sequence(walked, "for")
    except Problem as problem:
        raise frame.problem(problem, clause.iterable.place) from None
    for value in turns:
        assign(clause.target, value, frame, fresh=True)
        for condition in clause.conditions:
            if not evaluate.decide(condition, frame, "a comprehension's if"):
                break
        else:
            _clauses(node, depth + 1, frame, made)


def assign(target: tree.Target, value: Any, frame: Frame, *, fresh: bool = False, kind: str = "tensor") -> None:
    """Bind a target to a value, unpacking as Python does. `fresh`: loop variables, which nothing has to read."""
    if isinstance(target, tree.Name):
        if fresh:
            frame.names[target.id] = Binding(value, target.place, "loop")
        else:
            frame.bind(target.id, value, target.place, kind)
        return
    if value is POISON:
        for item in target.items:
            assign(item, POISON, frame, fresh=fresh)
        return
    if isinstance(value, (list, tuple, range)):
        if len(value) != len(target.items):
            raise frame.error(
                "E0504", f"{len(target.items)} names on the left, {len(value)} values on the right", target.place
            )
        for item, part in zip(target.items, value, strict=True):
            assign(item, part, frame, fresh=fresh)
        return
    if isinstance(value, Value):
        raise frame.error(
            "E0608", f"{len(target.items)} names on the left, one result on the right: {value.type}", target.place
        )
    raise frame.error("E0504", f"{kind_of(value)} cannot be unpacked into {len(target.items)} names", target.place)
