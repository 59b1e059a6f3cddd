"""Recipes: how the bytes of a constant or weight come about, evaluated slice by slice only while a file is written.

    source      Draw (an initializer's numbers), Constant (an array), Placeholder (a weight whose data is elsewhere)
    transform   recipe.transpose(perm), .reshape(shape), .cast(dtype), [slices], concatenate(recipes, axis)
    evaluation  recipe.read(evaluation, start, stop), .whole(evaluation), .iter_bytes(evaluation)

Transforms simplify as they are built, and `key()` is the same only for recipes that give the same bytes. A slice of
a transposed tensor reads only the boxes of its source that it needs: a tensor is written with one slice in memory.
"""

from __future__ import annotations

from archonnx.compiler.weights.recipe import SLICE_BYTES, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.sources import Constant, Draw, Placeholder
from archonnx.compiler.weights.transforms import Cast, Concat, Reshape, Slice, Transpose, concatenate

__all__ = [
    "SLICE_BYTES",
    "Cast",
    "Concat",
    "Constant",
    "Draw",
    "Evaluation",
    "Placeholder",
    "Recipe",
    "Reshape",
    "Slice",
    "Transpose",
    "concatenate",
    "numpy_dtype",
]
