"""Recipes of weights that an operator behind them was folded into: made slice by slice too, as all recipes are.

    NormFactor   float64[n]   gamma / sqrt(variance + epsilon)
    Scaled       kernel * factor along one axis, in the kernel's dtype
    Shifted      (bias - mean) * factor + beta, in the dtype of what is added

All is computed in float64 with + - * / sqrt, which IEEE 754 rounds alike on every machine, and rounded once: a folded
weight is the float next to the true one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from archonnx.compiler.weights.recipe import Array, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.regions import Box, extents, full


class Folded(Recipe):
    """The base. `main` is the recipe whose weight lends its name; the others are what was folded into it."""

    @property
    def main(self) -> Recipe:
        """By default the first of the inputs."""
        return self.inputs()[0]

    def over(self, inputs: Sequence[Recipe]) -> Recipe:
        """The same of other inputs."""
        raise NotImplementedError(type(self).__name__)


class NormFactor(Folded):
    """What a batch normalization multiplies with, a number a channel. `gamma` None stands for ones."""

    dtype = "float64"

    def __init__(self, gamma: Recipe | None, variance: Recipe, epsilon: float) -> None:
        self.gamma, self.variance, self.epsilon = gamma, variance, epsilon
        self.shape = variance.shape

    def inputs(self) -> tuple[Recipe, ...]:
        return (self.variance,) if self.gamma is None else (self.gamma, self.variance)

    def key(self) -> Hashable:
        return "norm factor", self.epsilon, *(None if r is None else r.key() for r in (self.gamma, self.variance))

    def over(self, inputs: Sequence[Recipe]) -> Recipe:
        return NormFactor(None if self.gamma is None else inputs[0], inputs[-1], self.epsilon)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        with np.errstate(all="ignore"):  # a variance below -epsilon gives NaN, as it does at run time
            root = np.sqrt(_wide(self.variance.box(evaluation, box)) + self.epsilon)
            gamma = 1.0 if self.gamma is None else _wide(self.gamma.box(evaluation, box))
            factor: Array = gamma / root
        return factor


class Scaled(Folded):
    """A tensor times a vector along an axis."""

    def __init__(self, source: Recipe, axis: int, factor: Recipe) -> None:
        if factor.shape != (source.shape[axis],):
            raise ValueError(f"a factor of shape {factor.shape} for axis {axis} of {source.shape}")
        self.source, self.axis, self.factor = source, axis, factor
        self.dtype, self.shape = source.dtype, source.shape

    def inputs(self) -> tuple[Recipe, ...]:
        return self.source, self.factor

    def key(self) -> Hashable:
        return "scaled", self.axis, self.source.key(), self.factor.key()

    def over(self, inputs: Sequence[Recipe]) -> Recipe:
        return Scaled(inputs[0], self.axis, inputs[1])

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        return self._times(evaluation, self.source.box(evaluation, box), box)

    def whole(self, evaluation: Evaluation) -> Array:
        return self._times(evaluation, self.source.whole(evaluation), full(self.shape))

    def _times(self, evaluation: Evaluation, source: Array, box: Box) -> Array:
        factor = self.factor.box(evaluation, (box[self.axis],))
        behind = len(self.shape) - self.axis - 1
        made = np.empty(extents(box), numpy_dtype(self.dtype))
        with np.errstate(all="ignore"):
            # numpy casts piece by piece: the product is never in memory in float64.
            np.multiply(source, factor.reshape(-1, *[1] * behind), out=made, dtype=np.float64, casting="unsafe")
        return made

    def transposed(self, perm: Sequence[int]) -> Recipe:
        """Recipe.transpose of it, the factor still the last that is done: slices of the source stay slices."""
        return Scaled(self.source.transpose(perm), list(perm).index(self.axis), self.factor)

    def reshaped(self, shape: Sequence[int]) -> Recipe | None:
        """Recipe.reshape of it, where the axis is one of the shape's too."""
        size = self.shape[self.axis]
        before = int(np.prod(self.shape[: self.axis], dtype=np.int64))
        made = 1
        for axis, extent in enumerate(shape):
            if made == before and extent == size:
                return Scaled(self.source.reshape(shape), axis, self.factor)
            made *= extent
        return None


class Shifted(Folded):
    """A vector that is added once a batch normalization is folded. None: no bias, or no beta, which are zeros."""

    def __init__(
        self, bias: Recipe | None, mean: Recipe, factor: Recipe, beta: Recipe | None, dtype: str | None = None
    ) -> None:
        self.bias, self.mean, self.factor, self.beta = bias, mean, factor, beta
        self.dtype, self.shape = dtype or mean.dtype, mean.shape

    @property
    def main(self) -> Recipe:
        return self.bias or self.beta or self.mean

    def inputs(self) -> tuple[Recipe, ...]:
        given = (self.bias, self.mean, self.factor, self.beta)
        return tuple(recipe for recipe in given if recipe is not None)

    def key(self) -> Hashable:
        given = (self.bias, self.mean, self.factor, self.beta)
        return "shifted", self.dtype, *(None if recipe is None else recipe.key() for recipe in given)

    def over(self, inputs: Sequence[Recipe]) -> Recipe:
        left = list(inputs)
        bias = left.pop(0) if self.bias is not None else None
        mean, factor = left.pop(0), left.pop(0)
        return Shifted(bias, mean, factor, left.pop() if left else None, self.dtype)

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        with np.errstate(all="ignore"):
            mean = _wide(self.mean.box(evaluation, box))
            moved = -mean if self.bias is None else _wide(self.bias.box(evaluation, box)) - mean
            made = moved * self.factor.box(evaluation, box)
            if self.beta is not None:
                made = made + _wide(self.beta.box(evaluation, box))
            return made.astype(numpy_dtype(self.dtype))


def _wide(array: Array) -> Array:
    return array.astype(np.float64)
