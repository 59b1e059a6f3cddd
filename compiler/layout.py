"""Which weights of models stand in their own files and which in one data file beside them, and where in it.

Weights come first, in the order in which the models use them, so that a file that is written without them says where
they will stand; constants of the graph that are large come after them. Data of a page and more starts at pages, so that
it can be mapped. What gives the same bytes in several models is stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from archonnx.compiler.weights.resolving import resolved
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Evaluation, Recipe
    from archonnx.compiler.writer import Initializer, Skeleton

External: TypeAlias = Literal["auto", "always", "never"]

SMALL = 4096  # bytes: constants below stay in the model, for tools that read shapes from them
LINE, PAGE, CHUNK = 1 << 6, 1 << 12, 1 << 16  # alignment: lines of a cache, pages, what Windows maps of large tensors
INLINE_LIMIT = 1_900_000_000  # bytes of a model with its weights in it; protobuf ends at 2**31 - 1


@dataclass(slots=True)
class Outgoing:
    """A model that is to be written: its messages, where to, and what its weights are read with."""

    skeleton: Skeleton
    target: Path
    evaluation: Evaluation

    @property
    def stored(self) -> list[Initializer]:
        """The constants that are bytes; texts stand in their messages."""
        return [i for i in self.skeleton.initializers if i.tensor.dtype != "string"]


@dataclass(slots=True)
class Stretch:
    """A stretch of the data file: the recipe of its bytes, and what that is read with."""

    recipe: Recipe
    evaluation: Evaluation
    offset: int


@dataclass(slots=True)
class Layout:
    """stretches: what the data file holds, in order; `length` its bytes. places: by id, the stretch of an initializer.

    repeated: bytes that are not stored a second time.
    """

    stretches: list[Stretch] = field(default_factory=list)
    places: dict[int, Stretch] = field(default_factory=dict)
    length: int = 0
    repeated: int = 0

    def is_inside(self, initializer: Initializer) -> bool:
        """Whether the bytes of an initializer stand in the model itself."""
        return initializer.tensor.dtype != "string" and id(initializer) not in self.places

    def digest(self, models: Sequence[Outgoing]) -> str:
        """A hash of what the data file will hold where: its name until the data is there."""
        digest = hashlib.blake2b(digest_size=8)
        for model in _sorted(models):
            for initializer in model.stored:
                if (stretch := self.places.get(id(initializer))) is not None:
                    name, recipe = initializer.tensor.name, initializer.recipe
                    digest.update(f"{name}\0{initializer.tensor.dtype}\0{recipe.shape}\0{stretch.offset}\n".encode())
        return digest.hexdigest()


def lay_out(
    models: Sequence[Outgoing], *, bare: bool, external: External, limit: int = INLINE_LIMIT, planned: bool = False
) -> Layout:
    """Where the bytes of models go. bare: weights are left out, their places are not.

    limit: the most bytes of a model that "auto" keeps whole. Several models have their data outside where that saves
    anything. planned: what is stored once is what would be without given weights. Raises UsageError where these differ
    for what was to be stored once.
    """
    if bare:
        return _outside(models, bare=True, planned=planned)
    if external == "never":
        return Layout()
    sizes = (sum(i.recipe.nbytes for i in m.stored) + m.skeleton.graph.ByteSize() for m in models)
    if external == "always" or any(size > limit for size in sizes):
        return _outside(models, bare=False, planned=planned)
    if len(models) > 1 and (layout := _outside(models, bare=False, planned=planned)).repeated:
        return layout
    return Layout()


def _outside(models: Sequence[Outgoing], *, bare: bool, planned: bool) -> Layout:
    layout = Layout()
    known: dict[Hashable, Stretch] = {}
    for weights in (True, False):
        for model in _sorted(models):
            for initializer in model.stored:
                recipe = initializer.recipe
                if recipe.is_literal == weights or (recipe.is_literal and (bare or recipe.nbytes < SMALL)):
                    continue
                key = sharing_key(recipe, model.evaluation, planned=planned) if len(models) > 1 else id(initializer)
                if key in known:
                    if planned and not bare:
                        _check_alike(initializer.tensor.name, known[key], recipe, model.evaluation)
                    layout.repeated += recipe.nbytes
                else:
                    known[key] = _appended(layout, Stretch(recipe, model.evaluation, 0))
                layout.places[id(initializer)] = known[key]
    return layout


def _sorted(models: Sequence[Outgoing]) -> list[Outgoing]:
    """By the names of their files: in whatever order models are named, their layout is one."""
    return sorted(models, key=lambda model: model.target.name)


def _appended(layout: Layout, stretch: Stretch) -> Stretch:
    nbytes = stretch.recipe.nbytes
    step = LINE if nbytes < PAGE else PAGE if nbytes < 1 << 20 else CHUNK
    stretch.offset = -(-layout.length // step) * step
    layout.length = stretch.offset + nbytes
    layout.stretches.append(stretch)
    return stretch


def _check_alike(name: str, stretch: Stretch, recipe: Recipe, evaluation: Evaluation) -> None:
    if sharing_key(recipe, evaluation) != sharing_key(stretch.recipe, stretch.evaluation):
        raise UsageError(
            f"{name} is stored once for several models, and is given for each from another place; fill all from one "
            "file, or build them again with their weights"
        )


def sharing_key(recipe: Recipe, evaluation: Evaluation, *, planned: bool = False) -> Hashable:
    """The same for recipes of two models only if they give the same bytes, whatever their numbers are.

    Weights that are drawn are the same where path, seed and initializer are; those of files where file and name are.
    planned: as if all were drawn.
    """
    found = recipe if planned else resolved(recipe, evaluation.given)
    said = {leaf.key(): _said(leaf, evaluation) for leaf in _leaves(found)}
    return _replaced(found.key(), said)


def _said(leaf: Recipe, evaluation: Evaluation) -> Hashable:
    from archonnx.compiler.recipes import Draw, FileTensor

    if isinstance(leaf, Draw):
        weight = leaf.weight
        own = weight.initializer.own_seed
        return "drawn", evaluation.seed if own is None else own, leaf.key(), weight.initializer
    if isinstance(leaf, FileTensor):
        path = leaf.file.path
        return "read", path.resolve(), leaf.file.watched().get(path), leaf.name
    return leaf.key()


def _leaves(recipe: Recipe) -> list[Recipe]:
    inner = recipe.inputs()
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [recipe]


def _replaced(key: Hashable, said: Mapping[Hashable, Hashable]) -> Hashable:
    if key in said:
        return said[key]
    return tuple(_replaced(part, said) for part in key) if isinstance(key, tuple) else key
