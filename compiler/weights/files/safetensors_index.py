"""Safetensors in several files, found by model.safetensors.index.json."""

from __future__ import annotations

from pathlib import Path

from archonnx.compiler.weights.files.base import Format, TensorFile
from archonnx.compiler.weights.files.safetensors import FORMAT as ONE
from archonnx.compiler.weights.files.shards import ShardedFile


def open_file(path: Path) -> TensorFile:
    """Open an index of safetensors. Errors: TensorFileError, OSError."""
    return ShardedFile(path, FORMAT.name, ONE.open)


FORMAT = Format(
    name="safetensors-index",
    title="safetensors in several files",
    suffixes=(".safetensors.index.json",),
    open=open_file,
    holds=ONE.holds,
    keeps=True,
    pieces="safetensors",
)
