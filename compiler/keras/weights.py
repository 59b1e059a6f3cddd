"""Our initial weights in a layer of Keras, matched by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight
    from archonnx.compiler.recipes import Evaluation


def assign(
    applied: Any, weights: Mapping[str, Weight], evaluation: Evaluation, known: dict[int, Weight]
) -> list[tuple[Weight, Any]]:
    """Set the variables of Keras' layer to what `save` would write, and freeze it where all of them are frozen.

    `known` are the weights of variables that are set already: a layer inside that is applied by itself too. Gives the
    variables that were set, each with its weight.
    """
    from archonnx.compiler.recipes import Draw

    pairs = [(weight, v) for v, weight in _matched(applied, weights, known) if id(v) not in known]
    for weight, variable in pairs:
        known[id(variable)] = weight
        variable.assign(Draw(weight).whole(evaluation).reshape(weight.shape))
    if hasattr(applied, "finalize_state"):
        applied.finalize_state()  # Normalization computes with what it derives from its weights
    learned = applied.trainable_weights
    if learned and not any(known[id(variable)].trainable for variable in learned):
        applied.trainable = False
    return pairs


def _matched(applied: Any, weights: Mapping[str, Weight], known: Mapping[int, Weight]) -> list[tuple[Any, Weight]]:
    """Every variable of the layer with our weight of that name."""
    ours = {id(weight) for weight in weights.values()}
    found = []
    for variable in applied.weights:
        names = (variable.path.partition("/")[2], _local_name(variable.path))
        weight = known.get(id(variable)) or next((weights[name] for name in names if name in weights), None)
        if weight is not None and id(weight) in ours:
            found.append((variable, weight))
    if len(found) != len(applied.weights) or {id(weight) for _, weight in found} != ours:
        here, there = ", ".join(sorted(weights)), ", ".join(sorted(v.path for v in applied.weights))
        raise ArchonnxError(f"the layer {applied.name} has the weights {here}, and in Keras {there}")
    return found


def _local_name(path: str) -> str:
    """The path of a variable below its layer; the cell of a recurrent layer is no layer of ours."""
    return "/".join(part for part in path.split("/")[1:] if not re.search(r"_cell(_\d+)?$", part))
