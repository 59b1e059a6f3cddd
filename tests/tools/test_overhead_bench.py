"""The benchmark of what a call costs runs, and reports every kind; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def overhead(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.overhead` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    import tools.bench.overhead

    return tools.bench.overhead


def test_every_call_is_measured(overhead: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert overhead.main(["--rounds", "2", "--count", "5"]) in (0, 1)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == [
        "InferenceSession.run",
        "session(x)",
        "session(x=x)",
        "session(x, out=y)",
        "bound(), of session.bind(x)",
        "session(x), a shape that is new",
    ]
    assert lines[0].endswith("| 0.0 |")


def test_the_difference_is_taken_in_each_round(overhead: ModuleType) -> None:
    found = {"InferenceSession.run": [1.0, 5.0, 2.0], "a": [3.0, 6.0, 2.5]}
    assert overhead.beside(found, "a") == 1.0
