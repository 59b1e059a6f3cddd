"""`archonnx weights`: what it lists, what it writes, what it warns of, how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy

from archonnx.cli import main
from archonnx.compiler.weights.files.formats import open_tensors

ROOT = Path(__file__).resolve().parents[2]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a file of three tensors."""
    monkeypatch.chdir(tmp_path)
    arrays = {"w": np.float32([[1, 2, 3]]), "steps": np.array(7), "mask": np.zeros((1000, 2), bool)}
    np.savez(tmp_path / "a.npz", **arrays)
    return tmp_path


def test_a_table_of_what_is_in_a_file(folder: Path, capsys: Output) -> None:
    assert main(["weights", "list", "a.npz"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "Name   Type     Shape      Elements      Size",
        "w      float32  [1, 3]            3  12 bytes",
        "steps  int64    []                1   8 bytes",
        "mask   bool     [1000, 2]     2,000    2.0 kB",
        "a.npz: 3 tensors, 2,004 elements, 2.0 kB, npz",
    ]
    assert captured.err == ""


def test_json_for_tools(folder: Path, capsys: Output) -> None:
    safetensors.numpy.save_file({"größe\n": np.zeros((2, 0), np.int8)}, "b.safetensors", {"format": "pt"})
    assert main(["weights", "list", "b.safetensors", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": "b.safetensors",
        "format": "safetensors",
        "tensors": [{"name": "größe\n", "dtype": "int8", "shape": [2, 0], "elements": 0, "bytes": 0}],
        "total": {"tensors": 1, "elements": 0, "bytes": 0},
        "metadata": {"format": "pt"},
    }


def test_names_and_metadata_cannot_move_the_cursor(folder: Path, capsys: Output) -> None:
    safetensors.numpy.save_file({"a\x1b[2Jb\nc": np.zeros(1)}, "b.safetensors", {"by": "x\r\n" + "y" * 200})
    assert main(["weights", "list", "b.safetensors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(r"a\x1b[2Jb\nc  float64  [1]")
    assert lines[3].startswith(r"  by: x\r\nyyy")
    assert lines[3].endswith("...")


@pytest.mark.parametrize("target", ["b.safetensors", "b.npz", "b.onnx"])
def test_convert_keeps_every_bit(target: str, folder: Path, capsys: Output) -> None:
    assert main(["weights", "convert", "a.npz", target]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{target}: 3 tensors, 2.0 kB, ")
    with np.load("a.npz") as expected, open_tensors(folder / target) as found:
        assert found.entries.keys() == set(expected)
        assert all(np.array_equal(found.whole(name), expected[name]) for name in expected)


def test_convert_casts_what_is_of_floating_point(folder: Path, capsys: Output) -> None:
    assert main(["weights", "convert", "a.npz", "b.safetensors", "--dtype", "bfloat16"]) == 0
    with open_tensors(folder / "b.safetensors") as found:
        assert {name: entry.dtype for name, entry in found.entries.items()} == {
            "w": "bfloat16",
            "steps": "int64",
            "mask": "bool",
        }
        assert found.whole("w").astype(np.float32).tolist() == [[1, 2, 3]]
    assert main(["weights", "convert", "b.safetensors", "b.npz", "--dtype", "float32"]) == 0
    with np.load("b.npz") as back:
        assert back["w"].dtype == np.float32


def test_convert_warns_of_what_is_no_number_or_too_large(folder: Path, capsys: Output) -> None:
    np.savez("b.npz", w=np.float32([np.nan, 1e9, 1, np.inf]), v=np.complex64([np.nan]))
    assert main(["weights", "convert", "b.npz", "b.safetensors", "--dtype", "float16"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "warning: w: 1 of 4 values is not a number (NaN)",
        "warning: w: 1 of 4 values becomes infinite: float16 does not reach so far",
        "warning: v: 1 of 1 values is not a number (NaN)",
        "b.safetensors: 2 tensors, 16 bytes, safetensors",
    ]


@pytest.mark.parametrize("dtype", ["float8e4m3fn", "float8e5m2fnuz", "float8e8m0", "float4e2m1", "bfloat16"])
def test_convert_of_types_that_numpy_does_not_have(dtype: str, folder: Path, capsys: Output) -> None:
    array = np.array([0.5, 1, 2, 4], np.float32)
    proto = onnx.helper.make_tensor("w", getattr(onnx.TensorProto, dtype.upper()), (4,), array)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [proto])), "b.onnx")
    assert main(["weights", "convert", "b.onnx", "b.safetensors"]) == 0
    assert main(["weights", "convert", "b.safetensors", "c.npz", "--dtype", "float32"]) == 0
    with np.load("c.npz") as found:
        assert found["w"].tolist() == [0.5, 1, 2, 4]


def test_convert_says_what_it_leaves_out(folder: Path, capsys: Output) -> None:
    text = onnx.helper.make_tensor("labels", onnx.TensorProto.STRING, (1,), ["cat"])
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [text]))
    onnx.helper.set_model_props(model, {"author": "me"})
    onnx.save(model, "b.onnx")
    assert main(["weights", "convert", "b.onnx", "b.npz"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "warning: labels is text, not numbers; it is left out",
        "warning: NumPy archive has no place for metadata; these are left out: author",
        "b.npz: 0 tensors, 0 bytes, NumPy archive",
    ]


def test_convert_into_several_files(folder: Path, capsys: Output) -> None:
    assert main(["weights", "convert", "a.npz", "b.safetensors", "--shard-size", "1.5kB"]) == 0
    said = "b.safetensors.index.json: 3 tensors, 2.0 kB, safetensors in several files\n"
    assert capsys.readouterr().err == said
    assert main(["weights", "diff", "a.npz", "b.safetensors.index.json"]) == 0
    files = [f"b-0000{i}-of-00002.safetensors" for i in (1, 2)]
    assert sorted(path.name for path in folder.glob("b*")) == [*files, "b.safetensors.index.json"]
    assert main(["weights", "convert", "b.safetensors.index.json", "c.pth", "--shard-size", "1GiB"]) == 0
    assert main(["weights", "diff", "a.npz", "c.pth"]) == 0


def test_without_h5py_they_say_what_to_install(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["weights", "convert", "a.npz", "b.h5"]) == 0
    before = sorted(folder.iterdir())
    monkeypatch.setitem(sys.modules, "h5py", None)
    for argv in (["list", "b.h5"], ["convert", "a.npz", "c.h5"], ["convert", "b.h5", "c.npz"]):
        capsys.readouterr()
        assert main(["weights", *argv]) == 3
        assert "which is not installed: pip install 'archonnx[keras]', or h5py alone" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_convert_onto_itself(folder: Path, capsys: Output) -> None:
    before = np.load("a.npz")["mask"]
    assert main(["weights", "convert", "a.npz", "a.npz", "--dtype", "float16"]) == 0
    with np.load("a.npz") as found:
        assert found["w"].dtype == np.float16
        assert np.array_equal(found["mask"], before)


def test_the_weights_of_a_model_that_was_built(folder: Path, capsys: Output) -> None:
    assert main(["build", str(ROOT / "models" / "dnn.arch"), "-o", "dnn.onnx"]) == 0
    assert main(["weights", "convert", "dnn.onnx", "dnn.safetensors"]) == 0
    found = safetensors.numpy.load_file("dnn.safetensors")
    expected = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load("dnn.onnx").graph.initializer}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["list", "gone.npz"], 1, "error: gone.npz: there is no such file"),
        (["list", "."], 1, "error: .: it is a folder, a file is expected"),
        (["list", ""], 2, "the path is empty"),
        (["list", "empty.npz"], 1, "error: empty.npz: the file is empty"),
        (["list", "cut.safetensors"], 1, "error: cut.safetensors: its first 8 bytes say"),
        (["convert", "cut.safetensors", "b.npz"], 1, "error: cut.safetensors: its first 8 bytes say"),
        (["convert", "a.npz", "b.txt"], 2, "error: b.txt: its ending names no format of weights; written are"),
        (["convert", "a.npz", "gone/b.npz"], 1, "there is no folder"),
        (["convert", "a.npz", "b.npz", "--dtype", "bfloat16"], 1, "NumPy archive holds no bfloat16, which 'w' is"),
        (["convert", "a.npz", "b.npz", "--dtype", "int8"], 2, "'int8' is not one of"),
        (["convert", "a.npz"], 2, "Missing argument 'OUT'"),
        (["convert", "a.npz", "b.npz", "--shard-size", "5 apples"], 2, "'5 apples' is no size, such as 5GB or 500MB"),
        (["convert", "a.npz", "b.safetensors", "--shard-size", "0"], 2, "'0' is no size"),
        (["convert", "a.npz", "b.safetensors", "--shard-size", "-5GB"], 2, "'-5GB' is no size"),
        (["convert", "a.npz", "b.npz", "--shard-size", "5GB"], 2, "NumPy archive is written as one file; in several"),
        (["lst", "a.npz"], 2, "No such command 'lst'"),
    ],
)
def test_what_is_wrong(argv: list[str], code: int, said: str, folder: Path, capsys: Output) -> None:
    Path("empty.npz").write_bytes(b"")
    Path("cut.safetensors").write_bytes(b"\xff" * 20)
    before = sorted(folder.iterdir())
    assert main(["weights", *argv]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert code == 2 or captured.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", ["list", "convert", "diff"])
def test_each_has_a_help_worth_reading(command: str, capsys: Output) -> None:
    assert main(["weights", command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"archonnx weights {command}" in text.partition("Examples")[2]
    assert max(map(len, text.splitlines())) <= 120
