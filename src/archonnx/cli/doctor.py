"""`archonnx doctor`: what this machine can run models on, and why not on more."""

from __future__ import annotations

import json

import click

from archonnx._version import __version__
from archonnx.cli.console import busy, out
from archonnx.cli.errors import MACHINE
from archonnx.cli.options import color_option, format_option


@click.command()
@format_option("text", "json")
@color_option
def doctor(format: str) -> int:
    """Say what this machine can run models on, and why not on more.

    Prints the interpreter, the libraries that are installed, the devices models can run on, and for each device that
    cannot be used the driver, library or wheel that is missing and the command that mends it. Ends with 3 where no
    device can be used.

    \b
    Examples:
      archonnx doctor
      archonnx doctor --format json
    """
    from archonnx.runtime.devices import diagnose

    with busy("looking at this machine"):
        diagnosis = diagnose()
    if format == "json":
        out(json.dumps({"archonnx": __version__, **diagnosis.json()}, indent=2))
    else:
        out(f"archonnx     {__version__}\n{diagnosis.text()}")
    return 0 if diagnosis.auto else MACHINE
