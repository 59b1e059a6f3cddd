"""Layers of Keras for what it has none of: a weight of a block, a mask that is set.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

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
