"""Graphs as onnxruntime has optimised them for this processor, kept with their weights in a file that is mapped.

A first start loads the model twice: once to optimise and save it, once from what was saved, as later starts do. So all
starts run the same file, and give the same numbers. What is mapped is the cache's own file, which nobody writes to.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archonnx.runtime.caching.contents import ChangedError, Content
from archonnx.runtime.caching.folders import cache_folder
from archonnx.runtime.caching.keys import facts
from archonnx.runtime.caching.lookup import look_up, tell_unused
from archonnx.runtime.caching.store import Entry, Part, Store
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.weightfiles import check_weights, external_files

log = logging.getLogger("archonnx.runtime")

Ran = dict[str, list[tuple[str, str]]]
Adjust = Callable[[Any], None]
Make = Callable[[str, Adjust], Any]  # a session of a file, with options adjusted

KIND = "graphs"
GRAPH, WEIGHTS = "graph.onnx", "graph.data"
_SMALL, _FEW = 2**20, 200  # bytes and nodes below which onnxruntime is as fast by itself
_OUTSIDE = 1024  # bytes; smaller weights stay in the graph


@dataclass(frozen=True, slots=True)
class Optimised:
    """A session that came from the cache. ran: provider -> nodes of the model as it was before it was optimised;
    found: whether it was there already; files: those of the model's that it
    maps; the cache's own are written to by nobody."""

    session: Any
    ran: Ran
    found: bool
    files: tuple[Path, ...] = ()


def worth(source: str | os.PathLike[str], model: ModelFile) -> bool:
    """Whether loading takes long enough that a cache saves time. Raises OSError."""
    return len(model.nodes) > _FEW or total_size(source, model) > _SMALL


def total_size(source: str | os.PathLike[str], model: ModelFile) -> int:
    """Bytes of the model file, and of those that hold its weights as far as it needs them. Raises OSError."""
    return os.path.getsize(source) + sum(model.external.values())


def optimised(source: str, model: ModelFile, cache: str, settings: dict[str, Any], make: Make) -> Optimised | None:
    """A session of the model's optimised graph, which is made and kept where it is not there; None where there is no
    cache, or it is of no use for this model: then the model is loaded as it is.

    settings: what the graph depends on besides the model. Raises what `make` raises of the model itself.
    """
    folder = cache_folder(cache, source)
    if folder is None or not worth(source, model):
        return None
    store = Store(folder)
    try:
        sought = look_up(store, KIND, source, model, _about(settings))
        if sought is None:
            return None
        if sought.entry is not None:
            found = _opened(store, sought.key, sought.entry, make)
            if found is not None:
                log.info("%s comes from the cache, %s", model.path, sought.entry.folder)
                return found
        return _made(store, sought.key, source, model, sought.files, make)
    except (OSError, ChangedError) as error:
        tell_unused(model, cache, error)
        return None


def _about(settings: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime

    versions = {"onnxruntime": onnxruntime.__version__, "build": onnxruntime.get_build_info()}
    return facts("onnxruntime", versions, settings)


def _saving(part: Path) -> Adjust:
    def adjust(options: Any) -> None:
        options.optimized_model_filepath = str(part / GRAPH)
        entries = {
            "session.optimized_model_external_initializers_file_name": WEIGHTS,
            "session.optimized_model_external_initializers_min_size_in_bytes": str(_OUTSIDE),
            "session.disable_prepacking": "1",  # this session never runs
        }
        for name, value in entries.items():
            options.add_session_config_entry(name, value)

    return adjust


def _as_saved(options: Any) -> None:
    import onnxruntime

    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def _opened(store: Store, key: str, entry: Entry, make: Make) -> Optimised | None:
    """The session of an entry; None where onnxruntime does not take it after all, which is said."""
    from archonnx.runtime.translate import clean, ort_errors

    try:
        ran = {name: [(str(a), str(b)) for a, b in nodes] for name, nodes in entry.info["ran"].items()}
        return Optimised(make(str(entry.folder / GRAPH), _as_saved), ran, True)
    except (KeyError, TypeError, AttributeError):
        store.drop(KIND, key, "it does not tell which nodes ran where")
    except ort_errors() as error:
        store.drop(KIND, key, f"onnxruntime does not load it: {clean(str(error))}")
    return None


def _made(
    store: Store, key: str, source: str, model: ModelFile, files: dict[str, Content], make: Make
) -> Optimised | None:
    """Make the entry, and a session of it. Raises what `make` raises of the model, OSError, ChangedError."""
    from archonnx.runtime.translate import clean, ort_errors

    try:
        with store.adding(KIND, key) as part:
            store.check_room(2 * total_size(source, model))
            ran = ran_by(make(source, _saving(part.folder)))
            _check_whole(part)
            _keep(part, source, files, {"ran": ran})
        entry = store.find(KIND, key)
        if entry is None:
            return None
        session = make(str(entry.folder / GRAPH), _as_saved)
    except ort_errors() as error:
        plain = make(source, lambda options: None)  # raises where the model is at fault, and not the saving
        refused = clean(str(error))
        log.info("%s cannot be kept in the cache: %s", model.path, refused)
        store.remove(KIND, key)
        with store.adding(KIND, key) as part:
            _keep(part, source, files, {"refused": refused})
        return Optimised(plain, ran_by(plain), False, external_files(source, model))
    log.info("%s was optimised and kept in the cache, %s", model.path, entry.folder)
    return Optimised(session, ran, False)


def _keep(part: Part, source: str, files: dict[str, Content], info: dict[str, Any]) -> None:
    """What is noted with an entry. Raises ChangedError where the model is another by now."""
    if not all(each.still() for each in files.values()):
        raise ChangedError("its files were written to while it was loaded")
    part.info |= {"made": time.time(), "model": os.path.abspath(source), **info}
    part.keep = True


def _check_whole(part: Part) -> None:
    """Raise OSError where what was saved is cut short: onnxruntime would map it all the same."""
    from archonnx.runtime.errors import ModelFileError
    from archonnx.runtime.modelfile import read_model

    path = str(part.folder / GRAPH)
    try:
        check_weights(path, read_model(path))
    except ModelFileError as error:
        raise OSError(f"what onnxruntime saved is not whole: {error.reason}") from None


def ran_by(session: Any) -> Ran:
    """Provider of onnxruntime -> the nodes that it runs, name and operator."""
    found: Ran = {}
    for part in session.get_provider_graph_assignment_info():
        found.setdefault(part.ep_name, []).extend((node.name, node.op_type) for node in part.get_nodes())
    return found
