"""`archonnx plot FILE -o PICTURE`: a model as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archonnx.cli.console import busy, say
from archonnx.cli.options import FilePath, arch_argument, color_option, compiled, model_options


@click.command()
@arch_argument
@click.option("-o", "--output", type=FilePath(), metavar="PICTURE", help="x.svg or x.png; by default MODEL.svg.")
@model_options
@click.option("--fold", type=click.IntRange(min=0), metavar="N", help="Draw blocks deeper than N as one box each.")
@click.option("--direction", type=click.Choice(["down", "right"]), default="down", show_default=True)
@color_option
def plot(
    file: Path,
    output: Path | None,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    fold: int | None,
    direction: str,
) -> int:
    """Draw a model.

    Layers are boxes, blocks the frames around them, and every edge carries the shape of what flows along it. Large
    models are folded until they can be read; --fold says how far. The ending of PICTURE, .svg or .png, chooses the
    format.

    \b
    Examples:
      archonnx plot models/dnn.arch -o dnn.svg
      archonnx plot models/resnet.arch --model ResNet50 --fold 1 -o resnet50.png
    """
    result = compiled(file, model, parameters, root)
    from archonnx.compiler.analysis.plot import plot as draw

    target = output or Path(f"{result.name}.svg")
    with busy(f"drawing {target.name}"):
        draw(result.graph, target, fold=fold, direction=direction)
    say(f"{target}: {result.name}")
    return 0
