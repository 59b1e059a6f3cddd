"""Layers whose names have a part before a dot, `stage.conv2d`, as `to_keras` names them: put into a block of that name.

1. Layers of one first part are a group; functions that only its layers read, or that end it, go along.
2. A group that cannot stand in one place, as something outside reads from it and is read by it, is left as it is.
3. Groups within groups are blocks within blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from archonnx.compiler.keras.reading.names import scope_of
from archonnx.compiler.keras.reading.steps import Applied, Body, Slot, Step, Tensor, Text, ordered, text


def group(body: Body) -> None:
    """Put such layers of a body into blocks, and those of the bodies inside it."""
    home = _homes(body)
    for name in dict.fromkeys(home.values()):
        inside = [step for step in body.steps if home.get(id(step)) == name]
        block = _block(body, name, inside)
        if block is None:
            continue
        steps = [step for step in body.steps if home.get(id(step)) != name]
        whole = ordered([*steps, block], [tensor for _, tensor in body.outputs])
        if whole is None:
            continue
        _enter(block, name)
        assert block.applied is not None
        assert block.applied.body is not None
        body.weights = [held for held in body.weights if held not in block.applied.body.weights]
        body.steps = whole
    done: set[int] = set()
    for step in body.steps:
        if step.applied is not None and step.applied.body is not None and id(step.applied) not in done:
            done.add(id(step.applied))
            group(step.applied.body)
    for held in body.weights:
        held.name = re.sub(r"\W", "_", held.name)


def _homes(body: Body) -> dict[int, str]:
    """The group of each step that has one, by its identity."""
    layers = [step for step in body.steps if step.applied is not None and step.applied.name]
    taken = {step.applied.name for step in layers if step.applied is not None}
    home: dict[int, str] = {}
    for step in layers:
        assert step.applied is not None
        first, _ = scope_of(str(step.applied.name))
        if first and first not in taken and step.applied.keras is not None:
            home[id(step)] = first
    if not home:
        return home
    made = {id(t): step for step in body.steps for t in step.results if t is not None}
    readers: dict[int, list[Step | None]] = {id(tensor): [None] for _, tensor in body.outputs}
    for step in body.steps:
        for tensor in step.tensors():
            readers.setdefault(id(tensor), []).append(step)
    reads: dict[str, set[int]] = {}
    for step in body.steps:
        if id(step) in home:
            reads.setdefault(home[id(step)], set()).update(id(t) for t in step.tensors())
    functions = [step for step in body.steps if step.applied is None or step.applied.name is None]
    for step in functions:  # one that ends a group: what it reads comes from there, and nobody else reads that
        for tensor in step.tensors():
            name = home.get(id(made.get(id(tensor))))
            if name is None or any(reader is not step for reader in readers[id(tensor)]):
                continue
            others = [t for t in step.tensors() if t is not tensor]
            if all(home.get(id(made.get(id(t)))) == name or id(t) in reads[name] for t in others):
                home[id(step)] = name
    for step in reversed(functions):  # one that only a group reads
        found = {
            None if r is None else home.get(id(r))
            for t in step.results
            if t is not None
            for r in readers.get(id(t), ())
        }
        if id(step) not in home and len(found) == 1 and None not in found:
            home[id(step)] = str(found.pop())
    return home


def _block(body: Body, name: str, inside: list[Step]) -> Step | None:
    """The steps as one step that applies a block, None where it would have no input."""
    made = {id(t) for step in inside for t in step.results if t is not None}
    own = [held for held in body.weights if scope_of(held.name)[0] == name]
    within = {id(step) for step in inside}
    outside = [t for step in body.steps if id(step) not in within for t in step.tensors()]
    outside += [tensor for _, tensor in body.outputs]
    read = {id(t) for t in outside}
    own = [held for held in own if id(held.tensor) not in read]
    made |= {id(held.tensor) for held in own}
    inputs = _once(t for step in inside for t in step.tensors() if id(t) not in made)
    outputs = _once(t for step in inside for t in step.results if t is not None and id(t) in read)
    if not inputs or not outputs:
        return None
    names = ["x"] if len(inputs) == 1 else [f"x{number}" for number in range(1, len(inputs) + 1)]
    inner = Body(name, list(zip(names, inputs, strict=True)), own, inside, [(t.hint, t) for t in outputs])
    parts = [x for tensor in inputs for x in (", ", Slot(tensor))][1:]
    stands = text("(", *parts, ")") if len(inputs) > 1 else Text((Slot(inputs[0], 10),))
    return Step(list(outputs), stands, Applied(name, name, body=inner, uses=1))


def _enter(block: Step, name: str) -> None:
    """Take the block's name off the names inside it."""
    assert block.applied is not None
    assert block.applied.body is not None
    inner = block.applied.body
    done: set[int] = set()
    for step in inner.steps:
        if step.applied is not None and step.applied.name and id(step.applied) not in done:
            done.add(id(step.applied))
            step.applied.name = step.applied.name.removeprefix(f"{name}.")
    for held in inner.weights:
        held.name = held.name.removeprefix(f"{name}.")


def _once(tensors: Iterable[Tensor]) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    for tensor in tensors:
        found.setdefault(id(tensor), tensor)
    return list(found.values())
