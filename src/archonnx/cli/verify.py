"""`archonnx verify FILE`: a model checked against a second opinion."""

from __future__ import annotations

import json
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from archonnx.cli.console import busy, colorful, out, styled
from archonnx.cli.filling import filled, wanted, weights_options
from archonnx.cli.options import FilePath, arch_argument, color_option, compiled, format_option, model_options
from archonnx.cli.quiet import quieted
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel


@click.command()
@arch_argument
@model_options
@click.option(
    "--via",
    type=click.Choice(["keras", "prediction", "torch"]),
    help="`keras` insists on the graph that Keras and tf2onnx make, `prediction` leaves it out, which is faster; by "
    "default it is compared where there is one, and Keras is left out where --against names a file. `torch` compares "
    "with the module that PyTorch has of the layers instead.",
)
@click.option("--against", type=FilePath(), metavar="OTHER.onnx", help="Compare with this file.")
@weights_options
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="The error that is allowed, relative to the largest number of a result; by default 0.0001, 0.005 where the "
    "model computes in float16, 0.04 in bfloat16.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="What inputs and initial weights are drawn from.",
)
@click.option("--bind", multiple=True, metavar="SYMBOL=SIZE", help="Take a symbol for a number, as in --bind T=128.")
@click.option("--layers", is_flag=True, help="Compare the result of every layer, also where the outputs agree.")
@format_option("text", "json")
@color_option
def verify(
    file: Path,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    via: str | None,
    against: Path | None,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    tolerance: float | None,
    seed: int,
    bind: tuple[str, ...],
    layers: bool,
    format: str,
) -> int:
    """Check a model against Keras, PyTorch or another file.

    The same weights and the same seeded inputs go through archonnx's graph, through the model that Keras builds, and
    through the graph that tf2onnx makes of it: batches of 1, 2 and 5, and at least two values of every open size. Each
    output is compared; where one differs, the first layer whose result does is named with its line. Sizes, times and
    a ledger of the parameters of all sides follow. Weights that would start all alike, biases and norms, are drawn
    too, so that no zero hides a mistake.

    The error is max|y - ref| / max(1e-6, max|ref|). The exit code is 0 where all agree within the tolerance, else 1.

    \b
    Examples:
      archonnx verify models/dnn.arch
      archonnx verify models/resnet.arch --model ResNet50 --via prediction --layers
      archonnx verify model.arch --weights model.safetensors --against exported.onnx
      archonnx verify model.arch --via torch
      archonnx verify model.arch --format json | jq .agrees
    """
    if tolerance is not None and math.isnan(tolerance):
        raise UsageError("--tolerance is a number of at least 0, got nan")
    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none: there is nothing to compare without weights")
    result = filled(compiled(file, model, parameters, root), asked)
    sizes = _bound(result, bind)
    from archonnx.cli.verify_text import document, render
    from archonnx.verifying.checking import verify as check

    with quieted():
        report = check(
            result,
            via=cast(Literal["keras", "prediction", "torch"] | None, via),
            against=against,
            tolerance=tolerance,
            seed=seed,
            bind=sizes,
            layers=layers,
            stage=_stage,
        )
    if format == "json":
        out(json.dumps(document(report), indent=2, ensure_ascii=False))
    else:
        from archonnx.contract.render import render_text

        *lines, last = render(report).rstrip("\n").split("\n\n")
        out("\n\n".join(lines) + "\n")
        for pair in report.pairs:
            if pair.found is not None:
                out(render_text([pair.found], result.sources, color=colorful_out()) + "\n")
        out(styled(last, "green" if report.agrees else "red"))
    return 0 if report.agrees else 1


def colorful_out() -> bool:
    """Whether stdout is coloured."""
    import sys

    return colorful(sys.stdout)


def _stage(text: str) -> AbstractContextManager[object]:
    return busy(text)


def _bound(model: CompiledModel, bind: tuple[str, ...]) -> dict[str, int]:
    """The sizes that --bind gives. UsageError for what is no symbol of the inputs, or no size."""
    from archonnx.cli.literals import assignments
    from archonnx.contract.dims import symbol

    sizes = assignments(bind, "--bind")
    shape = {d for given in model.graph.inputs for d in given.value.type.shape if not isinstance(d, int)}
    known = {s for d in shape for s in d.symbols()}
    for name, size in sizes.items():
        if name not in known:
            raise UsageError(
                f"--bind {name}: the model has no symbol {name}; it has {', '.join(sorted(known)) or 'none'}"
            )
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise UsageError(f"--bind {name}: expected a size, a whole number, got {size!r}")
        if size == 0 and symbol(name) in shape:
            raise UsageError(f"--bind {name}: {name} is at least 1, got 0")
    return sizes
