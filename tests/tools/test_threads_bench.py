"""The benchmark of threads runs, and reports every way; how fast they are is not tested."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as `python -m tools.bench.threads` does, from the root."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(ROOT)
    import tools.bench.threads

    return tools.bench.threads


def test_every_way_is_measured(threads: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert threads.main(["--rounds", "2", "--seconds", "0.001", "--model", "digits"]) in (0, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Digits, 2 rounds, load of the machine ")
    assert [line.split(" | ")[0] for line in lines[4:8]] == [
        "| onnxruntime, spinning",
        "| onnxruntime, asleep at once",
        "| archonnx",
        "| archonnx, threads=1",
    ]


def test_rounds_begin_with_another_way_each(threads: ModuleType) -> None:
    called: list[str] = []
    ways = [threads.Way(name, ((lambda x, n=name: called.append(n)),) * 2) for name in "abc"]
    threads.take_turns(ways, None, 1, 3)
    assert "".join(called) == "aabbcc" + "aaaabbbbcccc" + "bbbbccccaaaa" + "ccccaaaabbbb"
    assert [len(way.after) == len(way.at_once) == 3 for way in ways] == [True] * 3


def test_the_ratio_is_of_times_in_the_same_round(threads: ModuleType) -> None:
    way = threads.Way("a", (len, len), [1.0, 2.0, 10.0], [2.0, 1.0, 5.0])
    assert way.ratio == 0.5
