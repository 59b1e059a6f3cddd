"""`archonnx weights diff A B`: what of the weights in two files differs, and by how much."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, out, plain, say, styled
from archonnx.cli.options import FilePath, color_option, format_option

if TYPE_CHECKING:
    from archonnx.compiler.weights.files.base import Entry
    from archonnx.compiler.weights.files.difference import Difference


def _tolerance(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("it is a number from 0 on", ctx, param)
    return value


@click.command(short_help="Compare the tensors of two files.")
@click.argument("first", metavar="A", type=FilePath())
@click.argument("second", metavar="B", type=FilePath())
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    callback=_tolerance,
    metavar="T",
    help="Let numbers differ by an error of at most T, and their types too; by default every bit counts.",
)
@format_option("text", "json")
@color_option
def diff(first: Path, second: Path, tolerance: float | None, format: str) -> int:
    """Say which tensors of two files differ, and by how much, the worst first.

    A and B are files that `archonnx weights list` shows, of any two formats. Tensors are compared by name. The error
    of a tensor is the largest |a - b| over the largest |b|, or over 1e-6 where that is larger. NaN at the same place in
    both are equal numbers, whatever their bits. The exit code is 0 where all is the same, else 1.

    \b
    Examples:
      archonnx weights diff before.safetensors after.safetensors
      archonnx weights diff model.pth model.onnx --tolerance 1e-6
      archonnx weights diff a.npz b.npz --format json | jq .same
    """
    from archonnx.compiler.weights.files.difference import differences
    from archonnx.compiler.weights.files.formats import open_tensors
    from archonnx.contract import metadata

    with open_tensors(first) as a, open_tensors(second) as b, Steps(f"comparing with {second.name}") as steps:
        found = list(differences(a, b, steps))
        built = [
            file.format == "onnx" and {metadata.VERSION, metadata.SOURCE} <= file.metadata.keys() for file in (a, b)
        ]
    same = all(tensor.within(tolerance) for tensor in found)
    if format == "json":
        out(json.dumps(_document(first, second, tolerance, found), indent=2, ensure_ascii=False))
    else:
        _table(first, second, tolerance, found)
    if not same and built[0] != built[1]:
        model = plain((first if built[0] else second).name)
        say(f"note: {model} has tensors as the graph's operators take them, whatever they are called")
        say(f"help: `archonnx weights export MODEL.arch OUT --weights {model}` writes the weights")
    return 0 if same else 1


def _document(first: Path, second: Path, tolerance: float | None, found: Sequence[Difference]) -> dict[str, Any]:
    def entry(entry: Entry | None) -> dict[str, Any] | None:
        return None if entry is None else {"dtype": entry.dtype, "shape": list(entry.shape)}

    rows = [
        {
            "name": tensor.name,
            "result": tensor.kind.value,
            "same": tensor.within(tolerance),
            "a": entry(tensor.first),
            "b": entry(tensor.second),
            "largest": _number(tensor.largest) if tensor.first and tensor.second else None,
            "error": _number(tensor.error) if tensor.first and tensor.second else None,
            "at": None if tensor.at is None else list(tensor.at),
            "nan": tensor.nan,
        }
        for tensor in found
    ]
    same = all(tensor.within(tolerance) for tensor in found)
    return {"a": str(first), "b": str(second), "tolerance": tolerance, "same": same, "tensors": rows}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else "Infinity"


def _table(first: Path, second: Path, tolerance: float | None, found: Sequence[Difference]) -> None:
    from archonnx.compiler.weights.files.difference import Kind

    order = list(Kind)
    unlike = [tensor for tensor in found if tensor.kind is not Kind.EQUAL]
    unlike.sort(key=lambda tensor: (-tensor.error, order.index(tensor.kind)))
    head = ("Name", "A", "B", "Largest", "Error", "At")
    rows = [(tensor, _row(tensor)) for tensor in unlike]
    if rows:
        widths = [max(len(row[i]) for row in (head, *(row for _, row in rows))) for i in range(6)]
        for tensor, row in ((None, head), *rows):
            line = f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:{widths[2]}}  "
            line = (line + f"{row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}  {row[5]}").rstrip()
            good = tensor is not None and tensor.within(tolerance)
            out(styled(line, "bold") if tensor is None else styled(line, "dim") if good else line)
    out(f"{first}, {second}: {_summary(tolerance, found)}")


def _row(tensor: Difference) -> tuple[str, ...]:
    from archonnx.compiler.weights.files.difference import Kind

    name, a, b = plain(tensor.name), str(tensor.first or "-"), str(tensor.second or "-")
    if tensor.kind in (Kind.ONLY_FIRST, Kind.ONLY_SECOND, Kind.SHAPE):
        return (name, a, b, "", "", "")
    if tensor.kind is Kind.BITS:
        return (name, a, b, "0", "0", "-0.0 or NaN of other bits")
    return (name, a, b, f"{tensor.largest:.3g}", f"{tensor.error:.2g}", "" if tensor.at is None else str([*tensor.at]))


def _summary(tolerance: float | None, found: Sequence[Difference]) -> str:
    from archonnx.compiler.weights.files.difference import Kind

    count = {kind: sum(tensor.kind is kind for tensor in found) for kind in Kind}
    both = [tensor for tensor in found if tensor.kind not in (Kind.ONLY_FIRST, Kind.ONLY_SECOND)]
    parts = [f"{len(both):,} tensor{'' if len(both) == 1 else 's'} in both"]
    if count[Kind.EQUAL]:
        parts.append("all equal bit by bit" if count[Kind.EQUAL] == len(found) else f"{count[Kind.EQUAL]:,} equal")
    for kind, text in (
        (Kind.BITS, "{} of the same numbers in other bits"),
        (Kind.DTYPE, "{} of the same numbers in other types"),
        (Kind.SHAPE, "{} of other shapes"),
        (Kind.ONLY_FIRST, "{} only in A"),
        (Kind.ONLY_SECOND, "{} only in B"),
    ):
        if count[kind]:
            parts.append(text.format(f"{count[kind]:,}"))
    apart = [tensor for tensor in found if tensor.kind is Kind.VALUES]
    if apart:
        within = sum(tensor.within(tolerance) for tensor in apart)
        noun = "differs" if len(apart) == 1 else "differ"
        parts.append(f"{len(apart):,} {noun}, by an error of at most {max(tensor.error for tensor in apart):.2g}")
        if within:
            parts.append(f"{within:,} of them within {tolerance:g}")
    if nan := sum(tensor.nan for tensor in found):
        parts.append(f"{nan:,} NaN in both at the same place")
    return ", ".join(parts)
