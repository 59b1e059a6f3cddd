"""What filling tokens up into buckets costs or saves: `python -m tools.bench.padding --help`.

Texts of many lengths, one a call, through MiniLM: in their exact shapes, filled up to buckets, and all filled up to one
length. All ways take turns, call by call, in one process for a device, so that a busy moment of the machine falls on
all alike. The first round meets each shape for the first time, the later ones know it. Prints a table for
docs/padding.md.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from archonnx.contract.agreement import error

MASK = "attention_mask"
LONGEST = 128
WAYS: dict[str, list[int] | None] = {
    "exact shapes": None,
    "buckets 16, 32, 64, 128": [16, 32, 64, 128],
    "buckets 32, 64, 128": [32, 64, 128],
    "one of 128": [LONGEST],
}


def lengths(calls: int) -> list[int]:
    """Numbers of tokens as sentences have them: a median of 24, one in ten above 60, 128 at most."""
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.normal(np.log(24), 0.7, calls))
    return [int(length) for length in np.clip(drawn, 3, LONGEST)]


def call(length: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    ones = np.ones((1, length), np.int64)
    return {"input_ids": rng.integers(1, 30000, (1, length)), MASK: ones, "token_type_ids": 0 * ones}


def measured(path: str, device: str, calls: int, rounds: int) -> None:
    """Print a row for each way: milliseconds of a call in the first round, and in the best of the later ones."""
    sessions = {
        name: archonnx.load(path, device, buckets=None if sizes is None else {MASK: sizes}, cache="off", plan=None)
        for name, sizes in WAYS.items()
    }
    for session in sessions.values():
        assert session.padding is None or session.padding.why is None
    given = [call(length, seed) for seed, length in enumerate(lengths(calls))]
    worst = dict.fromkeys(WAYS, 0.0)
    first: dict[str, list[float]] = {name: [] for name in WAYS}
    again = {name: [float("inf")] * calls for name in WAYS}
    for turn in range(rounds + 1):
        for place, feeds in enumerate(given):
            exact = None
            for name in list(WAYS)[:: 1 if (place + turn) % 2 else -1]:
                began = time.perf_counter()
                found = sessions[name](feeds)
                taken = (time.perf_counter() - began) * 1000
                if turn:
                    again[name][place] = min(again[name][place], taken)
                else:
                    first[name].append(taken)
                if name == "exact shapes":
                    exact = found
            if not turn:
                exact = sessions["exact shapes"](feeds) if exact is None else exact
                for name in WAYS:
                    worst[name] = max(worst[name], error(sessions[name](feeds), exact))
    for name in WAYS:
        all_first, all_again = statistics.mean(first[name]), statistics.mean(again[name])
        median = statistics.median(again[name])
        row = f"{all_first:.1f} | {all_again:.1f} | {median:.1f} | {worst[name]:.0e}"
        print(f"| {device}, {name} | {row} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.padding", description=__doc__)
    parser.add_argument("--calls", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--devices", nargs="*", default=["cpu", "openvino"])
    parser.add_argument("--one", nargs=2, metavar=("FILE", "DEVICE"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        path, device = given.one
        measured(path, device, given.calls, given.rounds)
        return 0
    many = lengths(given.calls)
    print(f"{given.calls} texts of {len(set(many))} lengths, {sum(many) / len(many):.1f} tokens on the mean\n")
    print(
        "| device, way | first round | best of the later rounds | its median | difference |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    root = Path(__file__).resolve().parents[2] / "models"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/minilm.onnx"
        archonnx.compile(root / "bert.arch", "MiniLM").save(path)
        for device in given.devices:
            command = [sys.executable, "-m", "tools.bench.padding", "--one", path, device]
            subprocess.run([*command, "--calls", str(given.calls), "--rounds", str(given.rounds)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
