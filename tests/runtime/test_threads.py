"""How many threads a session has, by what it is told, and what becomes of calls from many threads."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, save

from archonnx.cli import main
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime import threads
from archonnx.runtime.machine import physical_cores

MOST = "a whole number of at least 1 and at most 1024"


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2", 1025, 10**12])
def test_threads_are_a_whole_number(make: Any, load: Any, wrong: Any) -> None:
    with pytest.raises(UsageError, match=f"^threads is {MOST}, received"):
        load(make({"x": ("float32", ["N"])}), threads=wrong)


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "1025", "²"])
def test_the_variable_is_a_whole_number(wrong: str) -> None:
    message = f"^the environment variable ARCHONNX_THREADS is {MOST}, received '{wrong}'$"
    with pytest.raises(UsageError, match=message):
        threads.thread_count(None, {"ARCHONNX_THREADS": wrong})


def test_what_is_asked_for_comes_before_the_variable_and_that_before_the_machine() -> None:
    told = {"ARCHONNX_THREADS": " 5 "}
    assert threads.thread_count(3, told) == 3
    assert threads.thread_count(None, told) == 5
    assert threads.thread_count(None, {"ARCHONNX_THREADS": ""}) == physical_cores()
    assert threads.thread_count(np.int64(3)) == 3  # type: ignore[arg-type]


def test_a_session_tells_its_threads(make: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make({"x": ("float32", ["N"])})
    assert load(model, threads=3).threads == 3
    monkeypatch.setenv("ARCHONNX_THREADS", "2")
    assert load(model).threads == 2
    monkeypatch.delenv("ARCHONNX_THREADS")
    assert load(model).threads == physical_cores()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the threads of a process")
def test_a_session_starts_as_many_threads_as_it_tells(make: Any, load: Any) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/task"))

    model = make({"x": ("float32", ["N"])})
    load(model, threads=1)  # whatever starts once for a process has started
    before = count()
    one = load(model, threads=1)
    assert count() == before  # the caller's own
    four = load(model, threads=4)
    assert count() == before + 3
    assert one([1]).tolist() == four([1]).tolist() == [1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process choose its processors")
def test_threads_follow_the_affinity(make: Any, load: Any) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert load(make({"x": ("float32", ["N"])})).threads == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_session_may_be_called_from_several_threads(make: Any, load: Any) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((16, 16)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    session = load(
        make(
            {"x": ("float32", ["N", 16])},
            nodes,
            {"y": ("float32", ["N", 16])},
            initializers=[helper.make_tensor("w", 1, [16, 16], weight.tobytes(), raw=True)],
        ),
        threads=2,
    )
    inputs = [rng.standard_normal((size, 16)).astype(np.float32) for size in (1, 3, 17, 64, 200, 0)]
    expected = [np.maximum(x @ weight, 0) for x in inputs]
    right = [0] * len(inputs)

    def work(number: int) -> None:
        for _ in range(30):
            right[number] += np.allclose(session(inputs[number]), expected[number], atol=1e-4)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(len(inputs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert right == [30] * len(inputs)


def test_the_command_sets_them(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archonnx.runtime import loading

    asked = []
    real = loading.thread_count
    monkeypatch.setattr(loading, "thread_count", lambda count: asked.append(count) or real(count))
    path = tmp_path / "m.onnx"
    save(make({"x": ("float32", ["N"])}), path)
    assert main(["run", str(path), "-i", "x=[1]", "--threads", "2"]) == 0
    assert main(["run", str(path), "-i", "x=[1]"]) == 0
    assert asked == [2, None]
    assert main(["run", str(path), "-i", "x=[1]", "--threads", "0"]) == 2
