"""Which loss and which metrics an output is trained with: chosen by its last layer and its targets, or asked for.

| targets                                    | after softmax             | after sigmoid        | linear, or else     |
|--------------------------------------------|---------------------------|----------------------|---------------------|
| a class's number for each row              | categorical cross-entropy | refused              | the same, of logits |
| rows of one 1 and 0s (several columns)     | categorical cross-entropy | binary cross-entropy | the same, of logits |
| rows of probabilities that sum to 1        | categorical cross-entropy | binary cross-entropy | mean squared error  |
| 0 and 1                                    | refused                   | binary cross-entropy | the same, of logits |
| other numbers                              | refused                   | refused              | mean squared error  |

After an activation that is neither (relu, tanh), targets of the output's shape give the mean squared error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from archonnx.compiler.keras.training.data import Array, described
from archonnx.compiler.keras.training.matching import Column, Examples, check_finite
from archonnx.compiler.keras.training.targets import Last, Look, last_of, look
from archonnx.contract.diagnostics import ArchonnxError, UsageError, did_you_mean
from archonnx.contract.dtypes import is_float

if TYPE_CHECKING:
    from archonnx.compiler.graph import Output

# What a user may ask for: the family that says how targets are read, and Keras' class.
LOSSES = {
    "categorical_crossentropy": ("classes", "CategoricalCrossentropy"),
    "binary_crossentropy": ("binary", "BinaryCrossentropy"),
    "binary_focal_crossentropy": ("binary", "BinaryFocalCrossentropy"),
    "mean_squared_error": ("values", "MeanSquaredError"),
    "mean_absolute_error": ("values", "MeanAbsoluteError"),
    "mean_absolute_percentage_error": ("values", "MeanAbsolutePercentageError"),
    "mean_squared_logarithmic_error": ("values", "MeanSquaredLogarithmicError"),
    "huber": ("values", "Huber"),
    "log_cosh": ("values", "LogCosh"),
    "poisson": ("values", "Poisson"),
    "kl_divergence": ("values", "KLDivergence"),
    "cosine_similarity": ("values", "CosineSimilarity"),
    "hinge": ("values", "Hinge"),
}
ALIASES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "bce": "binary_crossentropy"}
ALIASES |= {"cce": "categorical_crossentropy", "sparse_categorical_crossentropy": "categorical_crossentropy"}
SAID = {"categorical_crossentropy": "categorical cross-entropy", "binary_crossentropy": "binary cross-entropy"}


@dataclass(frozen=True, slots=True)
class Objective:
    """What an output is trained for.

    family: "classes" (a number for each row), "one-hot", "binary" or "values". loss: a class of keras.losses and its
    arguments, or a loss of the user's. look: of all targets. width: of the output's last axis. said: a line for people.
    """

    output: str
    family: str
    loss: tuple[str, dict[str, Any]] | Any
    column: Column
    logits: bool
    said: str
    width: int | None
    look: Look
    name: str = ""  # of the loss, as it is asked for


def objective(output: Output, examples: Examples, asked: Any = "auto") -> Objective:
    """The loss of one output. Raises ArchonnxError where targets do not fit it, UsageError for a loss not known."""
    return _Choice(output, examples, asked).made()


def loss_name(asked: str) -> str:
    """The full name of a loss. UsageError where there is none."""
    name = ALIASES.get(asked, asked)
    if name != "auto" and name not in LOSSES:
        near = did_you_mean(asked, [*LOSSES, *ALIASES], 1)
        raise UsageError(f"there is no loss {asked!r}; " + (f"did you mean {near[0]}?" if near else _listed(LOSSES)))
    return name


def _listed(names: Any) -> str:
    return f"there are: auto, {', '.join(names)}"


class _Choice:
    """The choice for one output."""

    def __init__(self, output: Output, examples: Examples, asked: Any) -> None:
        self.output, self.asked, self.data = output, asked, examples.data
        self.kind, self.array = output.value.type, examples.targets[output.name]
        self.what = (
            f"{self.data.said_of(output.name)}: {output.name} is {described(self.array)}, and the output is {self.kind}"
        )
        if not is_float(self.kind.dtype):
            raise ArchonnxError(
                f"the output {output.name} is {self.kind}: nothing can be learned through whole numbers or booleans; "
                "give the model an output before it, such as the logits"
            )
        if self.array.dtype.kind not in "biufV":
            raise ArchonnxError(f"{self.what}: numbers are expected")
        check_finite(self.what, self.array)
        self.shape = examples.shape_of(self.kind)
        if self.shape[0] != examples.count:
            raise ArchonnxError(
                f"the output {output.name} is {self.kind}: to train, its first axis counts the examples of a batch, as "
                "those of the inputs do"
            )
        self.last: Last = last_of(output.value)
        self.width = self.shape[-1] if len(self.shape) > 1 else 1
        self.look: Look = look(self.array)

    def made(self) -> Objective:
        if not isinstance(self.asked, str):
            return self._objective("values" if self._same() else "classes", self.asked, f"{self.asked}")
        name = loss_name(self.asked)
        if name == "auto":
            name = self._auto()
        family, kind = LOSSES[name]
        if family == "classes":
            family = "classes" if self._numbers() else "one-hot"
            if family == "classes":
                self._check_classes()
                kind = f"Sparse{kind}"
            elif not (self._same() and self.look.probabilities):
                self._refuse(f"{_said(name)} takes {self._numbers_said()}, or rows of {self._sizes()} that sum to 1")
        elif not self._same():
            self._refuse(f"{_said(name)} takes targets of {self._sizes()}")
        elif family == "binary" and not 0 <= self.look.least <= self.look.most <= 1:
            self._refuse("its targets lie between 0 and 1")
        logits = family != "values" and self.last not in ("softmax", "sigmoid")
        options = {} if family == "values" else {"from_logits": logits}
        said = _said(name)
        said += {"classes": " of class numbers", "one-hot": " of one-hot classes"}.get(family, "")
        return self._objective(family, (kind, options), said + (", from logits" if logits else ""), logits, name)

    def _objective(self, family: str, loss: Any, said: str, logits: bool = False, name: str = "") -> Objective:
        shape, dtype = self.array.shape, self.kind.dtype
        if family == "classes":
            dtype = "int64"
            shape = self.array.shape[: len(self.shape) - 1]
        elif self._same():
            shape = tuple(have if size is None else size for size, have in zip(self.shape, self._spread(), strict=True))
        column = Column(self.output.name, self.array, dtype, shape[1:])
        return Objective(self.output.name, family, loss, column, logits, said, self.width, self.look, name)

    def _auto(self) -> str:
        if self._numbers():
            if self.last == "sigmoid":
                self._refuse("its values are of each class alone, so its targets are 0 and 1")
            return "categorical_crossentropy"
        if not self._same():
            several = (self.width is None or self.width > 1) and self.last != "sigmoid" and len(self.shape) > 1
            takes = f"{self._numbers_said()}, or one-hot classes or values" if several else "values"
            self._refuse(f"its targets are {takes} of {self._sizes()}")
        seen = self.look
        if self.last == "softmax":
            if not seen.probabilities:
                self._refuse("the targets of a softmax sum to 1 along its last axis")
            return "categorical_crossentropy"
        if self.last == "sigmoid":
            return "binary_crossentropy"
        if self.last == "linear" and seen.bits:
            several = self.width is None or self.width > 1
            return "categorical_crossentropy" if seen.one_hot and several else "binary_crossentropy"
        return "mean_squared_error"

    def _spread(self) -> tuple[int, ...]:
        """The shape of the targets, with the axis of 1 that they may leave out."""
        fits = len(self.array.shape) == len(self.shape) - 1 and self.shape[-1] == 1
        return (*self.array.shape, 1) if fits else self.array.shape

    def _same(self) -> bool:
        """Whether the targets have the output's shape."""
        shape = self._spread()
        return len(shape) == len(self.shape) and all(
            size in (None, have) for size, have in zip(self.shape, shape, strict=True)
        )

    def _numbers(self) -> bool:
        """Whether the targets are a class's number for each row of the output."""
        several = self.width is None or self.width > 1
        shape = self.array.shape
        if len(shape) == len(self.shape) and shape[-1] == 1 and len(shape) > 1:
            shape = shape[:-1]
        fits = len(shape) == len(self.shape) - 1 and all(
            size in (None, have) for size, have in zip(self.shape[:-1], shape, strict=True)
        )
        return several and fits and self.look.whole

    def _check_classes(self) -> None:
        least, most = int(self.look.least), int(self.look.most)
        if least < 0 or (self.width is not None and most >= self.width):
            allowed = f"0 to {self.width - 1}" if self.width is not None else "0 and more"
            wrong = least if least < 0 else most
            counted = "; they are counted from 0" if least == 1 and most == self.width else ""
            raise ArchonnxError(f"{self.what}: its classes are {allowed}, and {wrong} is among the targets{counted}")

    def _refuse(self, why: str) -> NoReturn:
        raise ArchonnxError(f"{self.what}: {why}")

    def _numbers_said(self) -> str:
        classes = "a class's number for each row" if self.width is None else f"class numbers 0 to {self.width - 1}"
        return f"{classes} of {self._sizes(rows=True)}"

    def _sizes(self, rows: bool = False) -> str:
        """The shape of the output for all examples, or of its rows; a size that only a run tells by its name."""
        pairs = list(zip(self.shape, self.kind.shape, strict=True))[: -1 if rows else None]
        return f"[{', '.join(str(said if size is None else size) for size, said in pairs)}]"


def _said(name: str) -> str:
    """What a loss is called for people."""
    return SAID.get(name, name.replace("_", " "))


def class_weights(chosen: Objective, column: Array) -> dict[int, float]:
    """Weights that make every class count alike: examples / (classes * examples of the class).

    column: the targets that are trained on. Raises UsageError where there are no classes to weigh.
    """
    if chosen.family == "values" or (chosen.family == "binary" and not chosen.look.bits):
        raise UsageError(f"class weights need classes; {chosen.output} is trained by {chosen.said}")
    numbers = column.argmax(axis=-1) if chosen.family == "one-hot" else column.astype(np.int64)
    found, counts = np.unique(numbers, return_counts=True)
    total = counts.sum()
    return {int(n): float(total / (len(found) * count)) for n, count in zip(found, counts, strict=True)}
