"""Builds and exports side by side, each in a process of its own under a limit on memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.measure import failure, spent
from tools.bench.scale.exporting import KERAS, SCRIPT, TF2ONNX, WAYS
from tools.bench.scale.records import MEGA, Row
from tools.bench.scale.subjects import STACK, SUBJECTS, stack_bytes

OURS = "archonnx build"
ALL = (OURS, *WAYS)
KEPT = {TF2ONNX: "tf2onnx", SCRIPT: "torch"}  # whose files are run afterwards, and under what name
LONG = 15.0  # seconds: a run that took longer is not repeated
EXPECTED = {OURS: 2.0, KERAS: 35.0, TF2ONNX: 20.0}  # seconds of a run, for the bar alone
STARTS = 12.0  # the same of a peer that exports next to nothing


@dataclass
class Bench:
    """How things are run. python: ours; peers: theirs; limit: bytes of address space; patience: seconds of a run."""

    python: str
    peers: str
    folder: Path
    environment: Mapping[str, str]
    limit: int
    patience: float
    step: Callable[[str, float], None]
    warm: set[str] = field(default_factory=set)

    def run(self, row: Row, command: Sequence[str], expected: float, counted: bool = True) -> str:
        """Run a command for a row, which gets its figures or its failure. Gives the end of what it said."""
        self.step(f"{row.subject}, {row.way}", expected)
        took = spent(command, self.environment, self.limit, self.patience)
        if took.code:
            late = took.seconds >= self.patience
            row.failure = f"killed after {self.patience:.0f} s" if late else failure(took.code, took.said)
        if counted or took.code:
            row.seconds.append(took.seconds)
            row.processor.append(took.processor)
            row.peaks.append(took.megabytes * MEGA)
        return took.said


def total(target: Path) -> int:
    """Bytes of a model's file and of those beside it that hold its weights; folders of a run hold one model each."""
    return sum(each.stat().st_size for each in target.parent.iterdir())


def command(bench: Bench, subject: str, way: str, target: Path) -> list[str]:
    """How a way writes a network. subject: a name of the list, or the width of a stack."""
    if way != OURS:
        return [bench.peers, "-m", "tools.bench.scale.exporting", way, subject, str(target)]
    if subject.isdigit():
        return STACK.build(bench.python, target, "--set", f"width={subject}")
    return SUBJECTS[subject].build(bench.python, target)


def side_by_side(bench: Bench, subject: str, ways: Sequence[str], runs: int, keep: bool = False) -> list[Row]:
    """A network written in all ways, in turns, every other round in the opposite order.

    keep: the files that KEPT names stay in the bench's folder, for those who run them.
    """
    rows = {way: Row(subject, way) for way in ways}
    for number in range(runs):
        for way in ways if number % 2 == 0 else reversed(ways):
            row = rows[way]
            if row.failure or (number and row.seconds[0] > LONG):
                continue
            folder = bench.folder / "run"
            folder.mkdir()
            target = folder / "model.onnx"
            try:
                _once(bench, row, target)
                if keep and row.there and way in KEPT:
                    stem = SUBJECTS[subject].speed.lower()
                    target.replace(bench.folder / f"{stem}.{KEPT[way]}.onnx")
            finally:
                _emptied(folder)
    return list(rows.values())


def _once(bench: Bench, row: Row, target: Path) -> None:
    said = bench.run(row, command(bench, row.subject, row.way, target), EXPECTED.get(row.way, 10.0))
    if row.failure:
        return
    if not target.exists():
        row.failure = "it ended well, and wrote no file"
        return
    row.nbytes = total(target)
    if row.way != OURS:
        row.parameters = json.loads(said.strip().splitlines()[-1])["parameters"]


def _emptied(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()


def warmed(bench: Bench, ways: Sequence[str]) -> list[Row]:
    """Each way once, unmeasured, on next to nothing: modules are compiled, files lie in memory. Gives what failed."""
    failed = []
    for way in ways:
        if way in bench.warm:
            continue
        row, target = Row("a small network", way), bench.folder / "warm.onnx"
        bench.run(row, command(bench, "32", way, target), STARTS, counted=False)
        for each in bench.folder.glob("warm*"):
            each.unlink()
        bench.warm.add(way)
        failed += [row] if row.failure else []
    return failed


def builds(bench: Bench, names: Sequence[str], ways: Sequence[str], runs: int) -> list[Row]:
    """The networks of the list."""
    if runs > 1:
        warmed(bench, ways)
    return [row for name in names for row in side_by_side(bench, name, ways, runs, keep=True)]


def sizes(bench: Bench, widths: Sequence[int], ways: Sequence[str], runs: int) -> list[Row]:
    """Stacks of 24 dense layers, whose width sets their size; a way that failed is not asked for larger ones."""
    if runs > 1:
        warmed(bench, ways)
    rows: list[Row] = []
    for width in widths:
        failed = {row.way for row in rows if row.failure}
        there = [way for way in ways if way not in failed]
        rows += side_by_side(bench, str(width), there, min(runs, 2) if stack_bytes(width) < 2e8 else 1)
    return rows


def expected(names: Sequence[str], widths: Sequence[int], ways: Sequence[str], runs: int) -> float:
    """Seconds that it may take, for the bar."""
    each = sum(EXPECTED.get(way, 10.0) * (runs if EXPECTED.get(way, 10.0) < LONG else 1) for way in ways)
    return each * (len(names) + 0.7 * len(widths)) + (STARTS * len(ways) if runs > 1 else 0)
