"""`--weight-bits` and `--block-size`: weights in few bits, and what is said of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archonnx.cli.console import say, size_text, styled
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.passes.quantize_weights import Quantization, Use

Function = TypeVar("Function", bound=Callable[..., Any])
DEFAULT_BLOCK = 32


def quantizing_options(function: Function) -> Function:
    """--weight-bits and --block-size, passed on as `weight_bits` and `block_size`; `checked_block` reads the latter."""
    for option in (
        click.option(
            "--block-size",
            type=click.Choice([32, 64, 128]),
            metavar="32|64|128",
            help=f"Numbers with a scale of their own, for --weight-bits; by default {DEFAULT_BLOCK}.",
        ),
        click.option(
            "--weight-bits",
            type=click.Choice([4, 8]),
            metavar="4|8",
            help="Keep matrices in so many bits, rounded; the file runs in onnxruntime alone (docs/quantization.md).",
        ),
    ):
        function = option(function)
    return function


def checked_block(weight_bits: int | None, block_size: int | None) -> int:
    """The block size. Raises UsageError where one is given and nothing is quantized."""
    if block_size is not None and weight_bits is None:
        raise UsageError(f"--block-size {block_size} belongs to --weight-bits: give 4 or 8 bits too, or leave it out")
    return block_size or DEFAULT_BLOCK


def tell(found: Quantization) -> None:
    """What was quantized and what was not, matrices of repeated blocks together."""
    say(
        f"{len(found.quantized):,} of {len(found.uses):,} matrices in {found.bits} bits, blocks of {found.block_size}: "
        f"weights of {size_text(found.before)} take {size_text(found.after)}; it runs in onnxruntime alone"
    )
    for line in _grouped(found.quantized):
        say(f"  {line}")
    note = styled("note", "cyan", sys.stderr)
    for line in _grouped(found.left):
        say(f"{note}: left as it is: {line}")


def _grouped(uses: Sequence[Use]) -> list[str]:
    """A line for matrices whose names differ in numbers alone: `12 x layer/expand/kernel float32[768, 3072]`."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for use in uses:
        groups.setdefault((_plain(use.name), str(use.tensor.type), use.reason), []).append(use.name)
    return [
        (f"{len(names):,} x {name}" if len(names) > 1 else names[0]) + f" {kind}" + (f": {reason}" if reason else "")
        for (name, kind, reason), names in groups.items()
    ]


def _plain(name: str) -> str:
    """A name without the numbers of repeated blocks."""
    return "/".join(re.sub(r"_\d+$", "", part) for part in name.split("/"))
