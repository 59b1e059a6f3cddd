"""A model started in int8, where that was ordered, or where it is one of the ways that are measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import MachineError, UsageError
from archonnx.runtime.caching.folders import OFF
from archonnx.runtime.engine import start
from archonnx.runtime.int8.lowering import PastBoundError, Quantized, lower, quantized_from, split
from archonnx.runtime.int8.recurrent import PARTS, lower_lstms
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import Candidate, Trial, fastest, measure, outputs_of
from archonnx.runtime.precision.deciding import Lowering
from archonnx.runtime.precision.keeping import INT8, place_of
from archonnx.runtime.precision.placing import COMPUTED_ON, choose, refusal
from archonnx.runtime.samples import read_samples
from archonnx.runtime.settings import Precision, Settings

if TYPE_CHECKING:
    from archonnx.runtime.contract import Contract
    from archonnx.runtime.runner import Runner
    from archonnx.runtime.samples import Sample

BESIDE: tuple[Precision, ...] = ("bfloat16",)  # what floats are tried in, beside float32
log = logging.getLogger("archonnx.runtime")


class Int8:
    """A model that is quantized when the first way to run it asks for it, once for all devices."""

    def __init__(self, source: str | bytes, model: ModelFile, contract: Contract, asked: Settings) -> None:
        """Raises UsageError where there are no data, or such as nothing can be measured on, InputError, OSError."""
        if asked.data is None:
            raise UsageError(
                f'{model.path}: precision "int8" is calibrated on inputs such as the model will meet: give some, '
                'load(..., data="inputs.npz") or --data inputs.npz, arrays called as the inputs are, from a few dozen '
                "examples up; drawn numbers would calibrate nothing"
            )
        self._source, self._model, self._asked = source, model, asked
        self.samples: list[Sample] = read_samples(asked.data, contract)
        self._made: Quantized | MachineError | None = None
        self._lstms: Lowering | None = None

    def starts(self) -> dict[Candidate, Callable[[], Runner]]:
        """Each way to run it here that device= allows, as `measure` takes them."""
        names = [name for name in COMPUTED_ON["int8"] if self._asked.device in ("auto", name)]
        there = [name for name in names if refusal(name, "int8") is None]
        ways = [Candidate(name, "int8") for name in there]
        if self._asked.precision is None and self._asked.max_error is not None:  # whoever orders int8 gets float32 else
            ways += [
                Candidate(name, "int8", rest)
                for name in there
                for rest in BESIDE
                if name != "cpu" and refusal(name, rest) is None
            ]
        return {way: partial(self._start, way) for way in ways}

    def lowering(self, found: Trial) -> Lowering | None:
        """What became of each product in a way that was tried, and of each LSTM on the CPU; None where nothing was
        quantized."""
        made, way = self._made, found.candidate
        if not isinstance(made, Quantized):
            return None
        told = made.lowering.beside(way.rest, found.error)
        if way.device == "cpu" and self._lstms is not None:
            told = Lowering(told.precision, found.error, (*told.nodes, *self._lstms.nodes))
        return told

    def quantized(self) -> Quantized:
        """Raises as `lower`; MachineError again each time."""
        if self._made is None:
            self._made = self._found()
        if isinstance(self._made, MachineError):
            raise self._made
        return self._made

    def _found(self) -> Quantized | MachineError:
        """As it was quantized in an earlier start, or now. The reason where it cannot be."""
        settings = {"to": "int8", "max_error": self._asked.max_error}
        place = place_of(self._source, self._model, self._asked.cache, self.samples, settings, INT8)
        kept = place.find() if place else None
        if kept is not None and kept.refused is not None:
            return MachineError(f"{self._model.path}: {kept.refused}")
        made = kept and quantized_from(Path(kept.path), kept.lowering, kept.about)
        if made:
            return made
        try:
            made = lower(
                self._source,
                self._model,
                self.samples,
                max_error=self._asked.max_error,
                threads=self._asked.threads,
                progress=lambda step: log.debug("%s: %s", self._model.path, step),
            )
        except MachineError as error:
            if place and isinstance(error, PastBoundError):  # which took long to find
                place.refuse(str(error).removeprefix(f"{self._model.path}: "))
            return error
        log.info("%s: %s", self._model.path, made)
        if place:
            place.keep(lambda path: path.write_bytes(made.model), made.lowering, made.about())
        return made

    def _start(self, way: Candidate) -> Runner:
        made = self.quantized()
        asked = replace(self._asked, device=way.device, precision="int8", cache=OFF)
        choice = replace(choose(way.device, "int8"), rest=way.rest)
        if way.device == "cpu" and self._model.lstms:
            try:
                graph, self._lstms = lower_lstms(made.model, self._model, max(PARTS))
            except MachineError as error:  # they stay in float32, the products do not
                log.info("%s", error)
            else:
                with graph.loadable() as (whole, folder):
                    return start(whole, self._model, choice, asked, folder)
        return start(made.model, self._model, choice, asked)


class Lstms:
    """A model whose LSTMs alone are in int8, which takes no data, on the CPU provider."""

    def __init__(self, source: str | bytes, model: ModelFile, asked: Settings) -> None:
        self._source, self._model, self._asked = source, model, asked
        self._lowered: dict[Candidate, Lowering] = {}

    @property
    def possible(self) -> bool:
        """Whether there are any, and device= allows it; products with weights of few bits are int8 of themselves."""
        return bool(self._model.lstms) and not self._model.rounding and self._asked.device in ("auto", "cpu")

    def starts(self) -> dict[Candidate, Callable[[], Runner]]:
        """Each way to run it, as `measure` takes them; none where it is not possible."""
        ways = [Candidate("cpu", "int8", parts=parts) for parts in PARTS if self.possible]
        return {way: partial(self.start, way) for way in ways}

    def lowering(self, found: Trial) -> Lowering | None:
        """What became of each LSTM in a way that was tried; None where it was not started."""
        told = self._lowered.get(found.candidate)
        return told and replace(told, error=found.error)

    def start(self, way: Candidate) -> Runner:
        """Raises MachineError where no LSTM can be lowered."""
        graph, self._lowered[way] = lower_lstms(self._source, self._model, way.parts)
        asked = replace(self._asked, device="cpu", precision="int8", cache=OFF)
        with graph.loadable() as (made, folder):
            return start(made, self._model, choose("cpu", "int8"), asked, folder)


def start_int8(
    source: str | bytes,
    model: ModelFile,
    contract: Contract,
    asked: Settings,
    in_float32: Callable[[Candidate], Runner],
) -> tuple[Runner, str, tuple[Trial, ...], Lowering]:
    """The model in int8 as it was ordered, in the fastest way that computes so, and what it was measured to cost and
    gain beside float32. in_float32: starts that on a device.

    Raises UsageError without data, MachineError where it cannot be quantized, or no device here runs it.
    """
    choose(asked.device, "int8")  # says what is missing before anything is measured
    int8 = Int8(source, model, contract, asked)
    lstms = Lstms(source, model, asked)
    finest = {way: begin for way, begin in lstms.starts().items() if way.parts == max(PARTS)}
    if not finest:
        int8.quantized()  # raises before anything is measured
    ways = int8.starts() | finest
    starts: dict[Candidate, Callable[[], Runner]] = dict(ways)
    for way in ways:
        starts[Candidate(way.device)] = partial(in_float32, Candidate(way.device))
    exact = in_float32(Candidate("cpu"))
    if Candidate("cpu") in starts:
        starts[Candidate("cpu")] = lambda: exact
    _, samples = split(int8.samples)
    trials, runners = measure(starts, samples, outputs_of(exact, samples))
    best = fastest([trial for trial in trials if trial.candidate in ways], float("inf"))
    if best is None:
        raise MachineError(f"{model.path}: no device runs it in int8: {'; '.join(map(str, trials))}")
    best.kept = True
    every = sorted(trials, key=lambda trial: (trial.median is None, trial.median or 0.0))
    for trial in every:
        log.info("%s: %s", model.path, trial)
    _remark(model, best, every)
    told = lstms.lowering(best) if best.candidate.parts else int8.lowering(best)
    assert told is not None
    said = f"asked for; {told.summary if best.candidate.parts else int8.quantized()}"
    return runners[best.candidate], said, tuple(every), told


def _remark(model: ModelFile, best: Trial, every: Sequence[Trial]) -> None:
    """Say where float32 is no slower."""
    other = fastest([trial for trial in every if trial.candidate.precision == "float32"], float("inf"))
    if other is not None and (other.median or 0.0) <= (best.median or 0.0):
        log.warning(
            "%s: int8 was ordered and runs, but is no faster here: %s; %s. max_error=... would take the faster",
            model.path,
            best,
            other,
        )
