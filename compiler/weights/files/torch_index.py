"""Sharded checkpoints of PyTorch: pytorch_model.bin.index.json, whose "weight_map" says which file has which tensor.

Every shard lies beside the index: a name with a folder is refused. Tensors are in the index's order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archonnx.compiler.weights.files import torch_legacy, torch_zip
from archonnx.compiler.weights.files.base import Format, TensorFile, TensorFileError
from archonnx.compiler.weights.files.torch_state import HOLDS
from archonnx.compiler.weights.recipe import Array

MOST_BYTES = 256 << 20
HELP = "download or copy the checkpoint again, all its files into one folder"


class ShardedFile(TensorFile):
    """Tensors of several files under one index."""

    def __init__(self, path: Path, shards: Mapping[str, TensorFile], where: Mapping[str, str]) -> None:
        self.format, self.path, self.shards, self.where = "torch-index", path, shards, where
        self.entries = {name: shards[shard].entries[name] for name, shard in where.items()}
        extra = [n for s, shard in shards.items() for n in shard.entries if where.get(n) != s]
        self.metadata = {"left_out": ", ".join(extra[:100])} if extra else {}

    def read(self, name: str, start: int, length: int) -> Array:
        return self.shards[self.where[name]].read(name, start, length)

    def close(self) -> None:
        for shard in self.shards.values():
            shard.close()


def open_index(path: Path) -> TensorFile:
    """The tensors of all shards of an index. Errors: TensorFileError, also where a shard or a tensor is missing."""
    where = weight_map(path)
    shards: dict[str, TensorFile] = {}
    try:
        for shard in dict.fromkeys(where.values()):
            shards[shard] = _open_shard(path, shard)
        for name, shard in where.items():
            if name not in shards[shard].entries:
                raise TensorFileError(path, f'it says that "{name}" is in {shard}, which does not have it', help=HELP)
        return ShardedFile(path, shards, where)
    except TensorFileError:
        for file in shards.values():
            file.close()
        raise


def weight_map(path: Path) -> dict[str, str]:
    """The names of tensors with the names of their files, from an index. Errors: TensorFileError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TensorFileError(path, f"an index of more than {MOST_BYTES >> 20} MiB is none")
        index: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TensorFileError(path, error.strerror or "it cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise TensorFileError(path, f"it is no JSON: {error}", help=HELP) from error
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise TensorFileError(path, 'it has no "weight_map" from names of tensors to names of files')
    for name, shard in found.items():
        if shard in ("", ".", "..") or any(c in shard for c in "/\\\0"):
            raise TensorFileError(path, f'it says that "{name}" is in {shard!r}, which is no file beside it')
    return dict(found)


def _open_shard(path: Path, shard: str) -> TensorFile:
    place = path.with_name(shard)
    try:
        with place.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError as error:
        raise TensorFileError(path, f"its file {shard} is missing", help=HELP) from error
    except OSError as error:
        raise TensorFileError(place, error.strerror or "it cannot be read") from error
    return torch_zip.open_zip(place) if head == b"PK\x03\x04" else torch_legacy.open_legacy(place)


FORMAT = Format(
    name="torch-index",
    title="sharded PyTorch checkpoint",
    suffixes=(".bin.index.json", ".pt.index.json", ".pth.index.json"),
    open=open_index,
    holds=HOLDS,
)
