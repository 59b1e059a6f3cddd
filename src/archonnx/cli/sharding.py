"""`archonnx build --shards`: a model as one file a stage, and what is said of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from archonnx.cli.console import Steps, say, size_text
from archonnx.cli.filling import warn_of
from archonnx.cli.halving import tell_halved
from archonnx.cli.locking import tell_lock
from archonnx.cli.optimizing import explain_changes
from archonnx.cli.quantizing import tell
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.sharding.plan_file import Cuts

Function = TypeVar("Function", bound=Callable[..., Any])


def sharding_options(function: Function) -> Function:
    """--shards, passed on as `shards`; `checked_shards` reads it."""
    return click.option(
        "--shards",
        metavar="N|PLAN.json",
        help="Write one .onnx a stage and OUT.shards.json: N stages, or those of a plan (docs/shards.md).",
    )(function)


def checked_shards(shards: str | None, via: str | None) -> int | Cuts | None:
    """How many stages, or the cuts of a plan's file. Raises UsageError, ArchonnxError for a file that is no plan,
    OSError for one that cannot be read."""
    if shards is None:
        return None
    if via is not None:
        raise UsageError(f"--via {via}: Keras' graph is not cut into stages; leave --shards out")
    if not shards.endswith(".json"):
        if not shards.isdecimal() or not 1 <= int(shards) <= 100_000:
            raise UsageError(f"--shards {shards}: expected a number of stages, or the .json file of a plan")
        return int(shards)
    from archonnx.compiler.sharding.plan_file import read_cuts

    return read_cuts(shards)


def build_shards(
    model: CompiledModel,
    output: Path | None,
    shards: int | Cuts,
    *,
    seed: int,
    weights: Literal["init", "none"],
    lowering: Mapping[str, Any],
    writing: Mapping[str, Any],
    explain: bool,
    lock: Callable[[Path], Path] | None,
    update_lock: bool,
    began: float,
) -> int:
    """Write the stages, and say so. lock: that of a manifest, None where there is none. began: when the command did."""
    from archonnx.compiler.sharding.plan_file import cuts_of
    from archonnx.compiler.sharding.saving import save_shards
    from archonnx.contract.endings import MANIFEST

    target = output or Path(f"{model.name}{MANIFEST}")
    if isinstance(shards, int):
        plan = model.plan_shards(shards)
        shards = cuts_of(plan)
        if plan.guessed:
            sizes = ", ".join(f"{name}={plan.sizes[name]}" for name in plan.guessed)
            say(f"stages are even for {sizes}, a guess; archonnx plan-shards takes other sizes")
    with Steps(f"building {target.name}") as steps:
        report = save_shards(
            model,
            target,
            shards,
            seed=seed,
            weights=weights,
            progress=steps,
            lowering=lowering,
            writing=writing,
            lock=None if lock is None else lock(target),
            update_lock=update_lock,
        )
    warn_of(report.warnings)
    count = len(report.stages)
    stages = "1 stage" if count == 1 else f"{count:,} stages"
    fewer = (
        f" (of {report.asked:,} asked for, the layers of the others leave no operator)" if count < report.asked else ""
    )
    took = time.perf_counter() - began
    say(f"{target}: {model.name} in {stages}{fewer}, {size_text(report.nbytes)}, in {took:.2f} s")
    for path, stage in zip(report.files, report.stages, strict=True):
        say(f"  {path.name}, {size_text(stage.nbytes)}")
    if report.quantization is not None:
        tell(report.quantization)
    if explain:
        explain_changes(report.changes)
    if report.halving is not None:
        tell_halved(report.halving)
    if report.lock is not None:
        tell_lock(report.lock)
    return 0
