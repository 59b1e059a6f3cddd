"""Keras' masks: where they come from, what the layers make of them, and what they are after a merge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras_harness  # noqa: F401  # chooses Keras' backend before Keras is imported
import numpy as np
import pytest

import archonnx

keras = pytest.importorskip("keras")

A = np.array([[1, 2, 0, 0], [3, 0, 4, 5]], np.int32)
B = np.array([[0, 2, 0, 6], [3, 3, 0, 0]], np.int32)


def model(lines: list[str], *outputs: str) -> archonnx.CompiledModel:
    """A model of the inputs a and b and these lines; `w` is an embedding without a mask."""
    head = ["model A():", "input a: int32[N, T]", "input b: int32[N, T]", "w = a -> Embedding(9, 3)"]
    tail = ["output y", *outputs, "output w", "output same = b"]
    return archonnx.compile(text="\n    ".join([*head, *lines, *tail]) + "\n")


def ours(lines: list[str], folder: Path) -> np.ndarray[Any, Any]:
    """The mask of `y`."""
    import onnxruntime

    model(lines, "output kept = mask(y)").save(folder / "masks.onnx")
    session = onnxruntime.InferenceSession(folder / "masks.onnx", providers=["CPUExecutionProvider"])
    found: np.ndarray[Any, Any] = session.run(["kept"], {"a": A, "b": B})[0]
    return found


def theirs(lines: list[str]) -> Any:
    """The mask in Keras, where `x -> layer` is written layer(x)."""
    names: dict[str, Any] = dict(vars(keras.layers))
    names |= {"a": keras.ops.convert_to_tensor(A), "b": keras.ops.convert_to_tensor(B)}
    names["w"] = keras.layers.Embedding(9, 3)(names["a"])
    for line in lines:
        target, _, flow = line.partition(" = ")
        first, *layers = flow.split(" -> ")
        value = eval(first, names)
        for layer in layers:
            value = eval(layer, names)(value)
        names[target] = value
    mask = getattr(names["y"], "_keras_mask", None)
    return None if mask is None else keras.ops.convert_to_numpy(mask)


U = "u = a -> Embedding(9, 3, mask_zero=True)"
V = "v = b -> Embedding(9, 3, mask_zero=True)"
KEPT = [
    ["y = a -> Embedding(9, 3, mask_zero=True)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> Dense(2) -> ReLU() -> Dropout(0.5) -> LayerNormalization()"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> BatchNormalization() -> Activation('tanh')"],
    ["y = a -> Embedding(9, 3, embeddings_initializer='zeros') -> Masking()"],
    *([U, V, f"y = (u, v) -> {name}()"] for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    ["y = a -> Embedding(9, 3, mask_zero=True) -> LSTM(2, return_sequences=True)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> GRU(2, return_sequences=True, go_backwards=True)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> Bidirectional(GRU(2, return_sequences=True))"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> RNN(LSTMCell(2), return_sequences=True)"],
    [U, V, "y = (u, v) -> Concatenate()"],
    [U, V, "y = (u, v) -> Concatenate(axis=1)"],
    [U, "y = (u, w) -> Concatenate()"],
    [U, "y = (w, u) -> Concatenate(axis=1)"],
]
LOST = [
    ["y = a -> Embedding(9, 3)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> Conv1D(2, 1)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> GlobalAveragePooling1D()"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> Permute((2, 1))"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> LSTM(2)"],
    ["y = a -> Embedding(9, 3, mask_zero=True) -> Bidirectional(GRU(2))"],
    [U, "y = (u, w) -> Add()"],
    [U, V, "y = (u, v) -> Dot((2, 2))"],
]


@pytest.mark.parametrize("lines", KEPT, ids=" ; ".join)
def test_a_mask_is_that_of_keras(lines: list[str], tmp_path: Path) -> None:
    expected = theirs(lines)
    assert expected is not None
    found = ours(lines, tmp_path)
    assert found.dtype == np.bool_
    assert found.tolist() == expected.tolist()


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("lines", LOST, ids=" ; ".join)
def test_a_mask_is_lost_where_keras_loses_it(lines: list[str]) -> None:
    assert theirs(lines) is None
    assert model(lines).graph.outputs[0].value.mask is None
