"""Batches of examples, as Keras asks for them.

This module imports Keras: it is imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from archonnx.compiler.keras.training.data import Array
from archonnx.compiler.keras.training.matching import Column, Index


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The examples of `index`, batch after batch, in another order each epoch where `seed` is given.

    One input or target alone is an array, several are a dictionary. weights: of each class of the only target.
    """

    def __init__(
        self,
        inputs: Mapping[str, Column],
        targets: Mapping[str, Column],
        index: Index,
        size: int,
        seed: int | None = None,
        weights: Mapping[int, float] | None = None,
        one_hot: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, self.targets, self.index, self.size = inputs, targets, index, size
        self.seed, self.epoch, self.one_hot = seed, 0, one_hot
        self.table = None if weights is None else np.zeros(max(weights) + 1, np.float32)
        for number, weight in (weights or {}).items():
            assert self.table is not None
            self.table[number] = weight
        self.order = self._ordered()

    def __len__(self) -> int:
        return -(-len(self.index) // self.size)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        rows = np.sort(self.order[number * self.size : (number + 1) * self.size])  # read in the order of the file
        x = {name: column.rows(rows) for name, column in self.inputs.items()}
        y = {name: column.rows(rows) for name, column in self.targets.items()}
        batch = _alone(x), _alone(y)
        return batch if self.table is None else (*batch, self._weights(next(iter(y.values()))))

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = self._ordered()

    def _ordered(self) -> Index:
        if self.seed is None:
            return self.index
        return np.random.default_rng([self.seed, self.epoch]).permutation(self.index)

    def _weights(self, targets: Array) -> Array:
        assert self.table is not None
        numbers = targets.argmax(axis=-1) if self.one_hot else targets.astype(np.int64)
        if numbers.ndim > 1 and numbers.shape[-1] == 1:
            numbers = numbers[..., 0]
        return np.asarray(self.table[numbers])


def _alone(arrays: dict[str, Array]) -> Any:
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
