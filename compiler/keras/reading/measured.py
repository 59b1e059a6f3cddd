"""The layer that `to_keras` puts where a tensor function takes sizes that only a run tells, back as that function."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from archonnx.compiler.keras.reading.arguments import written
from archonnx.compiler.keras.reading.steps import Slot, Step, Tensor, text
from archonnx.compiler.layers.registry import find_function


def step(layer: Any, inputs: Sequence[Tensor], results: Sequence[Tensor]) -> Step:
    """The function's call; each size is written as that of the tensor that it is measured on."""
    said = layer.settings
    kind = find_function(said["function"])
    assert kind is not None
    own = len(inputs) - len(said["symbols"])
    sizes = {name: (tensor, axis) for (name, axis), tensor in zip(said["symbols"].items(), inputs[own:], strict=True)}
    arguments: Mapping[str, Any] = said["arguments"]
    if said["function"] == "dimension":
        return Step(results, text(*_parts(arguments["value"], sizes)), operation=layer)
    if said["function"] == "getitem":
        entries = [x for entry in arguments["index"]["items"] for x in (", ", *_entry(entry, sizes))][1:]
        return Step(results, text(Slot(inputs[0], 10), "[", *entries, "]"), operation=layer)
    names = [one.rstrip("?") for one in kind.inputs]
    left = list(inputs[:own])
    parts: list[Any] = []
    for parameter in kind.parameters:
        piece: list[Any]
        if parameter in names:
            if not left:
                continue
            piece = [left.pop(0)]
        else:
            argument = kind.declared[parameter]
            value = arguments[parameter]
            if not argument.required and value == argument.default:
                continue
            piece = [value] if parameter == "dtype" else _parts(value, sizes)
            piece = piece if argument.required else [f"{parameter}=", *piece]
        parts += [", ", *piece]
    return Step(results, text(f"{said['function']}(", *parts[1:], ")"), operation=layer)


def _parts(value: Any, sizes: Mapping[str, tuple[Tensor, int]]) -> list[Any]:
    """An encoded argument as parts of a text."""
    if not isinstance(value, Mapping):
        return [written(value)]
    if "rest" in value:
        return ["..."]
    if "items" in value:
        inner = [x for one in value["items"] for x in (", ", *_parts(one, sizes))][1:]
        return ["(", *inner, ",)" if len(value["items"]) == 1 else ")"]
    pieces = re.split(r"\b([A-Z]\w*)\b", value["size"])
    found: list[Any] = []
    for piece in pieces:
        if piece in sizes:
            tensor, axis = sizes[piece]
            found += ["shape(", tensor, f")[{axis}]"]
        elif piece:
            found.append(piece)
    return found if len(pieces) == 3 and not pieces[0] and not pieces[2] else ["(", *found, ")"]


def _entry(entry: Any, sizes: Mapping[str, tuple[Tensor, int]]) -> list[Any]:
    """One entry of a subscript."""
    if isinstance(entry, Mapping) and "items" in entry:
        _, *bounds = entry["items"]
        start, stop, stride = ([] if b is None else _parts(b, sizes) for b in bounds)
        return [*start, ":", *stop, *([":", *stride] if stride else [])]
    return _parts(entry, sizes)
