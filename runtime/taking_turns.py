"""Calls that use all cores each, from several threads: one after the other, as long as none waits long for it.

A call whose threads spin for a moment between operators finishes sooner alone, and takes cores from another one that
runs at the same time. So a call that needs more than half of the cores waits until the one before it is done, but never
for longer than PATIENCE times what it takes itself: a short call does not stand behind a long one. Calls of less than
SHORT seconds do not wait at all, as a thread is woken no faster.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from archonnx.runtime.machine import physical_cores
from archonnx.runtime.wrapping import Wrapped

PATIENCE = 2.0
SHORT = 5e-4
_LOOK = 0.01  # seconds between two looks at whether a call that waits is to end


class Queue:
    """Who runs, and who waits for it, in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._busy = False

    def clear(self) -> None:
        """Forget all: after a fork, whose threads are not there any more."""
        self._guard, self._waiting, self._busy = threading.Lock(), deque(), False

    def enter(self, seconds: float, ended: Callable[[], bool] = lambda: False) -> bool:
        """Wait for a turn, at most so long, and no longer than until `ended`. Returns whether it was given one, which
        `leave` ends."""
        with self._guard:
            if not self._busy:
                self._busy = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        until = time.monotonic() + seconds
        try:
            while not ended():
                left = until - time.monotonic()
                if mine.acquire(timeout=max(0.0, min(left, _LOOK))):
                    return True
                if left <= 0:
                    break
        except BaseException:  # an interrupt
            if not self._withdrawn(mine):
                self.leave()
            raise
        return not self._withdrawn(mine)

    def _withdrawn(self, mine: threading.Lock) -> bool:
        """Whether somebody waits no more; False where the turn was handed over in that very moment."""
        with self._guard:
            if mine not in self._waiting:
                return False
            self._waiting.remove(mine)
            return True

    def leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._busy = False


QUEUE = Queue()  # of the process: what its sessions use is the same cores


def crowds(threads: int | None) -> bool:
    """Whether two calls of so many threads need more cores than there are. threads: None where onnxruntime chooses."""
    cores = physical_cores()
    return threads != 1 and (threads is None or cores is None or 2 * threads > cores)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=QUEUE.clear)


class InTurns(Wrapped):
    """A session of onnxruntime whose calls take turns with those of others."""

    def __init__(self, session: Any, queue: Queue = QUEUE) -> None:
        super().__init__(session)
        self._queue = queue
        self._usual = 0.0  # seconds of the last call

    def _run(self, run: Any, args: tuple[Any, ...]) -> Any:
        usual = self._usual
        if usual < SHORT:  # it neither waits nor looks at whether it is stopped
            return self._taken(run, args, lambda: False)
        options = args[-1] if args else None

        def ended() -> bool:  # by `Stop`, from another thread
            return bool(getattr(options, "terminate", False))

        turn = self._queue.enter(PATIENCE * usual, ended)
        try:
            return self._taken(run, args, ended)
        finally:
            if turn:
                self._queue.leave()

    def _taken(self, run: Any, args: tuple[Any, ...], ended: Callable[[], bool]) -> Any:
        """Run, and remember how long that took, but of a run that was stopped."""
        began = time.perf_counter()
        try:
            return run(*args)
        finally:
            if not ended():
                self._usual = time.perf_counter() - began
