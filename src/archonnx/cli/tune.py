"""`archonnx tune MODEL`: the plan by which a model runs fastest on this machine."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path

import click

from archonnx.cli.console import Steps, out, say, styled
from archonnx.cli.options import FilePath, batches_option, bind_option, color_option, format_option, threads_option
from archonnx.contract.diagnostics import UsageError


@click.command()
@click.argument("file", metavar="MODEL", type=FilePath())
@click.option("--data", type=FilePath(), metavar="FILE.npz", help="Examples: arrays called as the inputs are.")
@click.option("--max-error", type=float, metavar="E", help="Try lower precisions too, within this error: 1e-2.")
@batches_option
@click.option(
    "--latency/--throughput",
    default=True,
    help="What counts: the time of a call (the default), or examples a second, calls at once among what is tried.",
)
@click.option("--budget", type=float, default=60.0, show_default=True, metavar="SECONDS", help="How long to measure.")
@click.option("--output", "-o", type=FilePath(), metavar="PLAN", help="The plan's file; by default beside MODEL.")
@click.option("--device", default="auto", show_default=True, help="auto for all that are there, or one.")
@threads_option
@bind_option
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of inputs that are drawn."
)
@format_option("text", "json")
@color_option
def tune(
    file: Path,
    data: Path | None,
    max_error: float | None,
    batches: tuple[int | None, ...],
    latency: bool,
    budget: float,
    output: Path | None,
    device: str,
    threads: int | None,
    bind: dict[str, int],
    seed: int,
    format: str,
) -> int:
    """Find out how a model runs fastest on this machine, and write it down.

    MODEL is an .onnx file, anybody's. Devices, numbers of threads and onnxruntime's options are tried choice by choice,
    each in a process of its own; they take turns, and losers leave early. Every one is checked against float32 on the
    CPU provider, on the examples of --data, else on inputs drawn at random. With --max-error, lower precisions are
    tried too, and kept where they are faster and as near to float32 as that: max|y - ref| / max|ref| over each output.

    The plan, MODEL.plan.json beside the model, tells what was tried, what was kept and why. From then on whatever loads
    the model here takes it: `archonnx run`, `bench`, `archonnx.load(MODEL)`. Precision is lowered only where somebody
    says so again: load(MODEL, max_error=1e-2). A plan of another model, machine or version is not used, which is said.

    \b
    Examples:
      archonnx tune dnn.onnx
      archonnx tune resnet50.onnx --data pictures.npz --max-error 1e-2 --batch 1,16
      archonnx tune bert.onnx --bind sequence=384 --budget 300
      archonnx tune model.onnx --throughput --batch 64 -o plans/model.json
    """
    if file.suffix == ".arch":
        raise UsageError(
            f"{file} is a source: build it first, archonnx build {file} -o {file.stem}.onnx, and tune that"
        )
    if math.isnan(budget) or not 0 < budget <= 86_400:
        raise UsageError(f"--budget {budget:g}: expected seconds, more than 0 and at most 86400")
    from archonnx.cli.tune_table import print_plan
    from archonnx.runtime.tuning.plan import PlanError, plan_path, read_plan
    from archonnx.runtime.tuning.tune import tune as tuned

    target = output or plan_path(file)
    with open(file, "rb"):  # that there is no model is told before that there is no folder
        pass
    _check_folder(target, output is None)
    try:
        read_plan(target)
    except PlanError as error:
        say(f"{styled('warning', 'yellow', sys.stderr)}: {error}; it is made anew")
    except OSError:  # there is none yet, or what cannot be read is replaced
        pass
    with Progress() as progress:
        plan = tuned(
            file,
            data=None if data is None else str(data),
            max_error=max_error,
            batches=batches,
            goal="latency" if latency else "throughput",
            budget=budget,
            device=device,
            threads=threads,
            bind=bind,
            seed=seed,
            say=_remark,
            progress=progress,
        )
    plan.write(target)
    if format == "json":
        out(plan.text().rstrip("\n"))
    else:
        print_plan(plan)
    how = "whatever loads the model here takes it" if output is None else f'load(..., plan="{target}") takes it'
    say(f"wrote {target}: {how}")
    return 0


class Progress:
    """A bar for each batch."""

    def __init__(self) -> None:
        self._what, self._steps = "", Steps("")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._steps.__exit__()

    def __call__(self, what: str, share: float) -> None:
        if what != self._what:
            self._steps.__exit__()
            self._what, self._steps = what, Steps(what, unit="percent")
        self._steps(int(share * 100), 100)


def _check_folder(target: Path, beside: bool) -> None:
    """Whether the plan can be written, which is better known before a minute of measuring."""
    folder = Path(os.path.realpath(target)).parent
    mend = "archonnx tune ... -o FILE writes it elsewhere, for load(..., plan=FILE)" if beside else "choose another"
    if target.is_dir():
        named = mend if beside else f"name a file, as in {target / 'plan.json'}"
        raise UsageError(f"cannot write {target}: it is a folder; {named}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"the folder {folder} cannot be written to ({error.strerror})"
        raise UsageError(f"cannot write {target}: {reason}; {mend}") from None


def _remark(line: str) -> None:
    say(styled(line, "dim", sys.stderr))
