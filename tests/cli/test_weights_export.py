"""`archonnx weights export`: a model's weights as PyTorch and Keras have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors

Output = pytest.CaptureFixture[str]
TEXT = "model Small(width = 3):\n    input x: float32[N, 4]\n    Dense(width)\n    BatchNormalization()\n    output y\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    return tmp_path


def said(capsys: Output, *argv: str, code: int = 0) -> str:
    assert main(["weights", "export", *argv]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_state_dictionary_of_pytorch(capsys: Output) -> None:
    line = "w.pth: 7 tensors, 116 bytes, PyTorch state dictionary, PyTorch's names\n"
    assert said(capsys, "small.arch", "w.pth", "--seed", "5") == line
    with open_tensors(Path("w.pth")) as file:
        assert list(file.entries) == [
            *("dense.weight", "dense.bias", "batch_normalization.weight", "batch_normalization.bias"),
            *("batch_normalization.running_mean", "batch_normalization.running_var"),
            "batch_normalization.num_batches_tracked",
        ]
        kernel = file.whole("dense.weight").T
    assert np.array_equal(kernel, archonnx.compile("small.arch").values(5)["dense/kernel"])


def test_it_is_built_with_again(capsys: Output) -> None:
    said(capsys, "small.arch", "w.pth", "--seed", "5")
    assert main(["build", "small.arch", "--weights", "w.pth", "-o", "a.onnx"]) == 0
    assert main(["build", "small.arch", "--seed", "5", "-o", "b.onnx"]) == 0
    capsys.readouterr()
    assert main(["weights", "diff", "a.onnx", "b.onnx"]) == 0


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), {"dense/kernel", "dense/bias"}),
        (("--layout", "torch"), {"dense.weight", "dense.bias"}),
        (("--layout", "keras"), {"dense/kernel", "dense/bias"}),
    ],
)
def test_layouts_in_any_format(capsys: Output, options: tuple[str, ...], names: set[str]) -> None:
    said(capsys, "small.arch", "w.safetensors", *options)
    with open_tensors(Path("w.safetensors")) as file:
        assert names <= file.entries.keys()


def test_weights_of_a_file_and_parameters(capsys: Output) -> None:
    said(capsys, "small.arch", "first.npz", "--set", "width=2", "--seed", "3")
    err = said(capsys, "small.arch", "second.pth", "--set", "width=2", "--weights", "first.npz")
    assert err.splitlines()[0] == "6 weights from first.npz (by path)"
    said(capsys, "small.arch", "third.npz", "--set", "width=2", "--weights", "second.pth")
    assert main(["weights", "diff", "first.npz", "third.npz"]) == 0


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (("w.txt",), "error: w.txt: its ending names no format of weights"),
        (("w.pth", "--weights", "none"), "error: --weights none leaves nothing to write; leave it out, or name a file"),
        (("none/w.pth",), "error: cannot write none/w.pth: there is no folder"),
        (("w.weights.h5",), "error: w.weights.h5: Keras 3 numbers the groups of its files as it builds a model; "),
    ],
)
def test_what_cannot_be_written(capsys: Output, argv: tuple[str, ...], line: str) -> None:
    err = said(capsys, "small.arch", *argv, code=2 if {"none", "w.txt"} & set(argv) else 1)
    assert err.startswith(line)
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["small.arch"]
