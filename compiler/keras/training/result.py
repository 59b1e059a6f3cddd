"""What a training gives: the model with the weights that it learned, and how it went."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.training.history import Epoch
from archonnx.compiler.keras.training.judgement import Judgement, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.artifact import CompiledModel
    from archonnx.compiler.keras.training.plan import Plan
    from archonnx.compiler.keras.training.watching import Stopped
    from archonnx.compiler.weights.files.base import Tensor

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, repr=False)
class FitResult:
    """A trained model.

    model: the compiled model with the weights of the best epoch, to be saved or loaded. epochs: all of them. best: the
    one of the lowest validation loss, or training loss where nothing was validated. stopped: "finished", "patience"
    or "interrupted". test: loss and metrics on the test data, where there are some. unreached: trainable weights that
    the loss does not depend on, which stayed as they were.
    """

    model: CompiledModel
    epochs: tuple[Epoch, ...]
    best: Epoch
    stopped: Stopped
    test: Mapping[str, float] | None
    unreached: tuple[str, ...]
    plan: Plan

    def __repr__(self) -> str:
        values = ", ".join(f"{key} {value:.4g}" for key, value in self.best.values.items())
        return f"<FitResult {self.model.name}: epoch {self.best.number} of {len(self.epochs)}, {values}>"

    @property
    def history(self) -> dict[str, list[float]]:
        """Each value over the epochs, as Keras' History has it."""
        return {key: [epoch.values[key] for epoch in self.epochs] for key in self.epochs[0].values}

    @property
    def judgement(self) -> Judgement:
        """Whether it under- or overfits."""
        return judge(self.epochs)

    @property
    def metadata(self) -> dict[str, str]:
        """What a file of the weights says of the training."""
        found = {"model": self.model.name, "source": Path(self.model.source).name, "epoch": str(self.best.number)}
        found |= {key: f"{value:.6g}" for key, value in self.best.values.items()}
        found |= {f"test_{key}": f"{value:.6g}" for key, value in (self.test or {}).items()}
        return found

    def save_weights(
        self,
        path: str | os.PathLike[str],
        metadata: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Write all weights by their paths, in the format that the ending names: .safetensors, .npz, .pth and others.

        metadata: what the file says beside them, where its format has a place for it; by default how the training
        went. Raises TensorFileError where the format cannot hold them, OSError.
        """
        from archonnx.compiler.weights.files.formats import format_to_write, write_tensors

        form = format_to_write(Path(path))
        tensors = {name: _tensor(array, self.model.given[name].dtype) for name, array in self.model.values().items()}
        said = dict(self.metadata if metadata is None else metadata) if form.keeps else {}
        write_tensors(Path(path), tensors, said, progress)

    def save_curve(self, path: str | os.PathLike[str], progress: Progress | None = None) -> None:
        """Draw the learning curve, an .svg or .png file. Raises UsageError for another ending, OSError."""
        from archonnx.compiler.keras.training.curve import save_curve

        save_curve(self.epochs, path, f"{self.model.name} of {Path(self.model.source).name}", progress)


def _tensor(array: NDArray[Any], dtype: str) -> Tensor:
    from archonnx.compiler.weights.files.base import Entry, Tensor

    return Tensor(Entry(dtype, array.shape), lambda: iter([array.reshape(-1)]))
