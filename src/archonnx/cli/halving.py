"""`build --precision`: weights stored in half, and what is said of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from archonnx.cli.console import say, size_text, styled

if TYPE_CHECKING:
    from archonnx.compiler.passes.store_in_half import Halving

SHOWN = 3

stored_option = click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Store large weights so, rounded: half the file. All is computed in float32 (docs/half.md).",
)


def tell_halved(found: Halving) -> None:
    """What is stored in half, what that changed, and what is left as it is."""
    note = styled("note", "cyan", sys.stderr)
    if not found.stored:
        why = "it has no float32 weight of two axes and 4,096 numbers or more"
        if found.declared:
            count = f"{found.declared:,} weight{' is' if found.declared == 1 else 's are'}"
            why += f", and {count} in half in its source already"
        say(f"{note}: nothing to store in {found.dtype}: {why}")
        return
    count = f"{len(found.stored):,} weight{'' if len(found.stored) == 1 else 's'}"
    line = f"{count} in {found.dtype}: {size_text(found.before)} take {size_text(found.after)}"
    name, error = found.worst or ("", 0.0)
    if error:
        line += f"; rounded by at most {error:.1e} of the largest number ({name})"
        if found.zeros:
            line += f", {found.zeros:,} number{'' if found.zeros == 1 else 's'} became 0"
    say(line)
    listed = list(found.left.items())
    for name, reason in listed[:SHOWN]:
        say(f"{note}: left as it is: {name}: {reason}")
    if len(listed) > SHOWN:
        say(f"{note}: ... and {len(listed) - SHOWN:,} more")
