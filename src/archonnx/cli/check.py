"""`archonnx check FILE...`: what is wrong with architecture files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import out, say
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
        return _compare(compiled(listed[0], model, parameters, root), against, format)
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    code = 0
    for path in listed:
        try:
            models = _compiled(path, model, parameters, root)
        except CompileError as error:
            found.extend(error.diagnostics)
            texts.update(error.sources)
            code = 1
            continue
        for one in models:
            found.extend(d for d in one.diagnostics if d not in found)
            texts.update(one.sources)
        if format == "text":
            out(f"{path}: {_described(path, models, root)}")
    if format == "json":
        from archonnx.contract.render import render_json

        out(json.dumps({"diagnostics": render_json(found)}, indent=2))
    elif found:
        from archonnx.contract.render import render_count

        warn(found, texts)
        say(f"\n{render_count(found)}")
    return code


def _compiled(path: Path, model: str | None, parameters: dict[str, Any], root: Path | None) -> list[CompiledModel]:
    """The model asked for, else every model of the file that needs no argument."""
    from archonnx.compiler.artifact import compile_file, models_of

    if model is not None or parameters:
        return [compile_file(path, model=model, root=root, parameters=parameters)]
    return [compile_file(path, model=name, root=root) for name, ready in models_of(path, root) if ready]


def _described(path: Path, models: list[CompiledModel], root: Path | None) -> str:
    """What was checked, in one line: each model's name, and that it is right."""
    if models:
        return f"{', '.join(model.name for model in models)} {'is' if len(models) == 1 else 'are'} right"
    from archonnx.compiler.artifact import models_of

    waiting = [name for name, _ in models_of(path, root)]
    if not waiting:
        return "the declarations are right; there is no model in it"
    names = ", ".join(waiting)
    return f"the declarations are right; {names} needs arguments to be checked: --model {waiting[0]} --set ..."


def _compare(model: CompiledModel, against: Path, format: str) -> int:
    """Print the comparison; 1 where it finds differences."""
    from archonnx.compiler.analysis.compare import compare
    from archonnx.compiler.analysis.reference import read_reference_file

    comparison = compare(model.summary(), read_reference_file(against))
    if format == "json":
        differences = [asdict(difference) for difference in comparison.differences]
        document = {
            "model": comparison.model,
            "against": str(against),
            "agrees": comparison.agrees,
            "matched": comparison.matched,
            "rows": comparison.rows,
            "differences": differences,
            "notes": list(comparison.notes),
        }
        out(json.dumps(document, indent=2))
    else:
        out(comparison.render().rstrip("\n"))
    return 0 if comparison.agrees else 1
