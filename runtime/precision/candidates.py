"""Ways to run one model here, measured side by side: how far each is from float32, and how long a call takes.

found = measure({way: lambda: start(way) for way in candidates("auto")}, samples, reference)
best = fastest(found.values(), max_error=1e-2)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.contract.agreement import error
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.runtime.devices import resolve
from archonnx.runtime.machine import Machine
from archonnx.runtime.precision.placing import COMPUTED_ON, refusal
from archonnx.runtime.settings import PRECISIONS, Precision

if TYPE_CHECKING:
    from archonnx.runtime.runner import Runner

BUDGET = 3.0  # seconds of calls, of all ways together, beside the first ones
ROUNDS, FEWEST = 25, 3
HOPELESS = 3.0  # so many times as long as the fastest, and a way is measured no further

Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to run a model: on a device, in a precision; rest: of what stays in floats beside products in int8; parts:
    in int8 without data, of how many parts the inputs of LSTMs are, 0 where data calibrate it."""

    device: str
    precision: Precision = "float32"
    rest: Precision = "float32"
    parts: int = 0

    def __str__(self) -> str:
        rest = f" and {self.rest}" if self.rest != "float32" else ""
        lstm = f" of LSTMs in {self.parts} part{'' if self.parts == 1 else 's'}" if self.parts else ""
        return f"{self.device} {self.precision}{rest}{lstm}"


@dataclass(slots=True)
class Trial:
    """What was found of a way. error: the largest of all outputs and samples; seconds: of one call each; failed: why
    there are none, or no more; kept: whether it is the one that runs."""

    candidate: Candidate
    error: float | None = None
    seconds: list[float] = field(default_factory=list)
    failed: str | None = None
    kept: bool = False

    @property
    def median(self) -> float | None:
        """Seconds of a call, the median; None where none was measured."""
        return statistics.median(self.seconds) if self.seconds else None

    def __str__(self) -> str:
        if self.failed is not None:
            return f"{self.candidate}: {self.failed}"
        time = "not timed" if self.median is None else f"{self.median * 1000:,.2f} ms"
        said = "" if self.error is None else f", error {self.error:.1e}"
        return f"{self.candidate}: {time}{said}{', runs' if self.kept else ''}"


def candidates(
    device: str = "auto", precision: Precision | None = None, machine: Machine | None = None
) -> tuple[list[Candidate], list[Trial]]:
    """The ways that could be tried here, float32 first; and of the devices that are there, those that are not, each
    with its reason.

    device: "auto" for all; precision: that one and float32 alone. int8 needs a model of its own, made on data: it is
    not among them. Raises as `resolve`.
    """
    if device == "auto":
        there = [name for name in COMPUTED_ON["float32"] if refusal(name, "float32", machine) is None]
    else:
        there = [resolve(device, machine).device]
    found = [Candidate(name) for name in there]
    out = []
    for each in PRECISIONS:
        if each in ("float32", "int8") or precision not in (None, each):
            continue
        for name in COMPUTED_ON[each]:
            if name not in there:
                continue
            reason = refusal(name, each, machine)
            if reason is None:
                found.append(Candidate(name, each))
            else:
                out.append(Trial(Candidate(name, each), failed=reason))
    return found, out


def outputs_of(runner: Runner, samples: Sequence[Sample]) -> list[list[Any]]:
    """The outputs of each sample. Raises RunError, MachineError, InputError."""
    return [runner.run(dict(sample)) for sample in samples]


def largest_error(outputs: Sequence[Sequence[Any]], reference: Sequence[Sequence[Any]]) -> float:
    """The largest error over samples and outputs; what is no array of numbers must be the same."""
    import numpy as np

    worst = 0.0
    for mine, other in zip(outputs, reference, strict=True):
        for y, ref in zip(mine, other, strict=True):
            if isinstance(ref, np.ndarray):
                worst = max(worst, error(y, ref) if y.shape == ref.shape else float("inf"))
            elif isinstance(ref, list):
                same = len(y) == len(ref) and all(np.shape(a) == np.shape(b) for a, b in zip(y, ref, strict=True))
                worst = max(worst, largest_error([y], [ref]) if same else float("inf"))
            elif y != ref:
                worst = float("inf")
    return worst


def measure(
    starts: Mapping[Candidate, Callable[[], Runner]],
    samples: Sequence[Sample],
    reference: Sequence[Sequence[Any]],
    *,
    max_error: float | None = None,
    budget: float = BUDGET,
    clock: Callable[[], float] = time.perf_counter,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Trial], dict[Candidate, Runner]]:
    """Start each way, find its error on all samples, and time those within max_error: they take turns, every other
    round in the opposite order, on the first sample, until the budget of seconds is spent. One that is hopelessly
    slower than the fastest is given up after FEWEST rounds.

    samples: inputs that have been checked; reference: the outputs of float32 for them. progress: gets seconds spent of
    the budget, in thousandths. Gives the trials in the order of `starts`, and what was started and did not fail.
    """
    trials = {way: Trial(way) for way in starts}
    runners: dict[Candidate, Runner] = {}
    for way, start in starts.items():
        try:
            runner = start()
            trials[way].error = largest_error(outputs_of(runner, samples), reference)
        except ArchonnxError as failure:
            trials[way].failed = " ".join(str(failure).split())
            continue
        runners[way] = runner
    bound = float("inf") if max_error is None else max_error
    running = [way for way in runners if (trials[way].error or 0.0) <= bound]
    first = dict(samples[0])
    began = clock()
    for number in range(ROUNDS):
        for way in running if number % 2 == 0 else list(reversed(running)):
            try:
                if number == 0:
                    runners[way].run(dict(first))  # others have had the caches meanwhile
                before = clock()
                runners[way].run(dict(first))
                trials[way].seconds.append(clock() - before)
            except ArchonnxError as failure:
                trials[way].failed = " ".join(str(failure).split())
        running = [way for way in running if trials[way].failed is None]
        spent = clock() - began
        progress(min(int(spent * 1000), int(budget * 1000)), int(budget * 1000))
        if number + 1 < FEWEST or not running:
            continue
        best = min(statistics.median(trials[way].seconds) for way in running)
        running = [way for way in running if statistics.median(trials[way].seconds) <= HOPELESS * best]
        if spent >= budget or len(running) == 1:
            break
    return list(trials.values()), {way: runner for way, runner in runners.items() if trials[way].failed is None}


def fastest(trials: Iterable[Trial], max_error: float) -> Trial | None:
    """The fastest that was timed and stays within the error; of equals the first. None where there is none."""
    within = [t for t in trials if t.failed is None and t.seconds and t.error is not None and t.error <= max_error]
    return min(within, key=lambda trial: trial.median or 0.0, default=None)
