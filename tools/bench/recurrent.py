"""How fast recurrent layers run in onnxruntime beside a node written by hand: `python -m tools.bench.recurrent --help`.

The hand-written node has its input with time first and its result as ONNX gives it; ours has the batch first, as
Keras has it, and the results of both ways side by side. All are run in turns, so that a busy moment falls on all alike.
Exits with 1 where ours takes more than 1.1 times as long.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import archonnx

BOUND = 1.1
FEATURES, OPSET = 64, 20


@dataclass
class Row:
    """What is measured: a call that runs it, and the seconds that it took."""

    name: str
    run: Callable[[], Any]
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.times)


def session(data: bytes, threads: int) -> Any:
    """An onnxruntime session of a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def by_hand(units: int, steps: int, batch: int) -> bytes:
    """A model of one bidirectional GRU node."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"w": (2, 3 * units, FEATURES), "r": (2, 3 * units, units), "b": (2, 6 * units)}
    weights = [
        numpy_helper.from_array((rng.normal(size=shape) * 0.05).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = helper.make_node(
        "GRU", ["x", *shapes], ["y"], hidden_size=units, direction="bidirectional", linear_before_reset=1
    )
    graph = helper.make_graph(
        [node],
        "gru",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, batch, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [steps, 2, batch, units])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def ours(line: str, inputs: str) -> bytes:
    """Our model of one line."""
    text = f"model A():\n    input x: {inputs}\n    x -> {line}\n    output y\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.onnx"
        archonnx.compile(text=text, opset=OPSET).save(path)
        return path.read_bytes()


def measure(rows: Sequence[Row], rounds: int, repeats: int) -> None:
    """Every row once unmeasured, then `rounds` times in turns, each turn `repeats` runs."""
    for turn in range(rounds + 1):
        for row in rows:
            began = time.perf_counter()
            for _ in range(repeats):
                row.run()
            if turn:
                row.times.append((time.perf_counter() - began) / repeats)


def rows(units: int, steps: int, batch: int, threads: int) -> list[Row]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, steps, FEATURES)).astype(np.float32)
    turned = np.ascontiguousarray(x.transpose(1, 0, 2))
    hand = session(by_hand(units, steps, batch), threads)
    found = [Row("`GRU` node by hand, time first", lambda: hand.run(None, {"x": turned}))]
    fixed, dynamic = f"float32[{batch}, {steps}, {FEATURES}]", f"float32[N, T, {FEATURES}]"
    both = f"Bidirectional(GRU({units}, return_sequences=True))"
    for name, inputs, line in (
        (f"`{both}`", fixed, both),
        ("the same, batch and time dynamic", dynamic, both),
        ("the same behind `Masking()`", fixed, f"Masking() -> {both}"),
        ('the same, `activation="gelu"`: two `Scan`', fixed, both.replace(f"{units}, ", f'{units}, "gelu", ')),
    ):
        made = session(ours(line, inputs), threads)
        found.append(Row(name, partial(made.run, None, {"x": x})))
    return found


def table(found: Sequence[Row]) -> str:
    """The results as a Markdown table."""
    first = found[0].median
    lines = ["| what | median | fastest | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.median * 1e3:.2f} ms | {min(row.times) * 1e3:.2f} ms | {row.median / first:.2f} |"
        for row in found
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Recurrent layers in onnxruntime beside a node written by hand.")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args(arguments)
    found = rows(options.units, options.steps, options.batch, options.threads)
    measure(found, options.rounds, options.repeats)
    print(f"{options.units} units, {options.steps} steps, batch {options.batch}, {options.threads} threads\n")
    print(table(found))
    return 0 if found[1].median <= BOUND * found[0].median else 1


if __name__ == "__main__":
    sys.exit(main())
