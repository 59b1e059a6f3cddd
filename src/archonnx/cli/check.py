"""`archonnx check FILE...`: what is wrong with architecture files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import out, say, settings
from archonnx.cli.options import color_option, compiled, format_option, model_options, sources, warn
from archonnx.contract.diagnostics import CompileError, Diagnostic, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), metavar="SUMMARY", help="Compare with this summary.")
@model_options
@format_option("text", "json")
@color_option
def check(
    files: tuple[Path, ...],
    against: Path | None,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    format: str,
) -> int:
    """Say what is wrong with architecture files, or that nothing is.

    Every error that one pass can find in FILES is reported (a folder stands for every .arch file in it). All models
    of a file that need no argument are checked; --model and --set choose one.

    --against reads the summary that another tool printed, however it was wrapped or copied: Keras 1.2 to 3
    (`model.summary()`), torchinfo, or archonnx's own `summary --format json`. Layers are aligned one by one, and what
    differs is printed, the first difference first.

    \b
    Examples:
      archonnx check models/
      archonnx check model.arch --model Small --set classes=5
      archonnx check models/dnn.arch --against models/dnn.summary.txt
      archonnx check model.arch --format json
    """
    listed = sources(files)
    if against is not None:
        if len(listed) != 1:
            raise UsageError(f"--against compares one file with a summary, {len(listed)} were named")
        return _compare(compiled(listed[0], model, parameters, root), against)
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    code = 0
    for path in listed:
        try:
            models = _compile(path, model, parameters, root)
        except CompileError as error:
            found.extend(error.diagnostics)
            texts.update(error.sources)
            code = 1
            continue
        for one in models:
            found.extend(d for d in one.diagnostics if d not in found)
            texts.update(one.sources)
        if settings.format == "text":
            out(f"{path}: {', '.join(_described(one) for one in models) or 'no model'}")
    if settings.format == "json":
        from archonnx.contract.render import render_json

        out(json.dumps({"diagnostics": render_json(found)}, indent=2))
    else:
        warn(found, texts)
        if found:
            from archonnx.contract.render import render_count

            say(render_count(found))
    return code
