"""Layers of Keras for what it has none of: weights of blocks, numbers, masks that are set, sizes that are measured.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="archonnx")
class HeldWeight(keras.layers.Layer):  # type: ignore[misc]
    """Holds one weight and gives it, whatever it is applied to: functional models have no weights outside layers."""

    def __init__(self, shape: tuple[int, ...], held: str = "float32", held_trainable: bool = True, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.shape, self.held, self.held_trainable = tuple(shape), held, held_trainable
        self.value = self.add_weight(
            shape=self.shape, dtype=held, initializer="zeros", trainable=held_trainable, name="value"
        )

    def call(self, inputs: Any) -> Any:
        return keras.ops.convert_to_tensor(self.value)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.shape, dtype=self.held)

    def get_config(self) -> dict[str, Any]:
        own = {"shape": self.shape, "held": self.held, "held_trainable": self.held_trainable}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="archonnx")
class HeldConstant(keras.layers.Layer):  # type: ignore[misc]
    """Gives its numbers, whatever it is applied to: a layer on numbers alone would run once, before weights are set."""

    def __init__(self, values: Any, held: str, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.values, self.held = values, held

    def call(self, inputs: Any) -> Any:
        return keras.ops.convert_to_tensor(self.values, dtype=self.held)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(keras.ops.shape(self.call(None)), dtype=self.held)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "values": self.values, "held": self.held}


@keras.saving.register_keras_serializable(package="archonnx")
class MaskSetter(keras.layers.Layer):  # type: ignore[misc]
    """Gives its input with that mask on it: MultiHeadAttention takes masks off, and merging layers read them there."""

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, kept: Any) -> Any:
        result = keras.ops.copy(inputs)
        result._keras_mask = kept
        return result

    def compute_output_spec(self, inputs: Any, kept: Any) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="archonnx")
class MeasuredFunction(keras.layers.Layer):  # type: ignore[misc]
    """A tensor function whose arguments hold sizes that only a run tells.

    Its inputs are the function's, then one for each of `symbols`, whose axis of that number has the symbol's size.
    """

    def __init__(
        self,
        function: str,
        arguments: dict[str, Any],
        symbols: dict[str, int],
        result: Sequence[int | None],
        result_dtype: str,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)
        self.settings: dict[str, Any] = {
            "function": function,
            "arguments": arguments,
            "symbols": symbols,
            "result": list(result),
            "result_dtype": result_dtype,
        }

    def call(self, inputs: Any) -> Any:
        from archonnx.compiler.keras.functions import compute, decoded
        from archonnx.compiler.layers.registry import find_function

        said = self.settings
        kind = find_function(said["function"])
        assert kind is not None
        own = len(inputs) - len(said["symbols"])
        measured = zip(said["symbols"].items(), inputs[own:], strict=True)
        sizes = {symbol: keras.ops.shape(x)[axis] for (symbol, axis), x in measured}
        arguments = {name: decoded(value, sizes) for name, value in said["arguments"].items()}
        return compute(kind, arguments, inputs[:own], [said["result_dtype"]])[0]

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.settings["result"], dtype=self.settings["result_dtype"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}
