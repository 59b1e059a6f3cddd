"""The measurement of tokens in buckets runs, on a small model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import archonnx


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, project: Path) -> ModuleType:
    """The module, imported as `python -m tools.bench.padding` does, from the root."""
    monkeypatch.syspath_prepend(str(project))
    import tools.bench.padding

    return tools.bench.padding


def test_texts_have_the_lengths_of_sentences(bench: Any) -> None:
    found = bench.lengths(400)
    assert found == bench.lengths(400)
    assert 3 <= min(found) < 12
    assert 60 < max(found) <= bench.LONGEST
    assert 20 < sorted(found)[200] < 28


def test_each_way_has_a_row(bench: Any, project: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "small.onnx"
    sizes = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 30000, "positions": 128}
    archonnx.compile(project / "models" / "bert.arch", "SentenceBERT", **sizes).save(path)
    bench.measured(str(path), "cpu", 3, 1)
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows] == [f"cpu, {way}" for way in bench.WAYS]
    assert all(float(row.split("|")[5]) < 1e-5 for row in rows)
