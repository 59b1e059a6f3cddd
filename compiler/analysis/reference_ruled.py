"""Reads the tables of Keras 1.2 to 2.15: columns of blanks, cells cut or wrapped, padding lost.

    1.2        cells are cut at the column's end, so that two cells may touch
    2.0-2.6    cells are cut one short of it; a row goes on below only with further connections
    2.7-2.12   cells wrap; a full first cell moves the rest of its line one to the right
    2.13-2.15  cells wrap; totals come with a size

A row begins with the line that holds its parameters, in every version. What follows belongs to a cell by where it
stands, or, where the padding was lost, by what it looks like and which cell is still open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from archonnx.compiler.analysis.reference import ReferenceRow, ReferenceSummary, Tool
from archonnx.compiler.analysis.reference_cells import (
    COUNT,
    SHAPE_START,
    SHAPE_TOKEN,
    balance,
    parse_connections,
    parse_count,
    parse_name,
    parse_shapes,
)
from archonnx.compiler.analysis.reference_text import Line, Table, is_rule

COLUMNS = ("name", "shape", "parameters", "connections", "trainable")
TITLES = (r"Layer\s*\(type", "Output", "Param", "Connect", "Trainable")


@dataclass(slots=True)
class Row:
    """A row as it is put together: the pieces of each cell, and where the cells of its first line begin."""

    line: Line
    depth: int
    aligned: bool
    pieces: dict[str, list[str]] = field(default_factory=lambda: {column: [] for column in COLUMNS})
    starts: dict[str, int] = field(default_factory=dict)

    def text(self, column: str) -> str:
        return "".join(self.pieces[column])

    @property
    def name_open(self) -> bool:
        return not re.search(r"\([^()]*\)\s*$", self.text("name"))

    @property
    def shape_open(self) -> bool:
        return balance(self.text("shape")) > 0


def read(table: Table) -> ReferenceSummary:
    """The rows of a table ruled with `====` and `____`."""
    rows: list[Row] = []
    depth = 0
    apart = True
    columns = _header_columns(table)
    for line in table.body:
        if "¯" in line.text and is_rule(line.text):
            depth = len(re.findall(r"\|", line.text.strip().split("¯")[0]))  # bars left of the rows to come
            continue
        if is_rule(line.text) or not line.text.strip():
            apart = True
            continue
        # A count too long for its column goes on below, beside a shape: only a row set apart is a new one then.
        goes_on = not apart and bool(rows) and rows[-1].shape_open and len(rows[-1].text("parameters")) > 7
        apart = False
        if depth:
            line = _without_border(line)
        first = None if goes_on else _first_line(line, columns, depth)
        if first is not None:
            rows.append(first)
        elif not rows:
            raise table.error(line, "a row such as `conv2d (Conv2D)  (None, 28, 28, 8)  80`")
        else:
            _continue(rows[-1], line, table)
    read_rows = tuple(_finish(row, table, "connections" in columns) for row in rows)
    return ReferenceSummary(
        tool=_version(table, read_rows),
        model=table.model,
        rows=read_rows,
        total=table.totals.get("total"),
        trainable=table.totals.get("trainable"),
        non_trainable=table.totals.get("non"),
        notes=tuple(table.notes),
        source=table.name,
    )


def _header_columns(table: Table) -> dict[str, int]:
    """Where each column begins, by name; the padding was lost where two titles are a single blank apart."""
    found = {column: re.search(title, table.header.text) for column, title in zip(COLUMNS, TITLES, strict=True)}
    columns = {column: match.start() for column, match in found.items() if match}
    for column in ("shape", "parameters"):
        if column not in columns:
            raise table.error(table.header, "the columns Layer (type), Output Shape and Param #")
    if not re.search(r"Shape\s\s+Param", table.header.text):
        columns["parameters"] = 0  # nowhere: the count is found by what it looks like
    return columns


def _without_border(line: Line) -> Line:
    """The bars that 2.7 and later draw left and right of nested rows, as blanks."""
    text = re.sub(r"^[|\s]+", lambda m: " " * len(m.group()), line.text)
    return Line(line.number, re.sub(r"[|\s]+$", "", text))


def _first_line(line: Line, columns: dict[str, int], depth: int) -> Row | None:
    """The row that begins here, None for a line that goes on with the row above."""
    start = SHAPE_START.search(line.text)
    if start is None:
        return None
    text, trainable = line.text, ""
    if "trainable" in columns:
        flag = re.search(r"\s([YN])$", text)
        if flag:
            text, trainable = text[: flag.start()], flag.group(1)
    shape_end, count = _by_column(text, start.start(), columns) if depth == 0 else (0, None)
    if count is None:
        shape_end, count = _shape_and_count(text, start.start())
    if count is None:
        return None
    # A shape that goes on below may end in a number too, but not where the counts stand.
    unfinished = balance(text[start.start() : shape_end]) > 0
    if unfinished and columns["parameters"] and count.start() < columns["parameters"] - 1 - depth:
        return None
    name = text[: start.start()]
    if not re.search(r"\w", name) or (name.rstrip(" ,").endswith(")") and "(" not in name):
        return None  # the rest of a name above, and of a shape and a count
    shape = text[start.start() : shape_end].rstrip()
    behind = text[shape_end : shape_end + 1]
    if (balance(shape) == 0 and (shape.endswith(",") or behind == ",")) or balance(shape + behind) < 0:
        return None  # the end of a list of shapes that began above
    row = Row(line, depth, aligned=columns["parameters"] > 0)
    row.pieces["name"].append(name.strip() if depth == 0 else name.strip(" |"))
    row.pieces["shape"].append(shape)
    row.pieces["parameters"].append(count.group())
    row.pieces["trainable"].append(trainable)
    rest = text[count.end() :]
    rest = re.sub(r"^\s*\(unbuilt\)", "", rest)
    row.pieces["connections"].append(rest.strip())
    row.starts = {"name": len(name) - len(name.lstrip()), "shape": start.start(), "parameters": count.start()}
    if rest.strip():
        row.starts["connections"] = count.end() + len(rest) - len(rest.lstrip())
    elif "connections" in columns:
        row.starts["connections"] = columns["connections"]
    return row


def _by_column(text: str, start: int, columns: dict[str, int]) -> tuple[int, re.Match[str] | None]:
    """The count where the header says it begins: the only sign where a shape was cut and touches it."""
    at = columns["parameters"]
    count = COUNT.match(text, at)
    alone = count is not None and (count.end() == len(text) or text[count.end()] == " ")
    if not alone or at <= start or not (text[at - 1] in " )]}" or balance(text[start:at]) > 0):
        return 0, None
    return at, count


def _shape_and_count(text: str, start: int) -> tuple[int, re.Match[str] | None]:
    """Where the shape that begins at `start` ends, and the count of parameters behind it."""
    word = re.compile(r"multiple|unused|\?").match(text, start)
    if word:
        return word.end(), _count_at(text, word.end())
    at, depth, numbers = start, 0, []
    while found := SHAPE_TOKEN.match(text, at):
        token = found.group().strip()
        gap = found.start() + len(found.group()) - len(found.group().lstrip()) - at
        if gap > 1 and token[0].isdigit():
            break  # the count, a column further on: the shape was cut, or goes on below
        if token[0].isdigit():
            numbers.append(found)
        depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
        at = found.end()
        if depth == 0:
            return at, _count_at(text, at)
    behind = _count_at(text, at)
    if behind is not None:
        return at, behind
    # The shape is not closed and its padding is gone: the last number of the run is the count.
    for found in reversed(numbers):
        begin = found.end() - len(found.group().strip())
        count = COUNT.match(text, begin)
        if count and text[begin - 1 : begin] == " " and (count.end() == len(text) or text[count.end()] == " "):
            return begin, count
    return at, None


def _count_at(text: str, at: int) -> re.Match[str] | None:
    """The count that comes next after blanks, if it is one and stands alone."""
    begin = at + len(text[at:]) - len(text[at:].lstrip())
    count = COUNT.match(text, begin)
    return count if count and begin > at and (count.end() == len(text) or text[count.end()] == " ") else None


def _continue(row: Row, line: Line, table: Table) -> None:
    """Give the pieces of a line that goes on with `row` to its cells."""
    pieces = [(found.start(), found.group()) for found in re.finditer(r"\S+(?: \S+)*", line.text)]
    placed = [(_column_at(row, start), start, piece) for start, piece in pieces]
    if row.aligned and all(column is not None and _fits(row, column, piece) for column, _, piece in placed):
        for column, start, piece in placed:
            assert column is not None
            # A piece of a wrapped cell may begin with the blank it was wrapped before.
            lead = " " if column == "name" and start > row.starts["name"] else ""
            row.pieces[column].append(lead + piece)
        return
    rest = line.text.strip()
    if row.name_open:
        found = re.match(r"(?!\[?\(+(?:None|\d+)[,)])([^\s()'\[\],]*(?: ?\([^\s()'\[\],]*)?\))(.*)", rest) or re.match(
            r"([^\s()'\[\],]+(?: ?\([^\s()'\[\],]*)?)(?=\s|$)(.*)", rest
        )
        if found:
            row.pieces["name"].append((" " if found.group(1).startswith("(") else "") + found.group(1))
            rest = found.group(2).strip()
    if rest and row.shape_open:
        rest = _close_shape(row, rest)
    number = re.match(r"\d+(?=\s|$)", rest)
    if number and len(row.text("parameters")) > 7:  # a count too long for its column
        row.pieces["parameters"].append(number.group())
        rest = rest[number.end() :].strip()
    if rest and re.search(r"['\[\]\w]", rest) and table_has_connections(table):
        row.pieces["connections"].append("\n" + rest)
        rest = ""
    if rest:
        raise table.error(line, "a row of the table, or the rest of the row above")


def table_has_connections(table: Table) -> bool:
    return re.search(r"Connect", table.header.text) is not None


def _column_at(row: Row, start: int) -> str | None:
    """The column whose first line begins where this piece does, give or take the two that versions shift it."""
    near = sorted((abs(at - start), column) for column, at in row.starts.items())
    return near[0][1] if near and near[0][0] <= 2 else None


def _fits(row: Row, column: str, piece: str) -> bool:
    if column == "name":
        return row.name_open and not re.match(r"\[?\(+(?:None|\d+)[,)]", piece) and not re.search(r"[',\[\]]", piece)
    if column == "shape":
        return row.shape_open and re.fullmatch(r"[\[\](){}None\d,\s]+", piece) is not None
    if column == "parameters":  # a count too long for its column
        return len(row.text("parameters")) > 7 and piece.isdecimal()
    return True


def _close_shape(row: Row, rest: str) -> str:
    """Take what closes the open shape off `rest`: up to the matching bracket, or what cannot belong to it."""
    opened = [bracket for bracket in row.text("shape") if bracket in "([{"]
    for _ in range(sum(map(row.text("shape").count, ")]}"))):
        opened.pop()
    none = re.match(r"(?:one|ne|e)\b", rest)
    at = none.end() if none and row.text("shape").endswith(("N", "No", "Non")) else 0
    while opened and (found := SHAPE_TOKEN.match(rest, at)):
        token = found.group().strip()
        if found.group()[:2].isspace() and at:
            break  # the next column
        between = opened == ["["] and "(" in row.text("shape")
        if token[0].isdigit() and at and (rest[at - 1].isdigit() or between):
            break  # no comma before it, or beside shapes: the number belongs to another cell
        if token in ")]}":
            if "([{"[")]}".index(token)] != opened[-1]:
                break
            opened.pop()
        elif token in "([{":
            opened.append(token)
        at = found.end()
    row.pieces["shape"].append(rest[:at])
    return rest[at:].strip()


def _finish(row: Row, table: Table, connected: bool) -> ReferenceRow:
    name = parse_name(row.text("name"))
    shapes = parse_shapes(row.text("shape"))
    if name is None:
        raise table.error(row.line, "a layer's name and type")
    if shapes is None:
        raise table.error(row.line, "an output shape such as `(None, 28, 28, 8)`")
    text = row.text("connections")
    if text.startswith("[") and "'" in text:  # a Python list, split anywhere
        connections = parse_connections(text.replace("\n", ""))
    else:
        lines = [piece.strip() for piece in row.pieces["connections"] if piece.strip()]
        connections = tuple(c for piece in lines for c in parse_connections(piece))
    return ReferenceRow(
        name=name.name,
        type=name.type,
        output_shapes=shapes.shapes,
        parameters=parse_count(row.text("parameters")),
        depth=row.depth,
        connected_to=connections if connected else None,
        name_cut=name.name_cut,
        type_cut=name.type_cut,
        shapes_cut=shapes.cut,
        line=row.line.number,
    )


def _version(table: Table, rows: tuple[ReferenceRow, ...]) -> Tool:
    """Keras 1 names `convolution2d_1` what Keras 2 names `conv2d_1`, and prints no name of the model."""
    if table.model is None:
        for row in rows:
            squeezed = re.fullmatch(r"([a-z]+\d*d|[a-z]+)(?:_input)?_\d+", row.name or "")
            if row.type in (
                "Merge",
                "Convolution1D",
                "Convolution2D",
                "Convolution3D",
                "MaxoutDense",
                "Deconvolution2D",
            ):
                return "keras1"
            words = len(re.findall("[A-Z][a-z]+", row.type))
            if squeezed and not row.type_cut and words > 1 and squeezed.group(1) == row.type.lower():
                return "keras1"
    return "keras2"
