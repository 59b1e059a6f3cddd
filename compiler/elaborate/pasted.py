"""What comes along when layers are pasted from Keras: regularizers and constraints, activations by their full names."""

from __future__ import annotations

from dataclasses import dataclass

from archonnx.compiler.elaborate import binding
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.syntax import tree

_ROOTS = ("", "keras.", "tf.keras.")
REGULARIZERS = tuple(f"{root}{kind}" for root in _ROOTS for kind in ("regularizers", "constraints"))
ACTIVATIONS = ("tf.nn", *(f"{root}activations" for root in _ROOTS))
TRAINING_ONLY = frozenset(
    "L1 L2 L1L2 OrthogonalRegularizer l1 l2 l1_l2 orthogonal_regularizer "
    "MaxNorm MinMaxNorm NonNeg UnitNorm max_norm min_max_norm non_neg unit_norm".split()
)


@dataclass(frozen=True, slots=True)
class TrainingOnly:
    """A regularizer or constraint: Keras' arguments for training take it, and nothing comes of it."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}(...)"


def training_only(parts: list[str]) -> TrainingOnly | None:
    """What `l2(0.01)` or `keras.regularizers.L2(0.01)` stands for, by the parts of its name; None for other names."""
    if parts[-1] in TRAINING_ONLY and (len(parts) == 1 or ".".join(parts[:-1]) in REGULARIZERS):
        return TrainingOnly(parts[-1])
    return None


def activation(node: tree.Attribute, frame: Frame) -> str | None:
    """The name of an activation written as Keras' function, `tf.nn.relu`; None for other attributes."""
    parts = binding.dotted_path(node)
    if parts is None or parts[0] in frame.names or ".".join(parts[:-1]) not in ACTIVATIONS:
        return None
    return parts[-1]
