"""Tensors as weights by their paths: the names, shapes and dtypes of both sides have to be the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.compiler.recipes import Constant, Recipe, tensors_of
from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph


def recipes_of(graph: LayerGraph, source: str | os.PathLike[str] | Mapping[str, Any]) -> dict[str, Recipe]:
    """A recipe for every weight of the graph. ArchonnxError where tensors and weights do not agree."""
    from archonnx.compiler.weights.files.formats import open_tensors

    tensors: dict[str, Recipe]
    if isinstance(source, Mapping):
        said, tensors = "the arrays", {name: Constant(value) for name, value in source.items()}
    else:
        said, tensors = os.fspath(source), tensors_of(open_tensors(Path(source)))
    weights = {weight.path: weight for weight in graph.weights()}
    wrong = [f"{path} is missing" for path in weights if path not in tensors]
    wrong += [f"{name} is no weight of {graph.name}" for name in tensors if name not in weights]
    for path in weights.keys() & tensors.keys():
        wanted, got = (f"{w.dtype}{list(w.shape)}" for w in (weights[path], tensors[path]))
        if wanted != got:
            wrong.append(f"{path} is {wanted} in the model and {got} there")
    if wrong:
        raise ArchonnxError(f"{said}: {'; '.join(sorted(wrong)[:10])}" + (" ..." if len(wrong) > 10 else ""))
    return {path: tensors[path] for path in weights}
