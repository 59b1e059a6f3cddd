"""`--precision`, `--max-error` and `--data` on the command line: what runs, what is told, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.session import Session

SOURCE = """
model Small():
    input x: float32[N, 64]
    x -> Dense(128, activation="relu") -> Dense(8)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("precision")
    model = archonnx.compile(text=SOURCE)
    model.save(made / "small.onnx")
    model.save(made / "bits.onnx", weight_bits=8)
    x = np.random.default_rng(0).random((5, 64), np.float32)
    np.save(made / "x.npy", x[:1])
    np.savez(made / "examples.npz", x=x, label=np.arange(5))
    x[3, 7] = np.nan
    np.savez(made / "damaged.npz", x=x)
    return made


def run(folder: Path, model: str, *options: str) -> int:
    return main(["run", str(folder / model), "--input", f"x={folder / 'x.npy'}", "--device", "cpu", *options])


def test_the_ways_that_were_measured_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data", str(folder / "examples.npz"))
    assert run(folder, "small.onnx", "--max-error", "1e-3", *data, "--format", "json") == 0
    found = capsys.readouterr()
    assert "cpu float32: " in found.err
    assert ", error 0.0e+00, runs" in found.err
    assert "drawn at random" not in found.err
    told = json.loads(found.out)
    assert told["precision"] == "float32"
    (way,) = [each for each in told["choices"] if each["runs"]]
    assert (way["device"], way["precision"], way["error"], way["failed"]) == ("cpu", "float32", 0.0, None)
    assert way["milliseconds"] > 0


def test_drawn_data_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run(folder, "small.onnx", "--max-error", "1e-3") == 0
    assert "errors are measured on inputs drawn at random (x [1, 64]); data=... takes real ones" in caplog.text


def test_what_is_rounded_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "bits.onnx") == 0
    assert "Small ran on cpu in int8 in " in capsys.readouterr().err
    assert run(folder, "bits.onnx", "--precision", "float32") == 0
    assert "Small ran on cpu in " in (err := capsys.readouterr().err)
    assert "int8" not in err


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--precision", "bf16"), 2, "did you mean 'bfloat16'?"),
        (("--precision", "bfloat16"), 3, 'use device="openvino" or "auto"'),
        (("--precision", "tf32"), 3, "TF32 is a mode of NVIDIA's GPUs"),
        (("--max-error", "0"), 2, "max_error is a number above 0"),
        (("--max-error", "1e-2", "--data", "damaged.npz"), 2, "input x holds 1 number that is NaN (row 3)"),
        (("--max-error", "1e-2", "--data", "missing.npz"), 1, "missing.npz"),
    ],
)
def test_refusals(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(folder)
    assert run(folder, "small.onnx", *options) == code
    assert text in capsys.readouterr().err


def test_bench_measures_in_a_precision_or_says_why_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", str(folder / "bits.onnx"), "--device", "cpu", "--repeat", "2", "--format", "json"]
    assert main([*asked, "--precision", "float32"]) == 0
    assert [each["precision"] for each in json.loads(capsys.readouterr().out)["results"]] == ["float32"]
    assert main([*asked, "--precision", "float16"]) == 3
    assert "would only cast to float16 and back" in capsys.readouterr().err


def test_what_stays_in_float32_is_listed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = LoweredNode(
        "dense/Exp", "Exp", "dense", "small.arch:3:5", "float32", float("inf"), "its results come to 1e+06"
    )
    other = LoweredNode("dense/MatMul", "MatMul", "dense", "small.arch:3:5", "float16", 1e-3)
    told = Lowering("float16", 2e-3, (kept, other))
    monkeypatch.setattr(Session, "lowered", property(lambda session: told, lambda session, value: None))
    assert run(folder, "small.onnx", "--format", "json") == 0
    found = capsys.readouterr()
    assert "1 of 2 nodes in float16, 2.0e-03 off" in found.err
    assert json.loads(found.out)["lowered"] == {
        "error": 2e-3,
        "nodes": 2,
        "kept": [
            {
                "node": "dense/Exp",
                "operator": "Exp",
                "layer": "dense",
                "place": "small.arch:3:5",
                "precision": "float32",
                "error": None,
                "why": "its results come to 1e+06",
            }
        ],
    }
