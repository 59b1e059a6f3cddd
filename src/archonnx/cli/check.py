"""`archonnx check FILE...`: what is wrong with architecture files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import busy, out, say
from archonnx.cli.options import (
    FilePath,
    SourcePath,
    color_option,
    compiled,
    format_option,
    model_options,
    sources,
    warn,
)
from archonnx.contract.diagnostics import CompileError, Diagnostic, UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel


@click.command()
@click.argument("files", nargs=-1, required=True, type=SourcePath())
@click.option("--against", type=FilePath(), metavar="SUMMARY", help="Compare with this summary.")
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
    for path in listed:
        with busy(f"checking {path}"):
            right, diagnostics, read = _checked(path, model, parameters, root)
        found.extend(d for d in diagnostics if d not in found)
        texts.update(read)
        if format == "text" and right:
            out(f"{path}: {right}")
    if format == "json":
        from archonnx.contract.render import render_json

        out(json.dumps({"diagnostics": render_json(found)}, indent=2))
    elif found:
        from archonnx.contract.render import render_count

        warn(found, texts)
        say(f"\n{render_count(found)}")
    return 1 if any(d.severity == "error" for d in found) else 0


def _checked(
    path: Path, model: str | None, parameters: dict[str, Any], root: Path | None
) -> tuple[str, Sequence[Diagnostic], Mapping[str, str]]:
    """What is right in a file (nothing where an error is), its diagnostics, and the texts that they point into."""
    from archonnx.compiler.artifact import check_file, compile_file

    try:
        if model is not None or parameters:
            one = compile_file(path, model=model, root=root, parameters=parameters)
            return f"{one.name} is right", one.diagnostics, one.sources
        report = check_file(path, root=root)
        if not (report.models or report.waiting or report.diagnostics) and _declares_nothing(report.sources):
            compile_file(path, root=root)  # raises: a file without a model that also declares nothing else is a mistake
    except CompileError as error:
        return "", error.diagnostics, error.sources
    if any(d.severity == "error" for d in report.diagnostics):
        return "", report.diagnostics, report.sources
    names = ", ".join(one.name for one in report.models)
    parts = [f"{names} {'is' if len(report.models) == 1 else 'are'} right"] if names else []
    if report.waiting:
        first = report.waiting[0]
        need = "needs" if len(report.waiting) == 1 else "need"
        parts.append(f"{', '.join(report.waiting)} {need} arguments to be checked whole: --model {first} --set ...")
    return "; ".join(parts) or "its declarations are right; there is no model in it", report.diagnostics, report.sources


def _declares_nothing(sources: Mapping[str, str]) -> bool:
    """Whether there is nothing but blank lines and comments."""
    return all(
        not line.strip() or line.lstrip().startswith("#") for text in sources.values() for line in text.split("\n")
    )


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
