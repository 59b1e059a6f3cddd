"""What the levels of passes cost and gain: `python -m tools.bench.optimization --help`.

Networks have initial kernels and statistics drawn as training might leave them. Times are processor time on one thread
of onnxruntime, the levels taking turns, medians; loading is from bytes in memory.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import archonnx

Array = NDArray[Any]
LEVELS: tuple[Literal[0, 1, 2], ...] = (0, 1, 2)
MODELS = ("resnet:ResNet50", "mobilenet:MobileNetV2", "efficientnet:EfficientNetB0", "yolo:YOLOv8n")
STATISTICS = {"gamma": (0.5, 1.5), "moving_variance": (0.3, 2.0), "beta": (-0.3, 0.3), "moving_mean": (-0.3, 0.3)}


@dataclass
class Level:
    """One file: its level, operators and bytes, and the seconds of each kind of work with it."""

    level: Literal[0, 1, 2]
    operators: int
    nbytes: int
    data: bytes
    error: float = 0.0
    times: dict[str, list[float]] = field(default_factory=dict)

    def session(self, *, plain: bool) -> Any:
        """onnxruntime's session; `plain` without what it does to graphs itself."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if plain:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(self.data, options, providers=["CPUExecutionProvider"])

    def timed(self, what: str, work: Callable[[], Any]) -> Any:
        """What the work gives; its processor time is kept."""
        began = time.process_time()
        made = work()
        self.times.setdefault(what, []).append(time.process_time() - began)
        return made

    def median(self, what: str) -> float:
        return statistics.median(self.times[what])


def prepared(model: archonnx.CompiledModel) -> archonnx.CompiledModel:
    """The model with statistics that are not all 0 and 1."""
    rng = np.random.default_rng(0)
    given = {}
    for weight in model.graph.weights():
        drawn = STATISTICS.get(weight.path.rpartition("/")[2])
        if drawn is not None and "norm" in weight.path:
            given[weight.path] = _recipe(rng.uniform(*drawn, weight.shape).astype(weight.dtype))
    return model.with_given(given)


def _recipe(array: Array) -> Any:
    from archonnx.compiler.recipes import Constant

    return Constant(array)


def feeds_of(model: archonnx.CompiledModel) -> dict[str, Array]:
    """An input of batch 1, other symbols 128; numbers of tokens are small."""
    rng = np.random.default_rng(1)
    feeds: dict[str, Array] = {}
    for given in model.graph.inputs:
        kind = given.value.type
        names = sorted({name for dim in kind.shape if not isinstance(dim, int) for name in dim.symbols()})
        sizes = {name: 1 if name == "N" else 128 for name in names}
        shape = [dim if isinstance(dim, int) else dim.evaluate(sizes) for dim in kind.shape]
        whole = kind.dtype.startswith(("int", "uint"))
        drawn = rng.integers(0, 2, shape) if whole else rng.uniform(0, 1, shape)
        feeds[given.name] = drawn.astype(kind.dtype)
    return feeds


def measured(model: archonnx.CompiledModel, folder: Path, rounds: int) -> list[Level]:
    """The model at every level, in turns."""
    model, feeds, path = prepared(model), feeds_of(model), folder / "model.onnx"
    found: list[Level] = []
    for level in LEVELS:
        report = model.save(path, optimization=level)
        made = model.lower(optimization=level)
        found.append(Level(level, len(made.operators), report.nbytes, path.read_bytes()))
    for _ in range(rounds):
        for each in found:
            each.timed("build", partial(model.save, path, optimization=each.level))
            gc.collect()
    for plain in (True, False):
        way = "plain" if plain else "defaults"
        sessions = []
        for turn in range(rounds):
            for each in found:
                session = each.timed(f"load {way}", partial(each.session, plain=plain))
                if turn == rounds - 1:
                    sessions.append(session)
        results = [session.run(None, feeds) for session in sessions]
        for _ in range(rounds):
            for each, session in zip(found, sessions, strict=True):
                each.timed(f"run {way}", partial(session.run, None, feeds))
        for each, outputs in zip(found, results, strict=True):
            each.error = max(each.error, *(_error(a, b) for a, b in zip(outputs, results[0], strict=True)))
    return found


def _error(found: Array, wanted: Array) -> float:
    wide = wanted.astype(np.float64)
    return float(np.abs(found - wide).max() / max(1e-6, np.abs(wide).max()))


def table(found: dict[str, Sequence[Level]]) -> str:
    """The results as a Markdown table."""
    ways = ("build", "load defaults", "run defaults", "load plain", "run plain")
    titles = ("build", "load", "run", "load, no optimizations", "run, no optimizations")
    head = ["model", "level", "operators", "file", *titles, "error"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, levels in found.items():
        for each in levels:
            cells = [
                name if not each.level else "",
                f"-O{each.level}",
                f"{each.operators:,}",
                f"{each.nbytes / 1e6:.1f} MB",
            ]
            cells += [f"{each.median(way) * 1e3:.0f} ms" for way in ways]
            lines.append(f"| {' | '.join([*cells, f'{each.error:.0e}' if each.error else '0'])} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.optimization", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="FILE:MODEL", help="of the zoo")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    found: dict[str, Sequence[Level]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.models:
            file, _, model = name.partition(":")
            found[model] = measured(archonnx.compile(f"zoo:{file}", model=model), Path(folder), asked.rounds)
    print(table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
