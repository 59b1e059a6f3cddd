"""`archonnx tune`: what it prints, writes and says. No time is compared with anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archonnx.cli import main, tune_table
from archonnx.runtime.settings import Options
from archonnx.runtime.tuning.fingerprint import Fingerprint
from archonnx.runtime.tuning.plan import Kept, Part, Plan, Spread, Tried, read_plan
from archonnx.runtime.tuning.recipe import Recipe

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHONNX_THREADS", raising=False)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "size"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Exp", ["x"], ["y"], name="exp")], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), "net.onnx")
    return tmp_path


def test_a_plan_is_written_printed_and_taken(folder: Path, capsys: Output) -> None:
    argv = ["--device", "cpu", "--threads", "1", "--budget", "0.01", "--bind", "size=5"]
    assert main(["tune", "net.onnx", "--batch", "2", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].split() == ["batch", "2", "a", "call", "times", "as", "long", "error"]
    assert "\nbatch 2: cpu float32, 1 thread: " in captured.out
    assert "errors: drawn at random, seed 0" in captured.out
    assert captured.err == "wrote net.plan.json: whatever loads the model here takes it\n"
    plan = read_plan("net.plan.json")
    assert plan.parts[0].inputs == {"x": "float32[2, 5]"}
    assert main(["run", "net.onnx", "--input", "x=[[0, 0]]"]) == 0
    assert "net.onnx ran on cpu by net.plan.json in " in capsys.readouterr().err
    assert main(["run", "net.onnx", "--input", "x=[[0, 0]]", "--plan", "off", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["plan"] is None


def test_bench_tells_the_plan(folder: Path, capsys: Output) -> None:
    assert main(["tune", "net.onnx", "--device", "cpu", "--threads", "1", "--budget", "0.01", "-o", "my.json"]) == 0
    capsys.readouterr()
    argv = ["--bind", "size=3", "--repeat", "2"]
    assert main(["bench", "net.onnx", "--against", "net.onnx", "--plan", "my.json", *argv]) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("plan "))
    assert row == ["plan", "my.json", "-"]
    assert main(["bench", "net.onnx", "--plan", "gone.json", *argv]) == 1
    assert "gone.json" in capsys.readouterr().err
    assert main(["bench", "net.onnx", "--format", "json", *argv]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["plan"] is None


def test_json_is_the_plan(folder: Path, capsys: Output) -> None:
    argv = ["--device", "cpu", "--threads", "1", "--budget", "0.01", "-o", "other.json", "--format", "json"]
    (folder / "other.json").write_text("{}")
    assert main(["tune", "net.onnx", "--bind", "size=5", *argv]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads((folder / "other.json").read_text())
    assert captured.err.splitlines() == [
        "warning: other.json: the plan is damaged: schema is missing, a whole number from 1 to 2147483647 is expected; "
        "it is made anew",
        'wrote other.json: load(..., plan="other.json") takes it',
    ]
    assert not (folder / "net.plan.json").exists()


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (["gone.onnx"], 1, "gone.onnx: there is no such file"),
        (["net.txt"], 1, "net.txt: "),
        (["net.arch"], 2, "net.arch is a source: build it first, archonnx build net.arch -o net.onnx, and tune that"),
        (["net.onnx", "--budget", "0"], 2, "--budget 0: expected seconds, more than 0 and at most 86400"),
        (["net.onnx", "--budget", "nan"], 2, "--budget nan: expected seconds"),
        (["net.onnx", "--max-error", "-1"], 2, "max_error is a number above 0, such as 1e-2; received -1.0"),
        (["net.onnx", "--batch", "0"], 2, "--batch 0: expected numbers of examples"),
        (["net.onnx", "--bind", "siz=4"], 2, "no model here has such a size; there are batch, size"),
        (["net.onnx", "--device", "tpu"], 2, "tpu"),
        (["net.onnx", "--data", "gone.npz"], 1, "gone.npz: there is no such file"),
        (["net.onnx", "--data", "net.arch"], 2, "data net.arch: expected an .npz file"),
        (["net.onnx", "--data", "rows.npz", "--bind", "size=4"], 2, "sizes come from the data: leave out size, or"),
        (["net.onnx", "-o", "."], 2, "cannot write .: it is a folder; name a file, as in plan.json"),
        (["net.onnx", "-o", "no/such/plan.json"], 2, "cannot write no/such/plan.json: the folder"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(
    argv: list[str], code: int, text: str, folder: Path, capsys: Output
) -> None:
    (folder / "net.txt").write_text("no model")
    (folder / "net.arch").write_text("model A():\n")
    np.savez("rows.npz", x=np.ones((2, 4), np.float32))
    assert main(["tune", *argv]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert len([line for line in captured.err.splitlines() if line.startswith("error")]) == 1
    assert not list(folder.glob("*.plan.json"))


def test_a_folder_in_the_place_of_the_plan_is_told_first(folder: Path, capsys: Output) -> None:
    (folder / "net.plan.json").mkdir()
    assert main(["tune", "net.onnx", "--budget", "86400"]) == 2
    assert "error: cannot write net.plan.json: it is a folder; archonnx tune ... -o FILE" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_told_first(
    folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser may write anywhere, so that the refusal is made here."""

    def refused(**where: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert main(["tune", "net.onnx"]) == 2
    assert capsys.readouterr().err == (
        f"error: cannot write net.plan.json: the folder {folder} cannot be written to (Permission denied); "
        "archonnx tune ... -o FILE writes it elsewhere, for load(..., plan=FILE)\n"
    )


def test_the_table_tells_every_outcome(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    exact, half = Recipe("cpu", threads=2), Recipe("openvino", "bfloat16", threads=2)
    other, spun = Recipe("openvino", threads=2), Recipe("cpu", threads=2, options=Options(spinning=True))
    ones = Spread(1, 1, 1)
    tried = (
        Tried("device", exact, "kept", "nothing else was faster", Spread(20, 19, 21), ones, 0.0),
        Tried("device", other, "failed", "it crashed"),
        Tried("precision", exact, "slower", "...", Spread(20, 19, 21), ones, 0.0),
        Tried("precision", half, "kept", "...", Spread(10, 9, 11), Spread(0.5, 0.4, 0.6), 3.14e-3),
        Tried("options", exact, "kept", "...", Spread(20, 19, 21), ones, 0.0),
        Tried("options", spun, "inexact", "its error is 1.0e+00, 0.001 is allowed", None, None, 1.0),
        Tried("threads", Recipe("openvino", "bfloat16", threads=1), "untried", "the time was over"),
    )
    kept = (Kept(exact, 20, 0.0, ""), Kept(half, 10, 3.14e-3, ""))
    made_for = Fingerprint("00", {}, {})
    plan = Plan("net.onnx", made_for, "throughput", 1e-2, "x.npz, 5 examples", (Part(16, {}, kept, tried),))
    tune_table.print_plan(plan)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line and not line.startswith("──")] == [
        "batch 16 a call times as long error",
        "device",
        "cpu float32, 2 threads 20.0 ms 1.00 (1.00 to 1.00) 0 kept",
        "openvino float32, 2 threads failed: it crashed",
        "precision",
        "cpu float32, 2 threads 20.0 ms 1.00 (1.00 to 1.00) 0",
        "openvino bfloat16, 2 threads 10.0 ms 0.50 (0.40 to 0.60) 3.1e-03 kept",
        "options, of cpu float32, 2 threads",
        "cpu float32, 2 threads, spinning 1.0e+00 too far from float32: its error is 1.0e+00, 0.001 is allowed",
        "no time was left for threads (1): --budget gives more",
        "batch 16: cpu float32, 2 threads: 20.0 ms a call, 800.0 examples a second, error 0",
        "batch 16, with max_error=0.01: openvino bfloat16, 2 threads: 10.0 ms a call, 1,600.0 examples a second, "
        "0.50 times as long, error 3.1e-03",
        "errors: x.npz, 5 examples",
    ]
