"""`archonnx weights export FILE OUT`: the weights of a model as another tool has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, say, size_text
from archonnx.cli.filling import filled, wanted, weights_options
from archonnx.cli.options import FilePath, arch_argument, color_option, compiled, model_options
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.weights.exporting import Written

NAMES = {"none": "names as the model has them", "torch": "PyTorch's names", "keras": "Keras' names"}


@click.command(short_help="Write a model's weights as PyTorch or Keras has them.")
@arch_argument
@click.argument("target", metavar="OUT", type=FilePath())
@click.option(
    "--layout",
    type=click.Choice(["torch", "keras", "none"]),
    help="Whose names and order of axes; by default PyTorch's for .pth, .pt and .bin, Keras' for .h5, and the "
    "model's own for other files.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="What weights without a file are drawn from.",
)
@weights_options
@model_options
@color_option
def export(
    file: Path,
    target: Path,
    layout: str | None,
    seed: int,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
) -> int:
    """Write the weights of the model in FILE into OUT, named and laid out as another tool has them.

    With --layout torch, OUT holds what `archonnx.to_torch(model).state_dict()` is: `stage_1.conv2d.weight`, kernels
    with the channels first, products as (out, in), gates in PyTorch's order. PyTorch is not needed to write it, and
    `archonnx build --weights OUT` reads it back. With --layout keras, tensors have the names of Keras' variables; a
    .h5 is loaded with `load_weights(OUT, by_name=True)`. The ending of OUT chooses the format. OUT appears when it is
    complete; where something is wrong, nothing is written and an old file stays.

    \b
    Examples:
      archonnx weights export models/resnet.arch resnet50.pth --model ResNet50 --weights resnet50.onnx
      archonnx weights export model.arch model.safetensors --layout torch --weights trained.h5
      archonnx weights export model.arch start.npz --seed 7
    """
    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none leaves nothing to write; leave it out, or name a file")
    result = filled(compiled(file, model, parameters, root), asked)
    with Steps(f"writing {target.name}") as steps:
        written: Written = result.save_weights(target, layout=layout, seed=seed, progress=steps)  # type: ignore[arg-type]
    noun = "tensor" if written.tensors == 1 else "tensors"
    said = f"{written.tensors:,} {noun}, {size_text(written.nbytes)}, {written.format}, {NAMES[written.layout]}"
    say(f"{target}: {said}")
    return 0
