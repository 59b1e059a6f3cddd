"""docs/locks.md: its commands of stages and of several models say what it shows, but for times and what hashes to."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from archonnx.cli import main

Output = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "locks.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Of stages, and of several models\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


def settled(text: str) -> str:
    """A text without what another version, or another machine, says otherwise."""
    return re.sub(r"\b[0-9a-f]{16}\b", "HASH", re.sub(r"in [\d.]+ s\b", "in TIME", text))


def test_the_commands_say_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.chdir(tmp_path)
    Path("build").mkdir()
    (source,) = (text for kind, text in BLOCKS if kind == "arch")
    Path("pair.arch").write_text(source)
    shown = "".join(text for kind, text in BLOCKS if kind == "text")
    commands = re.findall(r"^\$ archonnx (.*)\n((?:(?!\$ ).*\n)*)", shown, re.MULTILINE)
    assert len(commands) == 4
    for command, said in commands:
        capsys.readouterr()
        assert main(shlex.split(command)) == (1 if said.startswith("error: ") else 0)
        assert settled(capsys.readouterr().err) == settled(said)


def test_every_section_of_a_lock_is_told() -> None:
    from archonnx.compiler.locking.entries import ORDER

    table = PAGE.partition("| section |")[2].partition("\n\n")[0]
    assert {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(ORDER)
