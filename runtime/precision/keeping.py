"""Models that were lowered, kept for the next start: which nodes stay in float32 is measured once."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError, Content, content
from archonnx.runtime.caching.folders import cache_folder
from archonnx.runtime.caching.keys import facts, key_of
from archonnx.runtime.caching.store import Store
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.precision.graphs import Graph, save

log = logging.getLogger("archonnx.runtime")
KIND, NAME = "halves", "model.onnx"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lowered model is kept, or would be."""

    store: Store
    key: str
    source: str
    files: Mapping[str, Content]

    def find(self) -> tuple[str, Lowering] | None:
        """The path of the model and what became of its nodes; None where there is none, or a damaged one, which is
        said."""
        entry = self.store.find(KIND, self.key)
        if entry is None:
            return None
        try:
            told = entry.info["lowering"]
            nodes = tuple(LoweredNode(**node) for node in told["nodes"])
            lowering = Lowering(told["precision"], float(told["error"]), nodes)
        except (KeyError, TypeError, ValueError):
            self.store.drop(KIND, self.key, "it does not tell what became of the nodes")
            return None
        log.info("%s: as it was lowered before, %s", self.source, entry.folder)
        return str(entry.folder / NAME), lowering

    def keep(self, graph: Graph, lowering: Lowering) -> None:
        """Keep a model, where there is room for it and its file has not changed meanwhile."""
        try:
            with self.store.adding(KIND, self.key) as part:
                save(graph, part.folder / NAME)
                if not all(each.still() for each in self.files.values()):
                    raise ChangedError("its files were written to while it was lowered")
                part.info |= {
                    "made": time.time(),
                    "model": os.path.abspath(self.source),
                    "lowering": asdict(lowering),
                }
                part.keep = True
        except (OSError, ChangedError) as error:
            log.info("%s: what was lowered is not kept: %s", self.source, error)


def place_of(
    source: str | bytes, model: ModelFile, cache: str, samples: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
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
    return Place(store, key_of({name: each.digest for name, each in files.items()}, about), source, files)


def _digest(samples: Sequence[Mapping[str, Any]]) -> str:
    """A hash of the data that were measured on."""
    import numpy as np

    found = hashlib.sha256()
    for sample in samples:
        for name in sorted(sample):
            array = np.asarray(sample[name])
            found.update(f"{name} {array.dtype} {array.shape} ".encode())
            found.update(repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).data)
    return found.hexdigest()
