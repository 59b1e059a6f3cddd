"""Files that change while they are read: what was read of one may be of both, and is not put in any place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archonnx.compiler.recipes import FileTensor, Recipe
from archonnx.compiler.weights.files.base import TensorFile


def check_unchanged(given: Mapping[str, Recipe]) -> None:
    """Raise TensorFileError where a file that recipes read was written to, cut or replaced since it was opened."""
    for file in files_of(given):
        file.check_unchanged()


def files_of(given: Mapping[str, Recipe]) -> list[TensorFile]:
    """The open files that recipes read."""
    return list({id(leaf.file): leaf.file for recipe in given.values() for leaf in _read(recipe)}.values())


def _read(recipe: Recipe) -> Iterator[FileTensor]:
    if isinstance(recipe, FileTensor):
        yield recipe
    for inner in recipe.inputs():
        yield from _read(inner)
