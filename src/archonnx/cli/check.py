"""`archonnx check FILE...`: what is wrong with architecture files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, out, say
from archonnx.cli.options import (
    ArchPath,
    FilePath,
    color_option,
    compiled,
    format_option,
    model_options,
    sources,
    warn,
)
from archonnx.contract.diagnostics import CompileError, Diagnostic, UsageError

if TYPE_CHECKING:
    from archonnx.cli.check_table import Row
    from archonnx.compiler.artifact import CompiledModel


@click.command()
@click.argument("files", nargs=-1, required=True, type=ArchPath())
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

    Where NAME.reference.json stands beside NAME.arch, each model is also held against what is counted of it there:
    parameters, multiply-accumulates (MACs), layers in order. A table says what each was compared with, and whether it
    agrees; what differs is told, and the exit status is 1. docs/references.md says what such a file holds.

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
    files_found: list[_File] = []
    with Steps("checking", unit="files") as progress:
        for number, path in enumerate(listed):
            progress(number, len(listed))
            one = _checked(path, model, parameters, root)
            files_found.append(one)
            found.extend(d for d in one.diagnostics if d not in found)
            texts.update(one.sources)
    found += _orphans(files)
    rows = [row for one in files_found for row in one.rows]
    if format == "json":
        from archonnx.cli.check_table import as_data
        from archonnx.contract.render import render_json

        document = {"models": [as_data(row) for row in rows], "diagnostics": render_json(found)}
        out(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print(files_found, rows, found, texts)
    return 1 if any(d.severity == "error" for d in found) else 0


@dataclass(frozen=True, slots=True)
class _File:
    """What was found of a file: what is right in it, nothing where an error is; its models; and what is wrong."""

    path: Path
    right: str = ""
    waiting: str = ""
    rows: tuple[Row, ...] = ()
    referenced: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


def _print(files: list[_File], rows: list[Row], found: list[Diagnostic], texts: dict[str, str]) -> None:
    """A line a file; a table of all models where any file has references."""
    from archonnx.contract.render import render_count

    if not any(one.referenced for one in files):
        for one in files:
            if said := "; ".join(part for part in (one.right, one.waiting) if part):
                out(f"{one.path}: {said}")
    else:
        from archonnx.cli.check_table import notes, table, verdict

        for line in table(rows) if rows else ():
            out(line)
        for one in files:
            if one.waiting or (one.right and not one.rows):
                out(f"{one.path}: {one.waiting or one.right}")
        for line in notes(rows):
            out(line)
        if rows:
            say(verdict(rows))
    if found:
        warn(found, texts)
        say(f"\n{render_count(found)}")


def _checked(path: Path, model: str | None, parameters: dict[str, Any], root: Path | None) -> _File:
    from archonnx.compiler.artifact import check_file, compile_file

    try:
        if model is not None or parameters:
            one = compile_file(path, model=model, root=root, parameters=parameters)
            if parameters:  # a reference is of the model as it is declared
                return _File(path, f"{one.name} is right", diagnostics=one.diagnostics, sources=one.sources)
            return _referenced(path, [one], (), one.diagnostics, one.sources)
        report = check_file(path, root=root)
        if not (report.models or report.waiting or report.diagnostics) and _declares_nothing(report.sources):
            compile_file(path, root=root)  # raises: a file without a model that also declares nothing else is a mistake
    except CompileError as error:
        return _File(path, diagnostics=error.diagnostics, sources=error.sources)
    if any(d.severity == "error" for d in report.diagnostics):
        return _File(path, diagnostics=report.diagnostics, sources=report.sources)
    return _referenced(path, report.models, report.waiting, report.diagnostics, report.sources)


def _referenced(
    path: Path,
    models: Sequence[CompiledModel],
    waiting: Sequence[str],
    diagnostics: Sequence[Diagnostic],
    sources: Mapping[str, str],
) -> _File:
    """A file that is right, held against the references beside it."""
    from archonnx.cli.check_table import Row
    from archonnx.compiler.analysis.references.checking import check_model, needs_arguments, references_of

    names = models[0].models if models else tuple(waiting)
    references = references_of(path, names)
    found = list(diagnostics)
    texts = dict(sources)
    if references is not None:
        found += [*references.diagnostics, *needs_arguments(references, waiting)]
        texts[references.name] = references.text
    rows = [Row(path, check_model(one, references)) for one in models]
    found += [d for row in rows for d in row.checked.diagnostics]
    listed = ", ".join(one.name for one in models)
    right = f"{listed} {'is' if len(models) == 1 else 'are'} right" if models else ""
    if not models and not waiting:
        right = "its declarations are right; there is no model in it"
    return _File(path, right, _waiting(waiting), tuple(rows), references is not None, tuple(found), texts)


def _waiting(names: Sequence[str]) -> str:
    if not names:
        return ""
    need = "needs" if len(names) == 1 else "need"
    return f"{', '.join(names)} {need} arguments to be checked whole: --model {names[0]} --set ..."


def _orphans(paths: Sequence[Path]) -> list[Diagnostic]:
    """What is wrong with references in folders of which no file is checked."""
    folders = [path for path in paths if path.is_dir()]
    if not folders:
        return []
    from archonnx.compiler.analysis.references.checking import orphans

    return [diagnostic for folder in folders for diagnostic in orphans(folder)]


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
