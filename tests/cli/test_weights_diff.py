"""`archonnx weights diff`: what it finds, what counts as the same, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy

from archonnx.cli import main

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(capsys: Output, *argv: str) -> tuple[int, dict[str, Any]]:
    code = main(["weights", "diff", *argv, "--format", "json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    document: dict[str, Any] = json.loads(captured.out)
    assert document["same"] == (code == 0)
    return code, document


def one(capsys: Output, a: Any, b: Any, *options: str) -> tuple[int, dict[str, Any]]:
    """What is found of a single tensor."""
    np.savez("a.npz", w=a)
    np.savez("b.npz", w=b)
    code, document = report(capsys, "a.npz", "b.npz", *options)
    (row,) = document["tensors"]
    return code, row


def test_files_that_are_the_same_in_two_formats(capsys: Output) -> None:
    arrays = {"w": np.float32([[1, np.nan, np.inf]]), "steps": np.array(7), "none": np.zeros((0, 3))}
    np.savez("a.npz", **arrays)
    safetensors.numpy.save_file(arrays, "b.safetensors")
    assert main(["weights", "diff", "a.npz", "b.safetensors"]) == 0
    assert capsys.readouterr().out == (
        "a.npz, b.safetensors: 3 tensors in both, all equal bit by bit, 1 NaN in both at the same place\n"
    )


def test_a_table_with_the_worst_first(capsys: Output) -> None:
    same = np.arange(3.0)
    np.savez("a.npz", s=same, x=np.float32([1, 2]), y=np.float32([[1, 2], [3, 4]]), z=np.zeros(2), old=same, t=same)
    np.savez("b.npz", s=same, x=np.float32([1, 2.5]), y=np.float32([[1, 2], [5, 4]]), z=-np.zeros(2), t=same[:2])
    assert main(["weights", "diff", "a.npz", "b.npz"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "Name  A              B              Largest  Error  At",
        "old   float64[3]     -",
        "t     float64[3]     float64[2]",
        "y     float32[2, 2]  float32[2, 2]        2    0.4  [1, 0]",
        "x     float32[2]     float32[2]         0.5    0.2  [1]",
        "z     float64[2]     float64[2]           0      0  -0.0 or NaN of other bits",
        "a.npz, b.npz: 5 tensors in both, 1 equal, 1 of the same numbers in other bits, 1 of other shapes, 1 only in A, "
        "2 differ, by an error of at most 0.4",
    ]
    assert main(["weights", "diff", "b.npz", "a.npz", "--tolerance", "0.5"]) == 1
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .endswith("1 only in B, 2 differ, by an error of at most 0.5, 2 of them within 0.5")
    )


def test_a_tolerance_lets_numbers_and_types_differ(capsys: Output) -> None:
    a = np.random.default_rng(0).normal(size=100).astype(np.float32)
    np.savez("a.npz", w=a)
    assert main(["weights", "convert", "a.npz", "b.safetensors", "--dtype", "bfloat16"]) == 0
    capsys.readouterr()
    code, document = report(capsys, "a.npz", "b.safetensors", "--tolerance", "0.004")
    assert code == 0
    (row,) = document["tensors"]
    assert row["a"]["dtype"] == "float32"
    assert row["b"]["dtype"] == "bfloat16"
    assert 1e-4 < row["error"] <= 2**-8
    assert main(["weights", "diff", "a.npz", "b.safetensors"]) == 1
    assert main(["weights", "diff", "a.npz", "b.safetensors", "--tolerance", "0.00001"]) == 1


@pytest.mark.parametrize(
    ("a", "b", "result", "largest", "error"),
    [
        (np.float32([1, 2]), np.float32([1, 2]), "equal bit by bit", 0, 0),
        (np.float32([1, -4]), np.float32([1, -2]), "numbers differ", 2, 1),
        (np.float32([1e-8]), np.float32([0]), "numbers differ", np.float32(1e-8), np.float32(1e-8) / 1e-6),
        (np.float32([np.nan]), np.float32([1]), "numbers differ", "Infinity", "Infinity"),
        (np.float32([np.inf, 1]), np.float32([np.inf, 3]), "numbers differ", 2, 2 / 3),
        (np.float32([np.inf]), np.float32([-np.inf]), "numbers differ", "Infinity", "Infinity"),
        (np.float32([np.nan, 1]), -np.float32([np.nan, -1]), "bits differ", 0, 0),
        (np.float32([1, 2]), np.float64([1, 2]), "types differ", 0, 0),
        (np.array([2**63 - 1]), np.array([2**63 - 2]), "numbers differ", 1, 2.0**-63),
        (np.array([-(2**63)]), np.array([2**63 - 1]), "numbers differ", 2.0**64, 2),
        (np.uint64([2**64 - 1]), np.array([-1]), "numbers differ", 2.0**64, 2.0**64),
        (np.uint64([3]), np.int8([-1]), "numbers differ", 4, 4),
        (np.array([True]), np.array([False]), "numbers differ", 1, 1e6),
        (np.complex64([1 + 1j]), np.complex64([1]), "numbers differ", 1, 1),
        (np.float32(1), np.float32(3), "numbers differ", 2, 2 / 3),
    ],
)
def test_errors(a: Any, b: Any, result: str, largest: Any, error: Any, capsys: Output) -> None:
    code, row = one(capsys, a, b)
    assert code == (0 if result == "equal bit by bit" else 1)
    assert row["result"] == result
    assert (
        row["largest"] == largest if isinstance(largest, str) else row["largest"] == pytest.approx(largest, rel=1e-12)
    )
    assert row["error"] == error if isinstance(error, str) else row["error"] == pytest.approx(error, rel=1e-12)


def test_bits_alone_are_the_same_within_no_error(capsys: Output) -> None:
    assert one(capsys, np.zeros(2), -np.zeros(2))[0] == 1
    assert one(capsys, np.zeros(2), -np.zeros(2), "--tolerance", "0")[0] == 0


def test_where_large_tensors_differ(capsys: Output) -> None:
    a = np.ones((3, 2_000_000), np.float32)
    b = a.copy()
    b[1, 1_999_999], b[2, 5] = 3, 2
    code, row = one(capsys, a, b)
    assert code == 1
    assert (row["largest"], row["at"]) == (2, [1, 1_999_999])
    assert row["error"] == pytest.approx(2 / 3)


def test_a_model_that_was_built_has_the_layout_of_its_operators(capsys: Output) -> None:
    Path("m.arch").write_text("model A():\n    input x: float32[N, 8, 8, 1]\n    Conv2D(2, 3)\n    output y\n")
    assert main(["weights", "export", "m.arch", "w.npz"]) == main(["build", "m.arch", "-o", "m.onnx"]) == 0
    capsys.readouterr()
    assert main(["weights", "diff", "w.npz", "m.onnx"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "note: m.onnx has tensors as the graph's operators take them, whatever they are called",
        "help: `archonnx weights export MODEL.arch OUT --weights m.onnx` writes the weights",
    ]
    assert main(["weights", "export", "m.arch", "back.npz", "--weights", "m.onnx"]) == 0
    capsys.readouterr()
    assert main(["weights", "diff", "w.npz", "back.npz"]) == main(["weights", "diff", "m.onnx", "m.onnx"]) == 0
    assert capsys.readouterr().err == ""


def test_text_is_compared(capsys: Output) -> None:
    for name, words in (("a", ["cat", "dog"]), ("b", ["cat", "cow"])):
        text = onnx.helper.make_tensor("labels", onnx.TensorProto.STRING, (2,), words)
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [text])), f"{name}.onnx")
    assert report(capsys, "a.onnx", "a.onnx")[0] == 0
    code, document = report(capsys, "a.onnx", "b.onnx")
    assert code == 1
    assert document["tensors"][0]["at"] == [1]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["a.npz", "gone.npz"], 1, "error: gone.npz: there is no such file"),
        (["a.npz", "cut.safetensors"], 1, "error: cut.safetensors: its first 8 bytes say"),
        (["a.npz"], 2, "Missing argument 'B'"),
        (["a.npz", "a.npz", "--tolerance", "-1"], 2, "-1.0 is not in the range x>=0"),
        (["a.npz", "a.npz", "--tolerance", "nan"], 2, "it is a number from 0 on"),
        (["a.npz", "a.npz", "--tolerance", "much"], 2, "'much' is not a valid float"),
    ],
)
def test_what_is_wrong(argv: list[str], code: int, said: str, capsys: Output) -> None:
    np.savez("a.npz", w=np.ones(2))
    Path("cut.safetensors").write_bytes(b"\xff" * 20)
    assert main(["weights", "diff", *argv]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert code == 2 or captured.err.count("\n") == 1
