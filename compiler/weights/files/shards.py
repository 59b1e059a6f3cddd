"""A checkpoint in several files: an index in JSON says in which of them, its neighbours, each tensor stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archonnx.compiler.weights.files.base import Entry, TensorFile, TensorFileError, stamp
from archonnx.compiler.weights.recipe import Array
from archonnx.compiler.weights.regions import Box, Shape

LONGEST_INDEX = 100_000_000
SHOWN = 100  # tensors that are named as left out


class ShardedFile(TensorFile):
    """An open index; one of its files is open at a time.

    path: the index. open_shard: opens one of the files that it names. Errors: TensorFileError, OSError.
    """

    def __init__(self, path: Path, format: str, open_shard: Callable[[Path], TensorFile]) -> None:
        self.path, self.format, self._open = path, format, open_shard
        self._current: TensorFile | None = None
        self._files, self.metadata = self._read_index()
        found: dict[str, Entry] = {}
        others: list[str] = []  # what a shard holds and the index does not say it holds
        try:
            for shard in dict.fromkeys(self._files.values()):
                entries = self._shard(shard).entries
                others += [name for name in entries if self._files.get(name) != shard]
                for name in (name for name, file in self._files.items() if file == shard):
                    if name not in entries:
                        raise TensorFileError(path, f"it says that {name!r} stands in {shard.name}, which has none")
                    found[name] = entries[name]
        except BaseException:
            self.close()
            raise
        self.entries = {name: found[name] for name in self._files}
        if others:
            self.metadata = {**self.metadata, "left_out": ", ".join(others[:SHOWN])}

    def _read_index(self) -> tuple[dict[str, Path], dict[str, str]]:
        index = read_index(self.path)
        files, metadata = index["weight_map"], index.get("metadata")
        if not all(isinstance(file, str) for file in files.values()):
            raise TensorFileError(self.path, "it has no weight_map from names to files", help="it is no index")
        texts = {k: v for k, v in metadata.items() if isinstance(v, str)} if isinstance(metadata, dict) else {}
        return {name: beside(self.path, file) for name, file in files.items()}, texts

    def _shard(self, path: Path) -> TensorFile:
        if self._current is None or self._current.path != path:
            self.close()
            self.watched().setdefault(path, stamp(path))
            try:
                self._current = self._open(path)
            except FileNotFoundError:
                raise TensorFileError(self.path, f"there is no {path.name} beside it, which it names") from None
        return self._current

    def read(self, name: str, start: int, length: int) -> Array:
        return self._shard_of(name).read(name, start, length)

    def box(self, name: str, shape: Shape, box: Box) -> Array:
        return self._shard_of(name).box(name, shape, box)

    def _shard_of(self, name: str) -> TensorFile:
        shard = self._shard(self._files[name])
        if shard.entries.get(name) != self.entries[name]:
            raise TensorFileError(shard.path, f"{name!r} changed while it was read")
        return shard

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None


def read_index(path: Path) -> dict[str, Any]:
    """What an index says; its weight_map is a mapping. Errors: TensorFileError, OSError."""
    if path.stat().st_size > LONGEST_INDEX:
        raise TensorFileError(path, f"an index of more than {LONGEST_INDEX} bytes", help="it is no index")
    try:
        index = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TensorFileError(path, f"it is no JSON ({error})", help="it is damaged, or no index") from None
    if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
        raise TensorFileError(path, "it has no weight_map from names to files", help="it is no index")
    return index


def beside(path: Path, file: str) -> Path:
    """The path of a file that an index names, which must be a plain name: an index leads nowhere else."""
    if not file or "\0" in file or file in (".", "..") or Path(file).name != file or "\\" in file:
        raise TensorFileError(path, f"it names the file {file!r}", help="files stand in the index' own folder")
    return path.parent / file
