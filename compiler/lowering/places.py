"""Places as the file says them: below the root, so that a source gives the same bytes from wherever it is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from archonnx.compiler.ir import OperatorGraph
from archonnx.contract import metadata
from archonnx.contract.diagnostics import Frame, Place


def below_root(graph: OperatorGraph, names: Mapping[str, str]) -> None:
    """Rename the files of all places, by the names that diagnostics show: operators, bodies, requirements, changes."""
    if all(shown == name for shown, name in names.items()):
        return
    frames: dict[tuple[Frame, ...], tuple[Frame, ...]] = {}

    def moved(place: Place) -> Place:
        name = names.get(place.file)
        return place if name is None or name == place.file else replace(place, file=name)

    pending = [graph]
    while pending:
        for operator in pending.pop().operators:
            if operator.place is not None:
                operator.place = moved(operator.place)
            if operator.merged:
                operator.merged = tuple(
                    one if one.place is None else replace(one, place=moved(one.place)) for one in operator.merged
                )
            if operator.trail:
                if operator.trail not in frames:
                    frames[operator.trail] = tuple(replace(f, place=moved(f.place)) for f in operator.trail)
                operator.trail = frames[operator.trail]
            pending.extend(v for v in operator.attributes.values() if isinstance(v, OperatorGraph))
    graph.changes = [c if c.place is None else replace(c, place=moved(c.place)) for c in graph.changes]
    required = graph.metadata.get(metadata.REQUIRES)
    if required is not None:
        entries = json.loads(required)
        for entry in entries:
            file, line, column = entry["place"].rsplit(":", 2)
            entry["place"] = f"{names.get(file, file)}:{line}:{column}"
        graph.metadata[metadata.REQUIRES] = json.dumps(entries, ensure_ascii=False)
