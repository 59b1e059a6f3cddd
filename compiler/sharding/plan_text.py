"""A plan of stages for people: what each device has, what goes between them, and how long that takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.analysis.summary_text import large

if TYPE_CHECKING:
    from archonnx.compiler.sharding.plan import Crossing, Link, ShardPlan, Stage

_MOST = 8  # values of a link that are shown


def bytes_text(count: int) -> str:
    """`44.8 GB`, in powers of a thousand."""
    return large(count, "B")


def seconds_text(seconds: float) -> str:
    """`2.01 ms`, three figures."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            break
    return f"{seconds * scale:.3g} {unit}"


def plan_lines(plan: ShardPlan, parts: int) -> Iterator[str]:
    """The lines of a report. parts: of the batch, for what a pipeline takes."""
    sizes = ", ".join(f"{name}={size}" for name, size in plan.sizes.items())
    room = f" of {bytes_text(plan.memory)}" if plan.memory is not None else ""
    many = "device" if len(plan.stages) == 1 else "devices"
    yield f"{plan.model} on {len(plan.stages):,} {many}{room}, {plan.precision}{', ' + sizes if sizes else ''}"
    if plan.guessed:
        yield f"{', '.join(plan.guessed)}: guessed; --bind {plan.guessed[0]}=SIZE says otherwise"
    yield ""
    yield from _table([_heads(plan), *(_row(stage, plan) for stage in plan.stages)], left=3)
    yield from _tied(plan)
    if not plan.links:
        return
    yield ""
    rows = [("link", "values", "bytes a call", f"at {bytes_text(plan.bandwidth)}/s")]
    for link in plan.links:
        rows += _link(link)
    yield from _table(rows, left=2)
    yield ""
    yield f"traffic of a call: {bytes_text(plan.traffic)}; a value that goes on counts on each link"
    yield from _times(plan, parts)


def _heads(plan: ShardPlan) -> tuple[str, ...]:
    timed = ("seconds",) if plan.flops is not None else ()
    heads = ("stage", "layers", "lines", "parameters", "weights", "states", "activations", "memory", "MACs")
    return (*heads, "of memory", "of MACs", *timed)


def _row(stage: Stage, plan: ShardPlan) -> tuple[str, ...]:
    span = stage.first if stage.layers == 1 else f"{stage.first} .. {stage.last} ({stage.layers:,})"
    first, last = stage.lines
    lines = first if first == last else f"{first} .. {last.rpartition(':')[2] if _same_file(first, last) else last}"
    timed = (seconds_text(stage.seconds),) if stage.seconds is not None else ()
    sizes = (stage.weights, stage.states, stage.activations, stage.memory)
    shares = (f"{stage.memory_share:.1%}", f"{stage.work_share:.1%}")
    return (
        str(stage.number),
        span,
        lines,
        f"{stage.parameters:,}",
        *map(bytes_text, sizes),
        large(stage.macs, "MACs").removesuffix("MACs").rstrip(),
        *shares,
        *timed,
    )


def _same_file(first: str, last: str) -> bool:
    return first.rpartition(":")[0] == last.rpartition(":")[0]


def _tied(plan: ShardPlan) -> Iterator[str]:
    """A line for each weight that several stages hold."""
    found: dict[str, list[int]] = {}
    for stage in plan.stages:
        for path in stage.tied:
            found.setdefault(path, []).append(stage.number)
    for path, numbers in found.items():
        yield f"{path} is counted and stored in each stage that uses it: {_numbers(numbers)}"


def _link(link: Link) -> list[tuple[str, str, str, str]]:
    rows = [(f"{link.after} -> {link.after + 1}", "nothing", bytes_text(0), seconds_text(0.0))]
    if link.crossings:
        shown = sorted(link.crossings, key=lambda crossing: -crossing.nbytes)[:_MOST]
        name = f"{link.after} -> {link.after + 1}"
        rows = [("", _value(crossing, link), bytes_text(crossing.nbytes), "") for crossing in shown]
        rows[0] = (name, *rows[0][1:])
        if len(link.crossings) > _MOST:
            rows.append(("", f"{len(link.crossings) - _MOST:,} more", "", ""))
        if len(link.crossings) > 1:
            rows.append(("", "", bytes_text(link.nbytes), ""))
        rows[-1] = (*rows[-1][:3], seconds_text(link.seconds))
    return rows


def _value(crossing: Crossing, link: Link) -> str:
    readers = [number for number in crossing.read if number > link.after]
    goes = "" if readers == [link.after + 1] else f", for {_numbers(readers)}"
    whence = "" if crossing.made == link.after else f", made by {crossing.made}"
    return f"{crossing.value} {crossing.type}{whence}{goes}"


def _numbers(found: Sequence[int]) -> str:
    """`2, 4`, and `2 .. 8` of three and more that follow one another."""
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]} .. {found[-1]}"
    return ", ".join(map(str, found))


def _times(plan: ShardPlan, parts: int) -> Iterator[str]:
    time, waits = plan.pipelined(parts)
    if plan.latency is None or plan.slowest is None or time is None:
        yield f"a batch in {parts:,} parts: stages wait {waits:.0%} of the time; --flops says how fast devices compute"
        return
    each = seconds_text(plan.slowest)
    yield f"one call alone: {seconds_text(plan.latency)}; calls that follow one another: one each {each}"
    yield f"a batch in {parts:,} parts: {seconds_text(time)}, of which stages wait {waits:.0%}"


def _table(rows: Sequence[tuple[str, ...]], left: int) -> Iterator[str]:
    """Columns two spaces apart, the first `left` of them flush left, the others, numbers, flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(width) if number < left else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
