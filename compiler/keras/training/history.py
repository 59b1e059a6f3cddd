"""What training writes down of each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the examples. `number` counts from 1.

    values: the loss and metrics over the epoch, `loss`, `accuracy`, with `val_` before those on the validation
    examples. seconds: what the epoch took, validation included.
    """

    number: int
    values: Mapping[str, float]
    seconds: float

    @property
    def watched(self) -> float:
        """The loss by which epochs are compared: that on the validation examples where there are some."""
        return self.values.get("val_loss", self.values["loss"])


def best_of(epochs: Sequence[Epoch]) -> Epoch:
    """The epoch of the lowest loss, the first of several."""
    return min(epochs, key=lambda epoch: epoch.watched)
