"""The benchmark of onnxruntime's options runs, and reports every one; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.rules` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    import tools.bench.rules

    return tools.bench.rules


def test_a_row_for_each_model(
    rules: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MODELS", {"gate": ("gates", "XOR", {})})
    assert rules.main(["--rounds", "2", "--batch", "3"]) == 0
    head, line, row = capsys.readouterr().out.splitlines()
    assert head == "| model, batch 3 | plain layout | nothing fused | fixed sizes | no memory pattern | no arena |"
    assert line == "|---|---|---|---|---|---|"
    assert row.startswith("| gate | ")
    assert all(float(cell) > 0 for cell in row.split("|")[2:-1])
