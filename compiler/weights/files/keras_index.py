"""Weights of Keras 3 in several files, found by model.weights.json: which groups stand in which of them.

Keras cuts between variables, so those of one layer may stand in two files, and are numbered through both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archonnx.compiler.weights.files.base import Format, TensorFile, TensorFileError, stamp
from archonnx.compiler.weights.files.keras_groups import Group, Vars, Way, collected, numbered
from archonnx.compiler.weights.files.keras_h5 import H5_ERRORS, HOLDS, KerasFile, h5_file, short
from archonnx.compiler.weights.files.keras_names import Classes
from archonnx.compiler.weights.files.keras_trial import try_first
from archonnx.compiler.weights.files.shards import beside, read_index


def open_index(path: Path, *, tried: bool = False) -> TensorFile:
    """The variables in all files of an index. Errors: TensorFileError, OSError. `tried`: as in keras_h5.open_keras."""
    index = read_index(path)
    weight_map = index["weight_map"]
    names = [name for files in weight_map.values() for name in (files if isinstance(files, list) else [files])]
    if not all(isinstance(name, str) for name in names):
        raise TensorFileError(path, "its weight_map leads from groups to what are no names of files")
    shards = [beside(path, name) for name in dict.fromkeys(names)]
    missing = next((shard for shard in shards if not shard.is_file()), None)
    if missing is not None:
        raise TensorFileError(path, f"there is no {missing.name} beside it, which it names")
    before = {shard: stamp(shard) for shard in shards}
    files: list[Any] = []
    groups: dict[Way, Vars] = {}
    try:
        for shard in shards:
            files.append(h5_file(shard, shard))
        if not tried:
            try_first(path, shards)
        for shard, file in zip(shards, files, strict=True):
            collected(Group(shard, file), groups)
        for group in weight_map:
            way = tuple(part for part in group.split("/") if part)
            if way[:1] not in (("optimizer",), ("optimizer_weights",)) and way[:-1] not in groups:
                raise TensorFileError(path, f"it names the group {group!r}, which its files do not have")
        metadata = {"left_out": "optimizer"} if any("optimizer" in file for file in files) else {}
        made = KerasFile(FORMAT.name, path, files, list(numbered(path, groups, Classes())), metadata)
        made.watched().update(before)
        return made
    except H5_ERRORS as error:
        for file in files:
            file.close()
        raise TensorFileError(path, f"its files are damaged ({short(error)})") from error
    except TensorFileError:
        for file in files:
            file.close()
        raise


FORMAT = Format(
    name="keras-index",
    title="Keras weights in several files",
    suffixes=(".weights.json",),
    instead="model.save_weights(path, max_shard_size=5) of Keras writes them",
    open=open_index,
    holds=HOLDS,
    extra="keras",
)
