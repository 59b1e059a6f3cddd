"""A profile of a session, from its file and inputs to the last sum."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.measuring.figures import percentile
from archonnx.runtime.profiling.ceilings import measure
from archonnx.runtime.profiling.collecting import Progress, collect
from archonnx.runtime.profiling.making import timed
from archonnx.runtime.profiling.profile import Profile, typed
from archonnx.runtime.profiling.sources import find_sources
from archonnx.runtime.skeleton import skeleton

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.session import Session

MOST_RUNS = 1000  # onnxruntime keeps a million events


def inputs_for(session: Session, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a call, checked, or where none are given, drawn ones of likely sizes. Raises as a call does."""
    if args or kwargs or not session.inputs:
        return session.check(*args, **kwargs)
    from archonnx.runtime.measuring.drawing import inputs_of

    return inputs_of(session.path, session._contract, {})[0]


def profiled(
    session: Session,
    feeds: Mapping[str, np.ndarray[Any, Any]],
    *,
    runs: int | None = None,
    seconds: float = 2.0,
    sources: Mapping[str, str] | None = None,
    name: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Profile:
    """feeds: inputs that have been checked. runs: how many runs are timed, by default as many as fit into `seconds`,
    from 3 to 50; as many of the session itself are made between them. sources: texts by the names that places have;
    by default they are looked for beside the model, here, and among the models that ship. name: what to call it.

    Raises UsageError where the model's file is gone, MachineError, RunError.
    """
    if runs is not None and (isinstance(runs, bool) or not isinstance(runs, int) or not 1 <= runs <= MOST_RUNS):
        raise UsageError(f"runs is a whole number from 1 to {MOST_RUNS}, received {runs!r}")
    model, engine, path = session._model, session._open(), session._source
    if path is None:
        what = "a profile runs the model's file again, and it was not loaded from one: save it, and load the file"
        raise UsageError(f"{session.path}: {what}")
    device = "cuda" if session.device == "cuda" else "cpu"
    bare = skeleton(path)
    fed = dict(feeds)
    collected = collect(
        path, model, device, engine.threads, fed, lambda: engine.run(fed), runs=runs, seconds=seconds, progress=progress
    )
    found = timed(collected, model, bare, fed)
    if sources is None:
        texts, unsourced = find_sources(model, [Path(path).parent, Path.cwd()])
    else:
        texts, unsourced = dict(sources), None
    return Profile(
        model=name or session.name or Path(session.path).name,
        device=session.device,
        threads=engine.threads,
        provider=collected.provider,
        borrowed=device != session.device,
        inputs=typed(fed),
        runs=len(collected.runs),
        seconds=statistics.median(collected.plain),
        spread=(percentile(collected.plain, 25), percentile(collected.plain, 75)),
        watched=statistics.median(collected.watched),
        nodes=found.nodes,
        between=found.between,
        ceilings=measure(device, engine.threads),
        apart=found.apart,
        timeline=found.timeline,
        sources=texts,
        unsourced=unsourced,
    )
