"""The table of `archonnx check`: a row a model, with its figures and what became of the comparison."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import styled

if TYPE_CHECKING:
    from archonnx.compiler.analysis.references.checking import Checked

HEADS = ("file", "model", "parameters", "MACs", "compared with", "result")
RIGHT = {2, 3}  # columns of numbers
NARROWEST = 24  # of the column that is cut where the terminal is too narrow


@dataclass(frozen=True, slots=True)
class Row:
    """A model that was checked, and its file."""

    file: Path
    checked: Checked


def table(rows: list[Row]) -> Iterator[str]:
    """The lines of the table. On a terminal that is too narrow what a model was compared with is cut."""
    cells = [list(HEADS), *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if over > 0:
        widths[4] = max(min(NARROWEST, widths[4]), widths[4] - over)
    for number, line in enumerate(cells):
        texts = [_fitted(text, width, n in RIGHT) for n, (text, width) in enumerate(zip(line, widths, strict=True))]
        if number == 0:
            yield styled("  ".join(texts).rstrip(), "bold")
            continue
        texts[5] = styled(texts[5].rstrip(), _color(rows[number - 1].checked))
        yield "  ".join(texts)


def notes(rows: Iterable[Row]) -> Iterator[str]:
    """What references say beside their figures."""
    for row in rows:
        for note in row.checked.reference.notes if row.checked.reference else ():
            yield f"note: {row.checked.model}: {note}"


def verdict(rows: list[Row]) -> str:
    """The last line: how many models were compared, and how many differ or have no reference."""
    alone = sum(row.checked.reference is None and not row.checked.misread for row in rows)
    differing = sum(bool(row.checked.differs) for row in rows)
    files = len({row.file for row in rows})
    compared = sum(row.checked.reference is not None for row in rows)
    parts = [f"{counted(compared, 'model')} of {counted(files, 'file')} compared with what others count"]
    parts.append(f"{differing} differ{'s' * (differing == 1)}" if differing else "all agree" if compared > 1 else "")
    if alone:
        parts.append(f"{counted(alone, 'model')} without a reference")
    return ", ".join(part for part in parts if part)


def counted(count: int, what: str) -> str:
    """1 model, 3 models."""
    return f"{count} {what}{'s' * (count != 1)}"


def as_data(row: Row) -> dict[str, Any]:
    """A row as JSON has it."""
    checked, reference = row.checked, row.checked.reference
    return {
        "file": str(row.file),
        "model": checked.model,
        "parameters": {
            "total": checked.parameters.total,
            "trainable": checked.parameters.trainable,
            "non_trainable": checked.parameters.non_trainable,
        },
        "macs": checked.macs,
        "bind": dict(checked.bind),
        "source": reference.source if reference else None,
        "same_as": reference.same_as if reference else None,
        "compared": list(checked.compared),
        "layers": checked.rows,
        "differs": list(checked.differs),
        "notes": list(reference.notes) if reference else [],
    }


def _cells(row: Row) -> list[str]:
    checked, reference = row.checked, row.checked.reference
    peer = "" if reference is None else reference.peer
    if reference is not None and reference.same_as:
        peer = f"as {reference.same_as}"
    return [
        row.file.name,
        checked.model,
        f"{checked.parameters.total:,}",
        macs_text(checked.macs, dict(checked.bind)),
        peer,
        _result(checked),
    ]


def macs_text(macs: int | str, bind: dict[str, int]) -> str:
    """`15.47 G`, and the sizes that it is for: `11.17 G at T=128`."""
    from archonnx.compiler.analysis.summary_text import large

    if not isinstance(macs, int):
        return "depends on sizes"
    sizes = ", ".join(f"{name}={size}" for name, size in bind.items())
    return large(macs, "").strip() + (f" at {sizes}" if sizes else "")


def _result(checked: Checked) -> str:
    if checked.reference is None:
        return "the reference is wrong" if checked.misread else "no reference"
    if checked.differs:
        return f"differs: {', '.join(checked.differs)}"
    told = [f"{checked.rows} layers" if one == "layers" else one for one in checked.compared]
    return f"agrees: {', '.join(told)}"


def _color(checked: Checked) -> str:
    if checked.misread or checked.differs:
        return "red"
    return "yellow" if checked.reference is None else "green"


def _fitted(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)
