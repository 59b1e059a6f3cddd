"""A layer as Keras' layer of the same arguments, the layers inside it too."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from archonnx.compiler.keras.functions import open_shape
from archonnx.compiler.keras.refusals import Refused
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.layers.domains import Absent, InitializerDomain, Shape, Sides, Unapplied
from archonnx.compiler.layers.domains_single import is_symbolic
from archonnx.compiler.layers.positions import Positioned

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Argument

BUILD = "build it with the layers and functions that Keras has"
# Activation layers that Keras has as functions only. With their defaults they are what the name alone means.
ACTIVATIONS = {
    "CELU": "celu",
    "Exponential": "exponential",
    "GELU": "gelu",
    "GLU": "glu",
    "HardShrink": "hard_shrink",
    "HardSiLU": "hard_silu",
    "HardSigmoid": "hard_sigmoid",
    "HardTanh": "hard_tanh",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "Mish": "mish",
    "ReLU6": "relu6",
    "SELU": "selu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
    "SoftShrink": "soft_shrink",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
    "Sparsemax": "sparsemax",
    "Squareplus": "squareplus",
    "Tanh": "tanh",
    "TanhShrink": "tanh_shrink",
}
# Those that keras.ops has with their arguments.
WITH_ARGUMENTS = {
    "CELU": ("celu", "alpha"),
    "GELU": ("gelu", "approximate"),
    "GLU": ("glu", "axis"),
    "HardShrink": ("hard_shrink", "threshold"),
    "LogSoftmax": ("log_softmax", "axis"),
    "SoftShrink": ("soft_shrink", "threshold"),
    "Sparsemax": ("sparsemax", "axis"),
    "Squareplus": ("squareplus", "b"),
    "ThresholdedReLU": ("threshold", "theta"),
    "Threshold": ("threshold", "threshold", "default_value"),
}
OWN = ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax")


class Constructor:
    """Makes each layer once, so that a layer that is applied several times is one in Keras too."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}  # by the identity of our layer

    def layer(self, layer: Layer, name: str) -> Any:
        """Keras' layer of the same arguments. Refused where there is none."""
        found = self.made.get(id(layer))
        if found is None:
            found = self.made[id(layer)] = self._construct(layer, name)
        return found

    def _construct(self, layer: Layer, name: str) -> Any:
        import keras

        options: dict[str, Any] = {"name": name}
        if not layer.given_trainable:
            options["trainable"] = False
        if "dtype" in layer.declared:
            options["dtype"] = layer.arguments["dtype"] or "float32"
        if layer.keras is None:
            activation = self._activation_name(layer)
            if activation is None and isinstance(layer, Positioned):
                return _of_positions(layer, options)
            if activation is None:
                raise Refused("it has no counterpart in Keras", BUILD)
            return keras.layers.Activation(activation, **options)
        for key, argument in layer.declared.items():
            given = layer.arguments[key]
            if key == "dtype" or not argument.keras or isinstance(argument.domain, Absent):
                continue
            if isinstance(argument.domain, InitializerDomain):  # for those who read it: weights are set afterwards
                options |= _initializer(key, argument, given)
                continue
            options[key] = self._argument(layer, key, argument, given)
        if layer.arguments.get("zero_output_for_mask"):
            options["zero_output_for_mask"] = True
        if layer.arguments.get("rms_scaling"):
            raise Refused("its rms_scaling leaves weights in Keras that nothing reads", "use RMSNormalization")
        return getattr(keras.layers, layer.keras)(**options)

    def operation(self, layer: Layer, x: Any) -> Any:
        """An activation layer that Keras has as a function only, with arguments: its result, or None for any other."""
        import keras

        name, *keys = WITH_ARGUMENTS.get(layer.type_name, ("",))
        others = [
            n for n, a in layer.declared.items() if n not in keys and n != "dtype" and layer.arguments[n] != a.default
        ]
        if not name or others or self._activation_name(layer) is not None:
            return None
        given = [layer.arguments[key] for key in keys]
        if layer.type_name == "ThresholdedReLU":
            given.append(0.0)
        plain = [one[0] if isinstance(one, tuple) and len(one) == 1 else one for one in given]
        return getattr(keras.ops, name)(keras.ops.cast(x, layer.arguments["dtype"] or "float32"), *plain)

    def _activation_name(self, layer: Layer) -> str | None:
        """What Keras calls the activation that the layer is, None where it has none for these arguments."""
        plain = all(layer.arguments[n] == a.default for n, a in layer.declared.items() if n != "dtype")
        return ACTIVATIONS.get(layer.type_name) if plain else None

    def _argument(self, layer: Layer, key: str, argument: Argument, given: Any) -> Any:
        if isinstance(given, Unapplied):
            return self.layer(given.appliable.layer, given.appliable.path.rpartition("/")[2])
        if isinstance(given, Layer):
            if getattr(given, "acts_elementwise", False):
                return self._activation(given)
            return self.layer(given, inner_name(layer, key, given))
        if key == "cells":
            return [self.layer(cell, name) for cell, name in zip(given, layer.names(), strict=True)]  # type: ignore[attr-defined]
        if hasattr(given, "appliable"):
            raise Refused("it runs a block, and Keras' takes a cell", BUILD)
        if isinstance(argument.domain, Sides) and argument.domain.rank == 1:
            return given[0]
        if layer.keras == "UpSampling1D" and key == "size":
            return given[0]
        if layer.keras == "RandomPosterization" and key == "factor":
            return tuple(map(int, given)) if isinstance(given, tuple) else int(given)
        if isinstance(argument.domain, Shape):
            return open_shape(given)
        if is_symbolic(given):
            raise Refused(f"its {key} is {given}, known only when the model runs", "give it a number")
        return given

    def _activation(self, layer: Layer) -> Any:
        name = self._activation_name(layer) if layer.keras is None else None
        if name is None and layer.type_name not in OWN:
            raise Refused(f"its activation {layer.type_name} has no counterpart in Keras", BUILD)
        return name or self.layer(layer, layer.given_name or layer.default_name())


def _of_positions(layer: Layer, options: dict[str, Any]) -> Any:
    """The layer of ours for Keras that stands for a layer of positions."""
    from archonnx.compiler.keras.positions import KINDS

    kind = KINDS.get(layer.type_name)
    start = layer.arguments["start_index"]
    if kind is None:
        raise Refused("it has no counterpart in Keras", BUILD)
    if is_symbolic(start):
        raise Refused(f"its start_index is {start}, known only when the model runs", "give it a number")
    left_out = [n for n, a in layer.declared.items() if n == "dtype" or isinstance(a.domain, InitializerDomain)]
    return kind({n: given for n, given in layer.arguments.items() if n not in left_out}, **options)


def _initializer(key: str, argument: Argument, given: Any) -> dict[str, Any]:
    """Keras' initializer of the same name and arguments, by the argument's name; none for the default."""
    import keras

    name = type(given).__name__
    if given == argument.domain.parse(argument.default) or not hasattr(keras.initializers, name):
        return {}
    return {key: getattr(keras.initializers, name)(**{f.name: getattr(given, f.name) for f in fields(given)})}


def inner_name(outer: Layer, key: str, inside: Layer) -> str:
    """What the layer inside is called, as the names of our weights have it."""
    if key == "backward_layer":
        return str(outer.names[1])  # type: ignore[attr-defined]
    return inside.given_name or inside.default_name()
