"""`archonnx bench MODEL [--against OTHER]`: how fast models run, side by side."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archonnx.cli.console import Steps, busy, out, say, styled
from archonnx.cli.options import (
    FilePath,
    SourcePath,
    batches_option,
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
from archonnx.cli.padding import buckets_option
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.runtime.measuring.sizes import Sizes
    from archonnx.runtime.measuring.subjects import Subject


@click.command()
@click.argument("file", metavar="MODEL", type=SourcePath())
@click.option("--against", multiple=True, type=SourcePath(), metavar="OTHER", help="A model to compare; repeatable.")
@batches_option
@bind_option
@click.option(
    "--input", "-i", "given", multiple=True, metavar="NAME=VALUE", help="An input, as `archonnx run` takes it."
)
@click.option("--data", type=FilePath(), metavar="FILE.npz", help="Arrays for the inputs of their names.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.01, max=86_400),
    help="How long each model runs, for each batch; by default 5.",
)
@click.option(
    "--repeat", type=click.IntRange(min=1, max=10_000_000), metavar="N", help="So many calls of each instead."
)
@device_option
@threads_option
@plan_option
@precision_options
@buckets_option(": of MODEL alone, so that the same file can be an OTHER")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Of inputs and weights.")
@model_options
@format_option("text", "json")
@color_option
def bench(
    file: Path,
    against: tuple[Path, ...],
    batches: tuple[int | None, ...],
    bind: dict[str, int],
    given: tuple[str, ...],
    data: Path | None,
    seconds: float | None,
    repeat: int | None,
    device: str,
    threads: int | None,
    plan: str,
    precision: str | None,
    max_error: float | None,
    buckets: dict[str, list[int]] | None,
    seed: int,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    format: str,
) -> int:
    """Measure how fast models run, alone or side by side.

    MODEL and each OTHER is an .onnx file, anybody's, or an .arch file, which is compiled first, with weights as they
    are drawn: --model, --set and --root are about MODEL. Each runs in a process of its own, one at a time, in ten
    rounds of turns, every other round in the opposite order; so what slows the machine for a while slows all of them.

    Printed are the time of a call at its median (p50) and the slowest tenth and hundredth (p90, p99), the median
    without copies (inputs laid down where the model runs, outputs left there), examples a second, the time to load
    the model, first and again, and of its first call, the memory of its process at its most, the energy where the
    machine tells it, and for each OTHER how many times as long as MODEL it takes: the median of the rounds, and the
    middle half of them.

    Inputs that are not given are drawn at random within what the model takes; rows of given ones are repeated to fill
    the batch. Sizes that are open take likely values, which are said: --bind chooses others, as in T=128, or x.1=128
    for axis 1 of x that has no name. The exit code is that of the worst failure; what could be measured is printed.

    \b
    Examples:
      archonnx bench dnn.onnx
      archonnx bench ours.onnx --against theirs.onnx --batch 1,16
      archonnx bench bert.onnx --bind sequence=384 --threads 1
      archonnx bench zoo:resnet --model ResNet50 --input image=photo.jpg --batch 8
      archonnx bench model.onnx --repeat 100 --format json | jq '.results[].milliseconds.p50'
    """
    if seconds is not None and repeat is not None:
        raise UsageError("--seconds and --repeat both say how long to measure: leave one of them out")
    if seconds is not None and math.isnan(seconds):
        raise UsageError("--seconds is a number, got nan")
    from archonnx.cli.bench_table import document, print_table
    from archonnx.runtime.measuring.drawing import inputs_of
    from archonnx.runtime.measuring.energy import Meter
    from archonnx.runtime.measuring.rounds import Measured, take_turns
    from archonnx.runtime.measuring.subjects import check_sizes, give
    from archonnx.runtime.measuring.worker import Job
    from archonnx.runtime.precision.placing import choose
    from archonnx.runtime.settings import read_max_error, read_precision

    meter, code = Meter(), 0
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        subjects = _subjects((file, *against), Path(folder), model, parameters, root, seed)
        read_max_error(max_error)
        choose(device, read_precision(precision))  # what is not there is told once, and before anything runs
        give(subjects, given, str(data) if data else None, _remark)
        check_sizes(subjects, bind, batches)
        prepared: list[tuple[list[Job], list[Sizes]]] = []
        for batch in batches:
            made = [inputs_of(s.name, s.contract, s.given, batch=batch, bind=bind, seed=seed) for s in subjects]
            lower = (precision, max_error)
            jobs = []
            for place, (subject, (arrays, _)) in enumerate(zip(subjects, made, strict=True)):
                kept, twice = str(Path(folder) / f"cache{place}"), subject.kept and not prepared
                by = plan if place == 0 or plan == "off" else "auto"
                filled = buckets if place == 0 else None
                job = Job(subject.path, arrays, device, threads, *lower, kept, twice, by, filled)
                jobs.append(job)
            prepared.append((jobs, [sizes for _, sizes in made]))
        _say_sizes(subjects, prepared[0][1])
        found: list[tuple[list[Job], list[Sizes], list[Measured]]] = []
        for jobs, sizes in prepared:
            with Steps(f"batch {sizes[0].batch}", unit="steps") as steps:
                measured = take_turns(jobs, seconds or 5.0, repeat, meter=meter, progress=steps)
            found.append((jobs, sizes, measured))
            for subject, size, one in zip(subjects, sizes, measured, strict=True):
                if one.failed is not None:
                    code = max(code, one.failed.code)
                    message = one.failed.message.replace(subject.path, subject.name)
                    what = f"batch {size.batch}: " if len(prepared) > 1 else ""
                    at = "" if message.startswith(subject.name) else f"{subject.name}: "
                    say(f"{styled('error', 'red', sys.stderr)}: {what}{at}{message}{_perhaps(size)}")
    if format == "json":
        out(json.dumps(document(subjects, found, meter), indent=2, ensure_ascii=False))
    else:
        shown = [(sizes, measured) for _, sizes, measured in found if any(one.turns for one in measured)]
        for sizes, measured in shown:
            print_table(subjects, sizes, measured)
        if shown and meter.reason is not None:
            _remark(f"energy: {meter.reason}")
    return code


def _subjects(
    files: tuple[Path, ...],
    folder: Path,
    model: str | None,
    parameters: dict[str, Any],
    root: Path | None,
    seed: int,
) -> list[Subject]:
    """The models, those of .arch files compiled into `folder`. Raises as compiling does, and as read_subject."""
    from archonnx.runtime.measuring.subjects import read_subject

    if files[0].suffix != ".arch" and (model is not None or parameters):
        raise UsageError(f"--model and --set choose what to compile; {files[0]} is compiled already")
    subjects = []
    for number, file in enumerate(files):
        if file.suffix != ".arch":
            subjects.append(read_subject(file, str(file)))
            continue
        source = compiled(file, *((model, parameters) if number == 0 else (None, {})), root if number == 0 else None)
        target = folder / f"{number}.onnx"
        with busy(f"building {source.name}"):
            source.save(target, seed=seed)
        subjects.append(read_subject(target, source.name))
    return subjects


def _say_sizes(subjects: list[Subject], sizes: list[Sizes]) -> None:
    """The sizes that nobody asked for."""
    for subject, size in zip(subjects, sizes, strict=True):
        if size.chosen:
            chosen = ", ".join(f"{name} = {value}" for name, value in size.chosen.items())
            _remark(f"{subject.name}: {chosen} (--bind {next(iter(size.chosen))}=... takes another size)")


def _perhaps(size: Sizes) -> str:
    """What a failure may come from, where sizes were chosen for the model."""
    chosen = " ".join(f"--bind {name}={value}" for name, value in size.chosen.items())
    return f"; open sizes were chosen, perhaps others fit: {chosen}" if chosen else ""


def _remark(line: str) -> None:
    say(styled(line, "dim", sys.stderr))
