"""What `archonnx bench` found, as a table with a column a model, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.cli.console import rich_console, size_text
from archonnx.runtime.measuring.figures import digits, time_text

if TYPE_CHECKING:
    from archonnx.runtime.measuring.energy import Meter
    from archonnx.runtime.measuring.figures import Ratio, Times
    from archonnx.runtime.measuring.rounds import Measured
    from archonnx.runtime.measuring.sizes import Sizes
    from archonnx.runtime.measuring.subjects import Subject
    from archonnx.runtime.measuring.worker import Job


def times_of(one: Measured) -> tuple[Times | None, Times | None]:
    """Of all calls, and of those without copies; None where there was none."""
    from archonnx.runtime.measuring.figures import summed_up

    calls = [seconds for turn in one.turns for seconds in turn.calls]
    bare = [seconds for turn in one.turns for seconds in turn.bare]
    return (summed_up(calls) if calls else None), (summed_up(bare) if bare else None)


def ratio_of(one: Measured, first: Measured) -> Ratio | None:
    """How many times as long one takes as the first; None for the first itself, and where one of them failed."""
    from archonnx.runtime.measuring.figures import ratio

    if one is first or one.failed or first.failed:
        return None
    return ratio([turn.calls for turn in one.turns], [turn.calls for turn in first.turns])


def print_table(subjects: Sequence[Subject], sizes: Sequence[Sizes], measured: Sequence[Measured]) -> None:
    """One batch: a row a figure, a column a model. What nothing is known of is no row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    same = len({size.batch for size in sizes}) == 1
    table.add_column(f"batch {sizes[0].batch}" if same else "")
    short = [Path(subject.name).name for subject in subjects]
    names = short if len(set(short)) == len(short) else [subject.name for subject in subjects]
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    columns = [_column(one, size, measured[0]) for one, size in zip(measured, sizes, strict=True)]
    if same:
        for column in columns:
            del column["batch"]
    for label in columns[0]:
        cells = [column[label] for column in columns]
        if any(cells):
            table.add_row(label, *(cell or "-" for cell in cells), style="bold" if label == "p50" else "")
    rich_console().print(table)
    print()


def _first_load(one: Measured) -> float | None:
    """Seconds of loading where nothing was kept of the model yet."""
    if one.started is None or one.started.cached:
        return one.first_load
    return one.started.load if one.first_load is None else one.first_load


def _column(one: Measured, size: Sizes, first: Measured) -> dict[str, str]:
    """The figures of one model as text, "" for what there is none of."""
    calls, bare = times_of(one)
    started, memory, against = one.started, one.memory, ratio_of(one, first)
    first_load = _first_load(one)
    spread = f"{against.median:.2f} ({against.low:.2f} to {against.high:.2f})" if against else ""
    return {
        "batch": str(size.batch),
        "p50": time_text(calls.p50) if calls else "failed",
        "p90": time_text(calls.p90) if calls else "",
        "p99": time_text(calls.p99) if calls else "",
        "p50 without copies": time_text(bare.p50) if bare else "",
        "examples a second": digits(size.batch / calls.mean) if calls else "",
        "times as long": spread,
        "load": time_text(first_load) if first_load is not None else "",
        "load again": time_text(started.load) if started and started.cached else "",
        "first call": time_text(started.first) if started else "",
        "memory at most": size_text(memory.peak) if memory and memory.peak else "",
        "energy a call": f"{one.joules / one.runs:.3g} J" if one.joules is not None else "",
        "calls": f"{calls.count:,}" if calls else "",
        "device": started.device if started else "",
        "precision": started.precision if started and started.precision != "float32" else "",
        "plan": Path(started.plan).name if started and started.plan else "",
    }


def document(
    subjects: Sequence[Subject], found: Sequence[tuple[list[Job], list[Sizes], list[Measured]]], meter: Meter
) -> dict[str, Any]:
    """All figures: one result a model and batch, in the order of the command; null for what there is none of."""
    from archonnx.runtime.arrays import describe

    results = []
    for jobs, sizes, measured in found:
        for subject, job, size, one in zip(subjects, jobs, sizes, measured, strict=True):
            calls, bare = times_of(one)
            started, memory, against = one.started, one.memory, ratio_of(one, measured[0])
            inputs = {n: describe(a) if hasattr(a, "dtype") else type(a).__name__ for n, a in job.inputs.items()}
            results.append(
                {
                    "model": subject.name,
                    "batch": size.batch,
                    "inputs": inputs,
                    "device": started.device if started else None,
                    "precision": started.precision if started else None,
                    "plan": started.plan if started else None,
                    "threads": started.threads if started else None,
                    "failed": one.failed.message.replace(subject.path, subject.name) if one.failed else None,
                    "calls": calls.count if calls else 0,
                    "rounds": len(one.turns),
                    "milliseconds": _milliseconds(calls),
                    "milliseconds_without_copies": _milliseconds(bare),
                    "examples_per_second": size.batch / calls.mean if calls else None,
                    "load_seconds": _first_load(one),
                    "load_again_seconds": started.load if started and started.cached else None,
                    "first_call_seconds": started.first if started else None,
                    "memory_bytes": memory.peak if memory else None,
                    "memory_before_loading_bytes": memory.before if memory else None,
                    "joules_per_call": one.joules / one.runs if one.joules is not None else None,
                    "times_as_long": {
                        "median": against.median,
                        "low": against.low,
                        "high": against.high,
                    }
                    if against
                    else None,
                }
            )
    return {"results": results, "energy": meter.reason or "of the processor's packages"}


def _milliseconds(times: Times | None) -> dict[str, float] | None:
    if times is None:
        return None
    values = {"p50": times.p50, "p90": times.p90, "p99": times.p99, "mean": times.mean, "min": times.least}
    return {name: seconds * 1000 for name, seconds in values.items()}
