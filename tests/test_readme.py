"""The README's code blocks, each run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archonnx
from archonnx.compiler import artifact

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


COMMANDS = [
    line.partition("  #")[0].strip()
    for text in blocks("sh")
    for line in text.splitlines()
    if line.startswith("archonnx ")
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder from which the README's relative paths are reached, and into which its commands may write."""
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


def test_there_is_something_of_each_kind() -> None:
    assert len(blocks("arch")) >= 2
    assert len(blocks("python")) >= 2
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("text", blocks("arch"))
def test_architectures_compile(text: str) -> None:
    name = re.findall(r"^model (\w+)", text, re.MULTILINE)[-1]
    compiled = archonnx.compile(text=text, model=name)
    assert compiled.name == name
    assert not compiled.diagnostics


def test_the_first_architecture_is_the_shipped_one() -> None:
    shipped = (ROOT / "models" / "dnn.arch").read_text(encoding="utf-8")
    assert blocks("arch")[0].strip() in shipped


def test_the_mistakes_are_reported_as_shown() -> None:
    wrong = blocks("arch")[0].replace("activation", "activaton", 1).replace("MaxPooling2D", "MaxPoling2D", 1)
    with pytest.raises(archonnx.CompileError) as caught:
        artifact.compile_text(wrong, name="dnn.arch")
    assert str(caught.value).rstrip() == blocks("text")[0].rstrip()


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-W", "error", "-c", text]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_commands_run(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    script = f'archonnx() {{ "{sys.executable}" -W error -m archonnx "$@"; }}\n'
    for command in COMMANDS:
        run = subprocess.run(
            ["sh", "-c", script + command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"


def test_make_commands_exist() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [line.split()[1] for text in blocks("sh") for line in text.splitlines() if line.startswith("make ")]
    assert named[:2] == ["demo", "test"]
    assert set(named) <= set(targets)


def test_extras_are_those_of_the_project() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install = README.partition("## Install")[2].partition("##")[0]
    assert set(project["optional-dependencies"]) == set(
        re.findall(r"`(cpu|gpu|openvino|keras|torch|text|dev)`", install)
    )


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), f"README.md links to {target}, which is not there"
