"""Calls from several threads that take turns: in order, none longer than it has patience, and none lost."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import archonnx
from archonnx.runtime import taking_turns
from archonnx.runtime.taking_turns import PATIENCE, SHORT, InTurns, Queue, crowds


class Calls:
    """A session whose calls take a while, and which knows how many run at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.most = seconds, 0, 0
        self._guard = threading.Lock()

    def run(self, word: str) -> str:
        with self._guard:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._guard:
            self.now -= 1
        if word == "wrong":
            raise RuntimeError(word)
        return word


def at_once(count: int, call: Any) -> list[Any]:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return found


def test_two_calls_run_one_after_the_other() -> None:
    inside, queue = Calls(0.05), Queue()
    sessions = [InTurns(inside, queue), InTurns(inside, queue)]
    for session in sessions:
        assert session.run("first") == "first"
    inside.most = 0
    waiting = iter(sessions)
    assert at_once(2, lambda: next(waiting).run("x")) == ["x", "x"]
    assert inside.most == 1


def test_nobody_waits_longer_than_its_patience() -> None:
    long, short, queue = Calls(2.0), Calls(0.01), Queue()
    slow, quick = InTurns(long, queue), InTurns(short, queue)
    quick.run("x")
    slow._usual = 1.0
    thread = threading.Thread(target=slow.run, args=("x",))
    thread.start()
    while not long.now:
        time.sleep(0.001)
    began = time.perf_counter()
    quick.run("x")
    assert long.now == 1, "the other one still runs"
    assert time.perf_counter() - began < 1.5
    thread.join()
    assert queue.enter(0), "the turn that was not given was not left either"


def test_a_call_that_is_stopped_waits_no_more() -> None:
    queue, options = Queue(), SimpleNamespace(terminate=False)
    assert queue.enter(0)
    session = InTurns(SimpleNamespace(run=lambda options: options.terminate), queue)
    session._usual = 30.0
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(session.run(options)))
    thread.start()
    while not queue._waiting:
        time.sleep(0.001)
    assert thread.is_alive()
    options.terminate = True
    thread.join(10)
    assert found == [True], "it began, and ended at once"
    assert session._usual == 30.0, "what a call takes is not learnt of one that was stopped"
    assert not queue._waiting
    queue.leave()
    assert queue.enter(0)


def test_short_calls_do_not_wait() -> None:
    queue = Queue()
    session = InTurns(Calls(0), queue)
    assert queue.enter(0)
    for usual in (0.0, SHORT / 2):
        session._usual = usual
        assert session.run("x") == "x"


def test_a_call_that_fails_leaves_its_turn() -> None:
    queue = Queue()
    session = InTurns(Calls(0.001), queue)
    session.run("x")
    with pytest.raises(RuntimeError, match="wrong"):
        session.run("wrong")
    assert queue.enter(0)


def test_turns_are_given_in_the_order_of_asking() -> None:
    queue, order = Queue(), list[int]()
    assert queue.enter(0)

    def ask(number: int) -> None:
        assert queue.enter(30)
        order.append(number)
        queue.leave()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=ask, args=(number,)))
        threads[-1].start()
        while len(queue._waiting) <= number:
            time.sleep(0.001)
    queue.leave()
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]
    assert queue.enter(0)


def test_an_interrupt_while_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        """A lock that is waited for until somebody presses Ctrl-C, perhaps after it was handed over."""

        def __init__(self, queue: Queue, handed: bool) -> None:
            self.queue, self.handed = queue, handed

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return True
            if self.handed:
                self.queue.leave()
            raise KeyboardInterrupt

        def release(self) -> None:
            pass

    for handed in (False, True):
        queue = Queue()
        assert queue.enter(0)
        with monkeypatch.context() as patch:
            patch.setattr(taking_turns.threading, "Lock", lambda q=queue, h=handed: Interrupted(q, h))
            with pytest.raises(KeyboardInterrupt):
                queue.enter(1)
        assert not queue._waiting
        if not handed:
            queue.leave()
        assert queue.enter(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_begins_with_an_empty_queue() -> None:
    queue = taking_turns.QUEUE
    assert queue.enter(0)
    child = os.fork()
    if child == 0:
        os._exit(0 if queue.enter(0) else 1)
    _, status = os.waitpid(child, 0)
    queue.leave()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    ("threads", "cores", "expected"),
    [(1, 1, False), (1, None, False), (2, 2, True), (2, 4, False), (3, 4, True), (None, 8, True), (2, None, True)],
)
def test_what_needs_more_than_half_of_the_cores(
    threads: int | None, cores: int | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking_turns, "physical_cores", lambda: cores)
    assert crowds(threads) is expected


def test_sessions_of_many_threads_give_what_they_give_alone(tmp_path: Path) -> None:
    text = "model Net():\n    input x: float32[N, 64]\n    Dense(2048)\n    Dense(2048)\n    Dense(8)\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "net.onnx")
    sessions = [archonnx.load(tmp_path / "net.onnx", "cpu", threads=2, cache="off") for _ in range(2)]
    x = np.random.default_rng(0).standard_normal((256, 64), np.float32)
    wanted = sessions[0](x)
    taken = iter(sessions * 6)
    for found in at_once(12, lambda: next(taken)(x)):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert PATIENCE > 1
