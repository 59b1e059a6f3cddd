"""`--external-data`: whether weights stand in the model or beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from archonnx.contract.diagnostics import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


def external_option(default: str = "auto") -> Callable[[Function], Function]:
    """--external-data, passed on as `external_data`."""
    return click.option(
        "--external-data",
        type=click.Choice(["auto", "always", "never"]),
        default=default,
        show_default=True,
        help="Whether weights stand in NAME.<hash>.data beside the model: auto past 1.9 GB, always or never.",
    )


def checked_external(external_data: str, bare: bool, via: str | None) -> None:
    """Raise UsageError where another option says otherwise."""
    if external_data == "never" and bare:
        raise UsageError(
            "--weights none writes the layout of data beside the model: leave --external-data never out; "
            "`archonnx weights write --external-data never` puts the weights into it"
        )
    if external_data != "auto" and via is not None:
        raise UsageError(f"--via {via}: Keras' graph has its weights in it; leave --external-data out")
