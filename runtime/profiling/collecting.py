"""Runs of a model that onnxruntime watches, in turns with runs of the session that people use."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.runtime.devices import Choice
from archonnx.runtime.engine import Engine
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.profiling.events import Run, read_runs
from archonnx.runtime.renewing import renewed
from archonnx.runtime.threads import set_threads
from archonnx.runtime.translate import load_error, ort_errors

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

FEWEST, MOST = 3, 50
WARM = 2  # the first run takes memory, and the second may still find another order in it
_WEIGHTS = "weights"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was watched. optimised: the graph that ran, without large weights; runs: warm; turns: of whole calls."""

    optimised: ModelProto
    runs: list[Run]
    turns: Turns


@dataclass(slots=True)
class Turns:
    """Seconds of whole calls of a session, and of another that is watched: each after the other."""

    plain: list[float] = field(default_factory=list)
    watched: list[float] = field(default_factory=list)

    def take(
        self,
        call: Callable[[], object],
        watch: Callable[[], object],
        runs: int | None = None,
        seconds: float = 2.0,
        progress: Progress = lambda done, total: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        """Make them warm, and then so many runs of each, by default as many as fit into `seconds`, from 3 to 50; those
        of `watch` are WARM more. after: called after each run that counts."""
        for _ in range(WARM):
            call()
            watch()
        began = time.perf_counter()
        while not _enough(len(self.watched), runs, time.perf_counter() - began, seconds):
            at = time.perf_counter()
            call()
            middle = time.perf_counter()
            watch()
            self.watched.append(time.perf_counter() - middle)
            self.plain.append(middle - at)
            after()
            progress(*_done(len(self.watched), runs, time.perf_counter() - began, seconds))


def collect(
    source: str,
    model: ModelFile,
    choice: Choice,
    threads: int | None,
    feeds: Mapping[str, np.ndarray[Any, Any]],
    take: Callable[[Turns, Callable[[], object]], None],
) -> Collected:
    """Watch onnxruntime's own kernels. source: the model's file; choice: where they run; take: makes the turns, given
    one run of what is watched.

    Raises ModelFileError, MachineError, RunError.
    """
    import onnx

    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        session = _watched(source, model, choice, threads, Path(folder))
        optimised = onnx.load(Path(folder) / "model.onnx", load_external_data=False)
        (Path(folder) / _WEIGHTS).unlink(missing_ok=True)
        engine = Engine(session, model, choice, threads)
        turns = Turns()
        take(turns, lambda: engine.run(dict(feeds)))
        found = read_runs(Path(session.end_profiling()).read_text(encoding="utf-8", errors="replace"))
    return Collected(optimised, found[WARM:], turns)


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
        first, *others = choice.providers
        named = [(first.name, first.settings(threads, choice.floats))]
        named += [(provider.name, provider.settings(threads)) for provider in others]
        session = onnxruntime.InferenceSession(source, options, providers=named, enable_fallback=0)
    except ort_errors() as error:
        if made_anew := renewed(source, model, error):
            return _watched(*made_anew, choice, threads, folder)
        raise load_error(model, error, choice.device) from error
    session.disable_fallback()
    return session
