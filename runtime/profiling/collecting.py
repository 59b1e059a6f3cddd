"""Runs of a model that onnxruntime watches, in turns with runs of the session that people use."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.engine import Engine
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.profiling.events import Run, read_runs
from archonnx.runtime.threads import set_threads
from archonnx.runtime.translate import load_error, ort_errors

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

FEWEST, MOST = 3, 50
_WARM = 2  # the first run takes memory, and the second may still find another order in it
_WEIGHTS = "weights"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was watched. provider: the one whose kernels were timed; optimised: the graph that they ran, its large
    weights left out; runs: warm; plain, watched: seconds of whole calls, without the profile and with it."""

    provider: str
    optimised: ModelProto
    runs: list[Run]
    plain: list[float]
    watched: list[float]


def collect(
    source: str | bytes,
    model: ModelFile,
    device: str,
    threads: int | None,
    feeds: Mapping[str, np.ndarray[Any, Any]],
    call: Callable[[], object],
    *,
    runs: int | None = None,
    seconds: float = 2.0,
    progress: Progress = lambda done, total: None,
) -> Collected:
    """source: the model's file, or its bytes; call: one run of the session that people use; runs: how many of each,
    by default as many as fit into `seconds`, from 3 to 50.

    A device whose provider runs the graph as a whole is not watched: the CPU provider is, in its place.

    Raises ModelFileError, MachineError, RunError.
    """
    import onnx

    choice = Choice("cuda", (CUDA, CPU)) if device == "cuda" else Choice("cpu", (CPU,))
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        session = _watched(source, model, choice, threads, Path(folder))
        optimised = onnx.load(Path(folder) / "model.onnx", load_external_data=False)
        (Path(folder) / _WEIGHTS).unlink(missing_ok=True)
        engine = Engine(session, model, choice, threads)
        plain: list[float] = []
        watched: list[float] = []
        for _ in range(_WARM):
            call()
            engine.run(dict(feeds))
        began = time.perf_counter()
        while not _enough(len(watched), runs, time.perf_counter() - began, seconds):
            at = time.perf_counter()
            call()
            middle = time.perf_counter()
            engine.run(dict(feeds))
            watched.append(time.perf_counter() - middle)
            plain.append(middle - at)
            progress(*_done(len(watched), runs, time.perf_counter() - began, seconds))
        found = read_runs(Path(session.end_profiling()).read_text(encoding="utf-8", errors="replace"))
    return Collected(choice.providers[0].name, optimised, found[_WARM:], plain, watched)


def _enough(count: int, runs: int | None, passed: float, seconds: float) -> bool:
    return count >= runs if runs else count >= MOST or (count >= FEWEST and passed >= seconds)


def _done(count: int, runs: int | None, passed: float, seconds: float) -> tuple[int, int]:
    """Runs done, and an estimate of how many there will be."""
    if runs:
        return count, runs
    return count, max(count, min(MOST, max(FEWEST, round(count * seconds / max(passed, 1e-9)))))


def _watched(source: str | bytes, model: ModelFile, choice: Choice, threads: int | None, folder: Path) -> Any:
    """A session as the runtime makes them, which keeps a profile and writes down the graph that it runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / "model.onnx")
    for key, value in (
        ("session.record_ep_graph_assignment_info", "1"),
        ("session.optimized_model_external_initializers_file_name", _WEIGHTS),  # a graph may have 2 GB, weights more
        ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
    ):
        options.add_session_config_entry(key, value)
    set_threads(options, threads)
    try:
        named = [(provider.name, provider.settings(threads)) for provider in choice.providers]
        session = onnxruntime.InferenceSession(source, options, providers=named, enable_fallback=0)
    except ort_errors() as error:
        raise load_error(model, error, choice.device) from error
    session.disable_fallback()
    return session
