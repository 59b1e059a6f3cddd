"""Reading the initializers of an .onnx that archonnx wrote of a model as the model's weights.

Each initializer is written by a recipe over weights, which is undone (undoing.py). What nothing in the graph computes
with is not in the file: such weights, or parts of them, stay as their initializer draws them, which changes no result.
A normalization that is folded into a kernel there is filled so that it changes nothing: what it did, the kernel does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.recipes import Blockwise, Draw, Evaluation, Folded, NormFactor, Recipe
from archonnx.compiler.weights.filling.accounting import Assignment
from archonnx.compiler.weights.filling.slots import type_of
from archonnx.compiler.weights.filling.undoing import Ranges, assembled, undone
from archonnx.compiler.weights.filling.widening import widens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archonnx.compiler.ir import OperatorGraph
    from archonnx.compiler.weights.filling.slots import Slots
    from archonnx.compiler.weights.recipe import Array
    from archonnx.compiler.weights.regions import Box

HALVES = ("float16", "bfloat16")  # what `save(precision=)` stores float32 in


def by_lowered(slots: Slots, tensors: Mapping[str, Recipe], graph: OperatorGraph) -> Assignment:
    """Tensors are the initializers of the operator graph that the model is lowered to."""
    made = Assignment("initializers of the model's own .onnx")
    parts: dict[int, list[tuple[Ranges, Recipe]]] = {}
    slot_of = {id(slot.weight): slot for slot in slots}
    by_rows = {use.name for use in graph.quantization.uses if use.rows} if graph.quantization is not None else ()
    norms: set[Hashable] = set()
    held: set[int] = set()  # the weights that the graph computes with
    for tensor in graph.constants():
        given = tensors.get(tensor.name)
        if tensor.recipe is None:
            continue
        own = [slot_of[id(w)] for w in tensor.recipe.weights() if id(w) in slot_of]
        held.update(id(slot.weight) for slot in own)
        if given is None:
            continue
        made.used.add(tensor.name)
        written = tensor.recipe
        if isinstance(written, Blockwise):  # read as the numbers that it stands for (files/onnx_blocks.py)
            written = written.source if tensor.name in by_rows else written.source.transpose((1, 0))
        if own and given.dtype in HALVES and given.dtype != written.dtype and widens(given.dtype, written.dtype):
            made.widened[given.dtype] = made.widened.get(given.dtype, 0) + 1
            given = given.cast(written.dtype)
        if (given.dtype, tuple(given.shape)) != (written.dtype, tuple(written.shape)):
            if own:  # a constant that holds no weight, such as the sizes of a resizing, may be another in files of old
                made.complain(own, f"{tensor.name} is {type_of(written)}, {type_of(given)} there")
            continue
        if own and (factors := [part for part in _parts(written) if isinstance(part, Folded)]):
            outside = next((w for w in written.weights() if id(w) not in slot_of), None)
            if outside is not None:  # either alone would be wrong
                made.complain(own, f"{tensor.name} holds {outside.path.rpartition('/')[0]} too, which is not filled")
                continue
            norms.update(part.key() for part in factors if isinstance(part, NormFactor))
        for weight, ranges, recipe in undone(written, given):
            exact = widens(weight.dtype, written.dtype)
            known = parts.setdefault(id(weight), [])
            known.insert(0 if exact else len(known), (ranges, recipe))  # what lost bits comes last
    made.folded = len(norms)
    for slot in slots:
        if id(slot.weight) not in held:
            made.unheld.append(slot.path)
        elif found := assembled(tuple(slot.weight.shape), parts.get(id(slot.weight), [])):
            made.fill(slot, found, slot.path)
        elif id(slot.weight) in parts and slot.path not in made.tried:
            # A slice of it, such as the first positions of an embedding.
            partly = assembled(tuple(slot.weight.shape), parts[id(slot.weight)], Initial(slot.weight))
            if partly is not None:
                made.fill(slot, partly, slot.path)
    return made


def _parts(recipe: Recipe) -> Iterator[Recipe]:
    """A recipe and all that it is made of."""
    yield recipe
    for part in recipe.inputs():
        yield from _parts(part)


class Initial(Draw):
    """The numbers that a weight's initializer draws, whatever an evaluation gives it."""

    def key(self) -> tuple[object, ...]:
        return "initial", self.weight.path, self.dtype, self.shape

    def box(self, evaluation: Evaluation, box: Box) -> Array:
        return super().box(Evaluation(evaluation.seed), box)

    def whole(self, evaluation: Evaluation) -> Array:
        return super().whole(Evaluation(evaluation.seed))

    def gather(self, evaluation: Evaluation, starts: NDArray[np.int64], length: int) -> Array:
        return super().gather(Evaluation(evaluation.seed), starts, length)
