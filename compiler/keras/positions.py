"""Keras' layer for learned embeddings of positions, which Keras itself has none of.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="archonnx")
class PositionEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """A row of a table for each step, as large as the input; see our layer of that name for the arguments."""

    def __init__(
        self, sequence_length: int, start_index: int = 0, hierarchical_alpha: float | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.sequence_length, self.start_index = sequence_length, start_index
        self.hierarchical_alpha = hierarchical_alpha
        self.supports_masking = True

    def build(self, inputs: Any, *others: Any) -> None:
        self.embeddings = self.add_weight(shape=(self.sequence_length, inputs[-1]), name="embeddings")

    def call(self, inputs: Any, position_ids: Any = None) -> Any:
        ops = keras.ops
        steps = ops.shape(inputs)[-2]
        ids = position_ids
        if ids is None:
            ids = ops.arange(self.start_index, self.start_index + steps)
        table = ops.convert_to_tensor(self.embeddings)
        if self.hierarchical_alpha is None:
            rows = ops.take(table, ids, axis=0)
        else:
            ratio = self.hierarchical_alpha / (1.0 - self.hierarchical_alpha)
            far = ops.take(table, ids // self.sequence_length, axis=0) - table[:1]
            rows = ops.take(table, ids % self.sequence_length, axis=0) + ratio * far
        if len(rows.shape) == 3:  # ids of each row of the batch: the axes between the two have one size
            between = len(inputs.shape) - 3
            rows = ops.reshape(rows, (ops.shape(rows)[0], *[1] * between, steps, rows.shape[-1]))
        return ops.broadcast_to(rows, ops.shape(inputs))

    def compute_output_spec(self, inputs: Any, position_ids: Any = None) -> Any:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = {
            "sequence_length": self.sequence_length,
            "start_index": self.start_index,
            "hierarchical_alpha": self.hierarchical_alpha,
        }
        return {**super().get_config(), **own}
