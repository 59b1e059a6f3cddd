"""`-O0`, `-O1`, `-O2` and `--explain`: how far a graph is reworked, and what was done to it, by source line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.passes.changes import Change

Function = TypeVar("Function", bound=Callable[..., Any])
Level = Literal[0, 1, 2]
DEFAULT_LEVEL: Level = 2


def optimizing_options(function: Function) -> Function:
    """-O and --explain, passed on as `optimization`, which `checked_level` reads, and `explain`."""
    for option in (
        click.option("--explain", is_flag=True, help="List what each pass did to the graph, by source line."),
        click.option(
            "-O",
            "optimization",
            type=click.IntRange(0, 2),
            metavar="0|1|2",
            help="0 keeps layers one to one, 1 computes every layer's result, 2, the default, merges layers.",
        ),
    ):
        function = option(function)
    return function


def checked_level(optimization: int | None, explain: bool, via: str | None) -> Level:
    """The level. Raises UsageError where there is nothing that passes work on."""
    if via is not None and (optimization is not None or explain):
        given = f"-O{optimization}" if optimization is not None else "--explain"
        raise UsageError(f"--via {via}: Keras' graph stays as it is; leave {given} out")
    level: Level = DEFAULT_LEVEL if optimization is None else optimization  # type: ignore[assignment]
    return level


def explain_changes(changes: Sequence[Change]) -> None:
    """Print the changes of each pass to standard output, those that differ in numbers of repeated blocks as one."""
    for line in explained(changes):
        click.echo(line)


def explained(changes: Sequence[Change]) -> list[str]:
    """A line for each pass with its count, and below it one for each place, layer and change, in order:

    fold_batch_norm: 53
      resnet.arch:25  stage_1/bottleneck/batch_normalization: BatchNormalization into Conv  x 16
    """
    if not changes:
        return ["no pass changed anything"]
    rules: dict[str, dict[tuple[str, str, str], int]] = {}
    for change in changes:
        where = "-" if change.place is None else f"{change.place.file}:{change.place.line}"
        key = (where, repeated(change.layer), change.what)
        lines = rules.setdefault(change.rule, {})
        lines[key] = lines.get(key, 0) + 1
    told: list[str] = []
    for rule, counted in rules.items():
        told.append(f"{rule}: {sum(counted.values()):,}")
        width = max(len(where) for where, _, _ in counted)
        for (where, layer, what), count in counted.items():
            text = f"  {where:{width}}  " + (f"{layer}: " if layer else "") + what
            told.append(text.rstrip() + (f"  x {count:,}" if count > 1 else ""))
    return told


def repeated(path: str) -> str:
    """A layer's path without the numbers of repeated blocks."""
    return "/".join(re.sub(r"_\d+$", "", part) for part in path.split("/"))
