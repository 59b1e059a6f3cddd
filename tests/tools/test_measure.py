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


def test_time_memory_and_failure_are_measured(bench: ModuleType) -> None:
    cases = [
        bench.Case("sleeps", [sys.executable, "-c", "import time; time.sleep(0.2)"], seconds=0.1),
        bench.Case("holds", [sys.executable, "-c", "x = bytearray(900_000_000)"], megabytes=100),
        bench.Case("fine", [sys.executable, "-c", "pass"], seconds=60, megabytes=1000),
        bench.Case("fails", [sys.executable, "-c", "raise SystemExit('no')"], seconds=60),
    ]
    bench.measure(cases, 2, os.environ)
    sleeps, holds, fine, fails = cases
    assert sleeps.median >= 0.2
    assert not sleeps.holds
    assert max(holds.peaks) > 900 * 1e6 / 2**20
    assert not holds.holds
    assert fine.holds
    assert len(fine.times) == 2
    # A child counts the memory of the process it was forked from until it begins: of pytest, here.
    assert max(fine.peaks) < max(holds.peaks)
    assert fails.failure == "exit code 1: no"
    text = bench.table(cases)
    assert [line.split("|")[-2].strip() for line in text.splitlines()[2:]] == ["NO", "NO", "yes", "NO"]


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
