"""Real processes: a model in each, what they answer, and how they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archonnx.runtime.measuring.process import FailedError, Process, ended
from archonnx.runtime.measuring.worker import Job, peak_memory


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    yield made
    made.close()


@pytest.fixture
def double(make: Any, tmp_path: Path) -> Path:
    """x + x"""
    from onnx import helper

    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = tmp_path / "double.onnx"
    path.write_bytes(make({"x": ("float32", ["N", 4])}, nodes).SerializeToString())
    return path


def test_a_model_is_loaded_run_and_told_of(process: Process, double: Path) -> None:
    started = process.start(Job(str(double), {"x": np.ones((2, 4), np.float32)}, "cpu", 1))
    assert (started.device, started.threads) == ("cpu", 1)
    assert started.load > 0
    assert started.first > 0
    turn = process.turn(None, 3)
    assert (len(turn.calls), len(turn.bare)) == (3, 3)
    assert min(*turn.calls, *turn.bare) > 0
    assert process.turn(0.05, None).calls
    memory = process.memory()
    if memory.peak is not None:
        assert memory.before is not None
        assert 10_000_000 < memory.before <= memory.peak


def test_sequences_are_measured_with_copies_alone(process: Process, make: Any, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()
    )
    process.start(Job(str(path), {"x": np.ones(2, np.float32)}, "cpu"))
    turn = process.turn(None, 2)
    assert (len(turn.calls), turn.bare) == (2, ())


@pytest.mark.parametrize("dtype", ["bfloat16", "float8e4m3fn", "float16", "string"])
def test_types_of_all_kinds_run(dtype: str, process: Process, make: Any, tmp_path: Path) -> None:
    from archonnx.runtime.arrays import numpy_dtype

    path = tmp_path / "m.onnx"
    path.write_bytes(make({"x": (dtype, [3])}).SerializeToString())
    array = np.full(3, "a", object) if dtype == "string" else np.ones(3, numpy_dtype(dtype))
    process.start(Job(str(path), {"x": array}, "cpu"))
    assert len(process.turn(None, 2).bare) == (0 if dtype == "string" else 2)  # strings are always copied


def test_what_fails_in_the_process_is_a_line_here(process: Process, make: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(make({"a": ("float32", ["N"]), "b": ("float32", ["M"])}, "Add").SerializeToString())
    arrays = {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}
    with pytest.raises(FailedError, match="net/add") as caught:
        process.start(Job(str(path), arrays, "cpu"))
    assert caught.value.failed.code == 1
    assert "\n" not in str(caught.value)


def test_a_file_that_is_gone(process: Process, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"gone\.onnx: No such file or directory"):
        process.start(Job(str(tmp_path / "gone.onnx"), {}, "cpu"))


def test_a_process_that_dies_is_told_of(process: Process, double: Path) -> None:
    process.start(Job(str(double), {"x": np.ones((2, 4), np.float32)}, "cpu"))
    assert process._process.pid is not None
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(FailedError, match="runs out of memory") as caught:
        process.turn(None, 3)
    assert caught.value.failed.code == 3


def test_other_ends_of_a_process() -> None:
    assert "by signal 11" in ended(-signal.SIGSEGV).message
    assert ended(1).message == "its process ended with exit code 1 while it ran"


def test_it_can_be_ended_at_any_time(process: Process, double: Path) -> None:
    process._channel.send(("start", Job(str(double), {"x": np.ones((2, 4), np.float32)}, "cpu")))
    process._channel.recv()
    process._channel.send(("turn", 1000.0, None))
    inner = process._process
    pid = inner.pid
    process.close()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    process.__init__()  # type: ignore[misc]  # the fixture closes it once more


def test_the_peak_is_read_from_what_linux_tells(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n")
    assert peak_memory(status) == 12345 * 1024
    status.write_text("Name:\tpython\n")
    assert peak_memory(status) is None
