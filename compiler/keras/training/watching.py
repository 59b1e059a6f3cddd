"""Keeping watch over a training: what each epoch gave, the best weights, and when to stop.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from archonnx.compiler.keras.training.history import Epoch
from archonnx.contract.diagnostics import ArchonnxError

Stopped = Literal["finished", "patience", "interrupted"]
Progress = Callable[[int, int, Mapping[str, float]], None]  # batches done, batches in all, values so far


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Records epochs, keeps the weights of the best one, and stops after `patience` epochs without a better one.

    interrupted: asked after each batch; where it says so, KeyboardInterrupt is raised, between batches.
    """

    def __init__(
        self,
        patience: int | None,
        report: Callable[[Epoch], None] | None,
        progress: Progress | None,
        interrupted: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.patience, self.report, self.progress, self.interrupted = patience, report, progress, interrupted
        self.epochs: list[Epoch] = []
        self.best: Epoch | None = None
        self.weights: list[Any] = []
        self.stopped: Stopped = "finished"
        self.number, self.began = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.number, self.began = epoch + 1, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        values = _numbers(logs)
        self._check(values, f"batch {batch + 1} of epoch {self.number}")
        if self.progress is not None:
            self.progress(batch + 1, self.params["steps"], values)
        if self.interrupted():
            raise KeyboardInterrupt

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.interrupted():
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        values = _numbers(logs)
        self._check(values, f"epoch {self.number}")
        done = Epoch(self.number, values, time.perf_counter() - self.began)
        self.epochs.append(done)
        if self.best is None or done.watched < self.best.watched:
            self.best, self.weights = done, self.model.get_weights()
        elif self.patience is not None and done.number - self.best.number >= self.patience:
            self.stopped = "patience"
            self.model.stop_training = True
        if self.report is not None:
            self.report(done)

    def restore(self) -> None:
        """Give the model the weights of the best epoch again."""
        self.model.set_weights(self.weights)

    def _check(self, values: Mapping[str, float], where: str) -> None:
        for key in ("loss", "val_loss"):
            if not math.isfinite(values.get(key, 0.0)):
                raise ArchonnxError(
                    f"the {'validation ' if key == 'val_loss' else ''}loss is {_said(values[key])} in {where}: a lower "
                    "learning rate, or inputs and targets of smaller numbers, keep it finite"
                )


def _said(value: float) -> str:
    return "not a number" if math.isnan(value) else "infinite"


def _numbers(logs: Any) -> dict[str, float]:
    return {key: float(value) for key, value in (logs or {}).items()}
