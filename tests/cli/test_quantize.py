"""`archonnx quantize`: the file that it writes, what it says, what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from archonnx.cli import main
from archonnx.cli.console import size_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runtime" / "int8"))

from small_models import convolutional, pictures

Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    onnx.save(convolutional(), "net.onnx")
    np.savez("pictures.npz", image=pictures(12))
    return tmp_path


def test_a_file_is_written_that_runs(folder: Path, capsys: Output) -> None:
    assert main(["quantize", "net.onnx", "--data", "pictures.npz", "-o", "net.int8.onnx"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("wrote net.int8.onnx: ")
    assert "4 of 4 products in int8, calibrated on 9 examples; error " in said
    np.save("one.npy", pictures(1))
    assert main(["run", "net.int8.onnx", "--input", "image=one.npy"]) == 0


def test_weights_beside_the_file_are_part_of_its_size(folder: Path, capsys: Output) -> None:
    onnx.save(convolutional(), "apart.onnx", save_as_external_data=True, location="apart.data", size_threshold=65)
    assert main(["quantize", "apart.onnx", "--data", "pictures.npz", "-o", "a.onnx"]) == 0
    size = Path("apart.onnx").stat().st_size + Path("apart.data").stat().st_size
    assert f"apart.onnx has {size_text(size)}\n" in capsys.readouterr().err


def test_what_stays_in_float32_is_listed(folder: Path, capsys: Output) -> None:
    assert main(["quantize", "net.onnx", "--data", "pictures.npz", "-o", "a.onnx", "--format", "json"]) == 0
    free = json.loads(capsys.readouterr().out)
    assert (free["int8"], free["kept"], free["judged_on_others"]) == (4, [], True)
    bound = str(0.6 * free["error"])
    argv = ["--data", "pictures.npz", "-o", "b.onnx", "--max-error", bound]
    assert main(["quantize", "net.onnx", *argv, "--format", "json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["error"] <= float(bound)
    assert len(held["kept"]) == 4 - held["int8"] > 0
    assert main(["quantize", "net.onnx", *argv]) == 0
    assert capsys.readouterr().err.count("alone it would lose") == len(held["kept"])


def test_refusals(folder: Path, capsys: Output) -> None:
    assert main(["quantize", "net.onnx", "--data", "pictures.npz", "-o", "net.onnx"]) == 2
    assert "give -o another name" in capsys.readouterr().err
    assert main(["quantize", "net.onnx", "--data", "pictures.npz", "-o", "a.onnx", "--max-error", "1e-9"]) == 3
    assert "int8 does not stay within" in capsys.readouterr().err
    assert not Path("a.onnx").exists()
    assert main(["quantize", "net.onnx", "--data", "pictures.npz", "-o", "a.txt"]) == 2
    assert "-o a.txt: the file's name ends in .onnx" in capsys.readouterr().err
    assert main(["quantize", "net.arch", "--data", "pictures.npz", "-o", "a.onnx"]) == 2
    assert "build it first" in capsys.readouterr().err
    assert main(["quantize", "net.onnx", "-o", "a.onnx"]) == 2
