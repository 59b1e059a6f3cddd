"""Under- and overfitting, told from the losses of the epochs.

A stretch is a tenth of the epochs, at least two; its loss is the mean over its epochs.

1. Underfitting: from the first epoch on for as long as both losses still fall: each stretch lies more than 5% below
   the stretch before it, and more than 1% of the way from the first loss to the lowest. They may pause for a stretch.
2. Overfitting: from the epoch of the lowest validation loss to the last epoch, where the validation loss of the last
   stretch is more than 10% above that of the lowest epoch and its neighbours, and the training loss fell meanwhile, or
   rose by less than half as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from archonnx.compiler.keras.training.history import Epoch

FALL = 0.05  # of the loss of the stretch before
LEAST = 0.01  # of the way from the first loss to the lowest
RISE = 0.10  # of the lowest validation loss
FEWEST = 4  # epochs that tell anything

Verdict = Literal["underfitting", "overfitting", "level", "unknown"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Regions as (first, last) epoch, None where there is none; `verdict` is of the last epoch, `text` says it."""

    underfitting: tuple[int, int] | None
    overfitting: tuple[int, int] | None
    verdict: Verdict
    text: str


def judge(epochs: Sequence[Epoch]) -> Judgement:
    """Where the model learns too little, and where too much."""
    if len(epochs) < FEWEST:
        return Judgement(None, None, "unknown", f"{FEWEST} epochs or more tell whether it under- or overfits")
    training = [epoch.values["loss"] for epoch in epochs]
    validated = all("val_loss" in epoch.values for epoch in epochs)
    validation = [epoch.values["val_loss"] for epoch in epochs] if validated else None
    under = _underfitting([training] if validation is None else [training, validation])
    over = None if validation is None else _overfitting(training, validation)
    if over is not None and under is not None and under[1] > over[0]:
        under = (under[0], over[0]) if over[0] > under[0] else None
    return Judgement(under, over, *_said(validation, len(epochs), under, over))


def _underfitting(curves: Sequence[Sequence[float]]) -> tuple[int, int] | None:
    count = len(curves[0])
    length = _stretch(count)
    least = [LEAST * (curve[0] - min(curve)) for curve in curves]
    last = None
    for end in range(2 * length, count + 1):
        pairs = [(_mean(c[end - 2 * length : end - length]), _mean(c[end - length : end])) for c in curves]
        if all(before - now > max(FALL * abs(before), way) for (before, now), way in zip(pairs, least, strict=True)):
            last = end
        elif end - (last or length) > length:
            break
    if last is None or last == count:
        return None if last is None else (1, count)
    return 1, last - length // 2  # the losses of its last stretch fell no more than to its middle


def _overfitting(training: Sequence[float], validation: Sequence[float]) -> tuple[int, int] | None:
    lowest = validation.index(min(validation))
    length = _stretch(len(validation))
    if lowest >= len(validation) - length:
        return None
    before, then = _around(validation, lowest), _mean(validation[-length:])
    along = _mean(training[-length:]) - _around(training, lowest)
    over = then - before > RISE * abs(before) and along < (then - before) / 2
    return (lowest + 1, len(validation)) if over else None


def _stretch(count: int) -> int:
    return max(2, round(count / 10))


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses)


def _around(losses: Sequence[float], place: int) -> float:
    """The mean of a loss and its neighbours."""
    return _mean(losses[max(0, place - 1) : place + 2])


def _said(
    validation: Sequence[float] | None, count: int, under: tuple[int, int] | None, over: tuple[int, int] | None
) -> tuple[Verdict, str]:
    if over is not None and validation is not None:
        first, last = _around(validation, over[0] - 1), _mean(validation[-_stretch(count) :])
        rise = f"after epoch {over[0]} the validation loss rises, {first:.3g} to {last:.3g}"
        return "overfitting", f"overfitting: {rise}, while the training loss does not"
    one = validation is None
    if under is not None and under[1] == count:
        what = "the loss still falls" if one else "both losses still fall"
        return "underfitting", f"underfitting: {what} at the last epoch; more epochs would help"
    return "level", "no sign of under- or overfitting at the last epoch"
