"""Whether the cache holds something of a model already."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError, Content, content
from archonnx.runtime.caching.folders import AUTO
from archonnx.runtime.caching.keys import key_of
from archonnx.runtime.caching.store import Entry, Store
from archonnx.runtime.modelfile import ModelFile

log = logging.getLogger("archonnx.runtime")

_AGAIN = 86_400.0  # seconds after which what could not be kept is tried again: a full disk may have been why


@dataclass(frozen=True, slots=True)
class Sought:
    """files: the model's, as they were read for the key, by name, the model itself under ""; entry: None where there
    is none."""

    key: str
    files: dict[str, Content]
    entry: Entry | None


def look_up(store: Store, kind: str, source: str, model: ModelFile, about: Mapping[str, Any]) -> Sought | None:
    """None where the cache says that the model cannot be kept, which is logged. about: what the entry depends on
    besides the model's content. Raises OSError, ChangedError."""
    files = {name: content(Path(source).parent / name, store.records) for name in sorted(model.external)}
    files[""] = content(source, store.records)
    key = key_of({name: each.digest for name, each in files.items()}, dict(about))
    entry = store.find(kind, key)
    if entry is not None and (refused := entry.info.get("refused")):
        if time.time() - entry.info.get("made", 0) < _AGAIN:
            log.info("%s is not kept in the cache: %s", model.path, refused)
            return None
        store.drop(kind, key, "it is a day old, and says that the model cannot be kept")
        entry = None
    return Sought(key, files, entry)


def tell_unused(model: ModelFile, cache: str, error: OSError | ChangedError) -> None:
    """Log that a model is loaded without its cache: a warning where somebody named the folder."""
    level = logging.INFO if cache == AUTO else logging.WARNING
    log.log(level, "%s is loaded without a cache: %s", model.path, error)
