"""Reads archonnx' own summary: what `archonnx summary --format json` prints."""

from __future__ import annotations

import json
from typing import Any

from archonnx.compiler.analysis.reference import Dimension, ReferenceRow, ReferenceSummary, ReferenceTextError


def read(text: str, name: str) -> ReferenceSummary:
    """A JSON object with `layers` and `parameters`; raises ReferenceTextError naming the entry that is wrong."""
    try:
        data = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:
        message = f"expected JSON as `summary --format json` prints it: {error.msg}"
        raise ReferenceTextError(name, error.lineno, message) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        message = "expected JSON as `summary --format json` prints it: a number or the nesting is too long"
        raise ReferenceTextError(name, None, message) from error

    if isinstance(data, dict) and data and all(isinstance(one, dict) and _KNOWN & one.keys() for one in data.values()):
        message = (
            "this holds references, with which `archonnx check` compares the models of the file beside it by itself; "
            "--against reads a summary"
        )
        raise ReferenceTextError(name, None, message)

    def entry(value: Any, key: str, kind: type, where: str) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get(key), kind):
            got = type(value.get(key)).__name__ if isinstance(value, dict) and key in value else "nothing"
            raise ReferenceTextError(name, None, f"expected {where}{key} to be {_KINDS[kind]}, got {got}")
        return value[key]

    totals = entry(data, "parameters", dict, "")
    rows = []
    for number, layer in enumerate(entry(data, "layers", list, "")):
        where = f"layers[{number}]."
        rows.append(
            ReferenceRow(
                name=entry(layer, "path", str, where),
                type=entry(layer, "type", str, where),
                output_shapes=_shapes(entry(layer, "output_shape", list, where), name, where),
                parameters=entry(layer, "parameters", int, where),
            )
        )
    return ReferenceSummary(
        tool="archonnx",
        model=data.get("model") if isinstance(data.get("model"), str) else None,
        rows=tuple(rows),
        total=entry(totals, "total", int, "parameters."),
        trainable=entry(totals, "trainable", int, "parameters."),
        non_trainable=entry(totals, "non_trainable", int, "parameters."),
        source=name,
    )


_KNOWN = {"source", "same_as"}  # what only entries of references have
_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string", int: "a whole number"}


def _shapes(value: list[Any], name: str, where: str) -> tuple[tuple[Dimension, ...], ...]:
    """A shape, or the list of several results' shapes."""
    several = bool(value) and all(isinstance(item, list) for item in value)
    shapes = value if several else [value]
    for shape in shapes:
        if not all(item is None or (isinstance(item, int | str) and not isinstance(item, bool)) for item in shape):
            raise ReferenceTextError(
                name, None, f"expected {where}output_shape to hold numbers and symbols, got {shape!r}"
            )
    return tuple(tuple(shape) for shape in shapes)
