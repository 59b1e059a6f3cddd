"""Weights by parameters: a recipe over our weights as one over the tensors of PyTorch that hold them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING

from archonnx.compiler.weights.recipe import Recipe
from archonnx.compiler.weights.sources import Constant, Draw
from archonnx.compiler.weights.transforms import Cast, Concat, Reshape, Slice, Sum, Transpose, concatenate, take

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight


class Parameter(Recipe):
    """A parameter or buffer of a module: `module` is the module's path, `name` the tensor's below it."""

    def __init__(self, module: str, name: str, dtype: str, shape: tuple[int, ...]) -> None:
        self.module, self.name, self.dtype, self.shape = module, name, dtype, shape

    @property
    def is_literal(self) -> bool:
        return False

    def weights(self) -> Iterator[Weight]:
        yield from ()

    def key(self) -> Hashable:
        return "parameter", self.module, self.name


def over_parameters(recipe: Recipe, known: Callable[[Weight], Recipe]) -> Recipe:
    """The same recipe with `known(weight)` for each weight, which simplifies as it is built. TypeError: none known."""
    if isinstance(recipe, Draw):
        return known(recipe.weight)
    if isinstance(recipe, (Constant, Parameter)):
        return recipe
    sources = [over_parameters(source, known) for source in recipe.inputs()]
    if isinstance(recipe, Transpose):
        return sources[0].transpose(recipe.perm)
    if isinstance(recipe, Reshape):
        return sources[0].reshape(recipe.shape)
    if isinstance(recipe, Cast):
        return sources[0].cast(recipe.dtype)
    if isinstance(recipe, Slice):
        return take(sources[0], tuple(slice(r.start, None if r.stop < 0 else r.stop, r.step) for r in recipe.ranges))
    if isinstance(recipe, Concat):
        return concatenate(sources, recipe.axis)
    if isinstance(recipe, Sum):
        return Sum(sources)
    raise TypeError(f"no way to read {type(recipe).__name__} from parameters")
