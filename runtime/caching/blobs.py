"""What libraries other than onnxruntime's CPU provider compile of a model, kept as files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError, content
from archonnx.runtime.caching.folders import AUTO, cache_folder
from archonnx.runtime.caching.graphs import AGAIN, total_size, worth
from archonnx.runtime.caching.keys import facts, key_of
from archonnx.runtime.caching.store import Store
from archonnx.runtime.modelfile import ModelFile

log = logging.getLogger("archonnx.runtime")

KIND = "blobs"


class UnkeptError(Exception):
    """What was compiled cannot be kept."""


def kept(
    source: str,
    model: ModelFile,
    cache: str,
    engine: str,
    versions: Mapping[str, str],
    settings: Mapping[str, Any],
    make: Callable[[Path], None],
) -> tuple[Path, bool] | None:
    """The folder of what a library has compiled of a model, and whether it was there already; None where there is no
    cache, or nothing can be kept.

    engine: the library; settings: what it is asked for. make: writes it into a folder, which is renamed afterwards;
    raises UnkeptError where it cannot. What else it raises is raised.
    """
    folder = cache_folder(cache, source)
    if folder is None or not worth(source, model):
        return None
    store = Store(folder)
    try:
        files = {name: content(Path(source).parent / name, store.records) for name in sorted(model.external)}
        files[""] = content(source, store.records)
        key = key_of({name: each.digest for name, each in files.items()}, facts(engine, versions, settings))
        entry = store.find(KIND, key)
        if entry is not None and (refused := entry.info.get("refused")):
            if time.time() - entry.info.get("made", 0) < AGAIN:
                log.info("%s is not kept in the cache: %s", model.path, refused)
                return None
            store.drop(KIND, key, "it is a day old, and says that the model cannot be kept")
            entry = None
        if entry is not None:
            log.info("%s comes from the cache, %s", model.path, entry.folder)
            return entry.folder, True
        with store.adding(KIND, key) as part:
            store.check_room(3 * total_size(source, model))
            part.info |= {"made": time.time(), "model": os.path.abspath(source)}
            try:
                make(part.folder)
            except UnkeptError as error:
                part.info["refused"] = str(error)
                for path in part.folder.iterdir():
                    path.unlink()
            if not all(each.still() for each in files.values()):
                raise ChangedError("its files were written to while it was loaded")
            part.keep = True
        if "refused" in part.info:
            log.info("%s cannot be kept in the cache: %s", model.path, part.info["refused"])
            return None
        entry = store.find(KIND, key)
    except (OSError, ChangedError) as error:
        # Where somebody named the folder, it is not ours to pass over.
        level = logging.INFO if cache == AUTO else logging.WARNING
        log.log(level, "%s is loaded without a cache: %s", model.path, error)
        return None
    if entry is None:
        return None
    log.info("%s was compiled and kept in the cache, %s", model.path, entry.folder)
    return entry.folder, False
