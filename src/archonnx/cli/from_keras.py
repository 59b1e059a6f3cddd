"""`archonnx from-keras FILE -o MODEL.arch`: a model of Keras as a source text, with its weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from archonnx.cli.console import Steps, busy, out, say, size_text
from archonnx.cli.options import FilePath, color_option
from archonnx.cli.quiet import quieted
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel


@click.command("from-keras")
@click.argument("file", type=FilePath())
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    metavar="OUT.arch|OUT.onnx",
    help="Where the source goes, or the compiled model; by default the source is printed.",
)
@click.option(
    "--weights", type=FilePath(), metavar="OUT", help="Where the weights go: .safetensors, .npz, .pth and others."
)
@color_option
def from_keras(file: Path, output: Path | None, weights: Path | None) -> int:
    """Write the source text of a model of Keras.

    FILE is a whole model, saved by `model.save`: .keras, or the .h5 of Keras 1 and 2. The text compiles to the same
    function; layers keep their names, and the weights written beside it are called by them. What the language has no
    counterpart of is listed, all at once, and nothing is written.

    Keras builds the model. Its safe mode stays on: a file that wants to run Python code (a Lambda) is refused.

    \b
    Examples:
      archonnx from-keras model.keras
      archonnx from-keras model.keras -o model.arch --weights model.safetensors
      archonnx build model.arch --weights model.safetensors
      archonnx from-keras model.keras -o model.onnx
    """
    if output is not None and output.suffix not in (".arch", ".onnx"):
        raise UsageError(f"-o {output}: the file's name ends in .arch or .onnx")
    from archonnx.compiler.weights.files.formats import format_to_write

    if weights is not None:
        format_to_write(weights)
    began = time.perf_counter()
    with quieted(), busy(f"reading {file}"):
        from archonnx.compiler.keras.reading.files import load
        from archonnx.compiler.keras.reading.reader import from_keras as read

        model = read(load(file))
    if weights is not None:
        _write_weights(model, weights)
    if output is None:
        out(model.text.rstrip("\n"))
    elif output.suffix == ".onnx":
        with Steps(f"building {output.name}") as steps:
            model.save(output, progress=steps)
    else:
        model.save_source(output)
    if output is not None:
        count = sum(weight.size for weight in model.graph.weights())
        say(f"{output}: {model.name}, {count:,} parameters, in {time.perf_counter() - began:.2f} s")
    return 0


def _write_weights(model: CompiledModel, path: Path) -> None:
    """The weights by their paths, in a file of the format that the name ends in."""
    from archonnx.compiler.recipes import Draw
    from archonnx.compiler.weights.files.base import Entry, Tensor
    from archonnx.compiler.weights.files.formats import write_tensors

    evaluation = model.evaluation()
    tensors = {}
    for weight in model.graph.weights():
        entry = Entry(weight.dtype, weight.shape)
        tensors[weight.path] = Tensor(entry, lambda w=weight: iter([Draw(w).whole(evaluation).reshape(-1)]))  # type: ignore[misc]
    with Steps(f"writing {path.name}") as steps:
        form = write_tensors(path, tensors, {}, steps)
    nbytes = sum(tensor.entry.bytes for tensor in tensors.values())
    say(f"{path}: {len(tensors):,} tensors, {size_text(nbytes)}, {form.title}")
