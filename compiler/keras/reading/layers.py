"""A layer of Keras as a constructor of ours: which layer it is, and with which arguments."""

from __future__ import annotations

import inspect
from typing import Any

from archonnx.compiler.keras.reading.arguments import argument_text, initializer_text, plain, written
from archonnx.compiler.keras.reading.names import layer_name
from archonnx.compiler.keras.reading.steps import Applied, Argument
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Layer, snake_case
from archonnx.compiler.layers.domains import Activation, Ignored, InitializerDomain
from archonnx.compiler.layers.registry import NOT_OFFERED, find_layer

# What Keras keeps in a configuration beside a layer's arguments.
BESIDE = {
    "name",
    "trainable",
    "dtype",
    "query_shape",
    "value_shape",
    "key_shape",
    "vocabulary_size",
    "idf_weights",
    "settings",
}
POSITIONS = "archonnx.compiler.keras.positions"  # layers that to_keras puts where Keras has none
POSITIONS = "archonnx.compiler.keras.positions"  # layers of ours for Keras, with our layers' names and arguments
LAYERS_INSIDE = ("layer", "backward_layer", "cell")
REWRITE = "write what it computes with the layers and functions that `archonnx layers` lists"


def kind_of(layer: Any) -> type[Layer]:
    """The library's layer of the same name. Refused where Keras' layer is none of its own, or the library has none."""
    import keras

    name = type(layer).__name__
    if type(layer).__module__ == POSITIONS and (own := find_layer(name)) is not None:
        return own
    if isinstance(layer, keras.layers.Lambda):
        raise Refused("it runs Python code, which a file cannot hold", REWRITE)
    kind = None if name in NOT_OFFERED else find_layer(name)
    if kind is not None and type(layer).__module__ == POSITIONS:
        return kind
    known = getattr(keras.layers, (kind.keras or name) if kind is not None else name, None)
    if known is not type(layer):
        if isinstance(layer, keras.Model):
            raise Refused(
                "it is a model of a class of its own, whose `call` is Python code",
                "build it with keras.Sequential, or keras.Model(inputs, outputs)",
            )
        raise Refused("it is a layer of a class of its own, whose `call` is Python code", REWRITE)
    if name in NOT_OFFERED:
        raise Refused(f"it {NOT_OFFERED[name]}", "leave it out")
    if kind is None:
        raise Refused("the library has no such layer", REWRITE)
    return kind


def constructor(layer: Any) -> Applied:
    """The layer's constructor with its arguments. Refused where one of them is not offered."""
    kind = kind_of(layer)
    for key, argument in kind.declared.items():
        if isinstance(argument.domain, Activation):
            _activation(layer, key, argument)  # what is no function of Keras has no configuration either
    config = layer.get_config()
    if type(layer).__module__ == POSITIONS:
        config.update(config.pop("settings"))
    made = Applied(kind.__name__, name=layer_name(layer.name), keras=layer)
    made.frozen = not layer.trainable and bool(layer.weights)
    parameters = inspect.signature(type(layer).__init__).parameters
    for key, value in config.items():
        if key in BESIDE or key in kind.declared or key not in parameters:
            continue
        if plain(value) != parameters[key].default:
            raise Refused(f"its {key} is {written(plain(value))}, which the library's does not have", "leave it out")
    positional = True
    for place, (key, argument) in enumerate(kind.declared.items()):
        text = None
        if key == "dtype":
            text = _dtype(layer, argument.domain)
        elif isinstance(argument.domain, Ignored):
            pass
        elif isinstance(argument.domain, InitializerDomain):
            text = initializer_text(getattr(layer, key, None), argument.default)
        elif key in config:
            text = _value(layer, kind, key, config)
        if text is None:
            positional = False
            continue
        alone = positional and (argument.required or (place == 0 and key not in ("axis", "activation")))
        alone = alone and not isinstance(argument.domain, InitializerDomain) and text not in ("True", "False")
        made.arguments.append(Argument(key, text, alone))
        positional = alone
    return made


def call_text(made: Applied) -> str:
    """The constructor as a call, for a layer inside another."""
    return f"{made.constructor}({', '.join(map(str, made.arguments))})"


def _dtype(layer: Any, domain: Any) -> str | None:
    """The type that the layer computes in, None for float32."""
    policy = layer.dtype_policy
    if getattr(policy, "quantization_mode", None) is not None:
        raise Refused(f"its weights are quantized ({policy.name})", "read the model before it is quantized")
    if isinstance(domain, Ignored) or policy.compute_dtype in (None, "float32"):
        return None
    if policy.compute_dtype not in ("float16", "bfloat16", "float64"):
        return None  # whole numbers, of layers that give them whatever they are asked for
    return written(policy.compute_dtype)


def _value(layer: Any, kind: type[Layer], key: str, config: dict[str, Any]) -> str | None:
    argument = kind.declared[key]
    if key in LAYERS_INSIDE and isinstance(config[key], dict):
        return _inside(layer, key)
    if key == "cells":
        return f"[{', '.join(_inner(cell, None) for cell in layer.cells)}]"
    if isinstance(argument.domain, Activation):
        return _activation(layer, key, argument)
    value = plain(config[key])
    if _is_implied(layer, key, value, config):
        return None
    if key == "vocabulary" and value is None and hasattr(layer, "get_vocabulary"):
        value = [int(one) for one in layer.get_vocabulary(include_special_tokens=False)]
    return argument_text(argument, value)


def _is_implied(layer: Any, key: str, value: Any, config: dict[str, Any]) -> bool:
    """Whether a value that Keras worked out is what the library works out too where it is left out."""
    if key == "strides" and "pool_size" in config:
        return bool(value == plain(config["pool_size"]))
    if key == "value_dim":
        return bool(value == config["key_dim"])
    if key == "attention_axes" and layer.built:
        axes = (value,) if isinstance(value, int) else tuple(value or ())
        return axes == tuple(range(1, len(layer._query_dense.equation.partition(",")[0]) - 1))
    return False


def _inside(layer: Any, key: str) -> str | None:
    """The layer inside, as a call."""
    import keras

    if isinstance(layer, keras.layers.Bidirectional):
        omitted = ("zero_output_for_mask",) if layer.return_sequences else ()  # which both have there anyway
        if key == "backward_layer":
            return (
                None
                if _is_copy(layer.forward_layer, layer.backward_layer)
                else _inner(layer.backward_layer, None, omitted)
            )
        return _inner(layer.forward_layer, "forward_", omitted)
    inner = getattr(layer, key)
    if isinstance(inner, keras.layers.StackedRNNCells) and key == "cell":
        return f"[{', '.join(_inner(cell, None) for cell in inner.cells)}]"
    return _inner(inner, None)


def _is_copy(forward: Any, backward: Any) -> bool:
    """Whether the layer that runs back is the one that Keras makes of the other by itself."""
    here, there = forward.get_config(), backward.get_config()
    same = {key: value for key, value in here.items() if key not in ("name", "go_backwards")}
    name = forward.name.removeprefix("forward_").removeprefix("backward_")
    return (
        same == {key: there.get(key) for key in same}
        and type(forward) is type(backward)
        and bool(there.get("go_backwards"))
        and backward.name == f"backward_{name}"
    )


def _inner(layer: Any, prefix: str | None, omitted: tuple[str, ...] = ()) -> str:
    """A layer inside another, as a call, with its name where that is not the usual one."""
    import keras

    if isinstance(layer, keras.Model):
        raise Refused(f"the layer inside, {layer.name}, is a model", "write a TimeDistributed for each of its layers")
    try:
        made = constructor(layer)
    except Refused as refused:
        raise Refused(f"the layer inside, {layer.name}: {refused.reason}", refused.help) from None
    made.arguments = [argument for argument in made.arguments if argument.key not in omitted]
    name = layer_name(layer.name).removeprefix(prefix or "")
    if name != snake_case(made.constructor):
        made.arguments.append(Argument("name", written(name)))
    if made.frozen:
        made.arguments.append(Argument("trainable", "False"))
    return call_text(made)


def _activation(layer: Any, key: str, argument: Any) -> str | None:
    """An activation: a name, or a layer."""
    import keras

    given = getattr(layer, key)
    if isinstance(given, keras.layers.Layer):
        return _inner(given, None)
    name = getattr(given, "__name__", None)
    if given is not None and getattr(keras.activations, str(name), None) is not given:
        raise Refused(f"its {key} is a function of its own, {name}", "take an activation that Keras has")
    return argument_text(argument, None if given is None else name)
