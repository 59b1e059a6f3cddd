"""`archonnx profile FILE|MODEL`: where the time of a model goes, line by line."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, busy, colorful, out, say, styled
from archonnx.cli.options import (
    FilePath,
    SourcePath,
    bind_option,
    color_option,
    compiled,
    device_option,
    format_option,
    model_options,
    plan_option,
    precision_options,
    threads_option,
)
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.endings import is_manifest

if TYPE_CHECKING:
    from archonnx.runtime.profiling.profile import Profile


@click.command()
@click.argument("file", metavar="FILE|MODEL", type=SourcePath())
@click.option(
    "--by",
    type=click.Choice(("line", "scope", "node", "operator")),
    help="What a row stands for; by default a line where the source is there, else a scope of names.",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=40, show_default=True, metavar="N", help="Rows of what is sorted."
)
@click.option("--batch", type=click.IntRange(1, 2**31 - 1), metavar="N", help="Examples a call; by default 1.")
@bind_option
@click.option(
    "--input", "-i", "given", multiple=True, metavar="NAME=VALUE", help="An input, as `archonnx run` takes it."
)
@click.option("--data", type=FilePath(), metavar="FILE.npz", help="Arrays for the inputs of their names.")
@click.option(
    "--runs", type=click.IntRange(1, 1000), metavar="N", help="Runs to time; by default those of two seconds, 3 to 50."
)
@device_option
@precision_options
@plan_option
@threads_option
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Of inputs and weights.")
@click.option("--output", "-o", type=FilePath(), metavar="FILE", help="Write there, not on the terminal.")
@model_options
@format_option("text", "json", "html", "chrome")
@color_option
def profile(
    file: Path,
    by: str | None,
    top: int,
    batch: int | None,
    bind: dict[str, int],
    given: tuple[str, ...],
    data: Path | None,
    runs: int | None,
    device: str,
    precision: str | None,
    max_error: float | None,
    plan: str,
    threads: int | None,
    seed: int,
    output: Path | None,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    format: str,
) -> int:
    """Show where the time of a model goes.

    FILE is an .arch file, which is compiled first with weights as they are drawn, MODEL any .onnx file. For models of
    ours the source is printed, each line with the time of its layers, that of the blocks applied in it, their share,
    how many layers it made, its multiply-accumulates (MACs), the GFLOP/s that it reached, and what bounds it:
    "compute" or "memory", with the share of what this machine can do at most, which is measured too; "overhead" where
    a line reaches less than a tenth of both. What onnxruntime fused stands where most of its work is: "in 9" is a line
    whose layers are part of line 9. The .arch file of an .onnx file is looked for beside it, here, and among the models
    that ship, and taken if it is unchanged. Other models are shown by the scopes of their nodes' names.

    Each node's time is its median over the runs; runs of the session as people use it are made in between, and the
    first line tells their median. Inputs that are not given are drawn, and open sizes chosen as `archonnx bench` does.

    --format html is a page of one file with the source, all nodes and operators; --format chrome is one run as trace
    events, for chrome://tracing or https://ui.perfetto.dev.

    \b
    Examples:
      archonnx profile models/dnn.arch
      archonnx profile zoo:resnet --model ResNet50 --batch 8 --threads 1
      archonnx profile theirs.onnx --by node --top 20
      archonnx profile bert.onnx --bind T=384 --format html -o bert.html
      archonnx profile zoo:vit --model ViTB16 --format chrome -o trace.json
      archonnx profile model.onnx --format json | jq '.operators[:3]'
    """
    from archonnx.contract.files import check_place, replace_file
    from archonnx.runtime.precision.placing import choose
    from archonnx.runtime.settings import read_max_error, read_precision

    if output is not None:
        check_place(output)
    read_max_error(max_error)
    choose(device, read_precision(precision))  # what is not there is told before anything is built
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        path, name, sources = _built(file, Path(folder), model, parameters, root, seed)
        how = {"device": device, "precision": precision, "max_error": max_error, "plan": plan, "threads": threads}
        found = _measured(path, name, sources, (batch, bind, given, data, seed), runs, how)
        if found.unsourced and (found.sources or by is None) and format in ("text", "html"):
            _remark(found.unsourced)
        text = _formatted(found, format, by, top, output is None)
    if output is None:
        out(text.rstrip("\n"))
    else:
        replace_file(output, text.encode())
        say(f"{output}: {_count(len(found.nodes), 'node')}, {_count(found.runs, 'run')}")
    return 0


def _built(
    file: Path, folder: Path, model: str | None, parameters: dict[str, Any], root: Path | None, seed: int
) -> tuple[Path, str, dict[str, str] | None]:
    """The model's file, what to call it, and its sources where they are known. Raises as compiling does."""
    if is_manifest(file):
        mend = "profile its stages one by one, or all of them from Python: archonnx.load(...).profile()"
        raise UsageError(f"{file}: this is a model in stages; {mend}")
    if file.suffix != ".arch":
        if model is not None or parameters:
            raise UsageError(f"--model and --set choose what to compile; {file} is compiled already")
        return file, str(file), None
    source = compiled(file, model, parameters, root)
    target = folder / "model.onnx"
    with busy(f"building {source.name}"):
        source.save(target, seed=seed)
    named = [(source.below_root.get(name, name), text) for name, text in source.sources.items()]
    names = [name for name, _ in named]
    return target, source.name, {name: text for name, text in named if names.count(name) == 1}


def _measured(
    path: Path,
    name: str,
    sources: dict[str, str] | None,
    wanted: tuple[int | None, dict[str, int], tuple[str, ...], Path | None, int],
    runs: int | None,
    how: dict[str, Any],
) -> Profile:
    """wanted: the batch, bound sizes, inputs as texts, a file of arrays, and the seed of what is drawn; how: what to
    load it with."""
    from archonnx.runtime.errors import RunError
    from archonnx.runtime.loading import load
    from archonnx.runtime.measuring.drawing import inputs_of
    from archonnx.runtime.measuring.subjects import check_sizes, give, read_subject
    from archonnx.runtime.profiling.measured import profiled

    batch, bind, given, data, seed = wanted
    subject = read_subject(path, name)
    give([subject], given, str(data) if data else None, _remark)
    check_sizes([subject], bind, (batch,))
    feeds, sizes = inputs_of(name, subject.contract, subject.given, batch=batch, bind=bind, seed=seed)
    if sizes.chosen:
        chosen = ", ".join(f"{symbol} = {value}" for symbol, value in sizes.chosen.items())
        _remark(f"{name}: {chosen} (--bind {next(iter(sizes.chosen))}=... takes another size)")
    with busy(f"loading {name}"):
        session = load(path, **how, data=feeds if how["max_error"] is not None else None)
    try:
        with session, Steps("timing", unit="runs") as steps:
            return profiled(session, feeds, runs=runs, sources=sources, name=Path(name).name, progress=steps)
    except RunError:
        if sizes.chosen:
            say("open sizes were chosen, perhaps others fit; --bind takes them")
        raise


def _formatted(found: Profile, format: str, by: str | None, top: int, shown: bool) -> str:
    if format == "json":
        return json.dumps(found.json(), indent=2, ensure_ascii=False) + "\n"
    if format == "chrome":
        return json.dumps(found.chrome(), ensure_ascii=False) + "\n"
    if format == "html":
        return found.html()
    color = shown and colorful(sys.stdout)
    width = shutil.get_terminal_size((160, 24)).columns if shown else 160
    return found.text(found.view(by), width=width, color=color, top=top) + "\n"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _remark(line: str) -> None:
    say(styled(line, "dim", sys.stderr))
