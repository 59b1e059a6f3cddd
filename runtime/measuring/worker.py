"""The process that one model runs in while it is measured: it loads it, runs it when its turn comes, and ends."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from archonnx.contract.diagnostics import ArchonnxError


@dataclass(frozen=True, slots=True)
class Job:
    """What a process measures. inputs: arrays by name, checked; errors are measured on them too. cache: the folder that
    `load` keeps it in, "off" for none; twice: whether another process is to load it first; plan,
    buckets: as `load` takes them."""

    path: str
    inputs: dict[str, Any]
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None
    max_error: float | None = None
    cache: str = "off"
    twice: bool = False
    plan: str | None = "auto"
    buckets: dict[str, list[int]] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """load: seconds from the file to a session; first: of the first call, in which memory is taken and kernels are
    chosen; device, threads, precision: those that it runs on, and in; cached: whether an earlier start had kept it;
    plan: the path of the one that it runs by."""

    load: float
    first: float
    device: str
    threads: int | None
    precision: str = "float32"
    cached: bool = False
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds of the calls of one turn: of whole calls, and of those without copies, where there are such."""

    calls: tuple[float, ...]
    bare: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of the process at their most: before the model was loaded, and in all. None where it is not told."""

    before: int | None
    peak: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a process cannot go on, in a line. code: what a command ends with for it."""

    message: str
    code: int


def serve(channel: Connection, make: Callable[[Any], Any] | None = None) -> None:
    """Answer what comes through the channel until it closes or one fails: ("start", job), of which `make` makes what
    measures, by default a Bench; and its methods with their arguments, as in ("turn", seconds, calls)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to every process: the one that asks ends this one
    bench: Any = None
    while True:
        try:
            asked = channel.recv()
        except EOFError:  # the other side is gone
            return
        try:
            if asked[0] == "start":
                bench = (make or Bench)(asked[1])
                channel.send(bench.started)
            elif bench is not None:
                channel.send(getattr(bench, asked[0])(*asked[1:]))
        except ArchonnxError as error:
            channel.send(Failed(" ".join(str(error).split()), error.exit_code))
            return
        except MemoryError:
            channel.send(Failed("there is not enough memory for it", 3))
            return
        except OSError as error:
            channel.send(Failed(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1))
            return


class Bench:
    """A loaded model that has run once."""

    def __init__(self, job: Job) -> None:
        import onnxruntime  # noqa: F401 - what it costs to import is no part of loading a model

        from archonnx.runtime.loading import load

        self._before = peak_memory()
        began = time.perf_counter()
        session = load(
            job.path,
            job.device,
            threads=job.threads,
            precision=job.precision,
            max_error=job.max_error,
            data=None if job.max_error is None or _planned(job) else [job.inputs],
            cache=job.cache,
            plan=job.plan,
            buckets=job.buckets,
        )
        loaded = time.perf_counter()
        session(job.inputs)
        ended = time.perf_counter()
        taken = (loaded - began, ended - loaded)
        self.started = Started(*taken, session.device, session.threads, session.precision, session.cached, session.plan)
        self._call: Callable[[], Any] = lambda: session(job.inputs)
        engine = session._engine
        self._bare = engine.bare(session.check(job.inputs)) if engine is not None else None

    def turn(self, seconds: float | None, calls: int | None, clock: Callable[[], float] = time.perf_counter) -> Turn:
        """Calls for so many seconds, one at least, or so many calls; one before them warms up what others cooled."""
        taken: list[float] = []
        bare: list[float] = []
        self._call()
        if self._bare is not None:
            self._bare()
        began = clock()
        while True:
            before = clock()
            self._call()
            between = clock()
            taken.append(between - before)
            if self._bare is not None:  # in turns too: both see the same machine
                between = clock()
                self._bare()
                bare.append(clock() - between)
            if len(taken) == calls or (calls is None and clock() - began >= (seconds or 0)):
                return Turn(tuple(taken), tuple(bare))

    def memory(self) -> Memory:
        """What this process has taken until now."""
        return Memory(self._before, peak_memory())


def _planned(job: Job) -> bool:
    """Whether a plan is there that may say what stays within the error; data that are given would be measured on."""
    from archonnx.runtime.tuning.plan import plan_path

    return job.plan not in (None, "off") and (job.plan != "auto" or plan_path(job.path).exists())


def peak_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """Bytes of memory that this process had at most, None where the system does not tell."""
    if status.exists():  # getrusage would tell of the parent too, from before this process became another program
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
