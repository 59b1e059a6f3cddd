"""`build --asset`: names that nothing reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from archonnx.cli import main

SOURCE = "model A():\n    input x: float32[N, 3]\n    Dense(2)\n    output y\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [("label", "did you mean labels?"), ("tokeniser", "did you mean tokenizer?"), ("notes", ""), ("labels", "")],
)
def test_a_name_that_is_nearly_one_that_is_read_is_told(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.arch").write_text(SOURCE)
    Path("names.txt").write_text("cat\ndog\n")
    assert main(["build", "a.arch", "--asset", f"{name}=names.txt", "-o", "a.onnx"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if "does not read" in line]
    assert notes == ([f"note: A carries {name}, which archonnx does not read; {said}"] if said else [])
