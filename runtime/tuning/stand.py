"""The process that one recipe runs in while it is measured: calls on inputs that lie in a file, and how far the results
are from those of float32, which lie in another."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from archonnx.runtime.precision.candidates import largest_error
from archonnx.runtime.settings import Settings
from archonnx.runtime.tuning.race import worst

LONG = 0.5  # seconds

Call = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """settings: as `load` has them; callers: how many threads call at once; inputs: the file of calls, whose first is
    the one that is timed; results: that of float32's outputs of the same calls."""

    path: str
    settings: Settings
    callers: int
    inputs: str
    results: str


@dataclass(frozen=True, slots=True)
class Entered:
    """error: of the call that is timed, None where there are no results to compare yet."""

    error: float | None


@dataclass(frozen=True, slots=True)
class Calls:
    """seconds: of each call, and where several came at once, of all of them divided by their number."""

    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """error: the largest over all calls; calls: how many there were."""

    error: float
    calls: int


def write_items(path: str, items: Sequence[Any]) -> None:
    """One after the other, to be read one at a time."""
    with open(path, "wb") as stream:
        for item in items:
            pickle.dump(item, stream, pickle.HIGHEST_PROTOCOL)


def read_items(path: str) -> Iterator[Any]:
    """What `write_items` wrote; nothing where there is no file. Only for files of our own, in a folder of our own."""
    try:
        stream = open(path, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        return
    with stream:
        while True:
            try:
                yield pickle.load(stream)
            except EOFError:
                return


class Stand:
    """A loaded model that has run once."""

    def __init__(self, job: Job) -> None:
        from archonnx.runtime.loading import opened

        self._job = job
        session = opened(job.path, job.settings)
        self._run: Callable[[Call], list[Any]] = lambda call: list(session.run_with_timing(call)[0].values())
        self._first: Call = next(read_items(job.inputs))
        results = next(read_items(job.results), None)
        found = self._run(self._first)
        self.started = Entered(None if results is None else largest_error([found], [results]))
        self._last = 0.0  # seconds of the last call that was timed
        self._call: Callable[[], Any] = lambda: session(self._first)

    def turn(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> Calls:
        """Calls for so many seconds, one at least of each caller, after one that warms up what others cooled; a call
        that takes longer than LONG warms itself up."""
        if self._last < LONG:
            self._call()
        if self._job.callers > 1:
            return self._together(seconds, clock)
        taken: list[float] = []
        began = clock()
        while not taken or clock() - began < seconds:
            before = clock()
            self._call()
            taken.append(clock() - before)
        self._last = taken[-1]
        return Calls(tuple(taken))

    def _together(self, seconds: float, clock: Callable[[], float]) -> Calls:
        gate = threading.Barrier(self._job.callers + 1)

        def calls() -> int:
            gate.wait()
            until, count = clock() + seconds, 0
            while not count or clock() < until:
                self._call()
                count += 1
            return count

        with ThreadPoolExecutor(self._job.callers) as callers:
            counts = [callers.submit(calls) for _ in range(self._job.callers)]
            gate.wait()
            began = clock()
            done = sum(count.result() for count in counts)
            self._last = (clock() - began) / done
        return Calls((self._last,))

    def check(self) -> Checked:
        """The error on all calls that there are results of."""
        error, count = 0.0, 0
        for call, results in zip(read_items(self._job.inputs), read_items(self._job.results), strict=False):
            error = worst(error, largest_error([self._run(call)], [results]))
            count += 1
            if not error < float("inf"):
                break
        return Checked(error, count)

    def record(self, most: int) -> Checked:
        """Write the results of all calls, until they have so many bytes."""
        count, size = 0, 0
        with open(self._job.results, "wb") as stream:
            for call in read_items(self._job.inputs):
                pickle.dump(self._run(call), stream, pickle.HIGHEST_PROTOCOL)
                count, size = count + 1, stream.tell()
                if size >= most:
                    break
        return Checked(0.0, count)
