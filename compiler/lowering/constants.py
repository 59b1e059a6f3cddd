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
    """The path of the one weight behind a constant, and what was last done to it ("": nothing); None for others.

    What has other numbers than its weight, as an operator is folded into it, has a name of its own: `PATH:folded`.
    """
    from archonnx.compiler.recipes import Draw, Folded, Placeholder

    recipe = tensor.recipe
    change = suffix = ""
    while recipe is not None:
        if isinstance(recipe, Draw):
            return recipe.weight.path + suffix, change
        if isinstance(recipe, Placeholder):
            return recipe.name, change
        if isinstance(recipe, Folded):
            recipe, suffix = recipe.main, ":folded"
            continue
        change = change or CHANGES.get(type(recipe).__name__, "changed")
        inputs = recipe.inputs()
        if len(inputs) > 1:  # pieces of one weight in another order, or beside a constant
            paths = {weight.path for weight in recipe.weights()}
            return (paths.pop() + suffix, change) if len(paths) == 1 else None
        recipe = inputs[0] if inputs else None
    return None


def joined_name(tensor: Tensor) -> str | None:
    """What weights that merge_projections puts side by side are called: `attention/query+key+value/kernel`."""
    from archonnx.compiler.recipes import Concat

    recipe = tensor.recipe
    if not isinstance(recipe, Concat) or recipe.axis != len(recipe.shape) - 1 or recipe.axis > 1:
        return None
    drawn = [[weight.path for weight in source.weights()] for source in recipe.sources]
    paths = [path.split("/") for paths in drawn for path in paths]
    if any(len(one) != 1 for one in drawn) or len({tuple(p) for p in paths}) < len(paths):
        return None
    same, end = 0, 0
    while all(len(p) > same + 1 and p[same] == paths[0][same] for p in paths):
        same += 1
    while all(len(p) > same + end + 1 and p[-1 - end] == paths[0][-1 - end] for p in paths):
        end += 1
    middle = "+".join("/".join(p[same : len(p) - end]) for p in paths)
    return "/".join([*paths[0][:same], middle, *paths[0][len(paths[0]) - end :]])


# What a second form of a weight is called, by its last transform.
CHANGES = {
    "Transpose": "transposed",
    "Reshape": "reshaped",
    "Cast": "cast",
    "Slice": "slice",
    "Concat": "reordered",
    "BlockNumbers": "quantized",
    "BlockScales": "scales",
    "BlockZeros": "zeros",
}
