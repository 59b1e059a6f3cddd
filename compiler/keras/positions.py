"""Layers of Keras for our layers of positions, of which Keras has none: PositionEmbedding, RotaryEmbedding and sines.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from archonnx.compiler.layers.positions import frequencies
from archonnx.compiler.layers.rotary_embedding import turning_frequencies


class Positioned(keras.layers.Layer):  # type: ignore[misc]
    """The base: `settings` are our layer's arguments by name, its dtype and initializers left out."""

    def __init__(self, settings: Mapping[str, Any], **kwargs: Any):
        super().__init__(**kwargs)
        self.settings = dict(settings)
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "settings": self.settings}

    def compute_output_spec(self, inputs: Any, position_ids: Any = None) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def positions(self, inputs: Any, position_ids: Any, axis: int) -> Any:
        """[steps], or [batch, steps] where they are given for each example."""
        if position_ids is not None:
            return position_ids
        start = self.settings["start_index"]
        return keras.ops.arange(start, start + keras.ops.shape(inputs)[axis], dtype="int64")

    def angles(self, positions: Any, waves: list[float], rank: int, axis: int, features: int) -> Any:
        """float64 products of positions, which stand at `axis` of `rank`, and frequencies, at `features`."""
        each = len(positions.shape) == 2
        kept = (axis,) if not each else (0, axis)
        sizes = [n for n in range(rank) if n not in kept]
        placed = keras.ops.expand_dims(keras.ops.cast(positions, "float64"), sizes)
        along = keras.ops.reshape(
            keras.ops.convert_to_tensor(waves, dtype="float64"), [-1 if n == features else 1 for n in range(rank)]
        )
        return placed * along


@keras.saving.register_keras_serializable(package="archonnx")
class PositionEmbedding(Positioned):
    """A learned vector for each position, of the input's shape."""

    def build(self, inputs_shape: Any, position_ids_shape: Any = None) -> None:
        shape = (self.settings["sequence_length"], inputs_shape[-1])
        self.embeddings = self.add_weight(shape=shape, initializer="zeros", name="embeddings")

    def call(self, inputs: Any, position_ids: Any = None) -> Any:
        rank, length = len(inputs.shape), self.settings["sequence_length"]
        positions = keras.ops.cast(self.positions(inputs, position_ids, -2), "int64")
        table = keras.ops.cast(self.embeddings, self.compute_dtype)
        alpha = self.settings["hierarchical_alpha"]
        if alpha is None:
            rows = keras.ops.take(table, positions, axis=0)
        else:
            rows = keras.ops.take(table, positions % length, axis=0)
            far = keras.ops.take(table, positions // length, axis=0) - table[:1]
            rows = rows + alpha / (1 - alpha) * far
        if len(positions.shape) == 2:
            rows = keras.ops.expand_dims(rows, list(range(1, rank - 2)))
        return keras.ops.broadcast_to(rows, keras.ops.shape(inputs))


@keras.saving.register_keras_serializable(package="archonnx")
class SinePositionEncoding(Positioned):
    """Sines and cosines of each position, of the input's shape."""

    def call(self, inputs: Any, position_ids: Any = None) -> Any:
        rank, width = len(inputs.shape), inputs.shape[-1]
        waves = frequencies(self.settings["max_wavelength"], [(2 * (i // 2), width) for i in range(width)])
        positions = self.positions(inputs, position_ids, -2)
        angles = self.angles(positions, waves, rank, rank - 2, rank - 1)
        odd = keras.ops.convert_to_tensor([bool(i % 2) for i in range(width)])
        made = keras.ops.where(odd, keras.ops.cos(angles), keras.ops.sin(angles))
        return keras.ops.broadcast_to(keras.ops.cast(made, self.compute_dtype), keras.ops.shape(inputs))


@keras.saving.register_keras_serializable(package="archonnx")
class RotaryEmbedding(Positioned):
    """Pairs of features turned by angles that grow with the position."""

    def call(self, inputs: Any, position_ids: Any = None) -> Any:
        said, rank = self.settings, len(inputs.shape)
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        steps, features = said["sequence_axis"] % rank, said["feature_axis"] % rank
        turned = said["rotary_dim"] or inputs.shape[features]
        names = ("max_wavelength", "scaling_factor", "low_freq_factor", "high_freq_factor", "old_context_len")
        waves = turning_frequencies(turned, *(said[name] for name in names))
        angles = self.angles(self.positions(inputs, position_ids, steps), waves, rank, steps, features)
        x, rest = keras.ops.split(inputs, [turned], axis=features)
        if said["interleaved"]:  # neighbours on an axis of their own
            sizes = [*keras.ops.shape(x)]
            paired = [*sizes[:features], turned // 2, 2, *sizes[features + 1 :]]
            x = keras.ops.reshape(x, paired)
            y = self._turned(x, keras.ops.expand_dims(angles, features + 1), features + 1)
            y = keras.ops.reshape(y, sizes)
        else:
            y = self._turned(x, angles, features)
        return keras.ops.concatenate([y, rest], axis=features)

    def _turned(self, x: Any, angles: Any, axis: int) -> Any:
        cos, sin = (keras.ops.cast(f(angles), self.compute_dtype) for f in (keras.ops.cos, keras.ops.sin))
        left, right = keras.ops.split(x, 2, axis=axis)
        return keras.ops.concatenate([left * cos - right * sin, right * cos + left * sin], axis=axis)


KINDS = {kind.__name__: kind for kind in (PositionEmbedding, SinePositionEncoding, RotaryEmbedding)}
