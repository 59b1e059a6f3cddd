"""Random stacks over masked sequences against Keras: masks, states and sequences passed from layer to layer."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error

import archonnx
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.initializers import resolve

keras = pytest.importorskip("keras")

FIRST = ["Embedding(5, 6, mask_zero=True{})", "Embedding(5, 6{})"]
MIDDLE = [
    "LSTM(4, return_sequences=True{})",
    "GRU(5, return_sequences=True{})",
    'GRU(3, "gelu", return_sequences=True{})',
    "SimpleRNN(4, return_sequences=True, go_backwards=True{})",
    'Bidirectional(LSTM(3, return_sequences=True, name="r"){})',
    'Bidirectional(GRU(3, "relu", return_sequences=True, name="r"), "sum"{})',
    'RNN([LSTMCell(4, name="a"), GRUCell(3, name="b")], return_sequences=True{})',
    "TimeDistributed(Dense(4){})",
    "Dense(4, activation='tanh'{})",
    "LayerNormalization({})",
    "Dropout(0.3{})",
    'Conv1D(4, 2, padding="causal"{})',
]
LAST = [
    "LSTM(4{})",
    "GRU(4, go_backwards=True{})",
    'Bidirectional(LSTM(3, name="r"){})',
    'Bidirectional(SimpleRNN(3, "silu", name="r"), "mul"{})',
    'RNN(GRUCell(4, name="a"){})',
    "GlobalMaxPooling1D({})",
]


def stack(seed: int) -> list[str]:
    """The calls of one network, each with a name of its own."""
    dice = random.Random(seed)
    calls = [
        dice.choice(FIRST),
        *(dice.choice(MIDDLE) for _ in range(dice.randint(1, 4))),
        dice.choice(LAST),
        "Dense(2{})",
    ]
    return [call.format(f', name="l{i}"' if "({})" not in call else f'name="l{i}"') for i, call in enumerate(calls)]


@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
@pytest.mark.parametrize("seed", range(24))
def test_computes_what_keras_computes(seed: int, tmp_path: Path) -> None:
    import onnxruntime

    calls = stack(seed)
    text = "\n    ".join(["model A():", "input tokens: int32[N, T]", *calls, "output y"]) + "\n"
    model = archonnx.compile(text=text)
    drawn: dict[str, Any] = {}
    for number, weight in enumerate(model.graph.weights(), 1):
        rng = np.random.default_rng(number)
        weight.initializer = resolve(rng.uniform(-1, 1, weight.shape).tolist())
        drawn[weight.path] = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
    model.save(tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    layers = [eval(call, dict(vars(keras.layers))) for call in calls]
    given = keras.Input((None,), dtype="int32")
    value = given
    for layer in layers:
        value = layer(value)
    theirs = keras.Model(given, value)
    for layer in layers:
        ours = [(path, array) for path, array in drawn.items() if path.startswith(f"{layer.name}/")]
        for (path, array), variable in zip(ours, layer.weights, strict=True):  # both in the order of declaration
            assert path.rpartition("/")[2] == variable.path.rpartition("/")[2]
            variable.assign(array)
    for batch, steps in ((1, 1), (3, 7)):
        tokens = np.random.default_rng(seed).integers(0, 5, (batch, steps)).astype(np.int32)
        expected = keras.ops.convert_to_numpy(theirs(tokens))
        assert error(session.run(None, {"tokens": tokens})[0], expected) <= 2e-5, calls
