"""`archonnx summary FILE`: a model layer by layer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click

from archonnx.cli.console import rich_console
from archonnx.cli.literals import assignments
from archonnx.cli.options import arch_argument, color_option, compiled, format_option, model_options
from archonnx.contract.diagnostics import UsageError


@click.command()
@arch_argument
@model_options
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Fold blocks deeper than N into one row each.")
@click.option("--bind", multiple=True, metavar="SYMBOL=SIZE", help="Take a symbol for a number, as in --bind N=8.")
@click.option("--places", is_flag=True, help="Add a column with the line that each layer comes from.")
@format_option("table", "keras", "json", "markdown")
@color_option
def summary(
    file: Path,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    depth: int | None,
    bind: tuple[str, ...],
    places: bool,
    format: str,
) -> int:
    """Print a model layer by layer: shapes, parameters, work.

    The work is counted in multiply-accumulates (MACs), the memory is what activations take at their peak; both for a
    batch of one. --format keras prints what `model.summary()` of Keras 3 would.

    \b
    Examples:
      archonnx summary models/dnn.arch
      archonnx summary models/resnet.arch --model ResNet50 --depth 1
      archonnx summary model.arch --bind N=32 --bind T=128
      archonnx summary model.arch --format json | jq .parameters.total
    """
    from archonnx.compiler.analysis.summary import summarize
    from archonnx.compiler.analysis.summary_text import Format, print_table, render

    result = compiled(file, model, parameters, root)
    sizes = assignments(bind, "--bind")
    known = {s for i in result.graph.inputs for d in i.value.type.shape if not isinstance(d, int) for s in d.symbols()}
    for name, size in sizes.items():
        if name not in known:
            raise UsageError(
                f"--bind {name}: the model has no symbol {name}; it has {', '.join(sorted(known)) or 'none'}"
            )
        least = 0 if any(str(r.condition) == f"{name} >= 0" for r in result.graph.requirements) else 1
        if not isinstance(size, int) or isinstance(size, bool) or size < least:
            raise UsageError(f"--bind {name}: expected a size, a whole number of at least {least}, got {size!r}")
    for required in result.graph.requirements:
        if required.condition.symbols() <= sizes.keys() and not required.condition.evaluate(sizes):
            raise UsageError(f"--bind: {required.message} ({required.condition}, {required.place})")
    found = summarize(result.graph, depth=depth, bindings=sizes or None)
    if format == "table":
        print_table(found, rich_console(), places=places)
    else:
        sys.stdout.write(render(found, cast(Format, format), places=places))
    return 0
