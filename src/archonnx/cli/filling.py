"""`--weights` and `--map`: what they ask for, and a model filled so, with what a person should know of it said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archonnx.cli.console import busy, say, styled
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """A file of weights for a scope ("": the whole model), and the map that is asked for."""

    scope: str
    file: Path
    map: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `--weights` asks for: files, wider scopes first; without any, initial weights, or none at all (`bare`)."""

    bare: bool = False
    sources: tuple[Source, ...] = ()


def weights_options(function: Function) -> Function:
    """--weights and --map, passed on as `weights` and `maps`; `wanted` reads them."""
    for option in (
        click.option(
            "--map",
            "maps",
            multiple=True,
            metavar="NAME|FILE",
            help="How the tensors of --weights are named: `torchvision` for the .torchvision.map beside FILE, or a "
            "path. Without it, maps beside FILE are tried where names do not agree. SCOPE=NAME for one of several.",
        ),
        click.option(
            "--weights",
            multiple=True,
            metavar="init|none|FILE|SCOPE=FILE",
            help="Where weights come from: `init` draws them (the default), `none` leaves them out, FILE holds them, "
            "SCOPE=FILE fills one block or layer; repeatable.",
        ),
    ):
        function = option(function)
    return function


def wanted(weights: Sequence[str], maps: Sequence[str]) -> Wanted:
    """What the two options ask for. Raises UsageError where that contradicts itself."""
    words = [text for text in weights if text in ("init", "none")]
    if words and (len(weights) > 1 or maps):
        other = "--map" if maps else next((text for text in weights if text != words[0]), words[0])
        raise UsageError(f"--weights {words[0]} stands alone, here is {other} too; a file called so is ./{words[0]}")
    if words:
        return Wanted(bare=words[0] == "none")
    files: dict[str, Path] = {}
    for scope, text in (_split(text, "--weights") for text in weights):
        if scope in files:
            raise UsageError(f"--weights fills {scope or 'the whole model'} twice: {files[scope]} and {text}")
        files[scope] = Path(text)
    chosen: dict[str, str] = {}
    for scope, text in (_split(text, "--map") for text in maps):
        if not scope and len(files) == 1:
            (scope,) = files
        if scope in chosen:
            raise UsageError(f"--map is given twice for {scope or 'the whole model'}: {chosen[scope]} and {text}")
        if scope not in files:
            known = ", ".join(f"--map {s}=..." if s else "--map ..." for s in files)
            help = f"there are files for {known}" if files else "name the file with --weights FILE"
            raise UsageError(f"--map {text}: no --weights is given for {scope or 'the whole model'}; {help}")
        chosen[scope] = text
    order = sorted(files, key=lambda scope: (scope.count("/") if scope else -1, scope))
    return Wanted(sources=tuple(Source(scope, files[scope], chosen.get(scope)) for scope in order))


def _split(text: str, option: str) -> tuple[str, str]:
    """Scope and rest of `SCOPE=FILE`. A file whose name has an equals sign is taken as it is."""
    scope, mark, rest = text.partition("=")
    if not text or (mark and not rest):
        raise UsageError(f"{option} {text}: the path is empty")
    if not mark or Path(text).exists():
        return "", text
    if not scope.strip("/"):
        raise UsageError(f"{option} {text}: no block stands before the =; for the whole model: {option} {rest}")
    return scope.strip("/"), rest


def filled(model: CompiledModel, asked: Wanted) -> CompiledModel:
    """The model with the weights of all files, each said in a line. Errors: as filling.fill."""
    if not asked.sources:
        return model
    from archonnx.compiler.weights.filling import fill

    scopes = [source.scope for source in asked.sources]
    for source in asked.sources:
        inner = [s for s in scopes if s != source.scope and (not source.scope or s.startswith(source.scope + "/"))]
        with busy(f"reading {source.file}"):
            found = fill(model, source.file, map=source.map, scope=source.scope, besides=inner)
        model = model.with_given(found.given, maps=found.maps)
        count = len(found.given)
        into = f" into {found.scope}" if found.scope else ""
        say(f"{count:,} weight{'' if count == 1 else 's'}{into} from {found.said} ({found.how})")
        for note in found.notes:
            say(f"{styled('note', 'cyan', sys.stderr)}: {note}")
    return model


def warn_of(texts: Sequence[str]) -> None:
    """Warnings that come with a result, one a line."""
    for text in texts:
        say(f"{styled('warning', 'yellow', sys.stderr)}: {text}")
