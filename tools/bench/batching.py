"""A large batch as a whole and in parts: processor time of a row, and memory held after it: `python -m
tools.bench.batching --help`.

All ways take turns in one process, so that a busy moment of the machine falls on all alike; memory is that of a process
of its own for each. Prints two tables for docs/batching.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from archonnx.runtime.machine import held_memory

MODELS = {"DNN": ("dnn", 24), "ResNet50": ("resnet", 256), "MiniLM": ("bert", 256)}
TOKENS = 128
MOST = 64  # rows that times are measured at
PARTS = (1, 4, 16)


def drawn(session: Any, rows: int) -> dict[str, Any]:
    """Inputs of so many rows: numbers of tokens that every vocabulary has, or fractions of 1."""
    rng = np.random.default_rng(0)
    found = {}
    for spec in session.inputs:
        shape = [rows, *(TOKENS if isinstance(size, str) else size for size in spec.shape[1:])]
        small = rng.integers(0, 2, shape) if spec.dtype == "int64" else rng.random(shape, np.float32)
        found[spec.name] = small
    return found


def whole(session: Any) -> Callable[[dict[str, Any]], Any]:
    """A call that onnxruntime runs at once."""
    return lambda feeds: session._engine._runner.run(feeds)


def speed(path: str, rows: int, rounds: int) -> dict[str, float]:
    """Way -> milliseconds of processor time for a row, the least of all rounds."""
    sessions = {f"{n} at a time": archonnx.load(path, "cpu", batch=n) for n in PARTS}
    plain = archonnx.load(path, "cpu")
    feeds = drawn(plain, rows)
    ways: dict[str, Callable[[dict[str, Any]], Any]] = {"at once": whole(plain), "as loaded": plain, **sessions}
    found = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            began = time.process_time()
            ways[name](feeds)
            found[name] = min(found[name], (time.process_time() - began) * 1000 / rows)
    return found


def memory(path: str, rows: int, at_once: bool) -> list[int]:
    """MiB that the process holds after a call of one row, one of so many, and one of one row again."""
    session = archonnx.load(path, "cpu")
    one, many = drawn(session, 1), drawn(session, rows)
    call: Callable[[dict[str, Any]], Any] = whole(session) if at_once else session
    found = []
    for feeds in (one, many, one):
        call(feeds)
        found.append(round((held_memory() or 0) / 2**20))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.batching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--memory", nargs=3, metavar=("FILE", "ROWS", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.memory:
        path, rows, way = given.memory
        print(*memory(path, int(rows), way == "at once"))
        return 0
    root = Path(__file__).resolve().parents[2] / "models"
    ways = ["at once", "as loaded", *(f"{n} at a time" for n in PARTS)]
    with tempfile.TemporaryDirectory() as folder:
        print(f"| model, rows | {' | '.join(ways)} |", f"|---|{'---|' * len(ways)}", sep="\n")
        for name in given.models:
            file, rows = MODELS[name]
            archonnx.compile(root / f"{file}.arch", name).save(f"{folder}/{name}.onnx")
            found = speed(f"{folder}/{name}.onnx", min(rows, MOST), given.rounds)
            print(f"| {name}, {min(rows, MOST)} | {' | '.join(f'{found[way]:.1f}' for way in ways)} |", flush=True)
        print("\n| model, rows | way | one row | the batch | one row again |", "|---|---|---|---|---|", sep="\n")
        for name in given.models:
            for way in ("at once", "as loaded"):
                rows = str(MODELS[name][1])
                command = [sys.executable, "-m", "tools.bench.batching", "--memory", f"{folder}/{name}.onnx", rows, way]
                run = subprocess.run(command, capture_output=True, text=True, check=True)
                print(f"| {name}, {rows} | {way} | {' | '.join(run.stdout.split())} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
