"""Any summary, printed as each version of Keras prints it and then mistreated, reads back as it was.

The printers follow keras/utils/layer_utils.py of Keras 1.2, 2.4, 2.12 and 2.15, whose rules differ in how cells are
cut or wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.analysis.cost import Parameters
from archonnx.compiler.analysis.reference import ReferenceSummary, read_reference
from archonnx.compiler.analysis.summary import LayerRow, Summary
from archonnx.compiler.analysis.summary_text import render

TYPES = (
    "Conv2D MaxPooling2D GlobalAveragePooling2D BatchNormalization Dense LSTM Add ReLU MultiHeadAttention ResNet50"
).split()


@dataclass(frozen=True)
class Printed:
    """A layer as a printer sees it."""

    name: str
    type: str
    shapes: tuple[tuple[int | None, ...], ...]
    parameters: int
    connected: tuple[str, ...]

    @property
    def cell(self) -> str:
        return f"{self.name} ({self.type})"

    @property
    def shape(self) -> str:
        texts = [str(shape) for shape in self.shapes]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


sizes = st.one_of(st.integers(1, 4096), st.integers(10**6, 10**9))
names = st.from_regex(r"[a-z][a-z0-9_]{0,40}[a-z0-9]", fullmatch=True)
short_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}[a-z0-9]", fullmatch=True)


@st.composite
def models(draw: st.DrawFn, *, wide: bool = True, cut: bool = False) -> list[Printed]:
    """A few layers; those after the first read some of those before them.

    `wide`: sizes and counts may be too long for their columns. `cut`: the text cuts names and shapes: keep them short.
    """
    size = sizes if wide else st.integers(1, 999)
    shapes = st.lists(size | st.none(), min_size=1, max_size=4 if wide else 2).map(lambda rest: (None, *rest))
    small = cut and not wide
    rows: list[Printed] = []
    for name in draw(st.lists(short_names if small else names, min_size=1, max_size=6, unique=True)):
        read = draw(st.lists(st.sampled_from([row.name for row in rows]), max_size=3)) if rows else []
        rows.append(
            Printed(
                name,
                draw(st.sampled_from(["Conv2D", "Dense", "MaxPooling2D"] if small else TYPES)),
                tuple(draw(st.lists(shapes, min_size=1, max_size=1 if small else 3))),
                draw(size | st.just(0) if wide else st.integers(0, 10**8 - 1)),
                tuple(f"{source}[0][{draw(st.integers(0, 2))}]" for source in read),
            )
        )
    return rows


def totals(rows: list[Printed], size: str = "") -> list[str]:
    count = sum(row.parameters for row in rows)
    return [f"Total params: {count:,}{size}", f"Trainable params: {count:,}{size}", f"Non-trainable params: 0{size}"]


def old(rows: list[Printed], *, width: int, share: list[float], gap: bool, connections: bool) -> str:
    """Keras 1.2 and 2.0 to 2.6: cells are cut; from 2.0 on (`gap`) one short of the column's end."""
    positions = [int(width * part) for part in share]

    def line(cells: list[str]) -> str:
        text = ""
        for number, (cell, position) in enumerate(zip(cells, positions, strict=True)):
            if gap and number:
                text = text[:-1] + " "
            text = (text + cell)[:position].ljust(position)
        return text

    header = ["Layer (type)", "Output Shape", "Param #", "Connected to"][: len(positions)]
    lines = ["_" * width, line(header), "=" * width]
    for number, row in enumerate(rows):
        first = row.connected[0] if row.connected else ""
        lines.append(line([row.cell, row.shape, str(row.parameters), first][: len(positions)]))
        lines += [line(["", "", "", other]) for other in row.connected[1:] if connections]
        lines.append("_" * width if number < len(rows) - 1 else "=" * width)
    return "\n".join([*lines, *totals(rows), "_" * width]) + "\n"


def wrapped(rows: list[Printed], *, width: int, share: list[float], fit: int, size: str) -> str:
    """Keras 2.7 to 2.12 (`fit` 0) and 2.13 to 2.15 (`fit` 1): cells wrap; lines break after `),` and `',`."""
    positions = [int(width * part) for part in share]

    def line(cells: list[str]) -> list[str]:
        left, lines = list(cells), []
        while any(left):
            text = ""
            for number, cell in enumerate(left):
                start = positions[number - 1] if number else 0
                space = 2 if number < len(left) - 1 else 0
                cutoff = positions[number] - start - space - (fit if number == 0 else 0)
                piece = cell[:cutoff]
                ends = [piece.find(mark) + len(mark) for mark in ("),", "},", "],", "',") if mark in piece]
                if ends:
                    cutoff = min(ends)
                    piece = piece[:cutoff]
                text += (" " if number == 0 else "") + piece + " " * space
                left[number] = cell[cutoff:]
                text = text.ljust(positions[number])
            lines.append(text)
        return lines

    header = ["Layer (type)", "Output Shape", "Param #", "Connected to"][: len(positions)]
    lines = ['Model: "m"', "_" * width, *line(header), "=" * width]
    for row in rows:
        cells = [row.cell, row.shape, str(row.parameters), str(list(row.connected))]
        lines += [*line(cells[: len(positions)]), " " * width]
    return "\n".join([*lines, "=" * width, *totals(rows, size), "_" * width]) + "\n"


def boxed(rows: list[Printed]) -> str:
    """Keras 3, by the renderer of our own that is tested against Keras' text."""
    layers = tuple(
        LayerRow(
            row.name,
            row.type,
            tuple(tuple("N" if size is None else size for size in shape) for shape in row.shapes),
            row.parameters,
            0,
            connected_to=row.connected,
        )
        for row in rows
    )
    count = sum(row.parameters for row in rows)
    return render(Summary("m", (), (), layers, Parameters(count, 0, 0, 4 * count, 0), 0, None), "keras")


SEQUENTIAL, FUNCTIONAL = [0.45, 0.85, 1.0], [0.33, 0.55, 0.67, 1.0]
PRINTERS: dict[str, Callable[[list[Printed]], str]] = {
    "1.2": lambda rows: old(rows, width=100, share=FUNCTIONAL, gap=False, connections=True),
    "2.4 sequential": lambda rows: old(rows, width=65, share=SEQUENTIAL, gap=True, connections=False),
    "2.4 functional": lambda rows: old(rows, width=98, share=FUNCTIONAL, gap=True, connections=True),
    "2.12 sequential": lambda rows: wrapped(rows, width=65, share=SEQUENTIAL, fit=0, size=""),
    "2.12 functional": lambda rows: wrapped(rows, width=98, share=FUNCTIONAL, fit=0, size=""),
    "2.15 sequential": lambda rows: wrapped(rows, width=65, share=SEQUENTIAL, fit=1, size=" (1.19 KB)"),
    "2.15 functional": lambda rows: wrapped(rows, width=98, share=[0.3, 0.6, 0.7, 1.0], fit=1, size=" (0.00 Byte)"),
    "3": boxed,
}
ASCII = str.maketrans("┏┳┓┡╇┩├┼┤└┴┘━─┃│", "+" * 12 + "--||")


def collapse(text: str) -> str:
    """A web page keeps one blank of several, and none at a line's ends."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


HURTS: dict[str, Callable[[str], str]] = {
    "as printed": lambda text: text,
    "collapsed": collapse,
    "stripped": lambda text: "\n".join(line.strip() for line in text.splitlines()),
    "without trailing blanks": lambda text: "\n".join(line.rstrip() for line in text.splitlines()),
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "indented": lambda text: "\n".join("    " + line for line in text.splitlines()),
    "prompt": lambda text: ">>> model.summary()\n2026-01-01 12:00:00.1: I tensorflow/core: ready\n" + text + ">>> \n",
    "logged": lambda text: "\n".join(
        f"2026-01-01 12:00:{n % 60:02} INFO: {line}" for n, line in enumerate(text.splitlines())
    ),
    "quoted": lambda text: "\n".join(f"> {line}" for line in text.splitlines()),
    "coloured": lambda text: text.replace("(", "\x1b[38;5;34m(").replace(")", ")\x1b[0m"),
    "no-break spaces": lambda text: text.replace("  ", " \u00a0"),
    "html": lambda text: (
        "<pre style='white-space:pre'>" + text.replace("(", "<span style='color:#0af'>(</span>") + "</pre>"
    ),
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "ascii": lambda text: text.translate(ASCII),
}


def check(read: ReferenceSummary, rows: list[Printed], era: str) -> None:
    """What was not cut is equal, what was cut is the beginning."""
    assert len(read.rows) == len(rows)
    for got, row in zip(read.rows, rows, strict=True):
        assert row.name.startswith(got.name or "")
        assert row.name == got.name or got.name_cut
        assert row.type.startswith(got.type)
        assert row.type == got.type or got.type_cut
        if not got.shapes_cut:
            assert got.output_shapes == row.shapes
        for mine, printed in zip(got.output_shapes, row.shapes, strict=False):
            assert printed[: len(mine)] == mine
        assert got.parameters == row.parameters or (era == "3" and got.parameters is None and row.parameters >= 10**8)
        if "functional" in era or era in ("1.2", "3"):
            assert got.connected_to is not None
            ends = [name.removesuffix("…") for name in got.connected_to]
            assert len(ends) == len(row.connected)
            assert all(full.startswith(end) for full, end in zip(row.connected, ends, strict=True))
            if "." in era and era != "1.2" and not era.startswith("2.4"):
                assert got.connected_to == row.connected  # these versions lose nothing
    if era.startswith(("2.12", "2.15")):
        assert not any(row.cut or row.shapes_cut for row in read.rows)
    count = sum(row.parameters for row in rows)
    assert (read.total, read.trainable, read.non_trainable) == (count, count, 0)


# Pieces that lost their place are told apart by their looks: names that were cut and sizes split in two are not.
DISPLACED = ("collapsed", "stripped", "blank lines")


@pytest.mark.parametrize("hurt", HURTS)
@pytest.mark.parametrize("era", PRINTERS)
@settings(max_examples=8, derandomize=True)
@given(data=st.data())
def test_any_summary_reads_back(era: str, hurt: str, data: st.DataObject) -> None:
    rows = data.draw(models(wide=hurt not in DISPLACED, cut=era.startswith(("1", "2.4"))))
    check(read_reference(HURTS[hurt](PRINTERS[era](rows)), "random"), rows, era)
