"""`--buckets`: calls that are filled up behind their mask, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.runtime.padding.report import Padding

Function = TypeVar("Function", bound=Callable[..., Any])


def _read(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, list[int]] | None:
    """`MASK=N,...`, as `load` takes it. Others' files call inputs what they like: a name is all before the last `=`."""
    if value is None:
        return None
    name, equals, listed = value.rpartition("=")
    words = [word.strip() for word in listed.split(",")]
    if not equals or not name or not all(word.isascii() and word.isdecimal() for word in words):
        expected = "the input that is the mask, and numbers of tokens, as in --buckets attention_mask=32,64,128"
        raise UsageError(f"--buckets {value}: expected {expected}")
    return {name: [int(word) for word in words]}


def buckets_option(about: str) -> Callable[[Function], Function]:
    """--buckets MASK=N,..., passed on as `buckets`: None where it is not given. about: the end of its help."""
    return click.option(
        "--buckets",
        callback=_read,
        metavar="MASK=N,...",
        help=f"Fill up with tokens that the input MASK hides, where no result changes by it{about}.",
    )


def about_padding(padding: Padding | None) -> dict[str, Any]:
    """What JSON tells of it; nothing where no buckets were asked for."""
    if padding is None:
        return {}
    calls = {"padded": padding.padded, "whole": dict(padding.whole)}
    return {"buckets": {"mask": padding.mask, "sizes": list(padding.sizes), "why": padding.why, **calls}}
