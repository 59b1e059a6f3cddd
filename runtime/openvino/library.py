"""OpenVINO's own library (the package openvino), which takes processors that the plug-in does not: loaded once a
process, and what it finds here."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib import metadata as distributions
from typing import Any

PACKAGE = "openvino"
NAME = "OpenVINO"  # as a provider's
# An option of a plan, which is ours: how many sets of shapes are compiled for. The plug-in has nothing like it.
STATIC_SHAPES = "static_shapes"
_lock = threading.Lock()
_cores: list[Any] = []


@dataclass(frozen=True, slots=True)
class Library:
    """What was found. version: None where it is not installed; error: why it does not load, else None; processor: its
    name, None where it takes none; capabilities: what the processor computes in, by OpenVINO's names, "BF16"."""

    version: str | None = None
    error: str | None = None
    processor: str | None = None
    capabilities: tuple[str, ...] = ()


def look_at_library() -> Library:
    """Load it, where it is installed, and ask for the processor."""
    try:
        version = distributions.version(PACKAGE)
    except distributions.PackageNotFoundError:
        return Library()
    try:
        found = core()
    except (ImportError, OSError) as error:  # the package, or what it is linked to, is not whole
        return Library(version, " ".join(str(error).split()))
    try:
        name = str(found.get_property("CPU", "FULL_DEVICE_NAME"))
        able = tuple(map(str, found.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
    except library_errors() as error:
        return Library(version, " ".join(str(error).split()))
    return Library(version, None, name, able)


def core() -> Any:
    """The process's openvino.Core. Raises ImportError, OSError where the library does not load."""
    with _lock:
        if not _cores:
            import openvino

            made = openvino.Core()
            # Files may be written anew while a session runs: their weights are read, not mapped.
            made.set_property({"ENABLE_MMAP": False})
            _cores.append(made)
        return _cores[0]


def version() -> str:
    """The library's, as people call it."""
    import openvino

    return str(openvino.__version__).split("-")[0]


def library_errors() -> tuple[type[Exception], ...]:
    """Every exception that the library raises: its own, which share no base, and those of its bindings."""
    from openvino import frontend

    names = ("GeneralFailure", "InitializationFailure", "NotImplementedFailure")
    own = [getattr(frontend, name) for name in (*names, "OpConversionFailure", "OpValidationFailure")]
    return (*own, RuntimeError, ValueError, TypeError, IndexError, MemoryError)


def spread(threads: int | None, processors: int) -> dict[str, str]:
    """OpenVINO's properties for so many threads a call, None where it decides. processors: those that it may use.

    One thread is the caller's. With one of its own (INFERENCE_NUM_THREADS=1), OpenVINO 2026.4 drops what a run raises,
    and gives the results of the run before.
    """
    if threads == 1 or processors == 1:
        return {"NUM_STREAMS": "0"}
    return {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads)} if threads else {}
