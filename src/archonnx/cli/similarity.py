"""How alike vectors are: a table of the cosines of each with each, one row for each text or example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import out, plain, rich_console, styled
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    import numpy as np

MOST = 64  # vectors that are compared
_WIDTH = 48  # characters of a text that are shown


def cosines(outputs: Mapping[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The cosines of the rows of every output that is a vector an example, float[N, D], by the output's name: [N, N].

    A row of zeros is like nothing: its cosines are NaN. Raises UsageError where no output is such, or N is too large.
    """
    import numpy as np

    fitting = {n: a for n, a in outputs.items() if getattr(a, "ndim", 0) == 2 and a.dtype.kind in "fV" and a.size}
    if not fitting:
        gives = ", ".join(f"{n} of shape {list(getattr(a, 'shape', []))}" for n, a in outputs.items())
        raise UsageError(f"--similarity compares vectors, one an example: [N, D]; the model gives {gives}")
    count = max(len(array) for array in fitting.values())
    if count > MOST:
        raise UsageError(f"--similarity compares at most {MOST} vectors, received {count}; write them with --output")
    found = {}
    for name, array in fitting.items():
        rows = array.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            found[name] = rows @ rows.T
    return found


def print_cosines(found: Mapping[str, np.ndarray[Any, Any]], texts: Sequence[str]) -> None:
    """A table for each output. texts: what the vectors are of, where they are of texts."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for name, table in found.items():
        out(styled(f"{name}: cosines", "bold"))
        made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        made.add_column("", justify="right", style="dim", no_wrap=True)
        if texts:
            made.add_column("text", no_wrap=True)
        for number in range(1, len(table) + 1):
            made.add_column(str(number), justify="right", no_wrap=True)
        for row, values in enumerate(table):
            shown = [Text(_short(texts[row]))] if texts else []
            made.add_row(str(row + 1), *shown, *(f"{value:.4f}" for value in values))
        rich_console(width=max(160, 24 + _WIDTH + 9 * len(table))).print(made)


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
