"""Sharded checkpoints of PyTorch: all shards as one file, and indexes that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.torch_index import FORMAT

torch = pytest.importorskip("torch", reason="PyTorch writes the shards")

A, B = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"a": torch.ones(2), "b": torch.arange(6).reshape(2, 3).t()}, tmp_path / A)
    torch.save({"c": torch.zeros(3)}, tmp_path / B, _use_new_zipfile_serialization=False)
    return index(tmp_path, {"c": B, "a": A, "b": A})


def index(folder: Path, where: Any) -> Path:
    path = folder / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 68}, "weight_map": where}), encoding="utf-8")
    return path


def test_shards_read_as_one_file(checkpoint: Path) -> None:
    with FORMAT.open(checkpoint) as tensors:
        assert list(tensors.entries) == ["c", "a", "b"]
        assert tensors.metadata == {}
        assert tensors.whole("a").tolist() == [1, 1]
        assert tensors.whole("b").tolist() == [[0, 3], [1, 4], [2, 5]]
        assert np.array_equal(tensors.read("c", 1, 2), [0, 0])


def test_tensors_that_the_index_does_not_name_are_said(checkpoint: Path) -> None:
    with FORMAT.open(index(checkpoint.parent, {"c": B, "a": A})) as tensors:
        assert list(tensors.entries) == ["c", "a"]
        assert tensors.metadata == {"left_out": "b"}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"a": "other.bin"}, "there is no other.bin beside it, which it names"),
        ({"a": B}, f"it says that 'a' stands in {B}, which has none"),
        ({"a": "../secret.bin"}, "it names the file '../secret.bin'; files stand in the index' own folder"),
        ({"a": "/etc/passwd"}, "it names the file '/etc/passwd'"),
        ({"a": ".."}, "it names the file '..'"),
        ({"a": 3}, "it has no weight_map from names to files"),
        (None, "it has no weight_map from names to files"),
    ],
)
def test_indexes_that_lie_are_refused(checkpoint: Path, where: Any, message: str) -> None:
    with pytest.raises(TensorFileError) as caught:
        FORMAT.open(index(checkpoint.parent, where))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_cut_short_anywhere_is_one_error(checkpoint: Path) -> None:
    data = checkpoint.read_bytes()
    for length in range(len(data)):
        checkpoint.write_bytes(data[:length])
        with pytest.raises(TensorFileError):
            FORMAT.open(checkpoint)


@pytest.mark.parametrize("text", ["[]", "3", "[" * 100_000, '{"weight_map": []}', "\udcff"])
def test_other_json_is_refused(checkpoint: Path, text: str) -> None:
    checkpoint.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(TensorFileError):
        FORMAT.open(checkpoint)
