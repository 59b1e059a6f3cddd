"""A model's weights in a file that another tool loads: under its names, laid out as it has them.

torch    what archonnx.to_torch(model).state_dict() is: stage_1.conv2d.weight
keras    the variables of archonnx.to_keras(model): stage_1.conv2d/kernel
none     the weights' paths, as they are: stage_1/conv2d/kernel
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archonnx.compiler.weights.files.base import Entry, Format, Tensor, TensorFile, TensorFileError
from archonnx.compiler.weights.filling.steady import files_of
from archonnx.compiler.weights.layouts.known import SEPARATORS, layout_of
from archonnx.compiler.weights.layouts.torch import module_name
from archonnx.compiler.weights.recipe import Array, Evaluation, Recipe, numpy_dtype
from archonnx.compiler.weights.sources import Draw
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph
    from archonnx.compiler.weights.files.formats import Progress

OFFERED = ("none", "torch", "keras")
USUAL = {"torch": "torch", "torch-index": "torch", "keras-legacy": "keras"}  # by the format's name


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many tensors, of how many bytes, in which format and layout."""

    path: Path
    tensors: int
    nbytes: int
    format: str
    layout: str


def tensors_of_model(graph: LayerGraph, layout: str) -> dict[str, Recipe]:
    """Every tensor that a tool has for the model's weights, by its whole name there; recipes over the weights.

    A weight that two layers share stands under the names of both, as in PyTorch.
    """
    from archonnx.compiler.keras.names import keras_name

    if layout == "none":
        return {weight.path: Draw(weight) for weight in graph.weights()}
    rename, mark, rules = module_name if layout == "torch" else keras_name, SEPARATORS[layout], layout_of(layout)
    made: dict[str, Recipe] = {}
    seen: set[int] = set()
    for node in graph.nodes:
        layer = node.layer
        if id(layer) in seen or not layer.weights:
            continue
        seen.add(id(layer))
        if layer.type_name == "weight" and list(layer.weights) == ["value"]:
            weight = layer.weights["value"]
            if weight.path == node.path:  # a weight of a block; else one of another layer, which is there
                made[rename(node.path) + ("" if layout == "torch" else f"{mark}value")] = Draw(weight)
            continue
        ours = {name: Draw(weight) for name, weight in layer.weights.items()}
        made |= {f"{rename(node.path)}{mark}{name}": r for name, r in rules.write(layer, ours).items()}
    return made


def save_weights(
    graph: LayerGraph,
    path: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    layout: str | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the weights to `path`, slice by slice, whole or not at all; its ending chooses the format.

    layout: one of OFFERED; None takes PyTorch's for its files, Keras' for a .h5, and our own for every other.
    Errors: UsageError for another layout; TensorFileError where the format does not hold them; OSError.
    """
    from archonnx.compiler.weights.files.formats import format_to_write, write_tensors

    if layout is not None and layout not in OFFERED:
        raise UsageError(f"layout is {', '.join(OFFERED[:-1])} or {OFFERED[-1]}, got {layout!r}")
    target = Path(path)
    form = format_to_write(target)
    _require_own(form, target)
    chosen = layout or USUAL.get(form.name, "none")
    files = files_of(evaluation.given)
    tensors = {name: _tensor(recipe, evaluation, files) for name, recipe in tensors_of_model(graph, chosen).items()}
    write_tensors(target, tensors, None, progress)
    return Written(target, len(tensors), sum(t.entry.bytes for t in tensors.values()), form.title, chosen)


def _require_own(form: Format, target: Path) -> None:
    """TensorFileError for files of Keras 3, whose groups are numbered as Keras builds the model."""
    if form.name == "keras-weights":
        help = "to_keras(model).save_weights(...) writes them; a .h5 is loaded by name"
        raise TensorFileError(target, "Keras 3 numbers the groups of its files as it builds a model", help=help)


def _tensor(recipe: Recipe, evaluation: Evaluation, files: Sequence[TensorFile]) -> Tensor:
    def slices() -> Iterator[Array]:
        step = max(evaluation.slice_bytes // numpy_dtype(recipe.dtype).itemsize, 4) // 4 * 4  # packed ones together
        for start in range(0, recipe.size, step):
            yield recipe.read(evaluation, start, min(start + step, recipe.size))
        for file in files:
            file.check_unchanged()  # before the last of the tensors is written to its end

    return Tensor(Entry(recipe.dtype, tuple(recipe.shape)), slices)
