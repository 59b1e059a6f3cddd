"""`archonnx weights list FILE` and `archonnx weights convert IN OUT`: files of weights of any format that is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, out, plain, say, size_text, styled
from archonnx.cli.options import FilePath, Size, color_option, format_option
from archonnx.cli.weights_diff import diff
from archonnx.cli.weights_export import export
from archonnx.cli.weights_map import map_
from archonnx.cli.weights_write import write
from archonnx.contract import metadata
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.dtypes import DTYPES, is_float

if TYPE_CHECKING:
    from archonnx.compiler.weights.files.base import Tensor, TensorFile

TARGETS = ("float64", "float32", "float16", "bfloat16")


@click.group(context_settings={"max_content_width": 120})
def weights() -> None:
    """List, convert, compare and write files of weights, and propose maps.

    A file is known by its content, whatever it is called. Only the part that says what is in it is read to list it,
    and a slice at a time lies in memory to convert it, so files may be larger than memory.

    \b
    Examples:
      archonnx weights list model.safetensors
      archonnx weights convert model.npz model.safetensors
      archonnx weights diff model.npz model.safetensors
      archonnx weights export model.arch model.pth
      archonnx weights map model.arch other.pth -o model.other.map
      archonnx weights write model.onnx --weights model.safetensors
    """


weights.add_command(diff)
weights.add_command(map_)
weights.add_command(export)
weights.add_command(write)


@weights.command("list")
@click.argument("file", type=FilePath())
@format_option("text", "json")
@color_option
def list_(file: Path, format: str) -> int:
    """List the tensors in a file: names, types, sizes.

    FILE may be safetensors (.safetensors, or the .safetensors.index.json of several), a NumPy archive (.npz), an ONNX
    model (.onnx), whose initializers are listed, a state dictionary of PyTorch (.pth, .pt, .bin), Keras' weights
    (.keras, .weights.h5, .weights.json, .h5) or GGUF (.gguf).

    \b
    Examples:
      archonnx weights list model.safetensors
      archonnx weights list model.onnx --format json | jq '.tensors[].name'
    """
    from archonnx.compiler.weights.files.formats import open_tensors

    with open_tensors(file) as tensors:
        if format == "json":
            out(json.dumps(_document(file, tensors), indent=2, ensure_ascii=False))
        else:
            _table(file, tensors)
    return 0


def _document(file: Path, tensors: TensorFile) -> dict[str, Any]:
    rows = [
        {"name": name, "dtype": entry.dtype, "shape": list(entry.shape), "elements": entry.size, "bytes": entry.bytes}
        for name, entry in tensors.entries.items()
    ]
    return {
        "file": str(file),
        "format": tensors.format,
        "tensors": rows,
        "total": {
            "tensors": len(rows),
            "elements": sum(entry.size for entry in tensors.entries.values()),
            "bytes": sum(entry.bytes for entry in tensors.entries.values()),
        },
        "metadata": dict(tensors.metadata),
    }


def _table(file: Path, tensors: TensorFile) -> None:
    entries = tensors.entries
    cells = [
        (plain(name), entry.dtype, f"[{', '.join(map(str, entry.shape))}]", f"{entry.size:,}", size_text(entry.bytes))
        for name, entry in entries.items()
    ]
    total = (
        f"{sum(entry.size for entry in entries.values()):,}",
        size_text(sum(entry.bytes for entry in entries.values())),
    )
    head = ("Name", "Type", "Shape", "Elements", "Size")
    rows = [head, *cells, ("", "", "", *total)]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in (head, *cells):
        line = f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:{widths[2]}}  {row[3]:>{widths[3]}}"
        line += f"  {row[4]:>{widths[4]}}"
        out(styled(line, "bold") if row is head else line)
    noun = "tensor" if len(cells) == 1 else "tensors"
    out(f"{file}: {len(cells):,} {noun}, {total[0]} elements, {total[1]}, {tensors.format}")
    for key, value in tensors.metadata.items():
        text = plain(value)
        out(f"  {plain(key)}: {text if len(text) <= 100 else text[:97] + '...'}")


@weights.command(short_help="Convert a file into another format or type.")
@click.argument("source", metavar="IN", type=FilePath())
@click.argument("target", metavar="OUT", type=FilePath())
@click.option("--dtype", type=click.Choice(TARGETS), help="Cast floating-point tensors; others stay as they are.")
@click.option(
    "--shard-size",
    "shard_bytes",
    type=Size(),
    metavar="SIZE",
    help="Write several files of at most this size, and an index: 5GB, 500MB. Without it, an OUT that ends with "
    ".index.json has files of 5GB.",
)
@click.option(
    "--like",
    type=FilePath(),
    metavar="FILE",
    help="For an OUT that ends with .weights.h5: a .keras or .weights.h5 of the same model, whose groups are taken.",
)
@color_option
def convert(source: Path, target: Path, dtype: str | None, shard_bytes: int | None, like: Path | None) -> int:
    """Write the tensors of one file into another, of another format or type.

    The ending of OUT chooses its format: .safetensors, .npz, .onnx and others. Names, shapes and, without --dtype,
    every bit stay as they are. OUT appears when it is complete; where something is wrong, nothing is written and an
    old file stays. With --shard-size, OUT is what the index, OUT.index.json, and its files are named after; what fits
    in one file becomes one, OUT. Values that are not a number, and those too large for the type asked for, are warned
    of; text is left out.

    \b
    Examples:
      archonnx weights convert model.npz model.safetensors
      archonnx weights convert model.safetensors half.safetensors --dtype float16
      archonnx weights convert large.pth large.safetensors --shard-size 2GB
      archonnx weights convert tuned.safetensors tuned.weights.h5 --like model.keras
    """
    from archonnx.compiler.weights.files.formats import format_to_write, open_tensors, tensors_of, write_tensors
    from archonnx.compiler.weights.files.keras_like import placed
    from archonnx.compiler.weights.files.sharding import index_of

    form = format_to_write(target, shards=shard_bytes is not None)
    if like is not None and form.name != "keras-weights":
        raise UsageError(f"--like {like}: it is for files that end with .weights.h5, {target} does not")
    with open_tensors(source) as file, open_tensors(like) if like else nullcontext() as model:
        found = tensors_of(file)
        notes: dict[str, _Note] = {name: _Note() for name in found}
        tensors = {
            name: _watched(tensor, dtype, notes[name])
            for name, tensor in found.items()
            if tensor.entry.dtype != "string"
        }
        if model is not None:
            tensors = placed(tensors, model)
        with Steps(f"writing {target.name}") as steps:
            form = write_tensors(target, tensors, file.metadata, steps, shard_bytes=shard_bytes)
        for name in (name for name in found if name not in tensors):
            _warn(f"{plain(name)} is text, not numbers; it is left out")
        for name, note in notes.items():
            for text in note.texts(dtype):
                _warn(f"{plain(name)}: {text}")
        if file.format == "onnx" != form.name and {metadata.VERSION, metadata.SOURCE} <= file.metadata.keys():
            way = f"archonnx weights export MODEL.arch {plain(target.name)} --weights {plain(source.name)}"
            _warn(f"tensors are laid out for the graph's operators, whatever they are called; the weights: {way}")
        if file.metadata and not form.keeps:
            _warn(f"{form.title} has no place for metadata; these are left out: {', '.join(map(plain, file.metadata))}")
        nbytes = sum(tensor.entry.bytes for tensor in tensors.values())
    noun = "tensor" if len(tensors) == 1 else "tensors"
    written = index_of(target) if form.pieces is not None else target
    say(f"{written}: {len(tensors):,} {noun}, {size_text(nbytes)}, {form.title}")
    return 0


class _Note:
    """What was seen of a tensor while it passed by."""

    def __init__(self) -> None:
        self.size = self.nan = self.infinite = 0

    def texts(self, dtype: str | None) -> Iterator[str]:
        if self.nan:
            yield f"{self.nan:,} of {self.size:,} values {'is' if self.nan == 1 else 'are'} not a number (NaN)"
        if self.infinite:
            become = "becomes" if self.infinite == 1 else "become"
            yield f"{self.infinite:,} of {self.size:,} values {become} infinite: {dtype} does not reach so far"


def _watched(tensor: Tensor, dtype: str | None, note: _Note) -> Tensor:
    """The tensor, cast where it is of floating point, and what is odd about its values noted."""
    import numpy as np

    from archonnx.compiler.weights.files.base import Entry, Tensor
    from archonnx.compiler.weights.recipe import Array, numpy_dtype

    kind = DTYPES[tensor.entry.dtype].kind
    if kind not in ("float", "complex"):
        return tensor
    goal = tensor.entry.dtype if dtype is None or not is_float(tensor.entry.dtype) else dtype

    def slices() -> Iterator[Array]:
        note.size = note.nan = note.infinite = 0  # a format may read twice
        for part in tensor.slices():
            note.size += part.size
            note.nan += int(np.isnan(part).sum())
            if goal == tensor.entry.dtype:
                yield part
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                cast = part.astype(numpy_dtype(goal))
            if infinite := int(np.isinf(cast).sum()):
                note.infinite += infinite - int(np.isinf(part).sum())
            yield cast

    return Tensor(Entry(goal, tensor.entry.shape), slices, tensor.place)


def _warn(text: str) -> None:
    say(f"{styled('warning', 'yellow', sys.stderr)}: {text}")
