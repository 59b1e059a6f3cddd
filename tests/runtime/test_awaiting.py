"""Calls that are awaited: several at once, their errors, and what happens where they are cancelled."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.awaiting import Stop, awaited
from archonnx.runtime.errors import InputError, RunError


def endless(make: Any) -> Any:
    """A model whose loop goes on for `trips` rounds of almost no work each: it stops between two operators."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["value", "one"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    nodes = [helper.make_node("Loop", ["trips", "yes", "x"], ["y"], body=body)]
    initializers = [
        helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
    ]
    inputs = {"x": ("float32", []), "trips": ("int64", [])}
    return make(inputs, nodes, {"y": ("float32", [])}, initializers=initializers)


def test_calls_are_awaited_together(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N", 2])}, "Neg"))
    arrays = [np.full((size, 2), size, np.float32) for size in range(40)]

    async def work() -> list[Any]:
        return await asyncio.gather(*(session.arun(x=array) for array in arrays))

    for array, found in zip(arrays, asyncio.run(work()), strict=True):
        np.testing.assert_array_equal(found, -array)


def test_several_outputs_are_results(make: Any, load: Any) -> None:
    nodes = [helper.make_node("Neg", ["x"], ["minus"]), helper.make_node("Abs", ["x"], ["size"])]
    outputs = {"minus": ("float32", ["N"]), "size": ("float32", ["N"])}
    found = asyncio.run(load(make({"x": ("float32", ["N"])}, nodes, outputs)).arun([1, -2]))
    assert found.minus.tolist() == [-1, 2]
    assert found.size.tolist() == [1, 2]


def test_errors_are_those_of_a_call(make: Any, load: Any) -> None:
    session = load(make({"x": ("float32", ["N"]), "z": ("float32", ["M"])}, "Add"))
    for args, kind in (((), UsageError), (([[1]], [1]), InputError), (([1, 2], [1, 2, 3]), RunError)):
        with pytest.raises(kind) as direct:
            session(*args)
        with pytest.raises(kind, match=f"^{re.escape(str(direct.value))}$"):
            asyncio.run(session.arun(*args))
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        asyncio.run(session.arun([1], [1]))


def test_the_event_loop_goes_on_while_a_run_does(make: Any, load: Any) -> None:
    """A cancelled run ends at once, though it had hours to go; the session goes on working."""
    session = load(endless(make))
    assert session(0.0, 3).item() == 3.0

    async def work() -> None:
        task = asyncio.create_task(session.arun(0.0, 10**12))
        for _ in range(5):
            await asyncio.sleep(0.01)
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await session.arun(1.0, 2)).item() == 3.0

    asyncio.run(asyncio.wait_for(work(), 60))


def test_a_time_limit_ends_a_run(make: Any, load: Any) -> None:
    session = load(endless(make))

    async def work() -> None:
        async with asyncio.timeout(0.05):
            await session.arun(0.0, 10**12)

    with pytest.raises(TimeoutError):
        asyncio.run(work())


def test_a_cancelled_call_waits_until_its_run_has_ended() -> None:
    ended = []

    def slow(stop: Stop) -> None:
        begun.set()
        time.sleep(0.1)
        ended.append(True)

    begun = threading.Event()

    async def work() -> None:
        task = asyncio.create_task(awaited(slow))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(work())


def test_a_call_that_is_cancelled_again_waits_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    ended = []

    def slow(stop: Stop) -> None:
        begun.set()
        time.sleep(0.1)
        ended.append(True)
        raise RunError("it was stopped")

    begun = threading.Event()

    async def work() -> None:
        task = asyncio.create_task(awaited(slow))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.005)
        assert not task.done()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]

    asyncio.run(work())
    gc.collect()
    assert not caplog.records, "nothing of an exception that nobody asked for"


def test_a_cancelled_call_that_waits_for_a_thread_never_begins() -> None:
    begun = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        let = threading.Event()
        first = asyncio.create_task(awaited(lambda stop: let.wait(30)))
        second = asyncio.create_task(awaited(lambda stop: begun.append(True)))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        let.set()
        assert await first
        await loop.shutdown_default_executor()

    asyncio.run(work())
    assert begun == []


@pytest.mark.parametrize("early", [True, False])
def test_a_stop_reaches_the_run_whenever_it_comes(early: bool) -> None:
    import onnxruntime

    options, stop = onnxruntime.RunOptions(), Stop()
    for step in (stop.stop, lambda: stop.attach(options)) if early else (lambda: stop.attach(options), stop.stop):
        assert not options.terminate
        step()
    assert options.terminate
