"""Summary texts of other tools, read back as data: Keras 1.2 to 3, torchinfo 1.8, and archonnx' own JSON.

    read_reference(text, name)    the text, however it was wrapped or copied -> ReferenceSummary
    read_reference_file(path)     the same from a file, UTF-8 or UTF-16

The readers: reference_text.py finds the table, reference_ruled.py reads Keras 1.2 to 2.15, reference_boxed.py Keras 3,
reference_torchinfo.py and reference_json.py the rest; reference_cells.py reads single cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archonnx.contract.diagnostics import ArchonnxError

Tool = Literal["keras1", "keras2", "keras3", "torchinfo", "archonnx"]
Dimension = int | str | None  # None: printed as None, the batch; a string: a symbol of archonnx' own


class ReferenceTextError(ArchonnxError):
    """A text that is no summary, or a line of one that cannot be read.

    `line` counts from 1, None where no line is at fault.
    """

    def __init__(self, name: str, line: int | None, message: str) -> None:
        self.name, self.line, self.message = name, line, message
        super().__init__(f"{name}:{line}: {message}" if line else f"{name}: {message}")


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    """One row of the table.

    `output_shapes` is empty where none is printed ("multiple", "?", "--"). Text that the tool cut off is kept as far
    as it goes: `name_cut` and `type_cut` say of which it is only the beginning, `shapes_cut` that the last shape may
    go on. `depth` is 0 at the top; a row that is followed by deeper rows holds them. `shared` marks a layer applied
    again, whose parameters an earlier row counts.
    """

    name: str | None
    type: str
    output_shapes: tuple[tuple[Dimension, ...], ...]
    parameters: int | None
    depth: int = 0
    connected_to: tuple[str, ...] | None = None
    name_cut: bool = False
    type_cut: bool = False
    shapes_cut: bool = False
    shared: bool = False
    line: int = 0

    @property
    def cut(self) -> bool:
        """Whether the name or the type is only the beginning of the real one."""
        return self.name_cut or self.type_cut


@dataclass(frozen=True, slots=True)
class ReferenceSummary:
    """A whole summary.

    `total` is the model's own parameters, without the optimiser's; None where the text gives none.
    """

    tool: Tool
    model: str | None
    rows: tuple[ReferenceRow, ...]
    total: int | None = None
    trainable: int | None = None
    non_trainable: int | None = None
    notes: tuple[str, ...] = ()
    source: str = "reference"


def read_reference(text: str, name: str) -> ReferenceSummary:
    """Read a summary text; `name` is what errors and messages call it.

    Raises ReferenceTextError where it cannot be read.
    """
    from archonnx.compiler.analysis import reference_json, reference_text

    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return reference_json.read(text, name)
    table = reference_text.find_table(text, name)
    if table.style == "torchinfo":
        from archonnx.compiler.analysis import reference_torchinfo

        return reference_torchinfo.read(table)
    if table.style == "boxed":
        from archonnx.compiler.analysis import reference_boxed

        return reference_boxed.read(table)
    from archonnx.compiler.analysis import reference_ruled

    return reference_ruled.read(table)


def read_reference_file(path: str | Path) -> ReferenceSummary:
    """Read a summary from a file: UTF-8, or UTF-16 with its mark (as PowerShell's `>` writes it)."""
    data = Path(path).read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = (
            f"byte {error.start} is not {encoding.removesuffix('-sig').upper()}: expected a summary saved as UTF-8 text"
        )
        raise ReferenceTextError(str(path), line, message) from error
    return read_reference(text, str(path))
