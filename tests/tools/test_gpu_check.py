"""The tool for machines with a GPU, tried on one without: every part runs, and what fails is a row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.gpu_check` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.gpu_check

    return tools.gpu_check


def test_the_whole_of_it_runs_on_the_cpu() -> None:
    """As a person starts it, in a process that knows nothing of this checkout."""
    command = [sys.executable, str(ROOT / "tools" / "gpu_check.py"), "--device", "cpu", "--quick", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert run.returncode == 0, run.stderr + run.stdout
    report = json.loads(run.stdout)
    checks = {row["name"]: row for row in report["rows"] if row["kind"] == "check"}
    from tools.gpu.checks import CHECKS

    assert checks.keys() == CHECKS.keys()
    assert [name for name, row in checks.items() if row["ok"] is False] == []
    assert checks["convolutions recurrence and attention give what the CPU gives"]["ok"]
    assert checks["tensors are read where they lie"]["ok"]
    assert checks["tf32 is what it says"]["reason"] == "it needs a GPU"
    times = {row["way"]: row for row in report["rows"] if row["kind"] == "time"}
    assert times["archonnx, float32"]["ms"] > 0
    assert times["archonnx, float32"]["error"] < 1e-5
    assert times["PyTorch, float32"]["calls"] >= 3
    assert "MachineError" in times["archonnx, float16"]["reason"]


def test_without_a_gpu_it_says_why(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    from archonnx.runtime.devices import diagnose

    if not diagnose().devices["cuda"]:
        pytest.skip("this machine has a GPU")
    assert tool.main([]) == 3
    assert 'device "cuda" cannot be used on this machine: ' in capsys.readouterr().err


def test_a_part_that_ends_too_early_or_never_is_a_row(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "part.py"
    script.write_text(
        "import json, sys, time, pathlib\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('--folder') + 1])\n"
        "name = sys.argv[sys.argv.index('--part') + 1]\n"
        "(folder / f'{name}.jsonl').write_text(json.dumps({'kind': 'check', 'name': 'a', 'ok': True}) + '\\n')\n"
        "time.sleep(60) if name == 'slow' else sys.exit('it broke')\n"
    )
    monkeypatch.setattr(tool, "__file__", str(script))
    rows = tool.run_part("slow", 2.0, "cpu", True, tmp_path)
    assert [row["kind"] for row in rows] == ["check", "part"]
    assert rows[1]["reason"] == "it was ended after 2 s, the rest is missing"
    rows = tool.run_part("broken", 30.0, "cpu", True, tmp_path)
    assert rows[1]["reason"] == "it ended with code 1: it broke"


def test_no_part_begins_when_the_time_is_over(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--device", "cpu", "--quick", "--budget", "1"]) == 0
    assert "checks: there was no time left for it" in capsys.readouterr().out


def test_ways_take_turns_and_fail_alone(tool: ModuleType, tmp_path: Path) -> None:
    from tools.gpu import subjects
    from tools.gpu.ways import SkippedError, Way, measured

    order: list[str] = []

    def good(*about: Any) -> Way:
        return Way(lambda: order.append("good"), lambda: np.zeros((1, 10), np.float32), lambda: order.append("closed"))

    def late(*about: Any) -> Way:
        calls = iter(range(3))
        return Way(lambda: next(calls))

    def absent(*about: Any) -> Way:
        raise SkippedError("it is not here")

    told: dict[str, Any] = {}
    clock = iter(range(1000))
    ways = {"good": good, "late": late, "absent": absent}
    measured(
        subjects.QUICK[0],
        1,
        ways,
        "cpu",
        tmp_path,
        20.0,
        lambda row: told.__setitem__(row.way, row.json()),
        lambda: float(next(clock)),
    )
    assert told["good"]["ms"] == 1000.0
    assert told["good"]["error"] > 0
    assert told["absent"]["reason"] == "it is not here"
    assert told["late"]["reason"].startswith("StopIteration")
    assert order[-1] == "closed"


def test_the_table_tells_ratios_and_reasons(tool: ModuleType) -> None:
    time = {"kind": "time", "model": "DNN", "batch": 1, "low": 1.0, "high": 3.0, "error": 1e-3, "reason": None}
    rows = [
        {"kind": "check", "name": "it holds", "ok": False, "reason": "a | b", "seconds": 1.0},
        {**time, "way": "archonnx, float16", "ms": 1.0},
        {**time, "way": "torch.compile, float16", "ms": 2.0, "error": None},
        {**time, "way": "late", "reason": "no memory", "batch": 128},
        {"kind": "part", "name": "DNN 128", "reason": "it was ended"},
    ]
    del rows[3]["low"]
    text = tool.table({"machine": "a GPU", "rows": rows, "seconds": 3.0})
    assert "| it holds | FAILS: a / b | 1.0 |" in text
    assert "| DNN | 1 | archonnx, float16 | 1.000 | 1.000 to 3.000 | 0.50 | 1.0e-03 |" in text
    assert "| DNN | 128 | late | no memory | | | 1.0e-03 |" in text
    assert "DNN 128: it was ended" in text


def test_the_networks_of_both_sides_are_the_same(tool: ModuleType) -> None:
    """As many parameters in ours as in the one that is written for PyTorch."""
    from tools.gpu import subjects

    for subject in (*subjects.SUBJECTS, *subjects.QUICK):
        ours = subject.build().summary().parameters.total
        model = subject.torch()
        theirs = sum(each.numel() for each in model.parameters())
        running = sum(each.numel() for name, each in model.named_buffers() if "running" in name)
        assert ours == theirs + running, subject.name
