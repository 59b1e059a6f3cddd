"""What may be known of a constant while a graph is shaped: the numbers of a literal, the weight behind a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.ir import Tensor

if TYPE_CHECKING:
    import numpy as np


def literal(tensor: Tensor | None) -> np.ndarray[Any, Any] | None:
    """The array of a constant that the compiler wrote itself; None for weights and for what is computed at run time."""
    if tensor is None or tensor.recipe is None:
        return None
    from archonnx.compiler.recipes import Constant

    return tensor.recipe.array if isinstance(tensor.recipe, Constant) else None


def literal_ints(tensor: Tensor | None) -> list[int] | None:
    """The numbers of a literal int64 constant, in C order."""
    array = literal(tensor)
    return [int(n) for n in array.reshape(-1)] if array is not None and array.dtype.kind in "iu" else None


def weight_of(tensor: Tensor) -> tuple[str, str] | None:
    """The path of the one weight behind a constant, and what was done to it ("" for nothing); None for anything else."""
    from archonnx.compiler.recipes import Draw

    changes: list[str] = []
    recipe = tensor.recipe
    while recipe is not None and not isinstance(recipe, Draw):
        source = getattr(recipe, "source", None)
        if source is None:
            return None
        changes.append(CHANGES.get(type(recipe).__name__, "changed"))
        recipe = source
    return (recipe.weight.path, changes[0] if changes else "") if recipe is not None else None


CHANGES = {"Transpose": "transposed", "Reshape": "reshaped", "Cast": "cast", "Slice": "slice"}
