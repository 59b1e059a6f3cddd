"""`tune`: the plan of a model, found by measuring on this machine.

plan = tune("net.onnx", max_error=1e-2, batches=(1, 16))
plan.write("net.plan.json")  # `load("net.onnx", max_error=1e-2)` runs by it
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.arrays import describe
from archonnx.runtime.batching.planning import Bare, Planner
from archonnx.runtime.batching.rows import row_axes
from archonnx.runtime.contract import Contract
from archonnx.runtime.devices import resolve
from archonnx.runtime.errors import RunError
from archonnx.runtime.machine import allowed_cores, physical_cores
from archonnx.runtime.measuring.subjects import Subject, check_sizes
from archonnx.runtime.modelfile import ModelFile, read_model
from archonnx.runtime.precision.candidates import candidates
from archonnx.runtime.precision.placing import choose
from archonnx.runtime.samples import Data
from archonnx.runtime.settings import PRECISIONS, Settings, read_max_error
from archonnx.runtime.threads import VARIABLE, thread_count
from archonnx.runtime.tuning.arena import Contender, Processes, StandProcess
from archonnx.runtime.tuning.examples import examples_of
from archonnx.runtime.tuning.fingerprint import fingerprint
from archonnx.runtime.tuning.plan import Goal, Part, Plan, Tried
from archonnx.runtime.tuning.race import Unfit
from archonnx.runtime.tuning.recipe import Recipe
from archonnx.runtime.tuning.search import Search, held
from archonnx.runtime.tuning.space import Space
from archonnx.runtime.tuning.stand import write_items
from archonnx.runtime.weightfiles import check_weights

BUDGET = 60.0  # seconds for all batches together
BUSY = 0.75  # of a processor each, by what ran in the last minute


def tune(
    model: str | os.PathLike[str],
    *,
    data: Data | None = None,
    max_error: float | None = None,
    batches: Sequence[int | None] = (None,),
    goal: Goal = "latency",
    budget: float = BUDGET,
    device: str = "auto",
    threads: int | None = None,
    bind: Mapping[str, int] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[str, float], None] = lambda what, share: None,
    make: Callable[[], Contender] = StandProcess,
) -> Plan:
    """Try ways to run a model on this machine, measure them side by side, check each against float32, and tell the
    fastest of each precision.

    model: the path of an .onnx file. data: examples, as `read_samples` takes them; without, inputs are drawn at random.
    max_error: how far from float32's a result may be, max|y - ref| / max|ref| over each output; without, nothing but
    float32 is tried. batches: examples a call, None for 1, or what model or data have. goal: "latency" is the time of a
    call, "throughput" the examples a second, several calls at once among what is tried. budget: seconds that it should
    take; the fewest rounds are run in any case. device, threads: these alone. bind: open sizes of what is drawn.
    say: gets a line on what nobody asked for. progress: called with what is going on and how far it is, 0 to 1.

    Raises OSError, ModelFileError, UsageError, InputError for data that do not fit, RunError where the model fails,
    MachineError where nothing here runs it.
    """
    path = os.fspath(model)
    outline = read_model(path)
    check_weights(path, outline)
    contract = Contract(outline)
    bound = read_max_error(max_error)
    if not 0 < budget < float("inf"):
        raise UsageError(f"budget is a number of seconds above 0, received {budget!r}")
    examples = examples_of(outline, contract, data, bind or {}, seed)
    check_sizes([Subject(path, path, contract, {})], bind or {}, tuple(batches))
    counted = threads is not None or bool(os.environ.get(VARIABLE, "").strip())
    space, refused = _space(outline, device, thread_count(threads), bound, goal, counted)
    asked = Settings(device, thread_count(threads), data=data, plan=None, counted=counted)
    made_for = fingerprint(path, outline)
    whole = _whole(path, outline, contract)
    parts: list[Part] = []
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if busy > BUSY * allowed_cores():
        where = f"load {busy:.1f}, {allowed_cores()} processors"
        say(f"the machine is busy ({where}): a plan that is made while it is quiet is better")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
        for number, batch in enumerate(dict.fromkeys(batches)):
            left = max(0.0, budget - (time.perf_counter() - began)) / (len(batches) - number)
            calls, size, chosen = examples.calls(batch)
            if size in {each.batch for each in parts}:  # the model's own, and asked for
                continue
            if number == 0 and chosen:
                told = ", ".join(f"{name} = {value}" for name, value in chosen.items())
                say(f"{path}: {told} (--bind {next(iter(chosen))}=... takes another size)")
            part = Path(folder) / str(number)
            part.mkdir()
            write_items(str(part / "inputs"), calls)
            arena = Processes(path, asked, str(part / "inputs"), str(part / "results"), make)
            what = f"batch {size}"
            space = replace(space, batch=size, apart=whole is None)
            progress(what, 0.0)
            search = Search(
                space,
                arena,
                bound,
                max(left, 1e-9),
                held([each.kept for each in parts]),
                progress=lambda share, what=what: progress(what, share),  # type: ignore[misc]
            )
            try:
                known = arena.record()
                if all(each.device != "cpu" for each in space.exact):
                    arena.close()
                kept = search.run()
            except Unfit as error:
                perhaps = " ".join(f"--bind {name}={value}" for name, value in chosen.items())
                told = f"; open sizes were chosen, perhaps others fit: {perhaps}" if perhaps else ""
                kind = MachineError if error.code == MachineError.exit_code else RunError
                raise kind(f"{path}: nothing runs it here: {error}{told}") from None
            finally:
                arena.close()
            if known < len(calls) and not parts:
                say(f"{path}: errors are measured on {known} of {len(calls)} calls: the results are large")
            inputs = {n: describe(a) if hasattr(a, "dtype") else type(a).__name__ for n, a in calls[0].items()}
            parts.append(Part(size, inputs, tuple(kept), (*search.tried, *refused)))
    return Plan(Path(path).name, made_for, goal, bound, examples.said, tuple(parts))


def _whole(path: str, model: ModelFile, contract: Contract) -> str | None:
    """Why a batch cannot run in parts; None where it may."""
    axes = row_axes(contract.inputs)
    if not axes:
        return "no input has an open axis of rows"
    return Planner(model, contract, axes, Bare(path, True), "cpu").whole()


def _space(
    model: ModelFile, device: str, threads: int | None, bound: float | None, goal: Goal, counted: bool
) -> tuple[Space, list[Tried]]:
    """What to try, and what is known not to run here, with its reason. Raises UsageError, MachineError."""
    default = resolve(device).device
    ways, out = candidates(device)
    if not ways:
        choose(device, "float32")  # says why
    exact = [Recipe(way.device, "float32", threads) for way in ways if way.precision == "float32"]
    exact.sort(key=lambda recipe: recipe.device != default)
    if model.rounding and device in ("auto", "cpu"):
        written = Recipe("cpu", "int8", threads)  # what `load` takes of files that allow it
        exact = [written, *exact] if default == "cpu" else [*exact, written]
    lower: list[tuple[Recipe, ...]] = []
    refused: list[Tried] = []
    if bound is not None:
        for precision in PRECISIONS[1:]:
            lower.append(tuple(Recipe(w.device, precision, threads) for w in ways if w.precision == precision))
        if model.lstms and not model.rounding and device in ("auto", "cpu"):
            lower.append((Recipe("cpu", "int8", threads),))  # of LSTMs, which takes no data
        refused = [
            Tried("precision", Recipe(t.candidate.device, t.candidate.precision), "failed", t.failed or "") for t in out
        ]
    physical = physical_cores() or allowed_cores()
    return Space(tuple(exact), tuple(each for each in lower if each), physical, allowed_cores(), goal, counted), refused
