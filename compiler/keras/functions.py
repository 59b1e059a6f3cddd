"""Tensor functions as calls of keras.ops, which a functional model keeps as operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.domains_single import is_symbolic

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node

FIXED = "give the model a fixed size there, or use a layer, such as Reshape, Flatten or RepeatVector"


def apply_function(node: Node, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The results of a tensor function on these, tensors of Keras or arrays. Refused where keras.ops has no such."""
    import keras

    layer, name = node.layer, node.type_name
    if name == "constant":
        made: Any = _constant(node)
    elif name == "dimension":
        made = _constant(node, _known(layer.arguments["value"]))
    elif name == "positive":
        made = inputs[0]
    elif name == "getitem":
        made = inputs[0][tuple(_entry(e) for e in layer.arguments["index"])]
    elif layer.keras is None or not layer.keras.startswith("ops."):
        raise Refused("it has no counterpart in Keras", "build it with the layers and functions that Keras has")
    else:
        function = getattr(keras.ops, layer.keras.removeprefix("ops."))
        if name == "einsum":
            made = function(layer.arguments["subscripts"], *inputs)
        elif layer.inputs[:1] == ("*tensors",):
            made = function(list(inputs), axis=layer.arguments["axis"])
        elif name == "clip":
            made = _clipped(*inputs)
        elif name == "reshape":
            made = function(inputs[0], open_shape(layer.arguments["shape"]))
        else:
            made = function(*_ordered(node, inputs))
    results = tuple(made) if isinstance(made, (list, tuple)) else (made,)
    return tuple(
        result if keras.backend.standardize_dtype(result.dtype) == value.type.dtype else _cast(result, value.type.dtype)
        for result, value in zip(results, node.outputs, strict=True)
    )


def _cast(result: Any, dtype: str) -> Any:
    import keras

    return keras.ops.cast(result, dtype)


def _constant(node: Node, value: Any = None) -> Any:
    import keras

    if value is None:
        value = node.layer.arguments["value"]
    return keras.ops.convert_to_tensor(value, dtype=node.outputs[0].type.dtype)


def _clipped(x: Any, least: Any = None, largest: Any = None) -> Any:
    """Keras' clip takes both bounds only."""
    import keras

    if least is not None:
        x = keras.ops.maximum(x, least)
    return x if largest is None else keras.ops.minimum(x, largest)


def _ordered(node: Node, inputs: Sequence[Any]) -> list[Any]:
    """Inputs and arguments in the order of the call, which is Keras' too."""
    names = [name.rstrip("?") for name in node.layer.inputs]
    given = dict(zip(names, inputs, strict=False))
    return [given[name] if name in given else _known(node.layer.arguments.get(name)) for name in node.layer.parameters]


def _known(value: Any) -> Any:
    """An argument that is known while the model is built. Refused where it is a size that only a run tells."""
    if is_symbolic(value):
        raise Refused(f"its argument {value} is known only when the model runs", FIXED)
    return tuple(_known(v) for v in value) if isinstance(value, (tuple, list)) else value


def _entry(entry: Any) -> Any:
    if isinstance(entry, tuple):
        return slice(*(_known(bound) for bound in entry[1:]))
    return entry if entry is ... else _known(entry)


def open_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """The sizes of a shape with -1 for a size that only a run tells. Refused where there are more of them."""
    found = tuple(-1 if is_symbolic(size) else size for size in shape)
    if found.count(-1) > 1:
        sizes = ", ".join(str(size) for size in shape if is_symbolic(size) or size == -1)
        raise Refused(f"its sizes {sizes} are known only when the model runs, and Keras takes one such", FIXED)
    return found
