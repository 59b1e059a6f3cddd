"""The variables of Keras as the numbers of our weights, matched by their names below their layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Weight
    from archonnx.compiler.recipes import Recipe


def recipes(graph: LayerGraph, layers: Mapping[str, Any]) -> dict[str, Recipe]:
    """The numbers of every weight, by its path. `layers` are Keras' layers, or its variables, by the paths of ours.

    ArchonnxError where a layer has other weights than ours.
    """
    found: dict[str, Recipe] = {}
    wrong: list[str] = []
    for node in graph.nodes:
        there = layers.get(node.path)
        if there is None or not node.layer.weights:
            continue
        try:
            for weight, variable in matched(there, node.layer.weights):
                found[weight.path] = numbers(variable, weight)
        except ValueError as error:
            if str(error) not in wrong:
                wrong.append(str(error))
    missing = [weight.path for weight in graph.weights() if weight.path not in found]
    if missing and not wrong:
        wrong = [f"{path}: Keras' model has no such weight" for path in missing]
    if wrong:
        raise ArchonnxError("\n  ".join([f"the weights of {graph.name} are not those of Keras' model:", *wrong]))
    return found


def matched(layer: Any, weights: Mapping[str, Weight]) -> list[tuple[Weight, Any]]:
    """Every weight of ours with the variable of Keras' layer. ValueError where they do not match."""
    variables = getattr(layer, "weights", None)
    if variables is None:  # a variable itself, or an array
        (weight,) = weights.values()
        return [(weight, layer)]
    found: dict[int, tuple[Weight, Any]] = {}
    left = []
    for variable in variables:
        parts = variable.path.split("/")
        start = parts.index(layer.name) + 1 if layer.name in parts else 1
        names = ["/".join(parts[start:]), "/".join(p for p in parts[start:] if not re.search(r"_cell(_\d+)?$", p))]
        same = [weights[name] for name in names if name in weights]
        same += [weight for name, weight in weights.items() if name.endswith(f"/{variable.path}")]
        if same and id(same[0]) not in found:
            found[id(same[0])] = (same[0], variable)
        else:
            left.append(variable)
    unmatched = {id(weight): weight for weight in weights.values() if id(weight) not in found}
    for variable in left:  # shared layers inside, which have names of where they were built
        fits = [w for w in unmatched.values() if _ends(w.path, variable.path) and w.shape == tuple(variable.shape)]
        if not fits:
            break
        found[id(fits[0])] = (unmatched.pop(id(fits[0])), variable)
    if len(found) != len(variables) or unmatched:
        ours, theirs = ", ".join(sorted(weights)), ", ".join(sorted(v.path for v in variables))
        raise ValueError(f"{layer.name}: it has the weights {theirs}, and ours {ours or 'none'}")
    for weight, variable in found.values():
        if tuple(variable.shape) != weight.shape:
            raise ValueError(
                f"{layer.name}: {weight.path} is {list(variable.shape)} in Keras' model and {list(weight.shape)} here"
            )
    return list(found.values())


def _ends(path: str, other: str) -> bool:
    return path.rpartition("/")[2] == other.rpartition("/")[2]


def numbers(variable: Any, weight: Weight) -> Recipe:
    """The numbers of a variable as a weight has them: in its type, as Keras casts them for a layer of that type."""
    import numpy as np

    from archonnx.compiler.recipes import Constant, numpy_dtype

    values = variable if isinstance(variable, np.ndarray) else np.asarray(variable.numpy())
    return Constant(values.reshape(weight.shape).astype(numpy_dtype(weight.dtype), copy=False), weight.dtype)
