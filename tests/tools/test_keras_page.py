"""docs/keras.md: its code runs, and gives the text that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from archonnx.cli import main

keras = pytest.importorskip("keras")

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

Output = pytest.CaptureFixture[str]


# TensorFlow's variables hand themselves to NumPy in the old way.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_the_code_runs_and_gives_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    names: dict[str, Any] = {}
    for kind, text in BLOCKS:
        keras.utils.clear_session(free_memory=False)
        if kind == "python":
            exec(text, names)
        elif kind == "arch":
            assert capsys.readouterr().out == text + "\n"
        else:
            assert kind == "sh"
            names["model"].save("model.keras")
            for command in text.splitlines():
                assert main(shlex.split(command)[1:]) == 0
    made = ("digits.onnx", "digits.arch", "model.arch", "model.safetensors", "model.onnx", "again.onnx")
    assert all((tmp_path / name).stat().st_size for name in made)
