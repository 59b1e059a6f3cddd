"""What libraries other than onnxruntime's CPU provider compile of a model, kept as files."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError
from archonnx.runtime.caching.folders import cache_folder
from archonnx.runtime.caching.graphs import total_size, worth
from archonnx.runtime.caching.keys import facts
from archonnx.runtime.caching.lookup import look_up, tell_unused
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
        sought = look_up(store, KIND, source, model, facts(engine, versions, settings))
        if sought is None:
            return None
        if sought.entry is not None:
            log.info("%s comes from the cache, %s", model.path, sought.entry.folder)
            return sought.entry.folder, True
        with store.adding(KIND, sought.key) as part:
            store.check_room(3 * total_size(source, model))
            part.info |= {"made": time.time(), "model": os.path.abspath(source)}
            try:
                make(part.folder)
            except UnkeptError as error:
                part.info["refused"] = str(error)
                for path in part.folder.iterdir():
                    path.unlink()
            if not all(each.still() for each in sought.files.values()):
                raise ChangedError("its files were written to while it was loaded")
            part.keep = True
        if "refused" in part.info:
            log.info("%s cannot be kept in the cache: %s", model.path, part.info["refused"])
            return None
        entry = store.find(KIND, sought.key)
    except (OSError, ChangedError) as error:
        tell_unused(model, cache, error)
        return None
    if entry is None:
        return None
    log.info("%s was compiled and kept in the cache, %s", model.path, entry.folder)
    return entry.folder, False
