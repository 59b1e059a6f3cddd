"""Runs on OpenVINO's own library: failures, threads, stops, forks, and arrays that are used again."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import InputError, RunError

X = np.arange(6, dtype=np.float32).reshape(2, 3)
SIX = np.arange(6, dtype=np.float32)


@pytest.fixture(scope="module")
def neg(make: Any, on_library: Any) -> Any:
    """y = -x, float32[N, 3]."""
    return on_library(make({"x": ("float32", ["N", 3])}, "Neg", {"y": ("float32", ["N", 3])}))


def reshaping(make: Any) -> Any:
    """A model whose run fails where the shape does not fit."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="net/relu"),
        helper.make_node("Reshape", ["a", "s"], ["b"], name="net/Reshape"),
        helper.make_node("Neg", ["b"], ["y"], name="net/neg"),
    ]
    return make({"x": ("float32", ["N"]), "s": ("int64", [2])}, nodes, {"y": ("float32", None)})


def long(make: Any, count: int = 400) -> Any:
    """A model of many products of matrices: some seconds for 1,024 rows."""
    weight = numpy_helper.from_array(np.eye(512, dtype=np.float32) * 0.99, "w")
    names = ["x", *(f"v{n}" for n in range(count - 1)), "y"]
    nodes = []
    for before, after in pairwise(names):
        nodes += [
            helper.make_node("MatMul", [before, "w"], [f"{after}_m"]),
            helper.make_node("Sin", [f"{after}_m"], [after]),
        ]
    return make({"x": ("float32", ["N", 512])}, nodes, {"y": ("float32", ["N", 512])}, [weight])


def said(program: str, path: Path) -> list[str]:
    """What a program prints, run in a process of its own, which is ended where it hangs."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failed_run_is_an_error_each_time_and_spoils_no_other(
    make: Any, on_library: Any, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenVINO 2026.4 itself gives the results of the run before it: for a shape that failed already, and with one
    thread for every one that fails."""
    session = on_library(reshaping(make), threads=threads)
    for good in ([2, 3], [3, 2], [2, 3]):
        np.testing.assert_array_equal(session(SIX, good), -SIX.reshape(good))
        for _ in range(2):
            with pytest.raises(RunError, match=r"the shape of input data \(6\) conflicts with .*\(4\.5\)") as caught:
                session(SIX, [4, 5])
            assert "node net/" in str(caught.value)
            assert not any(word in str(caught.value) for word in ("src/", "Exception", "\n"))
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        session(SIX, [3, 2])
    assert "compiled anew" in caplog.text


def test_runs_of_several_threads_do_not_suffer_from_those_that_fail(make: Any, on_library: Any) -> None:
    session = on_library(reshaping(make), threads=2)

    def call(number: int) -> bool:
        shape = [(2, 3), (3, 2), (4, 5)][number % 3]
        array = SIX + number
        try:
            found = session(array, np.array(shape))
        except RunError:
            return shape == (4, 5)
        return shape != (4, 5) and (found == -array.reshape(shape)).all()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(call, range(60)))


def test_matrices_that_do_not_fit_are_told_with_their_node(make: Any, on_library: Any) -> None:
    nodes = [helper.make_node("MatMul", ["x", "z"], ["y"], name="net/matmul")]
    nodes[0].metadata_props.add(key="archonnx.place", value="net.arch:3:5")
    model = make({"x": ("float32", ["N", "K"]), "z": ("float32", ["L", "M"])}, nodes, {"y": ("float32", None)})
    session = on_library(model)
    one = [np.ones(shape, np.float32) for shape in ((2, 3), (3, 5))]
    before = session(*one)
    with pytest.raises(RunError, match=r"incompatible shape A: \(2\.3\) shape B: \(4\.5\)") as caught:
        session(one[0], np.ones((4, 5), np.float32))
    assert caught.value.node == "net/matmul"
    np.testing.assert_array_equal(session(*one), before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_memory_that_runs_out_is_told_and_the_session_goes_on(openvino: Any, make: Any, tmp_path: Path) -> None:
    nodes = [helper.make_node("Expand", ["x", "s"], ["y"])]
    save(make({"x": ("float32", [1]), "s": ("int64", [2])}, nodes, {"y": ("float32", None)}), tmp_path / "m.onnx")
    program = """
import resource, sys
import openvino
from archonnx import MachineError, load
session = load(sys.argv[1], "openvino", threads=2)
session([2.0], [2, 2])
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
try:
    session([2.0], [1 << 17, 1 << 17])
except MachineError as error:
    print(error)
print(session([2.0], [2, 2]).tolist())
"""
    told, found = said(program, tmp_path / "m.onnx")
    assert "m.onnx: there is not enough memory for this run: one tensor alone needs 64 GiB" in told
    assert told.endswith("; use a smaller batch or smaller inputs")
    assert found == "[[2.0, 2.0], [2.0, 2.0]]"


def test_out_is_written_into_and_returned(neg: Any) -> None:
    out = np.full((2, 3), 7, np.float32)
    assert neg(X, out=out) is out
    np.testing.assert_array_equal(out, -X)
    assert asyncio.run(neg.arun(X + 1, out={"y": out})) is out
    np.testing.assert_array_equal(out, -X - 1)


@pytest.mark.parametrize("rows", [1, 3])
def test_an_array_of_another_shape_than_the_result_is_refused(neg: Any, rows: int) -> None:
    with pytest.raises(UsageError, match=rf"output y: the array has the shape \[{rows}, 3\], the result \[2, 3\]"):
        neg(X, out=np.empty((rows, 3), np.float32))
    np.testing.assert_array_equal(neg(X), -X)


def test_a_bound_session_reads_and_writes_the_same_arrays(make: Any, on_library: Any) -> None:
    nodes = [helper.make_node("Add", ["x", "z"], ["y"]), helper.make_node("Sub", ["x", "z"], ["d"])]
    inputs = {"x": ("float32", ["N"]), "z": ("float32", ["N"])}
    session = on_library(make(inputs, nodes, {"y": ("float32", ["N"]), "d": ("float32", ["N"])}))
    x, fixed = np.ones(4, np.float32), np.arange(4, dtype=np.float32)
    view = fixed[:]
    view.flags.writeable = False
    out = np.empty(4, np.float32)
    bound = session.bind(x=x, z=view, out={"y": out})
    for number in range(3):
        x[:], fixed[:] = number, number * np.arange(4)  # what is read-only here may be written elsewhere
        found = bound()
        assert found.y is out
        np.testing.assert_array_equal(out, x + fixed)
        np.testing.assert_array_equal(bound.outputs.d, x - fixed)
    before = out.copy()
    session(np.zeros(4, np.float32), fixed)
    np.testing.assert_array_equal(out, before)


@pytest.mark.parametrize("operator", ["Dropout", "Cast", "CastLike", "Sum"])
def test_outputs_that_are_inputs_have_arrays_of_their_own(make: Any, on_library: Any, operator: str) -> None:
    """OpenVINO has one tensor for the two: what was to be written was read in place of the input."""
    more = {"to": TensorProto.FLOAT} if operator == "Cast" else {}
    nodes = [
        helper.make_node(operator, ["x", "x"] if operator == "CastLike" else ["x"], ["same"], **more),
        helper.make_node("Neg", ["x"], ["minus"]),
    ]
    value = ("float32", ["N", 3])
    session = on_library(make({"x": value}, nodes, {"same": value, "minus": value, "x": value}))
    given = [X.copy() for _ in range(4)]
    for number, x in enumerate(given):
        x += number
        out = {name: np.full_like(x, 9) for name in ("same", "minus", "x")}
        session(x, out=out)
        for name, array in out.items():
            np.testing.assert_array_equal(array, -x if name == "minus" else x, err_msg=name)
        assert session(x)["same"] is not x
    bound = session.bind(X.copy())
    bound.inputs.x[:] += 9
    np.testing.assert_array_equal(bound().same, X + 9)
    np.testing.assert_array_equal(bound.outputs.minus, -X - 9)
    for number, x in enumerate(given):
        np.testing.assert_array_equal(x, X + number)


def test_a_bound_session_goes_on_after_a_run_that_failed(make: Any, on_library: Any) -> None:
    session = on_library(reshaping(make))
    bound = session.bind(SIX.copy(), np.array([2, 3]))
    with pytest.raises(RunError):
        session(SIX, [4, 5])
    bound.inputs.x[:] = 2
    np.testing.assert_array_equal(bound(), np.full((2, 3), -2))
    bound.inputs.s[:] = [3, 2]
    with pytest.raises(UsageError, match=r"the array has the shape \[2, 3\], the result \[3, 2\]"):
        bound()
    bound.inputs.s[:] = [2, 3]
    np.testing.assert_array_equal(bound(), np.full((2, 3), -2))


def test_results_belong_to_the_caller(neg: Any) -> None:
    first = neg(X)
    neg(X + 5)
    np.testing.assert_array_equal(first, -X)
    first[:] = 9
    np.testing.assert_array_equal(neg(X), -X)


@pytest.mark.parametrize("threads", [1, 2])
def test_calls_from_many_threads(make: Any, on_library: Any, threads: int) -> None:
    session = on_library(make({"x": ("float32", ["N", 3])}, "Neg"), threads=threads)

    def call(size: int) -> bool:
        array = np.full((size % 7, 3), size, np.float32)
        return bool((session(array) == -array).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(100)))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("early", [False, True], ids=["late", "early"])
def test_a_cancelled_run_ends_and_the_session_goes_on(
    make: Any, on_library: Any, monkeypatch: pytest.MonkeyPatch, threads: int, early: bool
) -> None:
    """early: cancelled when OpenVINO has not come to the first operator, where it would not notice."""
    from archonnx.runtime.openvino.compiled import Bound

    session = on_library(long(make), threads=threads)
    ended: list[str] = []
    begun = threading.Event()
    infer = Bound.infer

    def watched(bound: Bound) -> None:
        begun.set()
        time.sleep(0.3 if early and not ended else 0)
        try:
            infer(bound)
        except RuntimeError:
            ended.append("stopped")
            raise
        ended.append("done")

    monkeypatch.setattr(Bound, "infer", watched)
    small, large = np.ones((1, 512), np.float32), np.ones((8192, 512), np.float32)
    before = session(small)
    ended.clear()
    begun.clear()

    async def work() -> None:
        task = asyncio.create_task(session.arun(large))
        await asyncio.to_thread(begun.wait, 60)
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["stopped"]  # it had half a minute to go
        np.testing.assert_array_equal(await session.arun(small), before)

    asyncio.run(asyncio.wait_for(work(), 120))


def test_a_run_that_is_stopped_while_it_waits_never_begins(make: Any, on_library: Any) -> None:
    from archonnx.runtime.awaiting import Stop

    session = on_library(make({"x": ("float32", ["N"])}, "Neg"))
    runner, stop = session._engine, Stop()
    ended: list[Exception] = []

    def run() -> None:
        try:
            runner.run({"x": SIX}, stop)
        except RunError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    with runner._shapes.every.turns:
        thread.start()
        time.sleep(0.02)
        stop.stop()
    thread.join()
    assert "the run was stopped before it began" in str(ended[0])
    np.testing.assert_array_equal(session(SIX), -SIX)


def test_what_a_step_keeps_is_no_array_and_stays_as_it_is(make: Any, on_library: Any) -> None:
    adds = [helper.make_node("Add", ["x", "total"], ["next"]), helper.make_node("Neg", ["next"], ["y"])]
    states = {"x": ("float32", ["N"]), "total": ("float32", ["N"])}
    runner = on_library(make(states, adds, {"y": ("float32", ["N"]), "next": ("float32", ["N"])}))._engine
    two, held = np.full(3, 2, np.float32), [{"total": np.zeros(3, np.float32)}]
    for number in range(1, 6):
        last, kept = runner.step(
            {"x": two, **(held[0] if number == 1 else {})}, {} if number == 1 else held[-1], "y", ["next"]
        )
        assert last.tolist() == [-2.0 * number] * 3
        assert not isinstance(kept["next"], np.ndarray)
        held.append({"total": kept["next"]})
    for number in range(1, 6):  # the tensors of every step are still what they were
        assert runner.step({"x": two}, held[number], "y", [])[0].tolist() == [-2.0 * (number + 1)] * 3


def test_a_state_that_is_passed_on_is_kept_apart_from_the_callers_array(make: Any, on_library: Any) -> None:
    states = {"x": ("float32", ["N"]), "rate": ("float32", ["N"])}
    product = helper.make_node("Mul", ["x", "rate"], ["y"])
    runner = on_library(make(states, [product], {"y": ("float32", ["N"]), "rate": ("float32", ["N"])}))._engine
    x, rate = np.full(3, 2, np.float32), np.full(3, 5, np.float32)
    last, kept = runner.step({"x": x, "rate": rate}, {}, "y", ["rate"])
    assert last.tolist() == [10.0] * 3
    rate[:] = 7
    for _ in range(2):
        last, kept = runner.step({"x": x}, {"rate": kept["rate"]}, "y", ["rate"])
        assert last.tolist() == [10.0] * 3


def test_a_run_without_copies(neg: Any) -> None:
    run = neg._engine.bare({"x": X})
    assert run() is None
    assert run() is None


def test_wrong_calls_are_refused_as_on_the_cpu(neg: Any) -> None:
    with pytest.raises(InputError, match=r"input x: expected float32\[N, 3\], received float32\[2, 4\]"):
        neg(np.zeros((2, 4), np.float32))
    with pytest.raises(UsageError, match="the model has no input z"):
        neg(z=X)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks processes by default")
def test_a_forked_process_is_refused_and_ends(openvino: Any, make: Any, tmp_path: Path) -> None:
    save(long(make, 4), tmp_path / "m.onnx")
    program = """
import os, sys
import numpy as np
import openvino
from archonnx import UsageError, load
session = load(sys.argv[1], "openvino", threads=2)
x = np.ones((64, 512), np.float32)
before = session(x)
bound = session.bind(x)
pid = os.fork()
if pid == 0:
    try:
        session(x)
    except UsageError as error:
        print(str(error).split(": ")[1][:23], flush=True)
    del session, bound
    own = load(sys.argv[1], "openvino", threads=2)
    print((own(x) == before).all(), flush=True)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), (session(x) == before).all())
"""
    assert said(program, tmp_path / "m.onnx") == ["this process was forked", "True", "7 True"]


def test_shapes_of_calls_are_compiled_for_where_that_is_asked(
    make: Any, openvino: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from archonnx.runtime.devices import resolve
    from archonnx.runtime.engine import start
    from archonnx.runtime.modelfile import read_model
    from archonnx.runtime.settings import Options, Settings

    data = reshaping(make).SerializeToString()
    asked = Settings("openvino", 2, options=Options(provider=(("static_shapes", "2"),)))
    runner = start(data, read_model(data), resolve("openvino"), asked)
    with caplog.at_level(logging.INFO, "archonnx.runtime"):
        for size in (6, 4, 6, 6, 8, 4, 6):
            x, shape = np.arange(size, dtype=np.float32), np.array([2, size // 2])
            np.testing.assert_array_equal(runner.run({"x": x, "s": shape})[0], -x.reshape(shape))
            with pytest.raises(RunError, match=rf"input data \({size}\) conflicts with the reshape pattern \(3\.1\)"):
                runner.run({"x": x, "s": np.array([3, 1])})
    # What is compiled for few shapes is left, the shape used longest ago first; after a failure all is made anew.
    assert set(caplog.messages) == {f"<bytes>: compiled for [{size}], [2]" for size in (4, 6, 8)}
    out = np.empty((3, 2), np.float32)
    bound = runner.bind({"x": SIX, "s": np.array([3, 2])}, {"y": out})
    assert runner.run_bound(bound, {"x": SIX, "s": np.array([3, 2])}, {"y": out})[0] is out
    np.testing.assert_array_equal(out, -SIX.reshape(3, 2))
