"""The benchmark's own arithmetic: what it measures, and what it says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.startup` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.measure

    return tools.bench.measure


MEASURE = """
import os, sys
from tools.bench.measure import Case, measure, table

cases = [
    Case("sleeps", [sys.executable, "-c", "import time; time.sleep(0.2)"], seconds=0.1),
    Case("holds", [sys.executable, "-c", "x = bytearray(300_000_000)"], megabytes=100),
    Case("fine", [sys.executable, "-c", "pass"], seconds=60, megabytes=1000),
    Case("fails", [sys.executable, "-c", "raise SystemExit('no')"], seconds=60),
]
measure(cases, 2, os.environ)
sleeps, holds, fine, fails = cases
assert sleeps.median >= 0.2 and not sleeps.holds
assert max(holds.peaks) > 280 and not holds.holds
assert len(fine.times) == 2 and max(fine.peaks) < 200 and fine.holds
assert fails.failure == "exit code 1: no"
assert [line.split("|")[-2].strip() for line in table(cases).splitlines()[2:]] == ["NO", "NO", "yes", "NO"]
"""


def test_time_memory_and_failure_are_measured() -> None:
    # In a process of its own: a child counts the memory of the one that it was forked from until it begins.
    run = subprocess.run([sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_hungry_peer_is_stopped(bench: ModuleType) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux enforces a limit on the address space")
    command = [sys.executable, "-c", "bytearray(2_000_000_000)"]
    _, _, code, said = bench.once(command, os.environ, limit_bytes=1_000_000_000)
    assert code == 1
    assert "MemoryError" in said


def test_the_command_explains_itself() -> None:
    command = [sys.executable, "-m", "tools.bench.startup", "--help"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "--peers" in run.stdout
