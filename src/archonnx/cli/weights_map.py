"""`archonnx weights map MODEL.arch FILE`: a map from another tool's tensors to a model's weights, proposed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import busy, out, say
from archonnx.cli.options import ArchPath, FilePath, color_option, compiled, model_options
from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.weights.proposing.propose import Proposal


@click.command("map", short_help="Propose a map from a file's tensors to a model's weights.")
@click.argument("model_file", metavar="MODEL.arch", type=ArchPath())
@click.argument("file", type=FilePath())
@click.option("-o", "--output", type=FilePath(), metavar="OUT.map", help="Where the map goes; by default to stdout.")
@click.option("--scope", default="", metavar="PATH", help="Fill this block or layer alone; by default the whole model.")
@model_options
@color_option
def map_(
    model_file: Path,
    file: Path,
    output: Path | None,
    scope: str,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
) -> int:
    """Propose which tensors of FILE are which weights of a model, as a map that `archonnx build --map` takes.

    Tensors and weights are paired by their shapes; where several have the same, by the words and numbers in their
    names, and last by their order. Each rule says in a comment why it is one, and `unsure` where nothing but the order
    speaks for it: look at those. Only the shapes of the file are read. What stays of either side is listed in comments.

    Put it beside the model as STEM.NAME.map (models/resnet.torchvision.map for models/resnet.arch), so that --map NAME
    finds it. The exit code is 0 where every tensor and every weight is accounted for, else 1.

    \b
    Examples:
      archonnx weights map models/resnet.arch resnet50.pth --model ResNet50V1_5
      archonnx weights map model.arch weights.safetensors -o model.other.map
    """
    from archonnx.compiler.weights.filling.fill import named
    from archonnx.compiler.weights.filling.tensors import given_tensors
    from archonnx.compiler.weights.proposing.propose import propose, text_of
    from archonnx.contract.files import replacing

    result = compiled(model_file, model, parameters, root)
    with busy("comparing shapes and names"):
        given = given_tensors(file)
        agreeing = named(result, given, scope)
        made = propose(result.graph, given.tensors, given.format, scope)
    if agreeing:
        raise ArchonnxError(f"{file} needs no map: its names agree with the model's ({agreeing})")
    if not made.lines:
        raise ArchonnxError(
            f"{file}: nothing in it has the shapes of a layer of {result.name}; archonnx weights list and archonnx "
            "summary show the shapes of both"
        )
    below = f"{scope.strip('/')} of " if scope.strip("/") else ""
    text = text_of(made, f"{file.name}, for {below}{result.name} of {model_file.name}. Proposed, not proven.")
    if output is None:
        out(text.rstrip("\n"))
    else:
        with replacing(output) as stream:
            stream.write(text.encode("utf-8"))
    say("\n".join(_summary(made, output)))
    return 0 if made.complete else 1


def _summary(made: Proposal, output: Path | None) -> list[str]:
    """How much is covered, and how sure it is."""
    from archonnx.compiler.weights.proposing.pairing import Sureness

    counts = [
        (made.count(Sureness.SHAPE), "by shape"),
        (made.count(Sureness.NAME), "by name"),
        (made.count(Sureness.ORDER), "by order and numbers"),
        (made.count(Sureness.GUESS), "unsure"),
    ]
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    noun = "rule" if len(made.lines) == 1 else "rules"
    where = f"{output}: " if output is not None else ""
    lines = [f"{where}{made.filled:,} of {made.weights:,} weights by {len(made.lines)} {noun}: {said}"]
    if made.unused:
        count = len(made.unused)
        lines.append(f"{count:,} {'tensor' if count == 1 else 'tensors'} of the file left over: see the map's end")
    lines += [f"a rule does not apply: {diagnostic}" for diagnostic in made.wrong[:10]]
    if made.count(Sureness.GUESS):
        lines.append("look at the rules that are unsure: only their order speaks for them")
    return lines
