"""Wall time and peak memory of commands, taken in turns so that a busy moment of the machine falls on all alike."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Case:
    """A command, the time and memory it is meant to stay under, and what was measured."""

    name: str
    command: Sequence[str]
    seconds: float | None = None  # the most it may take
    megabytes: float | None = None  # the most memory it may hold at once
    times: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def holds(self) -> bool:
        """Whether the median time and the largest peak are within bounds."""
        if self.failure:
            return False
        quick = self.seconds is None or self.median <= self.seconds
        return quick and (self.megabytes is None or max(self.peaks) <= self.megabytes)


def environment(cache: Path) -> dict[str, str]:
    """This environment, with Python's compiled files kept in `cache`: as on a machine where archonnx has run before."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(cache)}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took: wall and processor seconds, peak resident megabytes; its exit code and the end of what it
    said. Processor seconds and memory are of what it started too, memory of the largest of them."""

    seconds: float
    processor: float
    megabytes: float
    code: int
    said: str


def once(
    command: Sequence[str], environment: Mapping[str, str], limit_bytes: int | None = None
) -> tuple[float, float, int, str]:
    """Run a command. Returns wall seconds, peak resident megabytes, the exit code and the end of what it said."""
    took = spent(command, environment, limit_bytes)
    return took.seconds, took.megabytes, took.code, took.said


def spent(
    command: Sequence[str],
    environment: Mapping[str, str],
    limit_bytes: int | None = None,
    patience: float | None = None,
) -> Spent:
    """Run a command.

    limit_bytes: its address space is limited to this (`ulimit -v`), so that a hungry peer cannot take the machine down.
    patience: seconds after which it and what it started are killed.
    """
    prefix = ["sh", "-c", f'ulimit -v {limit_bytes // 1024}; exec "$@"', "sh"] if limit_bytes else []
    began = time.perf_counter()
    process = subprocess.Popen(
        [*prefix, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=patience is not None,
    )
    timer = threading.Timer(patience or 0, _kill, [process.pid])
    if patience is not None:
        timer.start()
    assert process.stdout is not None
    try:
        said = process.stdout.read()
    except BaseException:  # a Ctrl-C does not reach a session of its own
        if patience is not None:
            _kill(process.pid)
        raise
    finally:
        timer.cancel()
    _, status, usage = os.wait4(process.pid, 0)  # the usage of this very child, not of all so far
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    scale = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kibibytes
    end = said.decode("utf-8", errors="replace")[-500:]
    return Spent(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / scale, process.returncode, end)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def failure(code: int, said: str) -> str:
    """How a command failed, in a line: the exit code or the signal, and the last thing that it said."""
    last = said.strip().splitlines()[-1:] or [""]
    if code < 0:
        return f"{signal.Signals(-code).name}: {last[0][:80]}".removesuffix(": ")
    return f"exit code {code}: {last[0][:80]}"


def measure(cases: Sequence[Case], rounds: int, environment: Mapping[str, str], limit_bytes: int | None = None) -> None:
    """Run every case once unmeasured, then `rounds` times in turns; a case that fails is not run again."""
    for turn in range(rounds + 1):
        for case in cases:
            if case.failure:
                continue
            took, peak, code, said = once(case.command, environment, limit_bytes)
            if code != 0:
                case.failure = failure(code, said)
            elif turn > 0:
                case.times.append(took)
                case.peaks.append(peak)


def table(cases: Sequence[Case]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| what | median | fastest to slowest | peak memory | meant to stay under | |",
        "|---|---|---|---|---|---|",
    ]
    for case in cases:
        bounds = [f"{case.seconds:g} s"] if case.seconds else []
        bounds += [f"{case.megabytes:g} MB"] if case.megabytes else []
        verdict = ("yes" if case.holds else "NO") if bounds else ""
        if case.failure:
            lines.append(f"| {case.name} | {case.failure} | | | {', '.join(bounds)} | {verdict} |")
            continue
        spread = f"{min(case.times):.3f} to {max(case.times):.3f} s"
        peak = f"{max(case.peaks):.0f} MB"
        lines.append(f"| {case.name} | {case.median:.3f} s | {spread} | {peak} | {', '.join(bounds)} | {verdict} |")
    return "\n".join(lines)
