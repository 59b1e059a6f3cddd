"""A profile of a session, from its file and inputs to the last sum."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.devicearray import GPU_DEVICES
from archonnx.runtime.devices import CPU, CUDA, Choice
from archonnx.runtime.machine import allowed_cores
from archonnx.runtime.measuring.figures import percentile
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.profiling.ceilings import measure
from archonnx.runtime.profiling.collecting import Progress, collect
from archonnx.runtime.profiling.making import Own, timed
from archonnx.runtime.profiling.profile import Profile, typed
from archonnx.runtime.profiling.sources import find_sources

if TYPE_CHECKING:
    import numpy as np

    from archonnx.runtime.session import Session

_CROWDED = 1.5
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
    choice, fed, load = engine.choice, dict(feeds), _load()
    own = Own(model, session._origin.skeleton(), fed)

    def call() -> object:
        return engine.run(fed)

    watched = watched_choice(model, choice)
    if watched.providers[0].alone:
        from archonnx.runtime.profiling import library

        found, turns = library.watch(
            path,
            watched,
            engine.threads,
            own,
            lambda turns, run, after: turns.take(call, run, runs, seconds, progress, after),
        )
        ceilings = library.measure(watched, engine.threads, measure("cpu", engine.threads).memory)
    else:
        collected = collect(
            path,
            model,
            watched,
            engine.threads,
            fed,
            lambda turns, run: turns.take(call, run, runs, seconds, progress),
        )
        found, turns = timed(collected, own), collected.turns
        ceilings = measure(watched.device, engine.threads)
    if sources is None:
        texts, unsourced = find_sources(model, [Path(path).parent, Path.cwd()])
    else:
        texts, unsourced = dict(sources), None
    return Profile(
        model=name or session.name or Path(session.path).name,
        device=session.device,
        precision=choice.precision,
        threads=engine.threads,
        provider=watched.providers[0].name,
        provider_precision=watched.precision,
        borrowed=(watched.device, watched.precision) != (choice.device, choice.precision),
        plan=None if session.plan is None else str(session.plan),
        inputs=typed(fed),
        runs=len(turns.watched),
        seconds=statistics.median(turns.plain),
        spread=(percentile(turns.plain, 25), percentile(turns.plain, 75)),
        watched=statistics.median(turns.watched),
        nodes=found.nodes,
        between=found.between,
        ceilings=ceilings,
        apart=found.apart,
        timeline=found.timeline,
        load=load,
        sources=texts,
        unsourced=unsourced,
    )


def _load() -> float | None:
    """How many processes wanted a core over the last minute, where that is more than there are, and half as many
    again; else None, as where the system does not tell."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
    return load if load > _CROWDED * allowed_cores() else None


def watched_choice(model: ModelFile, choice: Choice) -> Choice:
    """Whose kernels can be watched in place of a session's: those of the same library, else onnxruntime's own on the
    same hardware; what they compute in is the session's, where that is an option and no other graph than the file's."""
    same = choice.precision != "int8" or bool(model.rounding)  # int8 where the file itself allows it
    if choice.providers[0].alone:
        return choice if same else replace(choice, precision="float32")
    if choice.device in GPU_DEVICES:
        return Choice("cuda", (CUDA, CPU), precision="tf32" if choice.precision == "tf32" else "float32")
    return Choice("cpu", (CPU,), precision=choice.precision if same and choice.device == "cpu" else "float32")
