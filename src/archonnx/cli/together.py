"""`archonnx build FILE --model A --model B`: several models that share one file of weights."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from archonnx.cli.assets import attached
from archonnx.cli.console import Steps, say, size_text
from archonnx.cli.filling import Wanted, filled, warn_of
from archonnx.cli.locking import lock_of, tell_lock
from archonnx.cli.options import compiled
from archonnx.contract.diagnostics import UsageError


def one_or_more(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """What --model says: a name, several where it is repeated, None where it is left out."""
    repeated = next((name for i, name in enumerate(value) if name in value[:i]), None)
    if repeated is not None:
        raise UsageError(f"--model {repeated} is given twice")
    return value if len(value) > 1 else next(iter(value), None)


def build_together(
    file: Path,
    folder: Path | None,
    names: Sequence[str],
    parameters: dict[str, Any],
    root: Path | None,
    opset: int | None,
    *,
    asked: Wanted,
    assets: tuple[str, ...],
    seed: int,
    external_data: str,
    locked: bool,
    lock: Path | None,
    update_lock: bool,
    alone: Mapping[str, object],
    options: Mapping[str, Any],
) -> int:
    """Build models of a file into a folder. locked: hold them against one lock. alone: options that are for one model
    only, by their names, and values."""
    from archonnx.compiler.together import save_all

    began = time.perf_counter()
    unfit = next((name for name, value in alone.items() if value), None)
    if unfit is not None:
        raise UsageError(f"{unfit} is for one model at a time, and --model names {len(names)}")
    if folder is None or folder.suffix == ".onnx":
        given = "" if folder is None else f" {folder}"
        raise UsageError(f"-o{given}: several models are written into a folder, as in -o {names[0].lower()}/")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"-o {folder}: several models are written into a folder, and this is a file; name another")
    models = {}
    for name in names:
        model = filled(attached(compiled(file, name, parameters, root, opset), assets), asked)
        models[folder / f"{name}.onnx"] = model
    folder.mkdir(parents=True, exist_ok=True)
    with Steps(f"building {folder}") as steps:
        saved = save_all(
            models,
            seed=seed,
            weights="none" if asked.bare else "init",
            external_data=external_data,  # type: ignore[arg-type]
            progress=steps,
            lock=lock_of(file, folder, lock, folder=True) if locked else None,
            update_lock=update_lock,
            **options,
        )
    for report in saved.reports:
        warn_of(report.warnings)
        say(f"{report.path}: {report.path.stem}, {size_text(report.path.stat().st_size)}")
    took = f"{size_text(saved.nbytes)} in all, in {time.perf_counter() - began:.2f} s"
    if saved.data is not None:
        shared = f"; {size_text(saved.shared)} of weights are stored once" if saved.shared else ""
        say(f"{folder / saved.data.name}: their weights, {size_text(saved.data.stat().st_size)}{shared}")
    say(f"{len(names)} models, {took}")
    if saved.lock is not None:
        tell_lock(saved.lock)
    return 0
