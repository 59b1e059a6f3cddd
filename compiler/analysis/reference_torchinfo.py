"""Reads the tables of torchinfo 1.8: `Layer (type:depth-idx)`, a tree of modules, any choice of columns."""

from __future__ import annotations

import re

from archonnx.compiler.analysis.reference import ReferenceRow, ReferenceSummary
from archonnx.compiler.analysis.reference_cells import parse_count, parse_shapes
from archonnx.compiler.analysis.reference_text import Line, Table, is_rule

TITLES = ("Input Shape", "Output Shape", "Param #", "Param %", "Kernel Shape", "Mult-Adds", "Trainable")
ROW = re.compile(
    r"(?P<tree>[│|├└─+\s]*)(?P<type>[\w.\[\]]+)(?:\s+\((?P<name>[^()\s]*)\))?(?::\s+(?P<depth>\d+)-(?P<index>\d+))?(?=\s|$)"
)
# What a cell may hold: lists of sizes, a share, a count, "(recursive)", a frozen layer's count in brackets, a truth
# value.
CELL = re.compile(
    r"\s*(\[[\[\]\d,\s]*?\](?=\s|$)|--|\(recursive\)|\(\d[\d,]*\)|<?\d[\d,.]*%|\d[\d,]*|True|False|Partial)(?=\s|$)"
)
TREE = re.compile(r"[│|├└+]")


def read(table: Table) -> ReferenceSummary:
    """The rows of a torchinfo table; a container's row comes before the rows it holds."""
    columns = [title for title in TITLES if title in table.header.text]
    columns.sort(key=table.header.text.index)
    if "Param #" not in columns:
        raise table.error(table.header, "a column `Param #`")
    rows = [_row(line, columns, table) for line in table.body if line.text.strip() and not is_rule(line.text)]
    first = rows[0] if len(rows) > 1 and rows[0].depth == 0 and all(row.depth > 0 for row in rows[1:]) else None
    notes = list(table.notes)
    if any(row.shared for row in rows):
        notes.append("rows marked (recursive) apply a layer again; an earlier row counts its parameters")
    return ReferenceSummary(
        tool="torchinfo",
        model=first.type if first else None,
        rows=tuple(rows),
        total=table.totals.get("total"),
        trainable=table.totals.get("trainable"),
        non_trainable=table.totals.get("non"),
        notes=tuple(notes),
        source=table.name,
    )


def _row(line: Line, columns: list[str], table: Table) -> ReferenceRow:
    found = ROW.match(line.text)
    if not found:
        raise table.error(line, "a module such as `├─Conv2d: 1-1`")
    cells: list[str] = []
    at = found.end()
    while len(cells) < len(columns):
        cell = CELL.match(line.text, at)
        if cell is None:
            raise table.error(line, f"{len(columns)} cells ({', '.join(columns)}) behind {found.group('type')}")
        cells.append(cell.group(1))
        at = cell.end()
    values = dict(zip(columns, cells, strict=True))
    shapes = parse_shapes(values.get("Output Shape", "--"))
    shared = values["Param #"] == "(recursive)"
    count = 0 if shared else parse_count(values["Param #"])
    if shapes is None or count is None:
        raise table.error(line, "an output shape such as `[1, 64]` and a number of parameters")
    depth = int(found.group("depth")) if found.group("depth") else len(TREE.findall(found.group("tree")))
    return ReferenceRow(
        name=found.group("name"),
        type=found.group("type"),
        output_shapes=shapes.shapes,
        parameters=count,
        depth=depth,
        shared=shared,
        line=line.number,
    )
