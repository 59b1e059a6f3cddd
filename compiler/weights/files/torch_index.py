"""Sharded checkpoints of PyTorch, found by pytorch_model.bin.index.json."""

from __future__ import annotations

from pathlib import Path

from archonnx.compiler.weights.files import torch_legacy, torch_zip
from archonnx.compiler.weights.files.base import Format, TensorFile
from archonnx.compiler.weights.files.shards import ShardedFile
from archonnx.compiler.weights.files.torch_state import HOLDS


def open_index(path: Path) -> TensorFile:
    """The tensors of all shards of an index. Errors: TensorFileError, also where a shard or a tensor is missing."""
    return ShardedFile(path, FORMAT.name, _open_shard)


def _open_shard(path: Path) -> TensorFile:
    with path.open("rb") as file:
        head = file.read(4)
    return torch_zip.open_zip(path) if head == b"PK\x03\x04" else torch_legacy.open_legacy(path)


FORMAT = Format(
    name="torch-index",
    title="sharded PyTorch checkpoint",
    suffixes=(".bin.index.json", ".pt.index.json", ".pth.index.json"),
    open=open_index,
    holds=HOLDS,
    keeps=True,
    pieces="torch_zip",
)
