"""The memory that onnxruntime keeps between runs, given back when calls have become smaller.

onnxruntime's arena grows to what the largest run took and stays so. A run that says so gives back at its end what
nothing holds (`memory.enable_memory_arena_shrinkage`, https://onnxruntime.ai/docs/get-started/with-c.html); the next
large run must take it anew, which makes that one slower. So the small calls do it, and less and less often where large
ones keep coming back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archonnx.runtime.machine import held_memory

SMALLER = 4  # times that inputs have less to be a small call
LEAST = 64 << 20  # bytes that are worth it
PATIENT = 64  # small calls in a row that are waited for at most, where something was given back each time
FRUITLESS = 4096  # and where nothing was
SHRINK = ("memory.enable_memory_arena_shrinkage", "cpu:0")


class Arena:
    """Says which run gives memory back. Calls of several threads at once may miss a turn, and no more."""

    def __init__(self) -> None:
        self._base = held_memory() or 0
        self._largest = self._small = self._gave = 0  # bytes of inputs, calls, bytes of inputs
        self._record = 0
        self._wait, self._given = 1, False

    def shrinks(self, feeds: Mapping[str, Any]) -> bool:
        """Whether the run of these inputs is to give back what larger ones left."""
        if self._given:  # what the process holds after that is no arena's
            self._base, self._given = held_memory() or 0, False
        size = 0
        for array in feeds.values():
            size += getattr(array, "nbytes", 0)
        if size * SMALLER > self._largest:
            if size > self._largest:
                if self._gave and size * SMALLER > self._gave:  # it was given back too soon
                    self._wait, self._gave = max(self._wait, min(2 * self._wait, PATIENT)), 0
                self._largest = size
                if size > self._record * SMALLER:
                    self._record, self._wait = size, 1
            self._small = 0
            return False
        self._small += 1
        if self._small < self._wait:
            return False
        held = held_memory()
        self._gave, self._largest, self._small = self._largest, size, 0
        self._given = held is None or held - self._base > LEAST
        if not self._given:  # to ask what the process holds takes longer than a small call
            self._wait = min(4 * self._wait, FRUITLESS)
        return self._given
