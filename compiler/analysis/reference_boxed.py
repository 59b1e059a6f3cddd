"""Reads the tables of Keras 3: cells between bars, wrapped at words, cut with an ellipsis."""

from __future__ import annotations

import re

from archonnx.compiler.analysis.reference import ReferenceRow, ReferenceSummary
from archonnx.compiler.analysis.reference_cells import (
    ELLIPSES,
    balance,
    parse_connections,
    parse_count,
    parse_name,
    parse_shapes,
)
from archonnx.compiler.analysis.reference_text import VERTICALS, Line, Table, is_rule

TITLES = {"name": "Layer", "shape": "Output", "parameters": "Param", "connections": "Connect", "trainable": "Trai"}
NEST = re.compile(r"^(?:└|`--|L|\+)\s+(?=\S)")


class Row:
    """A row as it is put together: the lines of each cell."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.cells: dict[str, list[str]] = {}

    def add(self, column: str, text: str) -> None:
        if text.strip():
            self.cells.setdefault(column, []).append(text)

    def text(self, column: str) -> str:
        return " ".join(piece.strip() for piece in self.cells.get(column, ()))


def read(table: Table) -> ReferenceSummary:
    """The rows of a table whose cells stand between bars."""
    order = _columns(table)
    rows: list[Row] = []
    ruled = True  # a rule ended the row above
    for line in table.body:
        if is_rule(line.text):
            ruled = True
            continue
        if not line.text.strip():
            continue
        cells = _split(line.text)
        if len(cells) < len(order) and "connections" in order and len(cells) == len(order) - 1:
            cells.append("")  # an empty last cell that lost its bar
        if len(cells) != len(order):
            raise table.error(line, f"{len(order)} cells between bars ({', '.join(TITLES[c] for c in order)})")
        found = dict(zip(order, cells, strict=True))
        if re.match(r"\s*\d", found["parameters"]) and (ruled or found["name"].strip()):
            rows.append(Row(line))
        elif not rows:
            raise table.error(line, "a row such as `conv2d (Conv2D) | (None, 28, 28, 8) | 80`")
        ruled = False
        for column, text in found.items():
            rows[-1].add(column, text)
    total, notes = _total(table)
    return ReferenceSummary(
        tool="keras3",
        model=table.model,
        rows=tuple(_finish(row, table, "connections" in order) for row in rows),
        total=total,
        trainable=table.totals.get("trainable"),
        non_trainable=table.totals.get("non"),
        notes=(*table.notes, *notes),
        source=table.name,
    )


def _split(text: str) -> list[str]:
    """The cells of a line. A nested row's name keeps its leading blanks: they are its depth."""
    body = text.strip()
    body = body[1:] if body[:1] in VERTICALS else body
    body = body[:-1] if body[-1:] in VERTICALS else body
    return re.split(f"[{VERTICALS}]", body)


def _columns(table: Table) -> list[str]:
    titles = [cell.strip() for cell in _split(table.header.text)]
    order = []
    for title in titles:
        column = next((c for c, start in TITLES.items() if title.startswith(start) or _cut_title(title, start)), None)
        if column is None:
            raise table.error(table.header, "the columns Layer (type), Output Shape, Param #, Connected to, Trainable")
        order.append(column)
    for needed in ("name", "shape", "parameters"):
        if needed not in order:
            raise table.error(table.header, f"a column {TITLES[needed]!r}")
    return order


def _cut_title(title: str, start: str) -> bool:
    """In a narrow table a title is cut too: `Para…`."""
    return title.endswith(ELLIPSES) and len(title) > 1 and start.startswith(title.rstrip("….")[: len(start)])


def _finish(row: Row, table: Table, connected: bool) -> ReferenceRow:
    first = row.cells.get("name", [""])[0].rstrip()
    indent = len(first) - len(first.lstrip()) - 1
    nested = NEST.match(first.lstrip())
    depth = max(1, indent // 3) if nested else 0
    name = parse_name(NEST.sub("", row.text("name")))
    if name is None:
        raise table.error(row.line, "a layer's name and type")
    shapes = parse_shapes(row.text("shape"))
    if shapes is None:
        raise table.error(row.line, "an output shape such as `(None, 28, 28, 8)`")
    return ReferenceRow(
        name=name.name,
        type=name.type,
        output_shapes=shapes.shapes,
        parameters=parse_count(row.text("parameters")),
        depth=depth,
        connected_to=_connections(row) if connected else None,
        name_cut=name.name_cut,
        type_cut=name.type_cut,
        shapes_cut=shapes.cut or balance(row.text("shape")) > 0,
        line=row.line.number,
    )


def _connections(row: Row) -> tuple[str, ...]:
    """Each line holds whole connections: a word that does not fit is cut, and its comma with it."""
    lines = [piece.strip() for piece in row.cells.get("connections", ())]
    return tuple(c for line in lines for c in parse_connections(line))


def _total(table: Table) -> tuple[int | None, list[str]]:
    """The model's own total: a compiled, trained model's `Total params` holds the optimiser's variables too."""
    printed, trainable, non = (table.totals.get(key) for key in ("total", "trainable", "non"))
    if trainable is None or non is None or printed is None or printed == trainable + non:
        return printed, []
    extra = printed - trainable - non
    return trainable + non, [
        f"the printed total of {printed:,} holds {extra:,} variables of the optimiser, left out here"
    ]
