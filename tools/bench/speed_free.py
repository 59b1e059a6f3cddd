"""The ratio to PyTorch's export while nobody else uses the matrix units: `python -m tools.bench.speed --parts free`.

A virtual machine may share its cores' units with others, which then come and go several times a second. So each core's
rate is read before, between and after a few calls of both ways, and only rounds count in which all cores were fast each
time, beside what they reach at best.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archonnx.runtime.measuring.figures import Ratio, ratio
from tools.bench.speed_child import Child

FREE = 0.8  # of the best rate of a core: it counts as free
BEST = 0.98  # the rate that so many of the readings stay under is the best, as single ones may be timed wrongly
TURN = 0.1  # seconds of calls, one at least: the first few after another process has run are slower
FEWEST = 5  # rounds, or nothing is said
SIZE, TIMES = 512, 3


@dataclass(frozen=True, slots=True)
class Round:
    """rates: three readings, each the GFLOP/s of every core; ours, theirs: seconds of single calls."""

    rates: tuple[tuple[float, ...], ...]
    ours: list[float]
    theirs: list[float]


@dataclass(frozen=True, slots=True)
class Free:
    """ratio: of the rounds that were free, None where they are too few; free, rounds: how many; best: of each core."""

    ratio: Ratio | None
    free: int
    rounds: int
    best: tuple[float, ...]


def free_of(rounds: Sequence[Round]) -> Free:
    """What the rounds say of which all readings are near each core's best."""
    readings = [reading for each in rounds for reading in each.rates]
    best = tuple(sorted(core)[int(BEST * (len(core) - 1))] for core in zip(*readings, strict=True))
    kept = [
        each
        for each in rounds
        if all(rate >= FREE * top for reading in each.rates for rate, top in zip(reading, best, strict=True))
    ]
    found = ratio([each.ours for each in kept], [each.theirs for each in kept]) if len(kept) >= FEWEST else None
    return Free(found, len(kept), len(rounds), best)


class Reader:
    """A process that reads each core's rate of bfloat16 in some milliseconds."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.read()

    def read(self) -> tuple[float, ...]:
        """GFLOP/s, one a core. Raises EOFError, OSError where the process has ended."""
        self._channel.send(True)
        found: tuple[float, ...] = self._channel.recv()
        return found

    def close(self) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.join(10)


def _serve(channel: Any) -> None:
    import torch

    torch.set_num_threads(1)
    one, other = (torch.randn(SIZE, SIZE).bfloat16() for _ in range(2))
    cores = sorted(os.sched_getaffinity(0))
    try:
        while channel.recv():
            found = []
            for core in cores:
                os.sched_setaffinity(0, {core})
                one @ other
                times = []
                for _ in range(TIMES):
                    began = time.perf_counter()
                    one @ other
                    times.append(time.perf_counter() - began)
                found.append(2 * SIZE**3 / statistics.median(times) / 1e9)
            channel.send(tuple(found))
    except EOFError:  # the other side has closed
        return


def measure(subject: str, ours: str, theirs: str, folder: Path, seconds: float) -> Free | str:
    """Rounds of both ways for so many seconds; the reason where a way does not start."""
    children: list[Child] = []
    reader = Reader()
    try:
        for way in ("", ours, theirs):
            child = Child(subject, way, folder)
            state, about = child.started()
            if state == "failed":
                child.close()
                return f"{way or 'the models'}: {about}"
            if way:
                children.append(child)
            else:
                child.close()
        rounds: list[Round] = []
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            first = reader.read()
            mine = children[0].turn(TURN)
            between = reader.read()
            other = children[1].turn(TURN)
            rounds.append(Round((first, between, reader.read()), mine, other))
        return free_of(rounds)
    finally:
        reader.close()
        for child in children:
            child.close()


def table(found: dict[str, Free | str], bounds: dict[str, float | None]) -> str:
    """The ratios in Markdown, with what they are meant to stay under."""
    cells, reasons = [], []
    for name, each in found.items():
        if isinstance(each, str):
            cells.append("")
            reasons.append(f"- {name}: {each}")
            continue
        of = f"{each.free} of {each.rounds} rounds"
        bound = bounds[name]
        if each.ratio is None:
            cells.append(f"{of}: too few")
        else:
            said = f"{each.ratio.median:.2f} ({each.ratio.low:.2f} to {each.ratio.high:.2f})"
            kept = "" if bound is None else f", {'within' if each.ratio.median <= bound else 'past'} {bound:g}"
            cells.append(f"{said}{kept}; {of}")
    best = [each.best for each in found.values() if isinstance(each, Free)]
    tops = ", ".join(f"{max(core):,.0f}" for core in zip(*best, strict=True))
    lines = [
        f"| {' | '.join(found)} |",
        f"|{'---|' * len(found)}",
        f"| {' | '.join(cells)} |",
        "",
        f"GFLOP/s of the cores in bfloat16 at best, products of {SIZE} by {SIZE}: {tops}.",
    ]
    return "\n".join([*lines, *(["", "Not measured:", "", *reasons] if reasons else [])])
