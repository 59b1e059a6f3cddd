"""`archonnx check` where references stand beside the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archonnx.cli import main

Output = pytest.CaptureFixture[str]
SMALL = """model Small(units = 10):
    input x: float32[N, 64]
    Dense(units)
    output y

model Reader():
    input x: float32[N, T, 64]
    Dense(10)
    output y
"""
REFERENCE: dict[str, Any] = {
    "Small": {
        "source": "keras 3.15.0 Small, counted by hand",
        "parameters": {"total": 650},
        "macs": {"value": 640},
        "notes": ["It is small."],
    },
    "Reader": {"source": "torch 2.13.0 Linear, counted by hand", "macs": {"value": 81920, "bind": {"T": 128}}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.arch").write_text(SMALL)
    (tmp_path / "small.reference.json").write_text(json.dumps(REFERENCE))
    return tmp_path


def test_a_table_of_models_that_agree(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "file        model   parameters              MACs  compared with        result",
        "small.arch  Small          650               640  keras 3.15.0 Small   agrees: parameters, MACs",
        "small.arch  Reader         650  81.92 k at T=128  torch 2.13.0 Linear  agrees: MACs",
        "note: Small: It is small.",
    ]
    assert captured.err == "2 models of 1 file compared with what others count, all agree\n"


def test_models_without_a_reference_are_listed(folder: Path, capsys: Output) -> None:
    (folder / "other.arch").write_text(SMALL.replace("Reader", "Other"))
    (folder / "open.arch").write_text(SMALL.replace("units = 10", "units"))
    assert main(["check", "."]) == 0
    captured = capsys.readouterr()
    rows = captured.out.splitlines()
    assert sum("no reference" in row for row in rows) == 3
    assert "open.arch: Small needs arguments to be checked whole: --model Small --set ..." in rows
    assert (
        "2 models of 3 files compared with what others count, all agree, 3 models without a reference" in captured.err
    )


def test_what_differs_is_told_and_ends_with_1(folder: Path, capsys: Output) -> None:
    changed = json.loads(json.dumps(REFERENCE).replace("650", "651").replace("640", "650"))
    (folder / "small.reference.json").write_text(json.dumps(changed))
    assert main(["check", "small.arch"]) == 1
    captured = capsys.readouterr()
    assert "differs: parameters, MACs" in captured.out
    assert "error[E1104]: Small has 650 parameters in all, 651 are expected: 1 too few" in captured.err
    assert "error[E1105]: Small has 640 multiply-accumulates, 650 are expected: 10 too few" in captured.err
    assert "--> small.reference.json:1:" in captured.err
    assert captured.err.endswith("\n2 errors\n")
    assert "2 models of 1 file compared with what others count, 1 differs" in captured.err
    assert main(["check", "small.arch", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [d["code"] for d in document["diagnostics"]] == ["E1104", "E1105"]
    assert [m["differs"] for m in document["models"]] == [["parameters", "MACs"], []]


def test_one_model_and_one_that_is_set(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch", "--model", "Small"]) == 0
    assert "Reader" not in capsys.readouterr().out
    assert main(["check", "small.arch", "--model", "Small", "--set", "units=11"]) == 0
    assert capsys.readouterr().out == "small.arch: Small is right\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "E1100"), ('{"Small": 1}', "E1101"), ('{"Smal": {"source": "x", "macs": {"value": 1}}}', "E1102")],
)
def test_a_reference_that_is_wrong(text: str, code: str, folder: Path, capsys: Output) -> None:
    (folder / "small.reference.json").write_text(text)
    assert main(["check", "small.arch"]) == 1
    captured = capsys.readouterr()
    assert f"error[{code}]" in captured.err
    assert ("the reference is wrong" in captured.out) == (code != "E1102")
    assert "Traceback" not in captured.err


def test_json_of_what_agrees(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["diagnostics"] == []
    assert document["models"][1] == {
        "file": "small.arch",
        "model": "Reader",
        "parameters": {"total": 650, "trainable": 650, "non_trainable": 0},
        "macs": 81920,
        "bind": {"T": 128},
        "source": "torch 2.13.0 Linear, counted by hand",
        "same_as": None,
        "compared": ["MACs"],
        "layers": 0,
        "differs": [],
        "notes": [],
    }


def test_a_reference_of_no_file_is_told(folder: Path, capsys: Output) -> None:
    (folder / "small.reference.json").rename(folder / "smal.reference.json")
    assert main(["check", "."]) == 1
    captured = capsys.readouterr()
    assert captured.out == "small.arch: Small, Reader are right\n"
    assert "error[E1102]: no smal.arch stands beside this reference\n  --> smal.reference.json:1:1" in captured.err
    assert main(["check", "small.arch"]) == 0
    (folder / "elsewhere").mkdir()
    (folder / "smal.reference.json").rename(folder / "elsewhere" / "report.reference.json")  # of some other tool
    assert main(["check", "."]) == 0


def test_references_are_no_summary_to_compare_with(folder: Path, capsys: Output) -> None:
    assert main(["check", "small.arch", "--model", "Small", "--against", "small.reference.json"]) == 1
    told = capsys.readouterr().err
    assert told == (
        "error: small.reference.json: this holds references, with which `archonnx check` compares the models of the "
        "file beside it by itself; --against reads a summary\n"
    )
