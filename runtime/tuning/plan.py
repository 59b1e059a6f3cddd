"""The plan of a model: what was tried on which machine, what was kept and why; written as JSON beside the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.files import replace_file
from archonnx.runtime.settings import PRECISIONS, Precision, Settings
from archonnx.runtime.tuning.fingerprint import Fingerprint
from archonnx.runtime.tuning.reading import Damaged, Reader, parse
from archonnx.runtime.tuning.recipe import Recipe, read_recipe

SCHEMA = 1
ENDING = ".plan.json"
_MOST = 1 << 24  # bytes: a plan has some thousands
Goal = Literal["latency", "throughput"]
GOALS: tuple[Goal, ...] = ("latency", "throughput")
Outcome = Literal["kept", "slower", "inexact", "failed", "untried"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "slower", "inexact", "failed", "untried")


class PlanError(ArchonnxError):
    """A plan that was insisted on does not fit, or is none. path: the plan's; reason: the message without it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of a measure, and the two values between which its middle half lies."""

    median: float
    low: float
    high: float

    def json(self) -> dict[str, float]:
        """As data, to five digits."""
        return {"median": _short(self.median), "low": _short(self.low), "high": _short(self.high)}


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe that was looked at. stage: which choice it belongs to, such as "threads"; milliseconds: of a call;
    times_as_long: as what was kept until then, side by side; error: the largest, relative to float32's results;
    reason: why it is not kept, or why it is."""

    stage: str
    recipe: Recipe
    outcome: Outcome
    reason: str = ""
    milliseconds: Spread | None = None
    times_as_long: Spread | None = None
    error: float | None = None

    def json(self) -> dict[str, Any]:
        """As data."""
        return {
            "stage": self.stage,
            "recipe": self.recipe.json(),
            "outcome": self.outcome,
            "reason": _line(self.reason),
            "milliseconds": self.milliseconds.json() if self.milliseconds else None,
            "times_as_long": self.times_as_long.json() if self.times_as_long else None,
            "error": None if self.error is None else _short(self.error),
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """The fastest recipe of its precision. milliseconds: of a call, the median; error: on all data."""

    recipe: Recipe
    milliseconds: float
    error: float
    why: str

    def json(self) -> dict[str, Any]:
        """As data."""
        numbers = {"milliseconds": _short(self.milliseconds), "error": _short(self.error)}
        return {"recipe": self.recipe.json(), **numbers, "why": _line(self.why)}


@dataclass(frozen=True, slots=True)
class Part:
    """What was found for one batch. inputs: name -> type and shape that it was measured on; kept: one a precision,
    float32 first."""

    batch: int
    inputs: Mapping[str, str]
    kept: tuple[Kept, ...]
    tried: tuple[Tried, ...]

    def best(self, asked: Settings, written: Precision = "float32") -> Kept | None:
        """The fastest that computes as it was asked for: in float32, unless another precision or an error was named.
        None where none does, or the device that was asked for is another one.

        written: what the file itself allows; its products with weights of few bits may be int8.
        """
        if asked.max_error is None:
            named = {asked.precision} if asked.precision else {"float32", written}
        else:
            named = {asked.precision, "float32"} if asked.precision else set(PRECISIONS)
        within = [
            kept
            for kept in self.kept
            if asked.device in ("auto", kept.recipe.device)
            and kept.recipe.precision in named
            and (asked.max_error is None or kept.error <= asked.max_error)
        ]
        return min(within, key=lambda kept: kept.milliseconds, default=None)

    def json(self) -> dict[str, Any]:
        """As data."""
        lists = {"kept": [k.json() for k in self.kept], "tried": [t.json() for t in self.tried]}
        return {"batch": self.batch, "inputs": {_line(n): _line(t) for n, t in self.inputs.items()}, **lists}


@dataclass(frozen=True, slots=True)
class Plan:
    """model: the file's name when it was made; data: what errors were measured on, in words; max_error: how far from
    float32 results were allowed to be, None where no lower precision was tried."""

    model: str
    fingerprint: Fingerprint
    goal: Goal
    max_error: float | None
    data: str
    parts: tuple[Part, ...]

    def text(self) -> str:
        """The file's content: the same plan gives the same bytes."""
        document = {
            "schema": SCHEMA,
            "model": {"file": _line(self.model), "digest": self.fingerprint.model},
            "machine": dict(sorted(self.fingerprint.machine.items())),
            "versions": dict(sorted(self.fingerprint.versions.items())),
            "goal": self.goal,
            "max_error": self.max_error,
            "data": _line(self.data),
            "batches": [part.json() for part in self.parts],
        }
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Whole or not at all. Raises ArchonnxError, OSError."""
        replace_file(path, self.text().encode())


def plan_path(model: str | os.PathLike[str]) -> Path:
    """Where a model's plan lies: `net.plan.json` beside `net.onnx`."""
    path = Path(model)
    return path.with_name(path.name.removesuffix(".onnx") + ENDING)


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """Raises OSError where it cannot be read, PlanError where it is no plan, or one of another version."""
    with open(path, "rb") as stream:
        data = stream.read(_MOST + 1)
    if len(data) > _MOST:
        raise PlanError(os.fspath(path), f"the plan is damaged: it is larger than {_MOST >> 20} MiB")
    try:
        return _read(parse(data))
    except Damaged as error:
        raise PlanError(os.fspath(path), f"the plan is damaged: {error}") from None


def _read(reader: Reader) -> Plan:
    schema = reader.count("schema", 2**31 - 1)
    if schema != SCHEMA:
        raise Damaged(f"it has the layout {schema}, this version of archonnx reads {SCHEMA}")
    model = reader.inner("model")
    fingerprint = Fingerprint(model.text("digest"), reader.texts("machine"), reader.texts("versions"))
    plan = Plan(
        model.text("file"),
        fingerprint,
        reader.word("goal", GOALS),
        reader.number("max_error", None),
        reader.text("data"),
        tuple(_part(each) for each in reader.each("batches")),
    )
    model.end()
    reader.end()
    if not plan.parts:
        raise Damaged("it holds no batch")
    batches = [part.batch for part in plan.parts]
    if len(set(batches)) != len(batches):
        raise Damaged(f"it holds a batch twice: {', '.join(map(str, batches))}")
    return plan


def _part(reader: Reader) -> Part:
    batch = reader.count("batch", 2**31 - 1)
    assert batch is not None
    part = Part(
        batch,
        reader.texts("inputs"),
        tuple(_kept(each) for each in reader.each("kept")),
        tuple(_tried(each) for each in reader.each("tried")),
    )
    reader.end()
    precisions = [kept.recipe.precision for kept in part.kept]
    if len(set(precisions)) != len(precisions):
        raise Damaged(f"{reader.place}.kept holds a precision twice")
    return part


def _kept(reader: Reader) -> Kept:
    milliseconds, error = reader.number("milliseconds"), reader.number("error")
    assert milliseconds is not None
    assert error is not None
    kept = Kept(read_recipe(reader.inner("recipe")), milliseconds, error, reader.text("why"))
    reader.end()
    return kept


def _tried(reader: Reader) -> Tried:
    tried = Tried(
        reader.text("stage"),
        read_recipe(reader.inner("recipe")),
        reader.word("outcome", OUTCOMES),
        reader.text("reason"),
        _spread(reader.maybe("milliseconds")),
        _spread(reader.maybe("times_as_long")),
        reader.number("error", None),
    )
    reader.end()
    return tried


def _spread(reader: Reader | None) -> Spread | None:
    if reader is None:
        return None
    median, low, high = (reader.number(name) for name in ("median", "low", "high"))
    reader.end()
    assert median is not None
    assert low is not None
    assert high is not None
    return Spread(median, low, high)


def _line(text: str) -> str:
    """As it may be shown: what others call their inputs and files need not be one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _short(number: float) -> float:
    """As it is written: five digits tell all that a measurement does."""
    return float(f"{number:.5g}")
