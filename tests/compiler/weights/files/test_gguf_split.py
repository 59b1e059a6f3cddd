"""GGUF in several files, as the gguf package writes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import read_all, same

from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors

gguf = pytest.importorskip("gguf", reason="it writes them")
ARRAYS = {f"blk.{i}.weight": np.arange(i, i + 64, dtype=np.float32).reshape(2, 32) for i in range(5)}
NAMES = [f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model in three files."""
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=2)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    for name, array in ARRAYS.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_any_of_them_stands_for_all(name: str, folder: Path) -> None:
    found = read_all(folder / name)
    assert list(found) == list(ARRAYS)
    assert all(same(found[key], ARRAYS[key]) for key in ARRAYS)
    with open_tensors(folder / name) as file:
        assert file.metadata == {"general.architecture": "llama", "llama.rope.freq_base": "10000.0"}
        assert same(file.box("blk.4.weight", (64,), ((3, 9),)), np.arange(7, 13, dtype=np.float32))


def lose(folder: Path) -> None:
    (folder / NAMES[1]).unlink()


def rename(folder: Path) -> None:
    (folder / NAMES[0]).rename(folder / "other.gguf")
    (folder / "other.gguf").rename(folder / "m.gguf")


def repeat(folder: Path) -> None:
    shutil.copy(folder / NAMES[0], folder / NAMES[1])


def cut(folder: Path) -> None:
    (folder / NAMES[2]).write_bytes((folder / NAMES[2]).read_bytes()[:-40])


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        (lose, NAMES[0], "it is one of 3 files, and there is no m-00002-of-00003.gguf beside it"),
        (rename, "m.gguf", "it is one of 3 files, as its name does not say; llama.cpp names them"),
        (repeat, NAMES[2], "m-00002-of-00003.gguf: it does not say that it is number 2 of 3"),
        (cut, NAMES[0], "m-00003-of-00003.gguf: 'blk.4.weight' ends at byte"),
    ],
)
def test_files_that_do_not_belong_together(change: Any, asked: str, said: str, folder: Path) -> None:
    change(folder)
    with pytest.raises(TensorFileError, match=said) as caught:
        open_tensors(folder / asked)
    assert "\n" not in str(caught.value)


def test_tensors_that_are_missing_or_in_two_files(folder: Path) -> None:
    data = (folder / NAMES[2]).read_bytes()
    (folder / NAMES[2]).write_bytes(data.replace(b"blk.4.", b"blk.0."))
    with pytest.raises(TensorFileError, match=r"'blk\.0\.weight' stands in m-00001-of-00003\.gguf too"):
        open_tensors(folder / NAMES[0])
    key = b"split.tensors.count\x05\x00\x00\x00"
    first = (folder / NAMES[0]).read_bytes()
    assert key in first
    (folder / NAMES[2]).write_bytes(data)
    (folder / NAMES[0]).write_bytes(first.replace(key + b"\x05", key + b"\x06"))
    with pytest.raises(TensorFileError, match="it says that there are 6 tensors in all, 5 are found"):
        open_tensors(folder / NAMES[0])
