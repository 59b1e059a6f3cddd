"""What a call costs beside onnxruntime's own session, on a model of one node: `python -m tools.bench.overhead --help`.

Both run the same session in turns, so that a busy moment of the machine falls on both alike. Exits with 1 where a call
costs more than 5 microseconds beside `InferenceSession.run`. With `--device openvino` it is OpenVINO's own library, and
its `InferRequest.infer` beside which nothing is demanded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import archonnx

BOUND = 5e-6
SOURCE = """
model Tiny():
    input x: float32[N, 4]
    output y = relu(x)
"""


def seconds(call: Callable[[], Any], count: int) -> float:
    """Of one call, the mean of `count`."""
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count


def measure(rounds: int, count: int, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds of a call in each round, by what is called, the library's own call first."""
    session = archonnx.load(archonnx.compile(text=SOURCE), device, threads=1)
    engine: Any = session._engine
    x, shapes = np.zeros((1, 4), np.float32), [np.zeros((size, 4), np.float32) for size in range(1, 301)]
    out, bound = np.empty_like(x), session.bind(x)
    turn = iter(range(sys.maxsize))
    ways: dict[str, Callable[[], Any]] = {
        **own_call(engine, x),
        "session(x)": lambda: session(x),
        "session(x=x)": lambda: session(x=x),
        "session(x, out=y)": lambda: session(x, out=out),
        "bound(), of session.bind(x)": bound,
        "session(x), a shape that is new": lambda: session(shapes[next(turn) % len(shapes)]),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        seconds(call, count)
    for _ in range(rounds):
        for name, call in ways.items():
            found[name].append(seconds(call, count))
    return found


def own_call(engine: Any, x: np.ndarray[Any, Any]) -> dict[str, Callable[[], Any]]:
    """How the library itself is called, which runs the model."""
    if engine.choice.device == "cpu":
        run = engine._session.run
        return {"InferenceSession.run": lambda: run(None, {"x": x})}
    if engine.providers != ("OpenVINO",):
        raise SystemExit("OpenVINO's own library is not what runs models here")
    request = engine._shapes.every.take()
    return {"InferRequest.infer": lambda: request.infer({0: x})[0]}


def beside(found: dict[str, list[float]], name: str) -> float:
    """Seconds that a call takes more than the library's own: the median over rounds."""
    own = next(iter(found.values()))
    return statistics.median(a - b for a, b in zip(found[name], own, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument(
        "--count",
        type=int,
        default=20,
        help="calls of each kind in a round: few, to come to an end before another process has its turn",
    )
    parser.add_argument("--device", choices=("cpu", "openvino"), default="cpu")
    given = parser.parse_args(arguments)
    found = measure(given.rounds, given.count, given.device)
    print("| call | microseconds | more |", "|---|---|---|", sep="\n")
    for name, times in found.items():
        print(f"| `{name}` | {statistics.median(times) * 1e6:.1f} | {beside(found, name) * 1e6:.1f} |")
    return 0 if given.device != "cpu" or beside(found, "session(x)") <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
