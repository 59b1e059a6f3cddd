"""Calls that asyncio awaits: each runs in a thread, and stops where its task is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Value = TypeVar("Value")


class Stop:
    """Ends the run of onnxruntime that it was given to, from another thread, before or while it goes on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._options: Any = None
        self._stopped = self._begun = False

    def begin(self) -> bool:
        """Whether to begin at all: not where it was stopped before."""
        with self._lock:
            self._begun = not self._stopped
            return self._begun

    @property
    def stopped(self) -> bool:
        """Whether it was asked to end: an error that comes then says nothing of the call."""
        return self._stopped

    def attach(self, options: Any) -> None:
        """Belong to the run that is made with these RunOptions, and no other."""
        with self._lock:
            self._options = options
            if self._stopped:
                options.terminate = True

    def stop(self) -> bool:
        """The run ends with an error after the operator that it is at. Returns whether it had begun."""
        with self._lock:
            self._stopped = True
            if self._options is not None:
                self._options.terminate = True
            return self._begun


async def awaited(work: Callable[[Stop], Value]) -> Value:
    """What `work` returns or raises, run in a thread of the event loop's own.

    A task that is cancelled, however often, waits until the run has ended, so that nothing reads the caller's arrays
    any more.
    """
    stop = Stop()

    def run() -> Value:
        if not stop.begin():
            raise asyncio.CancelledError
        return work(stop)

    future = asyncio.get_running_loop().run_in_executor(None, run)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if stop.stop():
            while not future.done():
                with suppress(asyncio.CancelledError):  # cancelled once more: the run reads the arrays as yet
                    await asyncio.wait([future])
            future.exception()  # asked for, as asyncio logs what nobody asks for: that it was stopped is no news
        else:  # it waits for a thread, and need not come to its turn
            future.cancel()
        raise
