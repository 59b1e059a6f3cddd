"""Our initial weights in a layer of Keras, matched by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.graph import Weight


def assign(applied: Any, weights: Mapping[str, Weight], seed: int) -> None:
    """Set the variables of Keras' layer to what `save` would write, and freeze it where all of them are frozen."""
    from archonnx.compiler.recipes import Draw, Evaluation

    found = {variable.path.partition("/")[2]: variable for variable in applied.weights}
    if found.keys() != weights.keys():
        found = {_local_name(variable.path): variable for variable in applied.weights}
    if found.keys() != weights.keys() or len(found) != len(applied.weights):
        ours, theirs = ", ".join(sorted(weights)), ", ".join(sorted(v.path for v in applied.weights))
        raise ArchonnxError(f"the layer {applied.name} has the weights {ours}, and in Keras {theirs}")
    for name, variable in found.items():
        weight = weights[name]
        variable.assign(Draw(weight).whole(Evaluation(seed)).reshape(weight.shape))
    if hasattr(applied, "finalize_state"):
        applied.finalize_state()  # Normalization computes with what it derives from its weights
    learned = {id(variable) for variable in applied.trainable_weights}
    if learned and not any(weights[name].trainable for name, v in found.items() if id(v) in learned):
        applied.trainable = False


def _local_name(path: str) -> str:
    """The path of a variable below its layer; the cell of a recurrent layer is no layer of ours."""
    return "/".join(part for part in path.split("/")[1:] if not re.search(r"_cell(_\d+)?$", part))
