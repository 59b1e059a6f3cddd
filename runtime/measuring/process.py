"""A process of its own for one model, seen from the one that asks."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from archonnx.runtime.measuring.worker import Failed, Job, Memory, Started, Turn, serve

Answer = TypeVar("Answer")


class FailedError(Exception):
    """The model cannot be measured (any further): `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        super().__init__(failed.message)


class Player(Protocol):
    """What takes turns. Each raises FailedError."""

    def start(self, job: Job) -> Started: ...
    def turn(self, seconds: float | None, calls: int | None) -> Turn: ...
    def memory(self) -> Memory: ...
    def close(self) -> None: ...


class Process:
    """A Player that is a process; it begins with `start`, and is ended by `close` whatever it does."""

    def __init__(self, make: Callable[[Any], Any] | None = None) -> None:
        """make: as `serve` takes it."""
        context = multiprocessing.get_context("spawn")  # a fork would have the parent's memory, and threads that stand
        self._channel, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, make), daemon=True)
        with _without_interrupts():
            self._process.start()
        theirs.close()  # so that the end of the process is the end of the channel

    def start(self, job: Job) -> Started:
        return self._ask(Started, "start", job)

    def turn(self, seconds: float | None, calls: int | None) -> Turn:
        return self._ask(Turn, "turn", seconds, calls)

    def memory(self) -> Memory:
        return self._ask(Memory, "memory")

    def close(self) -> None:
        """End it, also in the middle of a call."""
        self._channel.close()
        self._process.terminate()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _ask(self, kind: type[Answer], *words: object) -> Answer:
        try:
            self._channel.send(words)
            answer = self._channel.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise FailedError(ended(self._process.exitcode)) from None
        if isinstance(answer, Failed):
            raise FailedError(answer)
        assert isinstance(answer, kind)
        return answer


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started inside never sees Ctrl-C, which a terminal sends to all: the process that asks ends it."""
    if threading.current_thread() is not threading.main_thread():  # no other may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ended(code: int | None) -> Failed:
    """What the end of a process, that nobody asked for, means. code: its exit code, -N where signal N ended it."""
    if code == -9:
        return Failed("its process was killed (signal 9), as a system does that runs out of memory", 3)
    if code is not None and code < 0:
        return Failed(f"its process was ended by signal {-code}: onnxruntime, or a library of it, crashed", 1)
    return Failed(f"its process ended with exit code {code} while it ran", 1)
