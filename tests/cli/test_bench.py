"""`archonnx bench`: what it prints of models side by side, and how it ends. No time is compared with anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archonnx.cli import bench_table, main
from archonnx.runtime.measuring.rounds import Measured
from archonnx.runtime.measuring.worker import Failed, Started, Turn

SMALL = """model Small(units = 3):
    input x: float32[N, T]
    require T == 4
    Dense(units)
    output y
"""
Output = pytest.CaptureFixture[str]


def add(path: str, first: Any, second: Any) -> None:
    """a + b in a file of somebody else."""
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("a", first), ("b", second))]
    node = helper.make_node("Add", ["a", "b"], ["y"], name="plus")
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.arch").write_text(SMALL.replace("[N, T]", "[N, 4]").replace("    require T == 4\n", ""))
    add("add.onnx", ["batch", "size"], ["batch", "size"])
    add("wrong.onnx", ["batch", "left"], ["batch", "right"])
    add("fixed.onnx", [2, 3], [2, 3])
    return tmp_path


def test_two_models_side_by_side(folder: Path, capsys: Output) -> None:
    assert main(["bench", "small.arch", "--against", "add.onnx", "--batch", "1,16", "--repeat", "4"]) == 0
    captured = capsys.readouterr()
    first, second = captured.out.strip().split("\n\n")
    assert first.split("\n")[0].split() == ["batch", "1", "Small", "add.onnx"]
    assert second.split("\n")[0].split() == ["batch", "16", "Small", "add.onnx"]
    for label in (
        "p50",
        "p90",
        "p99",
        "p50 without copies",
        "examples a second",
        "load",
        "first call",
        "times as long",
    ):
        assert f"\n{label} " in first
    assert "add.onnx: size = 128 (--bind size=... takes another size)" in captured.err
    assert "Traceback" not in captured.err


def test_a_model_that_a_cache_keeps_is_loaded_twice(folder: Path, capsys: Output) -> None:
    (folder / "wide.arch").write_text("model Wide():\n    input x: float32[N, 600]\n    Dense(600)\n    Dense(5)\n")
    assert main(["bench", "wide.arch", "--batch", "1,2", "--repeat", "3", "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["results"]
    assert first["load_seconds"] > 0
    assert first["load_again_seconds"] > 0
    assert second["load_seconds"] is None  # there it had been loaded before
    assert second["load_again_seconds"] > 0
    assert main(["bench", "wide.arch", "--repeat", "3"]) == 0
    assert "\nload again " in capsys.readouterr().out


def test_json_has_a_result_for_each_model_and_batch(folder: Path, capsys: Output) -> None:
    argv = ["--against", "add.onnx", "--batch", "2,3", "--bind", "size=5", "--repeat", "4", "--format", "json"]
    assert main(["bench", "small.arch", "--set", "units=7", *argv]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    results = document["results"]
    assert [(r["model"], r["batch"], r["calls"], r["rounds"]) for r in results] == [
        ("Small", 2, 4, 4),
        ("add.onnx", 2, 4, 4),
        ("Small", 3, 4, 4),
        ("add.onnx", 3, 4, 4),
    ]
    assert results[3]["inputs"] == {"a": "float32[3, 5]", "b": "float32[3, 5]"}
    assert captured.err == "", "every size was asked for"
    for result in results:
        times = result["milliseconds"]
        assert 0 < times["min"] <= times["p50"] <= times["p90"] <= times["p99"]
        assert result["examples_per_second"] == pytest.approx(result["batch"] / times["mean"] * 1000)
        assert result["device"] == "cpu"
        assert result["failed"] is None
    assert results[0]["times_as_long"] is None
    assert set(results[1]["times_as_long"]) == {"median", "low", "high"}
    assert "energy" in document


def test_one_that_fails_is_said_and_the_others_are_measured(folder: Path, capsys: Output) -> None:
    argv = ["--against", "wrong.onnx", "--bind", "left=2", "--bind", "right=3", "--repeat", "2"]
    assert main(["bench", "add.onnx", *argv]) == 1
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("error")]
    assert line.startswith("error: wrong.onnx: ")
    assert "plus" in line
    row = next(line for line in captured.out.splitlines() if line.startswith("p50 "))
    assert row.split()[-1] == "failed"
    assert "times as long" not in captured.out
    assert main(["bench", "wrong.onnx", "--bind", "left=2", "--bind", "right=3"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""  # no table of nothing
    assert [line.split(":")[0] for line in captured.err.splitlines()] == ["error"]
    assert main(["bench", "wrong.onnx", "--bind", "left=2", "--bind", "right=3", "--format", "json"]) == 1
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert "plus" in result["failed"]
    assert (result["calls"], result["milliseconds"], result["memory_bytes"]) == (0, None, None)


def test_a_failure_tells_of_sizes_that_were_chosen(folder: Path, capsys: Output) -> None:
    assert main(["bench", "wrong.onnx", "--bind", "left=2", "--repeat", "1"]) == 1
    last = capsys.readouterr().err.splitlines()[1]
    assert last.endswith("; open sizes were chosen, perhaps others fit: --bind right=128")


def test_columns_are_called_by_their_files_where_these_differ(folder: Path, capsys: Output) -> None:
    (folder / "old").mkdir()
    add("old/add.onnx", [1], [1])
    add("old/other.onnx", [1], [1])
    assert main(["bench", "add.onnx", "--against", "old/add.onnx", "--repeat", "1"]) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["batch", "1", "add.onnx", "old/add.onnx"]
    assert main(["bench", "old/add.onnx", "--against", "old/other.onnx", "--repeat", "1"]) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["batch", "1", "add.onnx", "other.onnx"]


def test_arrays_that_are_given_are_those_it_runs_on(folder: Path, capsys: Output) -> None:
    np.savez("rows.npz", a=np.ones((3, 2), np.float32), other=np.ones(4))
    argv = ["--data", "rows.npz", "--input", "b=[[1, 2]]", "--batch", "4", "--repeat", "1", "--format", "json"]
    assert main(["bench", "add.onnx", "--against", "small.arch", *argv]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [r["inputs"] for r in results] == [
        {"a": "float32[4, 2]", "b": "float32[4, 2]"},
        {"x": "float32[4, 4]"},
    ]


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["gone.onnx"], 1, "gone.onnx: there is no such file"),
        (["small.txt"], 1, "small.txt: "),
        (["add.onnx", "--against", "gone.onnx"], 1, "gone.onnx: there is no such file"),
        (["fixed.onnx", "--batch", "16"], 2, "--batch 16: fixed.onnx cannot: its batch is fixed at 2"),
        (["add.onnx", "--batch", "0"], 2, "--batch 0: expected numbers of examples, at least 1, as in --batch 1,16"),
        (["add.onnx", "--batch", "1,,2"], 2, "--batch 1,,2: expected numbers"),
        (["add.onnx", "--bind", "size"], 2, "--bind size: expected SYMBOL=SIZE, a whole number, as in --bind T=128"),
        (["add.onnx", "--bind", "size=-1"], 2, "expected SYMBOL=SIZE"),
        (["add.onnx", "--bind", "siz=4"], 2, "no model here has such a size; there are batch, size"),
        (["add.onnx", "--bind", "batch=4", "--batch", "2"], 2, "--bind batch is the batch, which --batch gives too"),
        (["add.onnx", "--bind", "size=4", "--bind", "size=5"], 2, "--bind size is given twice"),
        (["add.onnx", "--seconds", "1", "--repeat", "2"], 2, "leave one of them out"),
        (["add.onnx", "--seconds", "nan"], 2, "--seconds is a number, got nan"),
        (["add.onnx", "--device", "tpu"], 2, "tpu"),
        (["add.onnx", "--model", "Small"], 2, "add.onnx is compiled already"),
        (["add.onnx", "--input", "c=1"], 2, "the model has no input c"),
        (["add.onnx", "--input", "a=[[1]]", "--input", "a=[[2]]"], 2, "--input a is given twice"),
        (["add.onnx", "--input", "a=[1]"], 1, "input a: expected float32[batch, size], received float32[1]"),
        (["add.onnx", "--data", "small.arch"], 2, "--data small.arch: expected an .npz file"),
        (["add.onnx", "--data", "gone.npz"], 1, "gone.npz: there is no such file"),
        (["add.onnx", "--data", "bad.npz"], 1, "error: bad.npz: this is no .npz file, or a damaged one"),
        (["add.onnx", "--data", "else.npz"], 2, "--data else.npz holds z; the model's inputs are a: float32[batch"),
        (["add.onnx", "--data", "both.npz", "-i", "a=[[1]]"], 2, "input a is given by --input, and by --data both.npz"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(
    argv: list[str], code: int, text: str, folder: Path, capsys: Output
) -> None:
    (folder / "small.txt").write_text("no model")
    (folder / "bad.npz").write_text("no archive")
    np.savez("else.npz", z=np.ones(2))
    np.savez("both.npz", a=np.ones((1, 1), np.float32))
    assert main(["bench", *argv]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert len([line for line in captured.err.splitlines() if line.startswith("error")]) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.321e-6, "4.32 us"), (9.996e-6, "10.0 us"), (0.05, "50.0 ms"), (0.9996, "1.00 s"), (1234.5, "1,234 s")],
)
def test_times_have_three_digits(seconds: float, text: str) -> None:
    assert bench_table.time_text(seconds) == text


def test_a_model_that_failed_later_is_compared_with_nothing() -> None:
    turn = Turn((1.0,))
    first, second = Measured(turns=[turn, turn]), Measured(Started(1, 1, "cpu", 1), [turn], failed=Failed("no", 3))
    assert bench_table.ratio_of(second, first) is None
    assert bench_table.ratio_of(first, first) is None
    ratio = bench_table.ratio_of(Measured(turns=[Turn((2.0,)), Turn((2.0,))]), first)
    assert ratio is not None
    assert ratio.median == 2.0
