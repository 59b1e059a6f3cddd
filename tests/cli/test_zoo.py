"""`archonnx zoo`, and zoo:NAME wherever a command takes an architecture file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.artifact import models_of
from archonnx.compiler.elaborate.zoo import ZooFile, zoo_files

Output = pytest.CaptureFixture[str]


def test_every_file_that_ships_is_listed_with_what_it_is(capsys: Output) -> None:
    assert main(["zoo"]) == 0
    captured = capsys.readouterr()
    names = [line.split()[0] for line in captured.out.splitlines() if not line.startswith(" ")]
    folder = Path(archonnx.__file__).parent / "models"
    assert names == [f"zoo:{path.stem}" for path in sorted(folder.glob("*.arch"))]
    assert all(len(file.about) > 20 for file in zoo_files())
    assert captured.err.startswith(f"{len(names)} files with ")


@pytest.mark.parametrize("file", zoo_files(), ids=lambda file: file.name)
def test_the_models_of_a_file_are_those_that_the_compiler_finds(file: ZooFile) -> None:
    assert file.models == tuple(name for name, _ in models_of(f"zoo:{file.name}"))


def test_one_file_is_shown_with_its_maps(capsys: Output) -> None:
    assert main(["zoo", "zoo:resnet"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("zoo:resnet: ResNet (arXiv 1512.03385): ")
    assert "  models  ResNet, ResNet50, " in shown
    assert "  maps    keras, torchvision\n" in shown
    assert main(["zoo", "resnet", "--format", "json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["maps"] == ["keras", "torchvision"]
    assert Path(facts["file"]).is_file()
    assert main(["zoo", "--format", "json"]) == 0
    assert facts in json.loads(capsys.readouterr().out)


def test_the_figures_of_models_are_told(capsys: Output) -> None:
    assert main(["zoo", "resnet"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ResNet50 ")]
    assert [row[1:4] for row in rows] == [["25,636,712", "3.858", "G"]]
    assert rows[0][-1] == "applications.ResNet50"
    assert main(["zoo", "gpt3", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["figures"]["GPT3_175B"]
    assert found["parameters"] == 174_604_259_328
    assert found["bind"] == {"T": 128}
    assert main(["zoo"]) == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert "; 125M to 175B parameters" in listed
    assert "; 3 to 9 parameters" in listed


def test_a_reference_that_is_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    (tmp_path / "a.arch").write_text("# A model.\nmodel A():\n    input x: float32[N, 2]\n    Dense(1)\n    output y\n")
    (tmp_path / "a.reference.json").write_text('{"A": {}}')
    monkeypatch.setattr("archonnx.compiler.elaborate.zoo.zoo_folder", lambda package: str(tmp_path))
    assert main(["zoo", "a"]) == 1
    assert "error[E1101]: the source is missing" in capsys.readouterr().err
    (tmp_path / "a.reference.json").unlink()
    assert main(["zoo"]) == 0
    assert capsys.readouterr().out == "zoo:a  A model\n"


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["zoo", "resnt"], "error: the zoo has no resnt; did you mean resnet?\n"),
        (["zoo", "???"], "error: the zoo has no ???; `archonnx zoo` lists what there is\n"),
        (["zoo", ""], "error: the zoo has no ''; `archonnx zoo` lists what there is\n"),
        (
            ["check", "zoo:"],
            "error: zoo: names no file of zoo, as in zoo:resnet; `archonnx zoo` lists what there is\n",
        ),
        (["check", "zoo:resnt"], "error: zoo:resnt: there is no such file in zoo; did you mean zoo:resnet?\n"),
        (["check", "zoo:../models/resnet"], "error: zoo:../models/resnet: there is no such file\n"),
        (["check", "zoo:a/../resnet"], "error: zoo:a/../resnet: there is no such file in zoo; "),
    ],
)
def test_what_there_is_not(argv: list[str], line: str, capsys: Output) -> None:
    assert main(argv) != 0
    assert capsys.readouterr().err.startswith(line)


def test_a_file_of_the_zoo_stands_where_a_file_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build", "zoo:digits", "-o", "digits.onnx"]) == 0
    assert main(["check", "zoo:gates", "zoo:digits.arch"]) == 0
    assert main(["run", "zoo:gates", "--model", "AND", "--input", "bits=[[1, 1]]"]) == 0
    assert main(["plot", "zoo:digits", "-o", "digits.svg"]) == 0
    assert archonnx.compile("zoo:digits").name == "Digits"
    capsys.readouterr()
    Path("zoo:digits").write_text("model Mine():\n    input x: float32[N, 2]\n    Dense(1)\n    output y\n")
    assert main(["check", "zoo:digits"]) == 0
    assert capsys.readouterr().out == "zoo:digits: Mine is right\n"
