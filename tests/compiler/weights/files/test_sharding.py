"""Checkpoints written as several files and their index."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from file_tensors import read_all, same, tensor, tensors

from archonnx.compiler.weights.files.base import Entry, Tensor, TensorFileError
from archonnx.compiler.weights.files.formats import write_tensors
from archonnx.compiler.weights.recipe import Array
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.drafts import hidden

ARRAYS = {f"w{i}": np.arange(i, i + 6, dtype=np.float32).reshape(2, 3) for i in range(5)}
NAMES = {
    "model.safetensors": "model-{:05}-of-{:05}.safetensors",
    "pytorch_model.bin": "pytorch_model-{:05}-of-{:05}.bin",
}


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_in_several_files_reads_as_one(name: str, tmp_path: Path) -> None:
    form = write_tensors(tmp_path / name, tensors(ARRAYS), {"format": "pt"}, shard_bytes=50)
    assert form.pieces is not None
    files = [NAMES[name].format(i, 3) for i in (1, 2, 3)]
    assert contents(tmp_path) == sorted([*files, f"{name}.index.json"])
    index = json.loads((tmp_path / f"{name}.index.json").read_text())
    assert index["metadata"] == {"format": "pt", "total_size": 120}
    assert index["weight_map"] == {"w0": files[0], "w1": files[0], "w2": files[1], "w3": files[1], "w4": files[2]}
    found = read_all(tmp_path / f"{name}.index.json")
    assert list(found) == list(ARRAYS)
    assert all(same(found[name], ARRAYS[name]) for name in ARRAYS)


def test_each_file_is_one_of_its_format(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    write_tensors(tmp_path / "m.safetensors", tensors(ARRAYS), shard_bytes=100)
    assert list(safetensors.numpy.load_file(tmp_path / "m-00001-of-00002.safetensors")) == ["w0", "w1", "w2", "w3"]
    write_tensors(tmp_path / "m.pth.index.json", tensors(ARRAYS))
    theirs = torch.load(tmp_path / "m-00001-of-00001.pth", weights_only=True)
    assert all(np.array_equal(theirs[name].numpy(), ARRAYS[name]) for name in ARRAYS)


def test_what_fits_into_one_file_is_one(tmp_path: Path) -> None:
    assert write_tensors(tmp_path / "m.safetensors", tensors(ARRAYS), shard_bytes=120).name == "safetensors"
    assert contents(tmp_path) == ["m.safetensors"]


def test_a_tensor_larger_than_a_file_has_its_own(tmp_path: Path) -> None:
    write_tensors(
        tmp_path / "m.safetensors", tensors({"a": np.zeros(1), "b": np.zeros(9), "c": np.zeros(1)}), shard_bytes=8
    )
    assert len(contents(tmp_path)) == 4
    write_tensors(tmp_path / "n.safetensors.index.json", {})
    assert read_all(tmp_path / "n.safetensors.index.json") == {}


def test_files_of_an_old_index_are_removed_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "m-old.safetensors").write_bytes(b"mine")
    write_tensors(tmp_path / "m.safetensors", tensors(ARRAYS), shard_bytes=1)
    index = tmp_path / "m.safetensors.index.json"
    document = json.loads(index.read_text())
    document["weight_map"]["more"] = "m-old.safetensors"
    index.write_text(json.dumps(document))
    write_tensors(tmp_path / "m.safetensors", tensors(ARRAYS), shard_bytes=100)
    assert contents(tmp_path) == [
        *("m-00001-of-00002.safetensors", "m-00002-of-00002.safetensors"),
        *("m-old.safetensors", "m.safetensors.index.json"),
    ]


def test_nothing_changes_where_a_tensor_cannot_be_read(tmp_path: Path) -> None:
    def slices() -> Iterator[Array]:
        yield np.zeros(3)
        raise TensorFileError("in.npz", "the file ends at byte 9")

    write_tensors(tmp_path / "m.safetensors", tensors(ARRAYS), shard_bytes=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    broken = {"w0": tensor(np.ones(5)), "w1": Tensor(Entry("float64", (6,)), slices)}
    with pytest.raises(TensorFileError, match=r"in\.npz"):
        write_tensors(tmp_path / "m.safetensors", broken, shard_bytes=1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("m.npz", "NumPy archive is written as one file; in several are safetensors and PyTorch state dictionary"),
        (".safetensors", "is no name for the index of several files: model.safetensors.index.json is one"),
        ("m" * 250 + ".safetensors", "is no name for the index"),
    ],
)
def test_names_that_do_not_do(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match=said):
        write_tensors(tmp_path / name, tensors(ARRAYS), shard_bytes=1)
    assert contents(tmp_path) == []


def test_what_a_dead_process_has_left_of_a_file_goes(tmp_path: Path) -> None:
    arrays = {f"w{i}": np.ones(100, np.float32) for i in range(3)}
    left = hidden(tmp_path / "a-00001-of-00003.safetensors")
    left.write_bytes(b"half")
    write_tensors(tmp_path / "a.safetensors", tensors(arrays), shard_bytes=400)
    assert not left.exists()
    assert len(list(tmp_path.iterdir())) == 4
    with pytest.raises(ArchonnxError, match=r"there is no folder .*; make it first"):
        write_tensors(tmp_path / "no" / "a.safetensors", tensors(arrays), shard_bytes=400)
