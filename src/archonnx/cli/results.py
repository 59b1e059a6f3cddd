"""Arrays as people and tools read them: tables for small results, the best K of classifiers, JSON and NumPy files."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import out, rich_console, say, styled
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.files import replace_file, replacing

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

TABLE_ROWS = 64  # a result of so many rows
TABLE_COLUMNS = 16  # and columns, inputs included, is printed as a table
SHOWN_ROWS = 16  # rows of which the best K are listed
SHOWN_VALUES = 8  # values shown of a large output


def print_results(inputs: Arrays, outputs: Arrays, top: int | None, labels: Sequence[str] | None) -> None:
    """Print a table of inputs and outputs where all is small, else each output, or the best `top` of its rows."""
    if top is None and print_table(inputs, outputs):
        return
    for name, array in outputs.items():
        shape = ", ".join(map(str, array.shape))
        out(f"{styled(name, 'bold')}: {array.dtype}[{shape}]")
        if top is not None and array.ndim >= 1 and array.shape[-1] > 1:
            _print_best(array, top, labels)
        else:
            _print_values(array)


def columns(arrays: Arrays) -> list[tuple[str, np.ndarray[Any, Any]]] | None:
    """Each array as columns over its first axis: `bits` of [N, 2] gives `bits[0]`, `bits[1]`; None for too many."""
    found: list[tuple[str, Any]] = []
    for name, array in arrays.items():
        if array.ndim == 0:
            return None
        wide = array.reshape(array.shape[0], -1) if array.shape[0] else array.reshape(0, 1)
        if wide.shape[1] > TABLE_COLUMNS:
            return None
        if wide.shape[1] == 1:
            found.append((name, wide[:, 0]))
        else:
            for index in range(wide.shape[1]):
                place = _unravel(index, array.shape[1:])
                found.append((f"{name}[{', '.join(map(str, place))}]", wide[:, index]))
    return found


def print_table(inputs: Arrays, outputs: Arrays) -> bool:
    """Print inputs beside outputs, a row an example, where both are small enough; say whether that was so."""
    left, right = columns(inputs), columns(outputs)
    if not left or not right or len(left) + len(right) > TABLE_COLUMNS:
        return False
    rows = {len(values) for _, values in left + right}
    if len(rows) != 1 or not 1 <= max(rows) <= TABLE_ROWS:
        return False
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, (name, _) in enumerate(left + right):
        table.add_column(name, justify="right", style="bold" if position >= len(left) else "", no_wrap=True)
    for row in range(max(rows)):
        table.add_row(*(shown(values[row]) for _, values in left + right))
    rich_console().print(table)
    return True


def shown(value: Any) -> str:
    """A number in the fewest digits that tell it to six places."""
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    if kind == "b":
        return "1" if value else "0"
    if kind in "iu":
        return str(int(value))
    if kind in "OSU":
        return str(value)
    return f"{float(value):.6g}"


def best(row: np.ndarray[Any, Any], top: int, labels: Sequence[str] | None) -> list[dict[str, Any]]:
    """The `top` largest of a row, largest first, ties in their order; each with its index, label and value."""
    import numpy as np

    order = np.argsort(-row.astype(np.float64), kind="stable")[:top]
    found = []
    for index in map(int, order):
        entry: dict[str, Any] = {"index": index, "value": _plain(row[index].item())}
        if labels is not None and index < len(labels):
            entry["label"] = labels[index]
        found.append(entry)
    return found


def _print_best(array: np.ndarray[Any, Any], top: int, labels: Sequence[str] | None) -> None:
    rows = array.reshape(-1, array.shape[-1])
    for number, row in enumerate(rows[:SHOWN_ROWS]):
        if len(rows) > 1:
            place = ", ".join(map(str, _unravel(number, array.shape[:-1])))
            out(styled(f"  [{place}]", "dim"))
        entries = best(row, top, labels)
        names = [entry.get("label", str(entry["index"])) for entry in entries]
        width = max(map(len, names), default=0)
        for name, entry in zip(names, entries, strict=True):
            value = entry["value"]
            out(f"  {name:<{width}}  {value if isinstance(value, str) else format(value, '.6g')}")
    if len(rows) > SHOWN_ROWS:
        out(styled(f"  ... and {len(rows) - SHOWN_ROWS} more rows", "dim"))


def _print_values(array: np.ndarray[Any, Any]) -> None:
    import numpy as np

    flat = array.reshape(-1)
    if array.size <= 200 and array.ndim <= 2:
        rows = array.reshape(-1, array.shape[-1]) if array.ndim == 2 else [flat]
        for row in rows:
            out("  " + "  ".join(shown(value) for value in row))
        return
    first = "  ".join(shown(value) for value in flat[:SHOWN_VALUES])
    out(f"  {first}  ... ({array.size:,} values)")
    if array.dtype.kind in "fiub" or array.dtype.kind == "V":
        real = array.astype(np.float64)
        out(f"  smallest {real.min():.6g}, largest {real.max():.6g}, mean {real.mean():.6g}")


def as_json(outputs: Arrays, top: int | None, labels: Sequence[str] | None, about: Mapping[str, Any]) -> str:
    """The outputs as one JSON document, beside what `about` says of the run; NaN and infinities become strings."""
    document: dict[str, Any] = {"outputs": {}, **about}
    for name, array in outputs.items():
        entry: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
        if top is not None and array.ndim >= 1 and array.shape[-1] > 1:
            entry["top"] = [best(row, top, labels) for row in array.reshape(-1, array.shape[-1])]
        else:
            entry["data"] = _plain(array.tolist())
        document["outputs"][name] = entry
    return json.dumps(document)


def _plain(value: Any) -> Any:
    """Nested lists of numbers as JSON has them."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return float(value)


def write_results(path: Path, outputs: Arrays) -> None:
    """Write the outputs, whole or not at all: .npz holds all by name, .npy one array, .json as --format json prints it.

    Raises UsageError for another ending, or for .npy where there are several outputs; OSError where writing fails.
    """
    import numpy as np

    if path.suffix == ".npz":
        with replacing(path) as stream:
            stored: dict[str, Any] = {name: _storable(name, array) for name, array in outputs.items()}
            np.savez(stream, **stored)
    elif path.suffix == ".npy":
        if len(outputs) != 1:
            raise UsageError(
                f"--output {path}: .npy holds one array, there are {len(outputs)} outputs; name a .npz file"
            )
        ((name, array),) = outputs.items()
        with replacing(path) as stream:
            np.save(stream, _storable(name, array))
    elif path.suffix == ".json":
        replace_file(path, (as_json(outputs, None, None, {}) + "\n").encode("utf-8"))
    else:
        raise UsageError(f"--output {path}: the file's name ends in .npz, .npy or .json")
    say(f"{path}: written")


def _storable(name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array as NumPy's files can hold it: bfloat16 and float8, which they cannot, as float32, and that is said."""
    import numpy as np

    if array.dtype.kind != "V" and array.dtype.isbuiltin == 1:
        return array
    if array.dtype.kind == "O":
        return array.astype(str)
    print(f"{name}: {array.dtype} is stored as float32, which holds each of its values", file=sys.stderr)
    return array.astype(np.float32)


def _unravel(index: int, shape: Sequence[int]) -> tuple[int, ...]:
    place: list[int] = []
    for extent in reversed(shape):
        index, rest = divmod(index, extent)
        place.append(rest)
    return tuple(reversed(place))
