"""Long arguments that all calls of a constructor have alike, said once: `defaults Conv2D(kernel_initializer=...)`."""

from __future__ import annotations

from collections.abc import Iterator

from archonnx.compiler.keras.reading.lines import applied_in
from archonnx.compiler.keras.reading.steps import Applied, Argument, Body

LONG = 24  # characters
CALLS = 3


def hoisted(model: Body) -> list[str]:
    """The lines of such defaults, once the arguments are taken off the calls."""
    calls: dict[str, list[Applied]] = {}
    for applied in _layers(model):
        calls.setdefault(applied.constructor, []).append(applied)
    inside = " ".join(a.value for found in calls.values() for one in found for a in one.arguments)
    lines = []
    for constructor, found in calls.items():
        if len(found) < CALLS or f"{constructor}(" in inside:  # a layer inside another would be given them too
            continue
        common = [a for a in found[0].arguments if _is_long(a) and all(a in one.arguments for one in found)]
        if common:
            lines.append(f"defaults {constructor}({', '.join(map(str, common))})")
            for one in found:
                one.arguments = [a for a in one.arguments if a not in common]
    return lines


def _is_long(argument: Argument) -> bool:
    return not argument.alone and len(argument.value) >= LONG


def _layers(body: Body) -> Iterator[Applied]:
    """Every layer of a body and of the blocks in it, once."""
    for applied in applied_in(body):
        block = applied if applied.inside is None else applied.inside
        if block.body is not None:
            yield from _layers(block.body)
        else:
            yield applied
