"""What the shell is offered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archonnx.cli import main


def offered(words: str, cwd: Path | None = None) -> list[str]:
    """What is completed after `words`, a line that ends in the word being typed."""
    environment = {"_ARCHONNX_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys; from archonnx.cli import main; sys.exit(main())"
    path = str(Path(__file__).resolve().parents[2] / "src")
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    return [line.partition(",")[2] for line in run.stdout.splitlines() if line]


def test_commands() -> None:
    assert offered("archonnx ch") == ["check"]
    assert offered("archonnx expl") == ["explain"]


def test_options() -> None:
    assert "--against" in offered("archonnx check --a")


def test_models_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.arch").write_text("model Small():\n    ...\nmodel Large = Small(n=3)\nblock other():\n")
    assert offered("archonnx summary a.arch --model ", tmp_path) == ["Small", "Large"]
    assert offered("archonnx check a.arch --model L", tmp_path) == ["Large"]
    assert offered("archonnx summary missing.arch --model ", tmp_path) == []


def test_codes() -> None:
    found = offered("archonnx explain e01")
    assert "E0101" in found
    assert all(code.startswith("E01") for code in found)


def test_layers() -> None:
    assert "Conv2D" in offered("archonnx layers conv")


def test_names_of_training() -> None:
    assert offered("archonnx fit a.arch --optimizer ada") == ["adam", "adamw", "adamax", "adagrad", "adadelta"]
    assert offered("archonnx fit a.arch --loss y=hu") == ["y=huber"]
    assert offered("archonnx fit a.arch --metrics accuracy,a") == ["accuracy,accuracy", "accuracy,auc"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_names_the_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_ARCHONNX_COMPLETE" in capsys.readouterr().out


def test_the_shell_in_use_is_the_default(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert main(["completion"]) == 0
    assert "function _archonnx_completion" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion"]) == 2
    assert "there is no completion for the shell tcsh" in capsys.readouterr().err
