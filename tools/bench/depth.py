"""What depth costs: models of 100 to 100,000 layers, and GPT-3 175B. `python -m tools.bench.depth --help`.

Every command is a process of its own. The commands on one number of layers follow each other, then come those on the
next; with --rounds N all of that N times. What is written, where asked, is the part of docs/scale.md between its marks.
Exits with 1 where a command fails or a figure is past its bound.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.measure import Spent, environment, failure, spent
from tools.bench.scale.page import replaced, table
from tools.bench.startup import machine

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 8 * 2**30  # bytes of address space
PATIENCE = 600.0  # seconds
COMMANDS: dict[str, list[str]] = {
    "check": ["check", "FILE"],
    "summary": ["summary", "FILE"],
    "build": ["build", "FILE", "--weights", "none", "-o", "OUT.onnx"],
    "plot": ["plot", "FILE", "-o", "OUT.png"],
}
GPT3 = str(ROOT / "models" / "gpt3.arch")


def loop(layers: int) -> str:
    """A model of so many layers, as a loop."""
    return (
        "model Deep():\n    input x: float32[N, 64]\n"
        f'    for i in range({layers}):\n        Dense(64, activation="relu")\n    output y\n'
    )


def text(layers: int) -> str:
    """The same model, a line for each layer."""
    lines = '    Dense(64, activation="relu")\n' * layers
    return f"model Deep():\n    input x: float32[N, 64]\n{lines}    output y\n"


def residual(layers: int) -> str:
    """Blocks of three layers, each around the one before."""
    return (
        "block step():\n    input x\n    y = x -> Dense(64) -> ReLU()\n    output x + y\n\n"
        "model Deep():\n    input x: float32[N, 64]\n"
        f"    for i in range({layers // 3}):\n        step()\n    output y\n"
    )


def convolutions(layers: int) -> str:
    """Convolutions and normalizations in turns."""
    return (
        "model Deep():\n    input x: float32[N, 8, 8, 16]\n"
        f'    for i in range({layers // 2}):\n        Conv2D(16, 3, padding="same")\n        BatchNormalization()\n'
        "    output y\n"
    )


# What -> its source for so many layers, and the most of them.
SHAPES: dict[str, tuple[Callable[[int], str], int]] = {
    "a loop of Dense": (loop, 100_000),
    "a line for each Dense": (text, 100_000),
    "residual blocks": (residual, 10_000),
    "Conv2D and BatchNormalization": (convolutions, 10_000),
}
# (what, command) -> the most seconds and megabytes: of 100,000 layers, and of GPT-3
BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    ("a loop of Dense", "check"): (20, 1000),
    ("a line for each Dense", "check"): (20, 1000),
    ("GPT-3 175B", "check"): (5, 400),
    ("GPT-3 175B", "summary"): (5, 400),
    ("GPT-3 175B", "build"): (5, 400),
}


@dataclass(slots=True)
class Runs:
    """The runs of one command on one model. `layers` is 0 for GPT-3."""

    what: str
    command: str
    layers: int
    arguments: list[str]
    taken: list[Spent] = field(default_factory=list)
    failure: str = ""

    @property
    def written(self) -> list[Path]:
        """The files that it writes."""
        return [Path(word) for word in self.arguments if word.endswith((".onnx", ".png"))]

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.taken)

    @property
    def processor(self) -> float:
        return statistics.median(run.processor for run in self.taken)

    @property
    def megabytes(self) -> float:
        return max(run.megabytes for run in self.taken)

    @property
    def holds(self) -> bool:
        """Whether it ran, within its bounds where it has any."""
        if self.failure:
            return False
        seconds, megabytes = (math.inf, math.inf)
        if self.layers in (0, 100_000):
            seconds, megabytes = BOUNDS.get((self.what, self.command), (seconds, megabytes))
        return self.seconds <= seconds and self.megabytes <= megabytes


def planned(folder: Path, sizes: Sequence[int]) -> list[Runs]:
    """What is to be run; the sources are written to `folder`."""
    found: list[Runs] = []
    for size in sizes:
        for number, (what, (make, most)) in enumerate(SHAPES.items()):
            if size > most:
                continue
            source = folder / f"deep{number}_{size}.arch"
            source.write_text(make(size), encoding="utf-8")
            found += [Runs(what, c, size, _arguments(c, str(source), folder)) for c in COMMANDS]
    for command in COMMANDS:
        model = [] if command == "check" else ["--model", "GPT3_175B"]
        found.append(Runs("GPT-3 175B", command, 0, _arguments(command, GPT3, folder) + model))
    return found


def _arguments(command: str, source: str, folder: Path) -> list[str]:
    names = {"FILE": source, "OUT.onnx": str(folder / "out.onnx"), "OUT.png": str(folder / "out.png")}
    return [names.get(word, word) for word in COMMANDS[command]]


def run(plan: Sequence[Runs], rounds: int, surroundings: Mapping[str, str], *, said: bool = True) -> None:
    """Run all of a plan so often; what fails is not run again."""
    for _ in range(rounds):
        for runs in plan:
            if runs.failure:
                continue
            for left in runs.written:  # what is replaced would be read for the data beside it
                left.unlink(missing_ok=True)
            taken = spent([sys.executable, "-m", "archonnx", *runs.arguments], surroundings, LIMIT, PATIENCE)
            if taken.code:
                runs.failure = failure(taken.code, taken.said)
            else:
                runs.taken.append(taken)
            if said:
                print(f"{runs.what}, {runs.layers or 1:,}, {runs.command}: {_cell(runs)}", file=sys.stderr, flush=True)


def growth(plan: Sequence[Runs], what: str, command: str) -> str:
    """The exponent of processor time over the two largest numbers of layers: 1 is linear."""
    ran = [r for r in plan if (r.what, r.command) == (what, command) and r.layers and not r.failure]
    if len(ran) < 2:
        return ""
    few, many = ran[-2:]
    return f"{math.log(many.processor / few.processor) / math.log(many.layers / few.layers):.2f}"


def _cell(runs: Runs) -> str:
    return runs.failure or f"{runs.seconds:.2f} s, {runs.megabytes:.0f} MB"


def page(plan: Sequence[Runs], rounds: int, load: float) -> str:
    """The tables, in Markdown."""
    sizes = sorted({r.layers for r in plan if r.layers})
    parts = [
        f"Measured on: {machine()}; load average {load:.1f} before. "
        f"{'One run' if rounds == 1 else f'The median of {rounds} runs'} each: wall time of the whole process, and the "
        "most memory it held at once. By `python -m tools.bench.depth --write docs/scale.md`."
    ]
    head = ["layers", *COMMANDS]
    for what in SHAPES:
        there = [size for size in sizes if size <= SHAPES[what][1]]
        rows = [[f"{size:,}", *(_cell(r) for r in plan if (r.what, r.layers) == (what, size))] for size in there]
        rows.append(["exponent", *(growth(plan, what, command) for command in COMMANDS)])
        parts.append(f"### {what[0].upper()}{what[1:]}\n\n{table(head, rows)}")
    parts.append(f"### GPT-3 175B\n\n{table(list(COMMANDS), [[_cell(r) for r in plan if not r.layers]])}")
    bounded = [r for r in plan if (r.what, r.command) in BOUNDS and r.layers in (0, 100_000)]
    missed = [f"{r.command} of {r.what}: {_cell(r)}" for r in bounded if not r.holds]
    verdict = "All are kept." if not missed else f"NOT kept: {'; '.join(missed)}."
    parts.append(
        "Bounds: 20 s and 1 GB for `check` of 100,000 layers, by a loop and as text; 5 s and 400 MB for `check`, "
        f"`summary` and `build --weights none` of GPT-3. {verdict}"
    )
    return "\n\n".join(parts)


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="runs of each command")
    parser.add_argument("--largest", type=int, default=100_000, metavar="N", help="the most layers")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the tables into that page")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    sizes = [10**power for power in range(2, 7) if 10**power <= options.largest]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        surroundings = environment(folder / "cache")
        spent([sys.executable, "-m", "archonnx", "summary", GPT3, "--model", "GPT3_175B"], surroundings)  # compiles
        plan = planned(folder, sizes)
        run(plan, options.rounds, surroundings)
    found = page(plan, options.rounds, load)
    print(found)
    if options.write is not None:
        before = options.write.read_text(encoding="utf-8")
        options.write.write_text(replaced(before, "depth", found), encoding="utf-8")
    return 0 if all(runs.holds for runs in plan) else 1


if __name__ == "__main__":
    sys.exit(main())
