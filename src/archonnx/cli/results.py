"""Results as people and tools read them: tables for small results, the best K of classifiers, JSON, .npz files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import out, rich_console, say, styled
from archonnx.cli.objects import are_objects, objects, print_objects
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    import numpy as np

TABLE_ROWS = 64  # a result of so many rows
TABLE_COLUMNS = 16  # and columns, inputs included, is printed as a table
_ANY_WIDTH = 100_000
SHOWN_ROWS = 16  # rows of which the best K are listed
SHOWN_VALUES = 8  # values shown of a large output
BEST = 5  # classes listed of a classifier's scores where --top says nothing

Results = Mapping[str, Any]  # arrays by name; models of others may give sequences and maps too


def print_results(inputs: Results, outputs: Results, most: int | None, labels: Sequence[str] | None) -> None:
    """Print a table of inputs and outputs where all is small, else each output, or the `most` best of its rows.

    Rows of one score for each label are always shown by their best, a detector's objects by their names.
    """
    if labels is not None and are_objects(outputs, labels):
        print_objects(outputs, labels, most)
        return
    scored = any(is_scores(array, labels) for array in outputs.values())
    if most is None and not scored and print_table(inputs, outputs):
        return
    for name, array in outputs.items():
        if not hasattr(array, "dtype"):
            out(f"{styled(name, 'bold')}: {array!r}")
            continue
        out(f"{styled(name, 'bold')}: {_dtype(array)}[{', '.join(map(str, array.shape))}]")
        if array.size == 0:
            out("  nothing")
            continue
        shown_best = most or (BEST if is_scores(array, labels) else None)
        rows = None if shown_best is None else ranked(array, shown_best, labels)
        if rows is None:
            _print_values(array)
        else:
            _print_best(rows, array.shape[:-1])


def columns(arrays: Results) -> list[tuple[str, np.ndarray[Any, Any]]] | None:
    """Each array as columns over its first axis: `bits` of [N, 2] gives `bits[0]`, `bits[1]`; None for too many."""
    found: list[tuple[str, Any]] = []
    for name, array in arrays.items():
        if getattr(array, "ndim", 0) == 0:
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


def print_table(inputs: Results, outputs: Results) -> bool:
    """Print inputs beside outputs, a row an example, where both are small enough and the terminal is so wide that no
    number is cut; say whether that was so."""
    left, right = columns(inputs), columns(outputs)
    if not left or not right or len(left) + len(right) > TABLE_COLUMNS:
        return False
    rows = {len(values) for _, values in left + right}
    if len(rows) != 1 or not 1 <= max(rows) <= TABLE_ROWS:
        return False
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, (name, values) in enumerate(left + right):
        style, text = "bold" if position >= len(left) else "", values.dtype.kind in "OSU"
        table.add_column(name, justify="left" if text else "right", style=style, no_wrap=not text)
    for row in range(max(rows)):
        table.add_row(*(shown(values[row]) for _, values in left + right))
    console = rich_console()
    if console.measure(table, options=console.options.update(max_width=_ANY_WIDTH)).maximum > console.width:
        return False
    console.print(table)
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


def is_scores(array: Any, labels: Sequence[str] | None) -> bool:
    """Whether an output is rows of one score for each label: a classifier's answer."""
    return labels is not None and getattr(array, "ndim", 0) == 2 and array.shape[-1] == len(labels) > 1


def unlabelled(outputs: Results, labels: Sequence[str]) -> int | None:
    """How many classes the scores have where these are not as many as there are labels; None where all is well."""
    rows = [array for array in outputs.values() if getattr(array, "ndim", 0) == 2 and array.shape[-1] > 1]
    if len(rows) != len(outputs) or any(is_scores(array, labels) for array in rows):
        return None
    return int(rows[0].shape[-1]) if rows else None


def ranked(array: Any, most: int, labels: Sequence[str] | None) -> list[list[dict[str, Any]]] | None:
    """The `most` largest of each row, largest first, with index, label and value; None for what cannot be ranked.

    Labels are used where there is one for each place along the last axis.
    """
    from archonnx.runtime.results import top

    if getattr(array, "ndim", 0) == 0 or array.shape[-1] < 2 or array.dtype.kind not in "fiubV":
        return None
    fitting = labels if labels is not None and len(labels) == array.shape[-1] else None
    return [
        [{"index": index, **({"label": label} if fitting else {}), "value": value} for index, label, value in row]
        for row in top(array, most, fitting)
    ]


def _print_best(rows: list[list[dict[str, Any]]], shape: Sequence[int]) -> None:
    for number, entries in enumerate(rows[:SHOWN_ROWS]):
        if len(rows) > 1:
            out(styled(f"  [{', '.join(map(str, _unravel(number, shape)))}]", "dim"))
        names = [str(entry.get("label", entry["index"])) for entry in entries]
        width = max(map(len, names), default=0)
        for name, entry in zip(names, entries, strict=True):
            out(f"  {name:<{width}}  {entry['value']:.6g}")
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


def as_json(outputs: Results, most: int | None, labels: Sequence[str] | None, about: Mapping[str, Any]) -> str:
    """The outputs as one JSON document, beside what `about` says of the run; NaN and infinities become strings.

    With `most` the best of each row stand in the place of the data; rows of scores that have labels have both.
    """
    document: dict[str, Any] = {"outputs": {}, **about}
    for name, value in outputs.items():
        if not hasattr(value, "dtype"):  # a sequence or a map
            document["outputs"][name] = {"data": plain_values(value)}
            continue
        entry: dict[str, Any] = {"dtype": _dtype(value), "shape": list(value.shape)}
        best = most or (BEST if is_scores(value, labels) else None)
        rows = None if best is None else ranked(value, best, labels)
        if rows is None or most is None:
            entry["data"] = plain_values(value)
        if rows is not None:
            entry["top"] = plain_values(rows)
        document["outputs"][name] = entry
    if labels is not None and are_objects(outputs, labels):
        document["objects"] = objects(outputs, labels)[:most]
    return json.dumps(document)


def _dtype(array: Any) -> str:
    """numpy's name of an array's type; of Python's strings, what they are."""
    from archonnx.runtime.arrays import holds_text

    return "string" if holds_text(array) else str(array.dtype)


def plain_values(value: Any) -> Any:
    """Results, nested lists and maps of numbers as JSON has them."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if value is None or isinstance(value, bool | int | str):
        return value
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def check_ending(path: Path) -> None:
    """Raise UsageError for a file that `write_results` does not write, before anything is computed."""
    if path.suffix not in (".npz", ".json"):
        raise UsageError(f"--output {path}: the file's name ends in .npz or .json")


def write_results(path: Path, outputs: Results) -> None:
    """Write the outputs by name, whole or not at all: .npz, or .json as --format json prints them.

    bfloat16 and float8, which NumPy's files do not hold, are written as float32, which holds their values. Raises
    UsageError for an ending that is neither, or for a sequence or map in .npz; OSError where writing fails.
    """
    check_ending(path)
    if path.suffix == ".json":
        from archonnx.contract.files import replace_file

        replace_file(path, (as_json(outputs, None, None, {}) + "\n").encode("utf-8"))
    else:
        from archonnx.runtime.results import save_npz

        for name, value in outputs.items():
            if not hasattr(value, "dtype"):
                raise UsageError(f"--output {path}: {name} is no array but a {type(value).__name__}; name a .json file")
        save_npz(path, outputs)
    say(f"{path}: written")


def _unravel(index: int, shape: Sequence[int]) -> tuple[int, ...]:
    place: list[int] = []
    for extent in reversed(shape):
        index, rest = divmod(index, extent)
        place.append(rest)
    return tuple(reversed(place))
