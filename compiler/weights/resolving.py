"""Puts recipes in the place of the weights that they are given for, so that transforms meet and simplify.

Between a kernel in the layout of PyTorch and the operator that wants it so lie two transposes, which undo each other:
then the elements of the file are copied as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping

from archonnx.compiler.weights.folding import Folded
from archonnx.compiler.weights.halving import Halved
from archonnx.compiler.weights.quantizing import Blockwise
from archonnx.compiler.weights.recipe import Recipe
from archonnx.compiler.weights.sources import Draw
from archonnx.compiler.weights.transforms import Cast, Concat, Reshape, Slice, Sum, Transpose, concatenate, take


def resolved(recipe: Recipe, given: Mapping[str, Recipe]) -> Recipe:
    """The recipe over what is given instead of over weights, by path: the same elements."""
    if isinstance(recipe, Draw):
        return given.get(recipe.weight.path, recipe)
    if not given or recipe.is_literal:
        return recipe
    inputs = [resolved(each, given) for each in recipe.inputs()]
    if all(new is old for new, old in zip(inputs, recipe.inputs(), strict=True)):
        return recipe
    match recipe:
        case Transpose(perm=perm):
            return inputs[0].transpose(perm)
        case Reshape(shape=shape):
            return inputs[0].reshape(shape)
        case Cast(dtype=dtype):
            return inputs[0].cast(dtype)
        case Slice():
            return take(inputs[0], tuple(map(_slice, recipe.ranges)))
        case Concat(axis=axis):
            return concatenate(inputs, axis)
        case Sum():
            return Sum(inputs)
        case Blockwise() | Halved():
            return recipe.over(inputs[0])
        case Folded():
            return recipe.over(inputs)
    return recipe  # of a kind that only reads: it asks the evaluation


def _slice(chosen: range) -> slice:
    return slice(chosen.start, None if chosen.stop < 0 else chosen.stop, chosen.step)
