"""RNN(cell): a block run over time, held against numpy step by step and against Keras' own recurrent layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

CELLS = """
block simple(units):
    input x: [N, D]
    input h: [N, units]
    y = (x -> Dense(units, name="w")) + (h -> Dense(units, use_bias=False, name="u"))
    new = tanh(y)
    output y = new
    output state h = new

block long_short(units):
    input x: [N, D]
    input h: [N, units]
    input c: [N, units]
    z = (x -> Dense(4 * units, name="w")) + (h -> Dense(4 * units, use_bias=False, name="u"))
    (i, f, g, o) = split(z, 4, axis=-1)
    kept = sigmoid(f) * c + sigmoid(i) * tanh(g)
    new = sigmoid(o) * tanh(kept)
    output y = new
    output next_h = new
    output next_c = kept
"""


def build(body: str, folder: Path, **options: Any) -> tuple[Any, dict[str, np.ndarray[Any, Any]]]:
    """A session of a model over CELLS, and its weights by path."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    model = archonnx.compile(text=f"{CELLS}\nmodel A():\n{lines}", **options)
    path = folder / "a.onnx"
    model.save(path, seed=3)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    return archonnx.load(path), weights


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def simple(x: np.ndarray[Any, Any], w: dict[str, Any], h: np.ndarray[Any, Any], at: str) -> np.ndarray[Any, Any]:
    """Every result of the cell `simple`, [batch, steps, units]."""
    made = []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w[f"{at}/w/kernel"] + w[f"{at}/w/bias"] + h @ w[f"{at}/u/kernel"])
        made.append(h)
    return np.stack(made, 1)


@pytest.mark.parametrize("opset", [17, None, 28])
@pytest.mark.parametrize("arguments", ["", "return_sequences=True", "return_sequences=True, go_backwards=True"])
def test_is_the_cell_step_by_step(arguments: str, opset: int | None, tmp_path: Path) -> None:
    options = {} if opset is None else {"opset": opset}
    body = f"input x: float32[N, T, 3]\nRNN(simple(5), {arguments})\noutput y"
    session, weights = build(body, tmp_path, **options)
    for batch, steps in ((1, 1), (2, 7)):
        x = random(batch, steps, 3)
        ordered = x[:, ::-1] if "backwards" in arguments else x
        expected = simple(ordered, weights, np.zeros((batch, 5), np.float32), "rnn/simple")
        np.testing.assert_allclose(
            session(x), expected if "sequences" in arguments else expected[:, -1], rtol=1e-5, atol=1e-6
        )


def test_states_come_in_and_go_out_and_layers_stack(tmp_path: Path) -> None:
    session, weights = build(
        """
        input x: float32[N, T, 3]
        input h: float32[N, 5]
        (y, last) = (x, h) -> RNN(simple(5), return_sequences=True, return_state=True)
        output z = y -> RNN(simple(4), name="top")
        output last
        """.replace("        ", ""),
        tmp_path,
    )
    x, h = random(2, 6, 3), random(2, 5)
    first = simple(x, weights, h, "rnn/simple")
    given = session(x=x, h=h)
    np.testing.assert_allclose(given.last, first[:, -1], rtol=1e-5, atol=1e-6)
    second = simple(first, weights, np.zeros((2, 4), np.float32), "top/simple")
    np.testing.assert_allclose(given.z, second[:, -1], rtol=1e-5, atol=1e-6)


def test_a_layer_used_twice_shares_its_weights(tmp_path: Path) -> None:
    body = "input a: float32[N, T, 3]\ninput b: float32[N, S, 3]\nr = RNN(simple(5))\noutput y = (a -> r) - (b -> r)"
    session, weights = build(body, tmp_path)
    assert sorted(n for n in weights if "/simple/" in n) == [
        "r/simple/u/kernel",
        "r/simple/w/bias",
        "r/simple/w/kernel",
    ]
    x = random(2, 4, 3)
    assert not session(a=x, b=x).any()


def test_is_keras_lstm(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own LSTM is what the cell is held against")
    session, weights = build("input x: float32[N, T, 3]\nRNN(long_short(5), return_sequences=True)\noutput y", tmp_path)
    x = random(2, 6, 3)
    layer = keras.layers.LSTM(5, return_sequences=True)
    layer.build(x.shape)
    at = "rnn/long_short"
    layer.set_weights([weights[f"{at}/w/kernel"], weights[f"{at}/u/kernel"], weights[f"{at}/w/bias"]])
    np.testing.assert_allclose(session(x), np.asarray(layer(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("zeros", [False, True])
def test_masked_steps_are_held_as_in_keras(sequences: bool, zeros: bool, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="Keras' own masking is what ours is held against")
    arguments = f"return_sequences={sequences}, zero_output_for_mask={zeros}"
    body = f"input x: float32[N, T, 3]\nMasking()\nRNN(simple(5), {arguments})\noutput y"
    session, weights = build(body, tmp_path)
    x = random(3, 6, 3)
    x[0, 3:], x[1, 0], x[2, 2:4] = 0, 0, 0
    layer = keras.layers.SimpleRNN(5, return_sequences=sequences, zero_output_for_mask=zeros) if not zeros else None
    if layer is None:
        layer = keras.layers.RNN(keras.layers.SimpleRNNCell(5), return_sequences=sequences, zero_output_for_mask=True)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(), layer])
    at = "rnn/simple"
    model.set_weights([weights[f"{at}/w/kernel"], weights[f"{at}/u/kernel"], weights[f"{at}/w/bias"]])
    np.testing.assert_allclose(session(x), np.asarray(model(x)), rtol=1e-5, atol=1e-5)


def test_counts_the_work_of_every_step() -> None:
    text = f"{CELLS}\nmodel A():\n    input x: float32[N, 10, 3]\n    RNN(simple(5))\n    output y\n"
    summary = archonnx.compile(text=text).summary()
    assert summary.to_dict()["parameters"] == {"total": 45, "trainable": 45, "non_trainable": 0}
    assert summary.macs == 10 * (3 * 5 + 5 * 5)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RNN(3)", "E0620"),
        ("RNN(loose())", "E0621"),
        ("RNN(stateless())", "E0622"),
        ("RNN(growing())", "E0623"),
    ],
)
def test_what_is_no_cell_is_said(line: str, code: str) -> None:
    blocks = """
block loose():
    input x
    input h
    output y = x
    output state h = h

block stateless():
    input x: [N, D]
    Dense(3)

block growing():
    input x: [N, D]
    input h: [N, 2]
    new = (x, h) -> Concatenate()
    output y = new
    output state h = new
"""
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=f"{blocks}\nmodel A():\n    input x: float32[N, T, 3]\n    {line}\n    output y\n")
    assert [d.code for d in caught.value.diagnostics] == [code]
