"""Models that were lowered, kept for the next start: which nodes stay in float32 is measured once."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError, Content, content
from archonnx.runtime.caching.folders import cache_folder
from archonnx.runtime.caching.keys import facts, key_of
from archonnx.runtime.caching.store import Store
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.deciding import LoweredNode, Lowering

log = logging.getLogger("archonnx.runtime")
HALVES, INT8 = "halves", "int8"  # kinds of entries
NAME = "model.onnx"


@dataclass(frozen=True, slots=True)
class Kept:
    """A lowered model. path: its file; lowering: what became of its nodes; about: what else was noted; refused: where
    it could not be lowered, why, and nothing else is there."""

    path: str
    lowering: Lowering
    about: Mapping[str, Any]
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lowered model is kept, or would be."""

    store: Store
    kind: str
    key: str
    source: str
    files: Mapping[str, Content]

    def find(self) -> Kept | None:
        """What was kept; None where there is nothing, or something damaged, which is said."""
        entry = self.store.find(self.kind, self.key)
        if entry is None:
            return None
        refused = entry.info.get("refused")
        if isinstance(refused, str):
            return Kept("", Lowering("float32", None, ()), {}, refused)
        try:
            told = entry.info["lowering"]
            nodes = tuple(LoweredNode(**node) for node in told["nodes"])
            lowering = Lowering(told["precision"], float(told["error"]), nodes)
            about = dict(entry.info.get("about", {}))
        except (KeyError, TypeError, ValueError):
            self.store.drop(self.kind, self.key, "it does not tell what became of the nodes")
            return None
        log.info("%s: as it was lowered before, %s", self.source, entry.folder)
        return Kept(str(entry.folder / NAME), lowering, about)

    def keep(self, write: Callable[[Path], object], lowering: Lowering, about: Mapping[str, Any] | None = None) -> None:
        """Keep a model, where there is room for it and its file has not changed meanwhile. write: puts it at a path."""
        self._keep(write, {"lowering": asdict(lowering), "about": dict(about or {})})

    def refuse(self, reason: str) -> None:
        """Note that it cannot be lowered so, and why."""
        self._keep(lambda path: None, {"refused": reason})

    def _keep(self, write: Callable[[Path], object], told: Mapping[str, Any]) -> None:
        try:
            with self.store.adding(self.kind, self.key) as part:
                write(part.folder / NAME)
                if not all(each.still() for each in self.files.values()):
                    raise ChangedError("its files were written to while it was lowered")
                part.info |= {"made": time.time(), "model": os.path.abspath(self.source), **told}
                part.keep = True
        except (OSError, ChangedError) as error:
            log.info("%s: what was lowered is not kept: %s", self.source, error)


def place_of(
    source: str | bytes,
    model: ModelFile,
    cache: str,
    samples: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    kind: str = HALVES,
) -> Place | None:
    """Where the model is kept that these data and settings lead to; None where there is no cache for it."""
    if isinstance(source, bytes):
        return None
    folder = cache_folder(cache, source)
    if folder is None:
        return None
    import onnx
    import onnxruntime

    store = Store(folder)
    try:
        files = {name: content(Path(source).parent / name, store.records) for name in sorted(model.external)}
        files[""] = content(source, store.records)
    except (OSError, ChangedError) as error:
        log.info("%s is lowered without a cache: %s", model.path, error)
        return None
    versions = {"onnxruntime": onnxruntime.get_build_info(), "onnx": onnx.__version__}
    about = facts("lowering", versions, {**settings, "data": _digest(samples)})
    return Place(store, kind, key_of({name: each.digest for name, each in files.items()}, about), source, files)


def _digest(samples: Sequence[Mapping[str, Any]]) -> str:
    """A hash of the data that were measured on: arrays, and sequences and maps of them."""
    import numpy as np

    found = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, list | tuple):
            found.update(f"[{len(value)} ".encode())
            for item in value:
                add(item)
        elif isinstance(value, Mapping):
            add([each for item in value.items() for each in item])
        else:
            array = np.asarray(value)
            found.update(f"{array.dtype} {array.shape} ".encode())
            found.update(repr(array.tolist()).encode() if array.dtype == object else array.tobytes())

    for sample in samples:
        for name in sorted(sample):
            found.update(f"{name} ".encode())
            add(sample[name])
    return found.hexdigest()
