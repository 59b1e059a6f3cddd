"""Checkpoints in several files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_tensors import read_all, same, tensors

from archonnx.compiler.weights.files.base import TensorFileError
from archonnx.compiler.weights.files.formats import open_tensors, write_tensors

ARRAYS = {f"w{i}": np.arange(i, i + 6, dtype=np.float32).reshape(2, 3) for i in range(4)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A checkpoint whose tensors alternate between two files."""
    files = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(ARRAYS)}
    for file in set(files.values()):
        write_tensors(tmp_path / file, tensors({n: a for n, a in ARRAYS.items() if files[n] == file}))
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 96, "format": "pt"}, "weight_map": files}))
    return path


def test_a_checkpoint_reads_as_one_file(index: Path) -> None:
    found = read_all(index)
    assert list(found) == list(ARRAYS)
    assert all(same(found[name], ARRAYS[name]) for name in ARRAYS)
    with open_tensors(index) as file:
        assert file.metadata == {"format": "pt"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is no JSON"),
        ("[1]", "no weight_map"),
        ({"weight_map": {"w0": 1}}, "no weight_map from names to files"),
        ({"weight_map": {"w0": "gone.safetensors"}}, "there is no gone.safetensors beside it"),
        ({"weight_map": {"w9": "model-0.safetensors"}}, "'w9' stands in model-0.safetensors, which has none"),
        ({"weight_map": {"w0": "../model-0.safetensors"}}, "the index' own folder"),
        ({"weight_map": {"w0": "/etc/passwd"}}, "the index' own folder"),
        ({"weight_map": {"w0": ".."}}, "the index' own folder"),
        ({"weight_map": {"w0": "a\0b"}}, "the index' own folder"),
    ],
)
def test_an_index_that_is_wrong(index: Path, content: Any, said: str) -> None:
    index.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(TensorFileError, match=said) as caught:
        open_tensors(index)
    assert "\n" not in str(caught.value)


def test_a_shard_that_is_damaged_is_named(index: Path) -> None:
    (index.parent / "model-1.safetensors").write_bytes(b"\x01")
    with pytest.raises(TensorFileError, match=r"model-1\.safetensors: it has 1 bytes"):
        open_tensors(index)


def test_a_shard_that_is_replaced_meanwhile(index: Path) -> None:
    with open_tensors(index) as file:
        write_tensors(index.parent / "model-0.safetensors", tensors({"w0": np.zeros(2)}))
        file.whole("w1")
        with pytest.raises(TensorFileError, match="'w0' changed while it was read"):
            file.whole("w0")
