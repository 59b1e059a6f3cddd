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
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.candidates import Candidate, Trial, fastest, measure, outputs_of
from archonnx.runtime.precision.keeping import INT8, place_of
from archonnx.runtime.precision.placing import COMPUTED_ON, choose, refusal
from archonnx.runtime.samples import read_samples
from archonnx.runtime.settings import Precision, Settings

if TYPE_CHECKING:
    from archonnx.runtime.contract import Contract
    from archonnx.runtime.precision.deciding import Lowering
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
        """What became of each product in a way that was tried; None where nothing was quantized."""
        made, way = self._made, found.candidate
        return made.lowering.beside(way.rest, found.error) if isinstance(made, Quantized) else None

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
        return start(made.model, self._model, replace(choose(way.device, "int8"), rest=way.rest), asked)


def start_int8(
    source: str | bytes,
    model: ModelFile,
    contract: Contract,
    asked: Settings,
    in_float32: Callable[[Candidate], Runner],
) -> tuple[Runner, str, tuple[Trial, ...], Lowering]:
    """The model in int8 as it was ordered, on the fastest device that computes so, and what it was measured to cost and
    gain beside float32. in_float32: starts that on a device.

    Raises UsageError without data, MachineError where it cannot be quantized, or no device here runs it.
    """
    choose(asked.device, "int8")  # says what is missing before anything is measured
    int8 = Int8(source, model, contract, asked)
    made = int8.quantized()
    ways = int8.starts()
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
    return runners[best.candidate], f"asked for; {made}", tuple(every), made.lowering


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
