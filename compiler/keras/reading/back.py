"""The weights of a model that `to_keras` made, back in the compiled model that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.names import keras_name
from archonnx.compiler.keras.reading import weights
from archonnx.contract.diagnostics import ArchonnxError

if TYPE_CHECKING:
    from archonnx.compiler.artifact import CompiledModel

MOST = 10  # layers that a message lists


def given_back(model: Any, like: CompiledModel) -> CompiledModel:
    """The compiled model with the weights of Keras' model, layer by layer of the same name.

    ArchonnxError where the two have other layers, or a layer other weights; the text lists them.
    """
    theirs = {layer.name: layer for layer in _layers(model)}
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for node in like.graph.nodes:
        if node.path in found or not node.layer.weights:
            continue
        name = keras_name(node.path)
        if name not in theirs:
            wrong.append(f"{name}: {like.name} has this layer, {node.type_name}, and Keras' model has not")
            continue
        layer = theirs[name]
        if not layer.weights:
            wrong.append(f"{name}: it has weights in {like.name}, and none in Keras' model")
        found[node.path] = layer
    used = {keras_name(path) for path in found}
    wrong += [
        f"{name}: Keras' model has this layer with weights, and {like.name} has not"
        for name, layer in theirs.items()
        if name not in used and layer.weights and not _is_inside(layer, used, theirs)
    ]
    if wrong:
        listed = wrong[:MOST] + ([f"and {len(wrong) - MOST} more"] if len(wrong) > MOST else [])
        raise ArchonnxError("\n  ".join([f"{model.name} is not a model that to_keras made of {like.name}:", *listed]))
    return like.with_given(weights.recipes(like.graph, found))


def _layers(model: Any) -> Iterator[Any]:
    """The layers of a model, those of models inside it in their place."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _is_inside(layer: Any, used: set[str], theirs: dict[str, Any]) -> bool:
    """Whether all weights of a layer are those of layers that are used, as those of a layer inside a wrapper are."""
    taken = {id(variable) for name in used for variable in theirs[name].weights}
    return all(id(variable) in taken for variable in layer.weights)
