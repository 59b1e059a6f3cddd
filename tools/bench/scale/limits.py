"""What is measured of archonnx alone: models that nothing else could hold, and writing beside what the disk can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tools.bench.measure import failure, spent
from tools.bench.scale.builds import OURS, Bench, total
from tools.bench.scale.records import Row
from tools.bench.scale.subjects import ROOT, STACK, SUBJECTS, Subject

GPT3, LOOP, TEXT = "GPT-3 175B", "100,000 layers by a loop", "100,000 layers as text"
FROM_FILE, FROM_LARGE = "VGG-19 from a weights file", "3 GB from a weights file"
ALONE, DD = "drawing and writing alone", "dd conv=fsync"
LAYERS, LARGE_WIDTH = 100_000, 5650
EXPECTED = 6.0  # seconds of a run, for the bar

# As many float32 numbers as a file has, drawn by numpy a buffer at a time and written: nothing else of a build.
DRAW = """
import os, sys
import numpy as np
left, drawn = int(sys.argv[1]) // 4, np.random.Generator(np.random.Philox(0))
with open(sys.argv[2], "wb", buffering=0) as file:
    while left:
        numbers = drawn.random(min(left, 1 << 20), np.float32)
        numbers -= np.float32(0.5)
        file.write(numbers)
        left -= len(numbers)
    os.fsync(file.fileno())
"""
Work = tuple[Row, list[str]]


def in_turns(bench: Bench, works: Sequence[Work], runs: int, fresh: Callable[[], None] = lambda: None) -> list[Row]:
    """Each command once a round, every other round in the opposite order; one that fails is not run again.

    fresh: called before each. A build keeps the old file until the new one is whole and takes it away then, which
    `dd` does not: what is compared with that writes where nothing is.
    """
    for number in range(runs):
        for row, command in works if number % 2 == 0 else list(reversed(works)):
            if not row.failure:
                fresh()
                bench.run(row, command, EXPECTED)
    return [row for row, _ in works]


def deep(bench: Bench, runs: int) -> list[Row]:
    """GPT-3 without weights, and 100,000 layers."""
    gpt3 = [str(ROOT / "models" / "gpt3.arch")]
    chosen = [*gpt3, "--model", "GPT3_175B"]
    built = bench.folder / "gpt3.onnx"
    works = [
        (Row(GPT3, "check"), _cli(bench, "check", *gpt3)),
        (Row(GPT3, "summary"), _cli(bench, "summary", *chosen)),
        (Row(GPT3, "build --weights none"), _cli(bench, "build", *chosen, "--weights", "none", "-o", str(built))),
    ]
    layer = 'Dense(64, activation="relu")\n'
    bodies = {LOOP: f"    for i in range({LAYERS}):\n        {layer}", TEXT: f"    {layer}" * LAYERS}
    for number, (name, body) in enumerate(bodies.items()):
        path = bench.folder / f"deep{number}.arch"
        path.write_text(f"model Deep():\n    input x: float32[N, 64]\n{body}    output y\n", encoding="utf-8")
        works.append((Row(name, "check"), _cli(bench, "check", str(path))))
    rows = in_turns(bench, works, runs)
    for each in (*bench.folder.glob("gpt3*"), *bench.folder.glob("deep*.arch")):
        each.unlink()
    return rows


def drawing(bench: Bench, large: bool, runs: int) -> list[Row]:
    """Builds beside drawing and writing as many numbers alone. All weights are uniform, as those drawn alone are."""
    rows = _drawn(bench, "VGG-19", SUBJECTS["VGG-19"], [], runs)
    if large:
        rows += _drawn(bench, "24 dense layers, 3 GB", STACK, ["--set", f"width={LARGE_WIDTH}"], runs)
    return rows


def _drawn(bench: Bench, name: str, subject: Subject, options: list[str], runs: int) -> list[Row]:
    folder = bench.folder / "drawn"
    folder.mkdir(exist_ok=True)
    target, alone = folder / "built.onnx", bench.folder / "alone"
    build = subject.build(bench.python, target, *options)
    nbytes = _made(bench, build, target)
    works = [(Row(name, OURS), build), (Row(name, ALONE), [bench.python, "-c", DRAW, str(nbytes), str(alone)])]

    def fresh() -> None:
        for each in (*folder.iterdir(), alone):
            each.unlink(missing_ok=True)

    rows = in_turns(bench, works, runs, fresh)
    fresh()
    return rows


def copying(bench: Bench, large: bool, runs: int) -> list[Row]:
    """Builds from a file of weights, beside dd of that file."""
    rows = _copied(bench, FROM_FILE, SUBJECTS["VGG-19"], [], runs)
    if large:
        rows += _copied(bench, FROM_LARGE, STACK, ["--set", f"width={LARGE_WIDTH}"], runs)
    return rows


def _copied(bench: Bench, name: str, subject: Subject, options: list[str], runs: int) -> list[Row]:
    folder = bench.folder / "copied"
    folder.mkdir(exist_ok=True)
    target, weights, copy = folder / "built.onnx", bench.folder / "weights.safetensors", bench.folder / "copy"
    _made(bench, subject.build(bench.python, target, *options), target)
    _must(bench, _cli(bench, "weights", "convert", str(target), str(weights)))
    works = [
        (Row(name, OURS), subject.build(bench.python, target, *options, "--weights", str(weights))),
        (Row(name, DD), ["dd", f"if={weights}", f"of={copy}", "bs=4M", "conv=fsync"]),
    ]

    def fresh() -> None:
        for each in (*folder.iterdir(), copy):
            each.unlink(missing_ok=True)

    try:
        rows = in_turns(bench, works, runs, fresh)
        for row in rows:
            row.nbytes = weights.stat().st_size
    finally:
        fresh()
        weights.unlink(missing_ok=True)
    return rows


def expected(runs: int, copies: int, large: bool) -> float:
    """Seconds that it may take, for the bar."""
    return EXPECTED * (5 * runs + 4 * copies * (1 + large))


def _cli(bench: Bench, *arguments: str) -> list[str]:
    return [bench.python, "-m", "archonnx", *arguments]


def _made(bench: Bench, command: Sequence[str], target: Path) -> int:
    _must(bench, command)
    return total(target)


def _must(bench: Bench, command: Sequence[str]) -> None:
    took = spent(command, bench.environment, bench.limit, bench.patience)
    if took.code:
        raise RuntimeError(f"{' '.join(command[2:6])}: {failure(took.code, took.said)}")
