"""`archonnx run --batch`: examples that run in parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archonnx.cli import main

SOURCE = """
model Apart():
    input x: float32[N, 2]
    output y = relu(x)

model Mixing():
    input x: float32[N, 2]
    y = x -> onnx.Softmax(axis=0)
    output y: float32[N, 2]
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "m.arch").write_text(SOURCE)
    return str(tmp_path / "m.arch")


def test_examples_run_in_parts(source: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from archonnx.runtime import engine

    rows = []
    real = engine.Engine.run
    monkeypatch.setattr(
        engine.Engine, "run", lambda self, feeds, stop=None: rows.append(len(feeds["x"])) or real(self, feeds, stop)
    )
    command = ["run", source, "--model", "Apart", "-i", "x=[[1,-1],[2,-2],[3,-3]]", "--format", "json", "--batch", "1"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["y"]["data"] == [[1, 0], [2, 0], [3, 0]]
    assert rows == [1]  # the others are written where they belong
    assert main([*command[:-1], "0"]) == 2


def test_examples_that_depend_on_one_another_are_refused_with_the_line(source: str, capsys: Any) -> None:
    assert main(["run", source, "--model", "Mixing", "-i", "x=[[1,2],[3,4]]", "--batch", "1"]) == 2
    assert "stays whole: Softmax" in (error := capsys.readouterr().err)
    assert "m.arch:8:" in error
    assert main(["run", source, "--model", "Mixing", "-i", "x=[[1,2],[3,4]]"]) == 0
