"""The memory of a run, reckoned from shapes: against what onnxruntime takes, and node by node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apart import Input, graph_of
from onnx import helper

from archonnx.runtime.batching.footprint import footprint

node = helper.make_node


def of(nodes: list[Any], inputs: dict[str, Input], outputs: list[str], held: Any = None, **sizes: int) -> Any:
    model = graph_of(nodes, inputs, outputs, held or {})
    return footprint(model.SerializeToString(), sizes, ["N"])


def test_a_value_counts_from_where_it_is_made_to_where_it_is_last_read() -> None:
    x = {"x": Input("N", 100)}
    wide = np.zeros((100, 1000), np.float32)
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),  # 1000 places of 4 bytes
        node("MatMul", ["a", "v"], ["b"]),  # and 100
        node("MatMul", ["b", "w"], ["c"]),  # `a` is gone
    ]
    found = of(nodes, x, ["c"], {"w": wide, "v": wide.T.copy()})
    assert (found.fixed, found.row, found.widest, found.unknown) == (0, 4400, 1000, 0)


def test_what_is_written_over_its_input_takes_nothing() -> None:
    x = {"x": Input("N", 100)}
    wide = {"w": np.zeros((100, 1000), np.float32), "shape": np.array([0, 10, 100])}
    chain = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["b"]), node("Reshape", ["b", "shape"], ["c"])]
    assert of(chain, x, ["c"], wide).row == 4000
    both = [*chain[:2], node("Add", ["a", "b"], ["c"])]  # `a` is read later
    assert of(both, x, ["c"], wide).row == 8000


def test_what_does_not_grow_with_the_rows_is_told_apart() -> None:
    inputs = {"x": Input("N", 10), "t": Input("T", 10)}
    nodes = [node("Exp", ["t"], ["e"]), node("MatMul", ["x", "w"], ["a"]), node("MatMul", ["e", "w"], ["b"])]
    held = {"w": np.zeros((10, 50), np.float32)}
    found = of(nodes, inputs, ["a", "b"], held, T=1000)
    assert found.row == 200
    assert found.fixed == 40_000 + 200_000


def test_types_have_their_widths_and_what_is_unknown_is_counted() -> None:
    x = {"x": Input("N", 100)}
    found = of([node("Cast", ["x"], ["a"], to=10), node("NonZero", ["a"], ["b"])], x, ["b"])
    assert (found.row, found.unknown) == (200, 1)


CHILD = """
import sys
import numpy as np, onnxruntime

def most():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024

options = onnxruntime.SessionOptions()
options.enable_cpu_mem_arena = False  # which takes more than it needs, in powers of two
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
x = np.ones((48, 3, 128, 128), np.float32)
session.run(None, {"x": x[:1]})
before = most()
session.run(None, {"x": x})
print(most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process holds")
def test_onnxruntime_takes_what_is_reckoned(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["c"], ["y"]),
    ]
    model = graph_of(nodes, {"x": Input("N", 3, 128, 128)}, ["y"], {"w": rng.random((16, 3, 3, 3), np.float32)})
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    found = footprint(model.SerializeToString(), {}, ["N"])
    assert found.row == 4 * 16 * 128 * 128 * 5 // 4
    run = subprocess.run([sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True)
    taken = int(run.stdout)
    assert 0.6 * found.bytes(48) < taken < 1.7 * found.bytes(48)
