"""A model started in the precision that was asked for, or in the fastest way that stays within an error of float32."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.caching.folders import OFF
from archonnx.runtime.contract import Contract
from archonnx.runtime.devices import Choice, resolve
from archonnx.runtime.engine import start
from archonnx.runtime.errors import RunError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import Candidate, Trial, candidates, fastest, measure, outputs_of
from archonnx.runtime.precision.exact import compute_exactly
from archonnx.runtime.precision.graphs import read_graph, save
from archonnx.runtime.precision.placing import choose
from archonnx.runtime.samples import Sample, read_samples
from archonnx.runtime.settings import Settings

if TYPE_CHECKING:
    from archonnx.runtime.precision.deciding import Lowering
    from archonnx.runtime.runner import Runner

log = logging.getLogger("archonnx.runtime")
MOST, LEAST = 32, 3  # examples that errors are measured on: each is run in every way
LONG = 4.0  # seconds that float32 may take for all of them, beyond the fewest
DRAWN = 3


@dataclass(frozen=True, slots=True)
class Started:
    """What runs and why, and what was tried before, where an error was allowed; plan: the path of the plan
    that said so; lowered: what became of each node, where the graph was changed."""

    runner: Runner
    why: str
    trials: tuple[Trial, ...] = ()
    plan: str | None = None
    lowered: Lowering | None = None


def start_as_asked(source: str | bytes, model: ModelFile, contract: Contract, asked: Settings) -> Started:
    """The model where, and in what, `asked` says.

    Raises MachineError where that cannot be, UsageError for data that nothing can be measured on, InputError for data
    that do not fit the model, ModelFileError, OSError.
    """
    if asked.max_error is not None:
        return _fastest(source, model, contract, asked, asked.max_error)
    if asked.precision is None:
        return _as_written(source, model, asked)
    way = Candidate(asked.device, asked.precision)
    if way.precision == "int8" and asked.data is None and model.lstms and not model.rounding:
        return _lstms_alone(source, model, asked)
    if way.precision == "int8" and (asked.data is not None or not model.rounding):
        from archonnx.runtime.int8.starting import start_int8

        plain = replace(asked, precision=None, data=None)
        found = start_int8(source, model, contract, asked, lambda each: start_in(source, model, each, plain))
        return Started(*found[:3], lowered=found[3])
    choice = choose(way.device, way.precision)
    if not converted(choice):
        runner = start_in(source, model, way, asked)
        return Started(runner, runner.choice.why)
    from archonnx.runtime.precision.deciding import ALLOWED

    samples = samples_of(model, contract, asked.data)
    runner, lowered = start_converted(source, model, choice, asked, samples)
    log.info("%s: %s", model.path, str(lowered).splitlines()[0])
    if lowered.error is not None and lowered.error > ALLOWED[choice.precision]:
        log.warning(
            "%s: in %s it is %.1e off float32 on the data; max_error=... keeps more of it in float32",
            model.path,
            choice.precision,
            lowered.error,
        )
    return Started(runner, choice.why, lowered=lowered)


def _lstms_alone(source: str | bytes, model: ModelFile, asked: Settings) -> Started:
    """The LSTMs in int8, as nothing is calibrated without data. Raises MachineError."""
    from archonnx.runtime.int8.starting import Lstms

    lstms = Lstms(source, model, asked)
    if not lstms.possible:
        there = f"{model.path}: without data, int8 is of LSTMs, which the CPU provider alone has so"
        raise MachineError(f'{there}; use device="cpu", or give data=... to calibrate products in int8')
    *_, (way, begin) = lstms.starts().items()  # the finest
    runner = begin()
    lowered = lstms.lowering(Trial(way))
    log.info("%s: without data, LSTMs alone are in int8: %s", model.path, lowered and lowered.summary)
    return Started(runner, runner.choice.why, lowered=lowered)


def _as_written(source: str | bytes, model: ModelFile, asked: Settings) -> Started:
    """Float32, but where the file itself allows less: products with weights of few bits."""
    choice = resolve(asked.device)
    runner = start(source, model, _rounding(choice, model), asked)
    if runner.choice.device != choice.device and runner.choice != _rounding(runner.choice, model):
        runner = start(source, model, _rounding(runner.choice, model), asked)  # it fell to the CPU, which rounds
    if runner.choice.precision == "int8":
        say = '%s: %d products round to int8, as the file allows; precision="float32" would not'
        log.info(say, model.path, model.rounding)
    return Started(runner, runner.choice.why)


def _rounding(choice: Choice, model: ModelFile) -> Choice:
    """The choice in the precision that the file is computed in there, where nothing is asked for."""
    return replace(choice, precision="int8") if model.rounding and choice.device == "cpu" else choice


def start_in(source: str | bytes, model: ModelFile, way: Candidate, asked: Settings) -> Runner:
    """The model in one way; way.device may be "auto". Raises as `start_as_asked`."""
    asked = replace(asked, device=way.device)
    if way.precision == "int8":
        if model.rounding and way.device in ("auto", "cpu"):
            return start(source, model, replace(choose("cpu", "float32"), precision="int8"), asked)
        raise MachineError(f"{model.path}: it has no products with weights of few bits")
    choice = choose(way.device, way.precision)
    if way.precision == "float32" and model.rounding and choice.device != "openvino":  # which is told not to round
        graph = read_graph(source, model.path)
        compute_exactly(graph)
        with graph.loadable() as (made, folder):
            return start(made, model, choice, replace(asked, cache=OFF), folder)
    return start(source, model, choice, asked)


def converted(choice: Choice) -> bool:
    """Whether a precision is a graph of its own there, not a hint to the device."""
    return choice.device == "cuda" and choice.precision in ("float16", "bfloat16")


def start_converted(
    source: str | bytes,
    model: ModelFile,
    choice: Choice,
    asked: Settings,
    samples: Sequence[Sample],
    reference: Sequence[Sequence[Any]] | None = None,
) -> tuple[Runner, Lowering]:
    """The model lowered to half, where the choice says. reference: the outputs of float32, which are computed where
    they are needed and not given. Raises as `start_as_asked`."""
    from archonnx.runtime.precision.halves import start_lowered
    from archonnx.runtime.precision.keeping import place_of

    def begin(made: str | bytes, folder: str = "") -> Runner:
        return start(made, model, choice, replace(asked, device=choice.device, cache=OFF), folder)

    bound, threads = asked.max_error, asked.threads
    settings = {"to": choice.precision, "max_error": bound, "device": choice.device}
    place = place_of(source, model, asked.cache, samples, settings)
    found = place.find() if place else None
    if found is not None:
        return begin(found.path), found.lowering
    if reference is None:
        with _drawn_are_blamed(asked):
            reference = outputs_of(exact_of(source, model, asked), samples)
    runner, lowered, graph = start_lowered(
        source, model, choice.precision, samples, reference, begin, max_error=bound, threads=threads
    )
    if place is not None:
        place.keep(partial(save, graph), lowered)
    return runner, lowered


def exact_of(source: str | bytes, model: ModelFile, asked: Settings) -> Runner:
    """The model in float32 on the CPU: what errors are measured against."""
    return start_in(source, model, Candidate("cpu"), replace(asked, device="cpu", precision=None))


def _fastest(source: str | bytes, model: ModelFile, contract: Contract, asked: Settings, bound: float) -> Started:
    samples = samples_of(model, contract, asked.data)
    given = len(samples) if asked.data is not None else 0
    exact = exact_of(source, model, asked)
    with _drawn_are_blamed(asked):
        samples = fewer(model, exact, samples)
        reference = outputs_of(exact, samples)
    ways, out = candidates(asked.device, asked.precision)
    if model.rounding and asked.device in ("auto", "cpu") and asked.precision in (None, "int8"):
        ways.append(Candidate("cpu", "int8"))
    lowered: dict[Candidate, Lowering] = {}

    def begin(way: Candidate) -> Runner:
        choice = choose(way.device, way.precision)
        one = replace(asked, device=way.device, precision=None)
        if not converted(choice):
            # What is tried, and dropped for the most part, is not kept.
            return start_in(source, model, way, one if way.device == "cpu" else replace(one, cache=OFF))
        runner, lowered[way] = start_converted(source, model, choice, one, samples, reference)
        return runner

    starts: dict[Candidate, Callable[[], Runner]] = {way: partial(begin, way) for way in ways}
    if Candidate("cpu") in ways:
        starts[Candidate("cpu")] = lambda: exact
    int8 = None
    lstms = None
    if model.lstms and asked.precision in (None, "int8"):
        from archonnx.runtime.int8.starting import Lstms

        lstms = Lstms(source, model, replace(asked, precision=None))
        starts |= lstms.starts()
    ordered = asked.precision is not None and not (lstms and lstms.possible)
    if asked.precision in (None, "int8") and not model.rounding and (asked.data is not None or ordered):
        from archonnx.runtime.int8.lowering import FEW
        from archonnx.runtime.int8.starting import Int8

        if asked.precision is None and given < FEW:  # its error on what calibrated it says little of anything else
            few = "%s: int8 is not tried: it takes %d examples to calibrate it and to tell its error on others, not %d"
            log.info(few, model.path, FEW, given)
        else:
            int8 = Int8(source, model, contract, asked)
            starts |= int8.starts()
    trials, runners = measure(starts, samples, reference, max_error=bound)
    best = fastest(trials, bound)
    told = out if asked.device != "auto" or asked.precision is not None else []
    every = sorted([*trials, *told], key=lambda trial: (trial.median is None, trial.median or 0.0))
    if best is None:
        each = "; ".join(str(trial) for trial in every)
        raise MachineError(f"{model.path}: nothing on device {asked.device!r} stays within max_error={bound:g}: {each}")
    best.kept = True
    for trial in every:
        log.info("%s: %s", model.path, trial)
    whose = lstms if best.candidate.parts else int8
    told8 = whose.lowering(best) if whose is not None and best.candidate.precision == "int8" else None
    if told8 is not None:
        lowered[best.candidate] = told8
    elif asked.precision == "int8" and best.candidate.precision != "int8":
        said = "; ".join(str(trial) for trial in trials if trial.candidate.precision == "int8") or "no device has it"
        log.warning("%s: float32 runs, as int8 is not both faster and within %g: %s", model.path, bound, said)
    tried = sum(trial.failed is None for trial in trials)
    why = f"the fastest of {tried} that were tried and stay within {bound:g}" if tried > 1 else "nothing else is here"
    return Started(runners[best.candidate], why, tuple(every), lowered=lowered.get(best.candidate))


@contextmanager
def _drawn_are_blamed(asked: Settings) -> Iterator[None]:
    """Where a run fails on inputs that were drawn, say that these may be why, and what to do. Raises UsageError."""
    try:
        yield
    except RunError as error:
        if asked.data is not None:
            raise
        mend = "its inputs were drawn at random, perhaps others fit: give them as data=..."
        raise UsageError(f"{error}; {mend}") from error


def fewer(model: ModelFile, exact: Runner, samples: list[Sample]) -> list[Sample]:
    """As many of the samples, evenly apart, as are run in LONG seconds, LEAST at least; said where some are left out.
    Raises as a run."""
    if len(samples) <= LEAST:
        return samples
    exact.run(dict(samples[0]))
    began = time.perf_counter()
    exact.run(dict(samples[0]))
    count = max(LEAST, int(LONG / max(1e-6, time.perf_counter() - began)))
    if count >= len(samples):
        return samples
    log.info("%s: errors are measured on %d examples of %d, as each takes long", model.path, count, len(samples))
    return [samples[place * len(samples) // count] for place in range(count)]


def samples_of(model: ModelFile, contract: Contract, data: Any) -> list[Sample]:
    """What errors are measured on: a user's data, of many examples some that lie evenly apart, or drawn inputs; which
    is said in a line where it is not all that was given. Raises as `read_samples`; UsageError where nothing can be
    drawn."""
    if data is not None:
        found = read_samples(data, contract)
        if len(found) > MOST:
            log.info("%s: errors are measured on %d of %s examples", model.path, MOST, f"{len(found):,}")
            found = [found[place * len(found) // MOST] for place in range(MOST)]
        return found
    from archonnx.runtime.measuring.drawing import inputs_of

    try:
        made = [inputs_of(model.path, contract, {}, seed=seed) for seed in range(DRAWN)]
    except UsageError as error:
        mend = "" if "data=" in str(error) else "; or data=..., inputs that an error can be measured on"
        raise UsageError(f"{error}{mend}") from None
    shapes = ", ".join(f"{name} {_shape(array)}" for name, array in made[0][0].items())
    log.warning(
        "%s: errors are measured on inputs drawn at random (%s); data=... takes real ones", model.path, shapes or "none"
    )
    return [arrays for arrays, _ in made]


def _shape(array: Any) -> str:
    return f"[{', '.join(map(str, getattr(array, 'shape', ())))}]"
