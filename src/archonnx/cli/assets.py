"""`--asset NAME=FILE`: files that travel in a built model, beside or in place of those that its source declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archonnx.cli.console import say
from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

KNOWN = ("labels", "tokenizer")  # that the runtime reads
Function = TypeVar("Function", bound=Callable[..., Any])


def assets_option(function: Function) -> Function:
    """--asset, passed on as `assets`; `attached` reads them."""
    return click.option(
        "--asset",
        "assets",
        multiple=True,
        metavar="NAME=FILE",
        help="A file that travels in the model: tokenizer=tokenizer.json makes tokens of texts, labels=FILE names the "
        "classes, one a line; repeatable.",
    )(function)


def attached(model: CompiledModel, texts: Sequence[str]) -> CompiledModel:
    """The model with the files of `--asset`. Raises UsageError for what is no NAME=FILE; else as `with_assets`."""
    files: dict[str, str] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not name.isidentifier() or not file:
            raise UsageError(f"--asset {text}: expected NAME=FILE, as in --asset tokenizer=tokenizer.json")
        if name in files:
            raise UsageError(f"--asset {name} is given twice: {files[name]} and {file}")
        files[name] = file
    for name in files.keys() - {*KNOWN, *model.graph.assets}:
        if near := did_you_mean(name, KNOWN, 1):  # any name may be given, so that it is no error
            say(f"note: {model.name} carries {name}, which archonnx does not read; did you mean {near[0]}?")
    return model.with_assets(**files) if files else model
