"""What a person sees of a training: a line an epoch, and a bar that moves with the batches."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from archonnx.cli.console import say, styled, watched
from archonnx.contract.diagnostics import MachineError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from archonnx.compiler.keras.training.history import Epoch


class Display:
    """One line for each epoch on stderr; before a person, a bar over the batches of the epoch that runs."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.number, self.best = epochs, 1, float("inf")
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def progress(self, done: int, total: int, values: Mapping[str, float]) -> None:
        if self._bar is None or self._task is None:
            if not watched():
                return
            self._start(total)
        assert self._bar is not None
        assert self._task is not None
        now = f"{self.number}/{self.epochs}  {_short(values)}" if values else "what is frozen, once"
        self._bar.update(self._task, completed=done, total=total, description=now)

    def report(self, epoch: Epoch) -> None:
        better = epoch.watched < self.best
        self.best = min(self.best, epoch.watched)
        width = len(str(self.epochs))
        line = f"{epoch.number:{width}}/{self.epochs}  {_short(epoch.values)}  {epoch.seconds:.1f} s"
        self.number = epoch.number + 1
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task)
            self._bar.console.print(line + (" best" if better else ""), highlight=False, markup=False, soft_wrap=True)
        else:
            say(line + (styled(" best", "green", sys.stderr) if better else ""))

    def _start(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def said(values: Mapping[str, float]) -> str:
    """Losses and metrics for people: `loss 0.1234, accuracy 0.9612, validation loss 0.2345`."""
    return ", ".join(
        f"{key.replace('val_', 'validation ').replace('_', ' ')} {values[key]:.4f}" for key in _order(values)
    )


def _short(values: Mapping[str, float]) -> str:
    """The same in the width of a terminal: `loss 0.1234 accuracy 0.9612  val loss 0.2345 accuracy 0.9513`."""
    training = [f"{key} {values[key]:.4f}" for key in _order(values) if not key.startswith("val_")]
    validation = [f"{key[4:]} {values[key]:.4f}" for key in _order(values) if key.startswith("val_")]
    text = " ".join(training) + (f"  val {' '.join(validation)}" if validation else "")
    return text.replace("_", " ")


def _order(values: Mapping[str, float]) -> list[str]:
    """Training before validation, losses before metrics."""
    return sorted(values, key=lambda key: (key.startswith("val_"), not key.endswith("loss")))


MISSING = "Keras is not installed: pip install 'archonnx[keras]'"


def need_keras() -> None:
    """MachineError where Keras is not installed; it is not imported."""
    if find_spec("keras") is None:
        raise MachineError(MISSING)


def import_keras() -> None:
    """Import Keras, which takes seconds. MachineError where it cannot be."""
    try:
        import keras  # noqa: F401
    except ImportError:
        raise MachineError(MISSING) from None
