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
from archonnx.contract.diagnostics import CompileError, UsageError, did_you_mean

if TYPE_CHECKING:
    from archonnx.compiler.analysis.references.reading import Reference
    from archonnx.compiler.elaborate.zoo import ZooFile


@click.command()
@click.argument("name", required=False, shell_complete=complete.zoo)
@format_option("text", "json")
@color_option
def zoo(name: str | None, format: str) -> int:
    """List the models that ship, or show one file of them.

    Wherever a command takes an architecture FILE, `zoo:resnet` stands for the file resnet of this list, and in a
    source `from zoo.resnet import ResNet50` takes a model or block of it. With a NAME: where the file is, its models,
    the maps that take other tools' weights (docs/maps.md), and how many parameters and multiply-accumulates (MACs) each
    model has by what it is compared with (docs/references.md); `archonnx check zoo:NAME` compares them.

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
        raise UsageError(f"the zoo has no {short or repr(name)}; {help}")
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
        "figures": {name: _figures(one) for name, one in _references(file).items()},
    }


def _figures(one: Reference) -> dict[str, object]:
    macs = one.macs
    return {
        "parameters": one.count,
        "macs": macs.figure.value if macs else None,
        "bind": dict(macs.bind) if macs else {},
        "source": one.source,
        "same_as": one.same_as,
    }


def _references(file: ZooFile) -> dict[str, Reference]:
    """What stands beside a file, in the order of its models; nothing where nothing does. Raises CompileError."""
    from archonnx.compiler.analysis.references.reading import beside, read_references

    path = beside(file.path)
    if not path.is_file():
        return {}
    found = read_references(path)
    if found.diagnostics:
        raise CompileError(found.diagnostics, {found.name: found.text})
    return {name: found.models[name] for name in file.models if name in found.models}


def _list(found: list[ZooFile]) -> None:
    named = [f"zoo:{file.name}" for file in found]
    width = max(map(len, named))
    room = max(shutil.get_terminal_size().columns if sys.stdout.isatty() else 120, 60) - width - 2
    for name, file in zip(named, found, strict=True):
        first, *more = textwrap.wrap(f"{file.about}{_range(file)}", room) or [""]
        out(f"{styled(name.ljust(width), 'bold')}  {first}")
        for line in more:
            out(" " * (width + 2) + line)
    count = sum(len(file.models) for file in found)
    say(f"{len(found)} files with {count} models; `archonnx zoo NAME` shows one")


def _range(file: ZooFile) -> str:
    """`; 25.6M to 60.4M parameters`; nothing where nothing is known."""
    counts = sorted({one.count for one in _references(file).values() if one.count is not None})
    if not counts:
        return ""
    return f"; {' to '.join(dict.fromkeys(short(count) for count in (counts[0], counts[-1])))} parameters"


def short(count: int) -> str:
    """A count in three figures: 25.6M, 175B, 650."""
    scaled = float(count)
    for unit in ("", "k", "M", "B"):
        if scaled < 999.5 or unit == "B":
            break
        scaled /= 1000
    return f"{count}" if not unit else f"{scaled:.3g}{unit}"


def _show(file: ZooFile) -> None:
    from archonnx.cli.check_table import macs_text

    out(f"zoo:{file.name}: {file.about}")
    out(f"  file    {file.path}")
    out(f"  models  {', '.join(file.models)}")
    out(f"  maps    {', '.join(file.maps) or 'none: weights by the names of archonnx, Keras or PyTorch'}")
    rows = [("model", "parameters", "MACs", "by")]
    for name, one in _references(file).items():
        macs = macs_text(one.macs.figure.value, dict(one.macs.bind)) if one.macs else ""
        peer = f"as {one.same_as}" if one.same_as else one.peer
        rows.append((name, "" if one.count is None else f"{one.count:,}", macs, peer))
    if len(rows) > 1:
        out()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, (name, count, macs, peer) in enumerate(rows):
            line = f"  {name:<{widths[0]}}  {count:>{widths[1]}}  {macs:>{widths[2]}}  {peer}"
            out(styled(line, "bold") if number == 0 else line)
