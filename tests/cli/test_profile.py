"""`archonnx profile`: what it prints of a model, where to, and how it ends. No time is compared with anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archonnx.cli import main

SMALL = """model Small(units = 3):
    input x: float32[N, T]
    require T == 4
    Dense(units)
    output y
"""
Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(SMALL, encoding="utf-8")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "size"]) for name in "aby"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["y"], name="net/plus")], "g", values[:2], values[2:]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "add.onnx")
    return tmp_path


def test_a_source_line_by_line(folder: Path, capsys: Output) -> None:
    assert main(["profile", "small.arch", "--set", "units=7", "--batch", "5", "--runs", "2", "--threads", "1"]) == 0
    captured = capsys.readouterr()
    first, inputs, *_ = captured.out.split("\n")
    assert first.startswith("Small on cpu, 1 thread: ")
    assert first.endswith("at the median of 2 runs")
    assert inputs == "inputs   x: float32[5, 4]"
    line = next(line for line in captured.out.split("\n") if line.endswith("4      Dense(units)"))
    assert "140" in line.split(), "MACs: 5 examples, 4 inputs, 7 units"
    assert captured.out.rstrip().endswith("total")
    assert "T = 4 (--bind T=... takes another size)" in captured.err


def test_a_file_of_ours_finds_its_source(folder: Path, capsys: Output) -> None:
    assert main(["build", "small.arch", "-o", "small.onnx"]) == 0
    assert main(["profile", "small.onnx", "--runs", "1", "--bind", "T=4"]) == 0
    captured = capsys.readouterr()
    assert "4      Dense(units)" in captured.out
    assert "not there" not in captured.err
    Path("small.arch").write_text(SMALL.replace("units", "outs"), encoding="utf-8")
    assert main(["profile", "small.onnx", "--runs", "1", "--bind", "T=4"]) == 0
    captured = capsys.readouterr()
    assert "small.arch has changed since; profile the .arch file itself, or build the model again" in captured.err
    assert "Dense(units)" not in captured.out
    assert "dense" in captured.out


def test_others_by_scope_and_node(folder: Path, capsys: Output) -> None:
    np.savez("in.npz", a=np.ones((2, 3), np.float32), b=np.ones((2, 3), np.float32))
    assert main(["profile", "add.onnx", "--data", "in.npz", "--runs", "1"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "a: float32[2, 3], b: float32[2, 3]" in captured.out
    assert "plus (Add)" in captured.out
    assert main(["profile", "add.onnx", "--bind", "size=3", "--by", "node", "--runs", "1"]) == 0
    assert "Add net/plus" in capsys.readouterr().out


def test_json_on_stdout(folder: Path, capsys: Output) -> None:
    assert main(["profile", "small.arch", "--bind", "T=4", "--runs", "1", "--format", "json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert found["model"] == "Small"
    assert [line["line"] for line in found["lines"]] == [4]
    assert found["total"]["macs"] == 12


def test_files_are_written_whole(folder: Path, capsys: Output) -> None:
    assert main(["profile", "small.arch", "--runs", "1", "--format", "html", "-o", "p.html"]) == 0
    assert main(["profile", "small.arch", "--runs", "1", "--format", "chrome", "-o", "p.json"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "p.html: 1 nodes, 1 runs" not in captured.err, "one is one"
    assert "p.html: 1 node, 1 run\n" in captured.err
    assert Path("p.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(Path("p.json").read_text(encoding="utf-8"))["traceEvents"]
    assert sorted(each.name for each in folder.iterdir()) == ["add.onnx", "p.html", "p.json", "small.arch"]


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["gone.onnx"], 1, "gone.onnx"),
        (["add.onnx", "--by", "line", "--runs", "1"], 2, "there are no lines to show: the model has no source"),
        (["add.onnx", "--by", "colour"], 2, "'line', 'scope', 'node', 'operator'"),
        (["add.onnx", "--runs", "0"], 2, "0 is not in the range"),
        (["add.onnx", "--model", "A"], 2, "add.onnx is compiled already"),
        (["add.onnx", "--bind", "T=3"], 2, "no model here has such a size; there are batch, size"),
        (["add.onnx", "--batch", "two"], 2, "'two' is not a valid integer"),
        (["add.onnx", "-i", "c=[1.0]"], 2, "no input c"),
        (["add.onnx", "-i", "a=[[1.0]]", "-i", "b=[[1.0, 2.0]]"], 1, "size"),
        (["add.onnx", "--device", "abacus"], 2, "device 'abacus' is not known"),
        (["small.arch", "--set", "unit=3"], 2, "unit"),
        (["small.arch", "--bind", "T=5"], 1, "T == 4"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, capsys: Output, argv: list[str], code: int, says: str) -> None:
    found = main(["profile", *argv])
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert found == code


def test_a_folder_that_is_not_there(folder: Path, capsys: Output) -> None:
    assert main(["profile", "small.arch", "--runs", "1", "--format", "json", "-o", "no/p.json"]) == 1
    assert "no/p.json" in capsys.readouterr().err
