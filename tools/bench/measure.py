"""Wall time and peak memory of commands, taken in turns so that a busy moment of the machine falls on all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
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


def once(
    command: Sequence[str], environment: Mapping[str, str], limit_bytes: int | None = None
) -> tuple[float, float, int, str]:
    """Run a command. Returns wall seconds, peak resident megabytes, the exit code and the end of what it said.

    limit_bytes: its address space is limited to this (`ulimit -v`), so that a hungry peer cannot take the machine down.
    """
    prefix = ["sh", "-c", f'ulimit -v {limit_bytes // 1024}; exec "$@"', "sh"] if limit_bytes else []
    began = time.perf_counter()
    process = subprocess.Popen([*prefix, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # the usage of this very child, not of all so far
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    scale = 1e6 if sys.platform == "darwin" else 1e3  # macOS counts bytes, Linux kibibytes
    return took, usage.ru_maxrss / scale, process.returncode, said.decode("utf-8", errors="replace")[-500:]


def measure(cases: Sequence[Case], rounds: int, environment: Mapping[str, str], limit_bytes: int | None = None) -> None:
    """Run every case once unmeasured, then `rounds` times in turns; a case that fails is not run again."""
    for turn in range(rounds + 1):
        for case in cases:
            if case.failure:
                continue
            took, peak, code, said = once(case.command, environment, limit_bytes)
            if code != 0:
                last = said.strip().splitlines()[-1:] or [""]
                case.failure = f"exit code {code}: {last[0][:80]}"
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
