"""What `archonnx tune` found, as a table a batch: choice by choice, what was tried against what was kept until then."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from archonnx.cli.console import out, rich_console
from archonnx.runtime.measuring.figures import time_text

if TYPE_CHECKING:
    from archonnx.runtime.tuning.plan import Kept, Part, Plan, Tried

_SAID = {"kept": "kept", "slower": "", "inexact": "too far from float32", "failed": "failed", "untried": ""}


def print_plan(plan: Plan) -> None:
    """A table for each batch, and below it what was kept."""
    for part in plan.parts:
        _print_part(part, plan)
        exact = part.kept[0]
        for kept in part.kept:
            out(_kept_line(kept, exact, part.batch, plan))
        out()
    out(f"errors: {plan.data}")


def _print_part(part: Part, plan: Plan) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(f"batch {part.batch}", overflow="fold")
    for name in ("a call", "times as long", "error"):
        table.add_column(name, justify="right")
    table.add_column("")
    stage = ""
    for row in part.tried:
        if row.outcome == "untried":
            continue
        base = row.times_as_long is not None and row.times_as_long.low == row.times_as_long.high == 1
        if row.stage != stage or base:
            stage = row.stage
            if base and stage not in ("device", "precision"):
                table.add_row(Text(f"{stage}, of {row.recipe}"), style="dim")
                continue
            table.add_row(Text(stage), style="dim")
        table.add_row(*(Text(cell) for cell in _cells(row)), style="bold" if row.outcome == "kept" else "")
    rich_console().print(table)
    out()
    left = Counter(row.stage for row in part.tried if row.outcome == "untried")
    if left:
        what = ", ".join(f"{stage} ({count})" for stage, count in left.items())
        out(f"no time was left for {what}: --budget gives more")


def _cells(row: Tried) -> tuple[str, str, str, str, str]:
    times, against = row.milliseconds, row.times_as_long
    said = _SAID[row.outcome]
    return (
        f"  {row.recipe}",
        time_text(times.median / 1000) if times else "",
        f"{against.median:.2f} ({against.low:.2f} to {against.high:.2f})" if against else "",
        error_text(row.error),
        f"{said}: {row.reason}" if row.outcome in ("failed", "inexact") else said,
    )


def error_text(error: float | None) -> str:
    """0 where there is none, else two digits that count."""
    return "" if error is None else "0" if error == 0 else f"{error:.1e}"


def _kept_line(kept: Kept, exact: Kept, batch: int, plan: Plan) -> str:
    said = "" if kept is exact else f", with max_error={plan.max_error:g}"
    ratio = "" if kept is exact else f", {kept.milliseconds / exact.milliseconds:.2f} times as long"
    rate = f", {batch / kept.milliseconds * 1000:,.1f} examples a second" if plan.goal == "throughput" else ""
    time = time_text(kept.milliseconds / 1000)
    return f"batch {batch}{said}: {kept.recipe}: {time} a call{rate}{ratio}, error {error_text(kept.error)}"
