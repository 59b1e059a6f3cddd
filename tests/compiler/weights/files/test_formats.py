"""Which format a file is in, files of none, and writing whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_tensors import random_array, tensor, tensors

from archonnx.compiler.weights.files import formats
from archonnx.compiler.weights.files.base import Tensor, TensorFileError
from archonnx.compiler.weights.files.formats import format_to_write, open_tensors, write_tensors
from archonnx.compiler.weights.recipe import Array

# Keras' numbered groups take the tensors of no other format by name: test_keras_weights.py has those.
WRITTEN = {name: form for name, form in formats.formats().items() if form.written and name != "keras_weights"}


def test_every_module_with_a_format_is_listed() -> None:
    folder = Path(formats.__file__).parent
    found = {path.stem for path in folder.glob("*.py") if "\nFORMAT = Format(" in path.read_text(encoding="utf-8")}
    assert found == set(formats.formats())
    names = [form.name for form in formats.formats().values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_is_known_by_its_content_under_another_name(name: str, tmp_path: Path) -> None:
    form = WRITTEN[name]
    write_tensors(tmp_path / f"a{form.suffixes[0]}", tensors({"w": np.ones(3, np.float32)}))
    if not form.magic and name != "safetensors":
        return
    (tmp_path / f"a{form.suffixes[0]}").rename(tmp_path / "a.weights")
    with open_tensors(tmp_path / "a.weights") as file:
        assert file.format == form.name


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"hello", r"no file of weights that is known; known are \.safetensors \(safetensors\)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_files_of_no_format(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(data)
    with pytest.raises(TensorFileError, match=said) as caught:
        open_tensors(tmp_path / "weights")
    assert "\n" not in str(caught.value)


def test_every_ending_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"hello")
    with pytest.raises(TensorFileError) as caught:
        open_tensors(tmp_path / "weights")
    told = re.findall(r"(?<= )\.[\w.]+", str(caught.value))
    assert sorted(told) == sorted({suffix for form in formats.formats().values() for suffix in form.suffixes})


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_tensors(tmp_path / "gone.npz")
    with pytest.raises(IsADirectoryError):
        open_tensors(tmp_path)
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(TensorFileError, match="a pipe or a device"):
        open_tensors(tmp_path / "pipe.npz")


def test_endings_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match=r"names no format of weights; written are \.safetensors, \.saf.*\.pth"):
        format_to_write(tmp_path / "a.txt")
    with pytest.raises(
        TensorFileError, match=r"Keras model is read, not written; a \.keras holds a model too: archonnx\.to"
    ):
        format_to_write(tmp_path / "model.keras")
    with pytest.raises(TensorFileError, match="GGUF is written as one file; in several are safetensors and PyTorch"):
        format_to_write(tmp_path / "model.gguf", shards=True)


def test_nothing_is_written_where_something_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    for arrays, said in (
        (
            {"w": random_array("bfloat16", (2,), 0)},
            "NumPy archive holds no bfloat16, which 'w' is; nothing was written",
        ),
        ({"a\0b": np.zeros(1)}, "cannot be a name in a zip archive; nothing was written"),
        ({"\ud800": np.zeros(1)}, "is no Unicode text"),
    ):
        with pytest.raises(TensorFileError, match=said):
            write_tensors(path, tensors({"first": np.ones(3), **arrays}))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_nothing_is_written_where_reading_fails(tmp_path: Path) -> None:
    def slices() -> Iterator[Array]:
        yield np.zeros(3)
        raise TensorFileError("in.npz", "the file ends at byte 9")

    with pytest.raises(TensorFileError, match=r"in\.npz"):
        write_tensors(tmp_path / "a.npz", {"w": Tensor(tensor(np.zeros(6)).entry, slices)})
    assert not list(tmp_path.iterdir())


def test_progress_runs_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_tensors(
        tmp_path / "a.npz", tensors({"w": np.zeros(10), "v": np.zeros(4)}), progress=lambda *p: seen.append(p)
    )
    assert seen[-1] == (112, 112)
    assert seen == sorted(seen)


def test_only_headers_are_read_until_a_tensor_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    write_tensors(path, tensors({"w": np.zeros(2, np.float32)}))
    header = (
        path.read_bytes()[:-8].replace(b'"shape":[2]', b'"shape":[25000000000]').replace(b"[0,8]", b"[0,100000000000]")
    )
    text = header[8:].rstrip()
    with open(path, "wb") as stream:  # 100 GB of which the disk holds nothing
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + 100_000_000_000)
    with open_tensors(path) as file:
        assert file.entries["w"].bytes == 100_000_000_000
        assert file.read("w", 24_999_999_990, 10).tolist() == [0] * 10
