"""Two sessions of one model, called one after another and at once: `python -m tools.bench.threads --help`.

onnxruntime's threads spin while they wait, by default, or sleep at once; ours spin for a moment, then sleep. All three,
and ours with one thread each, are run in turns, so that a busy moment of the machine falls on all alike. Exits with 1
where ours, called at once, take more than 1.05 times as long for a call as one after another.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import archonnx
from archonnx.runtime.machine import physical_cores

BOUND = 1.05
MODELS = {
    "digits": ("models/digits.arch", "Digits"),
    "gru": ("tools/bench/scale/gru.arch", "BidirectionalGRU"),
    "lite": ("models/efficientnet.arch", "EfficientNetLite0"),
    "resnet": ("models/resnet.arch", "ResNet50"),
}
OURS = "archonnx"


@dataclass
class Way:
    """Two sessions as functions of one input, and the seconds of a call, in each round: one after another, at once."""

    name: str
    calls: tuple[Callable[[Any], Any], Callable[[Any], Any]]
    after: list[float] = field(default_factory=list)
    at_once: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Time at once to time one after another: the median over rounds."""
        return statistics.median(b / a for a, b in zip(self.after, self.at_once, strict=True))


def repeat(call: Callable[[Any], Any], x: Any, count: int) -> None:
    for _ in range(count):
        call(x)


def at_once(calls: Sequence[Callable[[Any], Any]], x: Any, count: int) -> None:
    workers = [threading.Thread(target=repeat, args=(call, x, count)) for call in calls]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def take_turns(ways: Sequence[Way], x: Any, count: int, rounds: int) -> None:
    """Each round runs every way, the order turned by one, so that none is always after the same other."""
    for way in ways:
        at_once(way.calls, x, 1)
    for number in range(rounds):
        shift = number % len(ways)
        for way in [*ways[shift:], *ways[:shift]]:
            began = time.perf_counter()
            for call in way.calls:
                repeat(call, x, count)
            middle = time.perf_counter()
            at_once(way.calls, x, count)
            calls = count * len(way.calls)
            way.after.append((middle - began) / calls)
            way.at_once.append((time.perf_counter() - middle) / calls)


def plain(path: Path, threads: int | None, spins: bool) -> Callable[[Any], Any]:
    """A session of onnxruntime's own, with its defaults but for the number of threads and whether they spin."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spins else "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})


def measure(name: str, rounds: int, seconds: float) -> list[Way]:
    """The ways for one model, measured. seconds: about how long one way runs in a round, either time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        source, model = MODELS[name]
        archonnx.compile(source, model=model).save(path)
        threads = physical_cores()
        ways = [
            Way("onnxruntime, spinning", (plain(path, threads, True), plain(path, threads, True))),
            Way("onnxruntime, asleep at once", (plain(path, threads, False), plain(path, threads, False))),
            Way(OURS, (archonnx.load(path, "cpu", cache="off"), archonnx.load(path, "cpu", cache="off"))),
            Way("archonnx, threads=1", tuple(archonnx.load(path, "cpu", threads=1, cache="off") for _ in range(2))),  # type: ignore[arg-type]
        ]
        session: Any = ways[2].calls[0]
        shape = [size if isinstance(size, int) else 1 for size in session.inputs[0].shape]
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        session(x)
        began = time.perf_counter()
        session(x)
        count = max(1, round(seconds / 2 / (time.perf_counter() - began)))
        take_turns(ways, x, count, rounds)
    return ways


def table(name: str, ways: Sequence[Way]) -> str:
    lines = [f"{name}, {len(ways[0].after)} rounds, load of the machine {os.getloadavg()[0]:.1f}", ""]
    lines += ["| threads | ms a call, one after another | at once | ratio |", "|---|---|---|---|"]
    for way in ways:
        after, together = (statistics.median(times) * 1e3 for times in (way.after, way.at_once))
        lines.append(f"| {way.name} | {after:.3f} | {together:.3f} | {way.ratio:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.threads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.2, help="of one way in a round, about")
    parser.add_argument("--model", choices=sorted(MODELS), action="append", help="by default all")
    given = parser.parse_args(arguments)
    good = True
    for name in given.model or MODELS:
        ways = measure(name, given.rounds, given.seconds)
        print(table(MODELS[name][1], ways), end="\n\n")
        good = good and all(way.ratio <= BOUND for way in ways if way.name == OURS)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
