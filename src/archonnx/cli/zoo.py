"""`archonnx zoo [NAME]`: the models that ship, and what there is for each."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from archonnx.cli import complete
from archonnx.cli.console import out, say, styled
from archonnx.cli.options import color_option, format_option
from archonnx.contract.diagnostics import UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.elaborate.zoo import ZooFile


@click.command()
@click.argument("name", required=False, shell_complete=complete.zoo)
@format_option("text", "json")
@color_option
def zoo(name: str | None, format: str) -> int:
    """List the models that ship, or show one file of them.

    Wherever a command takes an architecture FILE, `zoo:resnet` stands for the file resnet of this list, and in a
    source `from zoo.resnet import ResNet50` takes a model or block of it. With a NAME: where the file is, its models,
    and the maps that take other tools' weights (docs/maps.md).

    \b
    Examples:
      archonnx zoo
      archonnx zoo resnet
      archonnx summary zoo:resnet --model ResNet50
      archonnx build zoo:resnet --model ResNet50V1_5 --weights resnet50.pth
    """
    from archonnx.compiler.elaborate.zoo import zoo_files

    found = zoo_files()
    if name is None:
        if format == "json":
            out(json.dumps([_facts(file) for file in found], indent=2, ensure_ascii=False))
        else:
            _list(found)
        return 0
    short = name.removeprefix("zoo:").removesuffix(".arch")
    chosen = next((file for file in found if file.name == short), None)
    if chosen is None:
        near = did_you_mean(short, [file.name for file in found])
        help = f"did you mean {near[0]}?" if near else "`archonnx zoo` lists what there is"
        raise UsageError(f"the zoo has no {short}; {help}")
    if format == "json":
        out(json.dumps(_facts(chosen), indent=2, ensure_ascii=False))
    else:
        _show(chosen)
    return 0


def _facts(file: ZooFile) -> dict[str, object]:
    return {
        "name": file.name,
        "file": str(file.path),
        "about": file.about,
        "models": list(file.models),
        "maps": list(file.maps),
    }


def _list(found: list[ZooFile]) -> None:
    named = [f"zoo:{file.name}" for file in found]
    width = max(map(len, named))
    room = max(shutil.get_terminal_size().columns if sys.stdout.isatty() else 120, 60) - width - 2
    for name, file in zip(named, found, strict=True):
        first, *more = textwrap.wrap(file.about, room) or [""]
        out(f"{styled(name.ljust(width), 'bold')}  {first}")
        for line in more:
            out(" " * (width + 2) + line)
    count = sum(len(file.models) for file in found)
    say(f"{len(found)} files with {count} models; `archonnx zoo NAME` shows one")


def _show(file: ZooFile) -> None:
    out(f"zoo:{file.name}: {file.about}")
    out(f"  file    {file.path}")
    out(f"  models  {', '.join(file.models)}")
    out(f"  maps    {', '.join(file.maps) or 'none: weights by the names of archonnx, Keras or PyTorch'}")
