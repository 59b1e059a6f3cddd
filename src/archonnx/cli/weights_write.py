"""`archonnx weights write MODEL.onnx`: weights for a model that was built without them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from archonnx.cli.console import Steps, busy, say, size_text
from archonnx.cli.external import external_option
from archonnx.cli.filling import filled, wanted, warn_of, weights_options
from archonnx.cli.options import ArchPath, FilePath, color_option, warn
from archonnx.contract.diagnostics import UsageError


@click.command(short_help="Write the weights of models that were built without them.")
@click.argument("models", metavar="MODEL.onnx...", nargs=-1, required=True, type=FilePath())
@click.option(
    "--source",
    type=ArchPath(),
    metavar="FILE",
    help="The .arch file that it was built from; by default where it is found: beside MODEL.onnx and above, here, or "
    "in the zoo.",
)
@click.option("--root", type=FilePath(), metavar="FOLDER", help="The folder that imports of --source may reach.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="What weights without a file are drawn from.",
)
@weights_options
@external_option("always")
@color_option
def write(
    models: tuple[Path, ...],
    source: Path | None,
    root: Path | None,
    seed: int,
    weights: tuple[str, ...],
    maps: tuple[str, ...],
    external_data: str,
) -> int:
    """Write the weights of MODEL.onnx, which was built with --weights none.

    The source is compiled again, as MODEL.onnx says it was: model, parameters, opset, options. Where the graph or the
    type, shape or place of any weight is another than MODEL.onnx has, the differences are listed and nothing is
    written. The result is what `archonnx build --external-data always` would have written at once, byte for byte.

    Models that were built together, and share their data, are named together.

    \b
    Examples:
      archonnx build model.arch -o model.onnx --weights none
      archonnx weights write model.onnx --weights model.safetensors
      archonnx weights write model.onnx --source model.arch --seed 7
      archonnx weights write translate/Reader.onnx translate/Writer.onnx
    """
    from archonnx.compiler.bare import compiled_for, fill_in, read_bare

    began = time.perf_counter()
    asked = wanted(weights, maps)
    if asked.bare:
        raise UsageError("--weights none leaves nothing to write; leave it out, or name a file")
    found = {}
    for path in models:
        bare = read_bare(path)
        with busy(f"compiling for {path}"):
            model = compiled_for(bare, source, root)
        warn(model.diagnostics, model.sources)
        found[bare] = filled(model, asked)
    with Steps(f"writing the weights of {models[0].name}") as steps:
        reports = fill_in(found, seed=seed, external_data=external_data, progress=steps)  # type: ignore[arg-type]
    for report in reports:
        warn_of(report.warnings)
    for report, model in zip(reports, found.values(), strict=True):
        say(f"{report.path}: {model.name}, {size_text(report.path.stat().st_size)}")
    if (data := reports[0].data) is not None:
        whose = "its" if len(reports) == 1 else "their"
        say(f"{models[0].with_name(data.name)}: {whose} weights, {size_text(data.stat().st_size)}")
    say(f"{size_text(sum(r.nbytes for r in reports))} in all, in {time.perf_counter() - began:.2f} s")
    return 0
