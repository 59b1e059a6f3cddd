"""The benchmark of recurrent layers runs, and reports every row; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recurrent(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.recurrent` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.recurrent

    return tools.bench.recurrent


def test_every_row_is_measured(recurrent: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = recurrent.main(["--units", "3", "--steps", "4", "--rounds", "2", "--repeats", "1"])
    assert found in (0, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 units, 4 steps, batch 1, 1 threads"
    assert len([line for line in lines if line.startswith("| ") and " ms " in line]) == 5


def test_the_ratio_is_to_the_node_by_hand(recurrent: ModuleType) -> None:
    rows = [recurrent.Row("a", lambda: None, [2.0]), recurrent.Row("b", lambda: None, [1.0, 3.0, 3.0])]
    assert recurrent.table(rows).splitlines()[-1] == "| b | 3000.00 ms | 1000.00 ms | 1.50 |"
