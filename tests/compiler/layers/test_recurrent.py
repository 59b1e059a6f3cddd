"""SimpleRNN, LSTM, GRU and what is built on them: operators, masks, initial weights, sharing, what is said of misuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from diagnosing import diagnose

import archonnx
from archonnx.compiler.recipes import Draw, Evaluation

Array = np.ndarray[Any, Any]

X = "input x: float32[N, T, 3]"
H = "input h: float32[N, 4]"
C = "input c: float32[N, 4]"


def build(body: str, folder: Path, **options: Any) -> tuple[Any, dict[str, Array], archonnx.CompiledModel]:
    """A session of a model of these lines, its weights by path, and the model."""
    lines = "".join(f"    {line.strip()}\n" for line in body.strip().splitlines())
    model = archonnx.compile(text=f"model A():\n{lines}", **options)
    path = folder / "a.onnx"
    model.save(path, seed=3)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    return archonnx.load(path), weights, model


def kinds(model: archonnx.CompiledModel) -> list[str]:
    return [operator.type for operator in model.lower().operators]


def random(*shape: int) -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("opset", [17, 20, 24])
@pytest.mark.parametrize(("layer", "operator"), [("SimpleRNN", "RNN"), ("LSTM", "LSTM"), ("GRU", "GRU")])
def test_is_the_operator_between_transposes(layer: str, operator: str, opset: int) -> None:
    model = archonnx.compile(text=f"model A():\n    {X}\n    {layer}(4, return_sequences=True)\n", opset=opset)
    assert [kind for kind in kinds(model) if kind not in ("Squeeze", "Reshape")] == ["Transpose", operator, "Transpose"]


@pytest.mark.parametrize(
    "arguments",
    ['activation="gelu"', "activation=LeakyReLU(0.1)", 'dtype="float64"', 'recurrent_activation="silu"'],
)
def test_is_a_scan_where_the_operator_has_no_such_form(arguments: str) -> None:
    found = kinds(archonnx.compile(text=f"model A():\n    {X}\n    GRU(4, {arguments})\n"))
    assert found.count("Scan") == 1
    assert {"GRU", "Loop"} & set(found) == set()


def test_a_step_costs_what_its_products_cost() -> None:
    for layer, gates in (("SimpleRNN", 1), ("GRU", 3), ("LSTM", 4)):
        text = f"model A():\n    input x: float32[N, 10, 3]\n    {layer}(5)\n"
        summary = archonnx.compile(text=text).summary()
        assert summary.macs == 10 * (3 * 5 + 5 * 5) * gates


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", [0, 0, 1, 1, 0, 0, 0, 0]),
        ("unit_forget_bias=False", [0] * 8),
        ('bias_initializer="ones"', [1] * 8),
        ("bias_initializer=Constant(2)", [2, 2, 1, 1, 2, 2, 2, 2]),
        ("bias_initializer=[1, 2, 3, 4, 5, 6, 7, 8]", [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_the_forget_gate_starts_from_one(arguments: str, expected: list[int]) -> None:
    model = archonnx.compile(text=f"model A():\n    {X}\n    LSTM(2, {arguments})\n")
    (bias,) = (w for w in model.graph.weights() if w.path == "lstm/bias")
    assert Draw(bias).whole(Evaluation(0)).tolist() == expected


@pytest.mark.parametrize("initializer", ["RandomUniform(minval=2.0, maxval=3.0)", "RandomNormal(mean=9.0, seed=4)"])
def test_a_bias_that_is_drawn_has_ones_for_the_forget_gate(initializer: str) -> None:
    text = f"model A():\n    {X}\n    LSTM(2, bias_initializer={initializer})\n"
    (bias,) = (w for w in archonnx.compile(text=text).graph.weights() if w.path == "lstm/bias")
    numbers = Draw(bias).whole(Evaluation(0))
    assert (numbers == 1).tolist() == [False, False, True, True, False, False, False, False]
    assert len(set(numbers.tolist())) == 7
    assert Draw(bias).read(Evaluation(0), 3, 6).tolist() == numbers[3:6].tolist()


def test_gates_are_drawn_each_by_its_own_width() -> None:
    """Keras draws one gate, then the two behind the forget gate: the scale is that of so many units."""
    text = f"model A():\n    {X}\n    LSTM(400, bias_initializer='lecun_uniform')\n"
    (bias,) = (w for w in archonnx.compile(text=text).graph.weights() if w.path == "lstm/bias")
    numbers = np.abs(Draw(bias).whole(Evaluation(0)))
    assert (3 / 400) ** 0.5 * 0.98 < numbers[:400].max() <= (3 / 400) ** 0.5
    assert (3 / 800) ** 0.5 * 0.98 < numbers[800:].max() <= (3 / 800) ** 0.5


@pytest.mark.parametrize(("layer", "states"), [("SimpleRNN", 1), ("GRU", 1), ("LSTM", 2)])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_masks_skip_steps(layer: str, states: int, backwards: bool, activation: str, tmp_path: Path) -> None:
    """What comes of a masked sequence is what comes of the sequence without the masked steps."""
    names = ["h", "c"][:states]
    arguments = f'4, "{activation}", return_sequences=True, return_state=True, go_backwards={backwards}'
    body = f"""
        {X}
        input m: float32[N, T, 1]
        {H}
        {C if states == 2 else ""}
        r = {layer}({arguments}, name="r")
        (p, {", ".join(f"p_{n}" for n in names)}) = ({", ".join(["x", *names])}) -> r
        kept = (x * m) -> Masking()
        (q, {", ".join(f"q_{n}" for n in names)}) = ({", ".join(["kept", *names])}) -> r
        output p
        {chr(10).join(f"output p_{n}" for n in names)}
        output q
        {chr(10).join(f"output q_{n}" for n in names)}
        """
    body = "\n".join(line for line in body.splitlines() if line.strip())
    session, _, _ = build(body, tmp_path)
    x, start = random(1, 6, 3), [random(1, 4), random(1, 4) * 2][:states]
    feeds = dict(zip(names, start, strict=True))
    for chosen in ([1, 1, 0, 0, 0, 0], [0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 1], [1] * 6, [0] * 6):
        flags = np.array(chosen, bool)
        found = session(x=x, m=flags[None, :, None].astype(np.float32), **feeds)
        order = range(5, -1, -1) if backwards else range(6)
        if flags.any():
            short = session(x=x[:, flags], m=np.ones((1, int(flags.sum()), 1), np.float32), **feeds)
            plain, last = short.p[0], [getattr(short, f"p_{n}") for n in names]
        else:
            plain, last = np.zeros((0, 4), np.float32), start
        expected, seen = [], 0
        for t in order:
            seen += int(flags[t])
            expected.append(plain[seen - 1] if seen else np.zeros(4, np.float32))
        np.testing.assert_allclose(found.q[0], np.stack(expected), rtol=1e-5, atol=1e-6)
        for name, state in zip(names, last, strict=True):
            np.testing.assert_allclose(getattr(found, f"q_{name}"), state, rtol=1e-5, atol=1e-6)


def test_the_step_of_a_model_with_states_in_and_out(tmp_path: Path) -> None:
    session, _, _ = build(
        f"""
        {X}
        {H}
        {C}
        (y, h1, c1) = (x, h, c) -> LSTM(4, return_sequences=True, return_state=True)
        output y
        output state h = h1
        output state c = c1
        """,
        tmp_path,
    )
    x = random(2, 5, 3)
    zeros = np.zeros((2, 4), np.float32)
    whole = session(x, zeros, zeros).y
    h, c, parts = zeros, zeros, []
    for t in range(5):
        found = session(x[:, t : t + 1], h, c)
        h, c = found.h_next, found.c_next
        parts.append(found.y)
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-6)


def test_a_layer_used_twice_shares_its_weights(tmp_path: Path) -> None:
    session, weights, _ = build(
        f"{X}\ninput z: float32[N, S, 3]\nr = LSTM(4)\noutput y = (x -> r) - (z -> r)", tmp_path
    )
    assert sorted(n for n in weights if "shape" not in n) == ["r/bias", "r/kernel", "r/recurrent_kernel"]
    x = random(2, 4, 3)
    assert not session(x=x, z=x).any()


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def test_a_cell_inside_a_cell_of_ones_own(tmp_path: Path) -> None:
    """A block that applies LSTMCell, run over time, step by step in numpy."""
    text = f"""block own(units):
    input x: [N, D]
    input h: [N, units]
    input c: [N, units]
    (y, next_h, next_c) = (x, h, c) -> LSTMCell(units, name="cell")
    output y
    output state h = next_h
    output state c = next_c

model A():
    {X}
    RNN(own(4), return_sequences=True)
"""
    path = tmp_path / "own.onnx"
    archonnx.compile(text=text).save(path, seed=3)
    w = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    x, h, c = random(2, 5, 3), np.zeros((2, 4)), np.zeros((2, 4))
    expected = []
    for t in range(5):
        z = x[:, t] @ w["rnn/own/cell/kernel"] + h @ w["rnn/own/cell/recurrent_kernel"] + w["rnn/own/cell/bias"]
        i, f, g, o = np.split(z, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h)
    np.testing.assert_allclose(archonnx.load(path)(x), np.stack(expected, 1), rtol=1e-5, atol=1e-6)


def test_a_stack_of_cells_is_an_operator_a_cell() -> None:
    text = "model A():\n    input x: float32[N, 5, 3]\n    RNN([LSTMCell(4), GRUCell(4), LSTMCell(2, name='top'), LSTMCell(3)])\n"
    model = archonnx.compile(text=text)
    found = kinds(model)
    assert [kind for kind in found if kind in ("LSTM", "GRU", "RNN", "Scan", "Loop")] == ["LSTM", "GRU", "LSTM", "LSTM"]
    paths = {weight.path for weight in model.graph.weights() if weight.path.endswith("/kernel")}
    assert paths == {f"rnn/stacked_rnn_cells/{name}/kernel" for name in ("lstm_cell", "gru_cell", "top", "lstm_cell_1")}
    expected = 4 * (3 + 4) * 4 + 3 * (4 + 4) * 4 + 4 * (4 + 2) * 2 + 4 * (2 + 3) * 3
    assert model.summary().macs == 5 * expected


@pytest.mark.parametrize("layer", ["LSTM(4)", "GRU(4, return_sequences=True)", "RNN(SimpleRNNCell(4))"])
def test_both_ways_are_one_operator(layer: str) -> None:
    model = archonnx.compile(text=f"model A():\n    {X}\n    Bidirectional({layer})\n")
    found = [kind for kind in kinds(model) if kind in ("LSTM", "GRU", "RNN", "Scan", "Loop")]
    assert len(found) == 1
    assert found[0] in ("LSTM", "GRU", "RNN")
    (operator,) = (o for o in model.lower().operators if o.type == found[0])
    assert operator.attributes["direction"] == "bidirectional"


def test_both_ways_have_weights_of_their_own(tmp_path: Path) -> None:
    text = f"model A():\n    {X}\n    both = Bidirectional(GRU(4, name='g'))\n    output y = x -> both\n"
    weights = {weight.path: weight.shape for weight in archonnx.compile(text=text).graph.weights()}
    assert weights == {
        f"both/{way}_g/{name}": shape
        for way in ("forward", "backward")
        for name, shape in (("kernel", (3, 12)), ("recurrent_kernel", (4, 12)), ("bias", (2, 12)))
    }


@pytest.mark.parametrize(
    ("layer", "kept"),
    [("LSTM(2, return_sequences=True)", True), ("LSTM(2)", False)],
)
def test_both_results_carry_the_mask_where_they_are_sequences(layer: str, kept: bool) -> None:
    """Keras' compute_mask gives it twice where nothing is merged."""
    text = f"model A():\n    {X}\n    (a, b) = x -> Masking() -> Bidirectional({layer}, None)\n    output a\n    output b\n"
    masks = [output.value.mask for output in archonnx.compile(text=text).graph.outputs]
    assert [mask is not None for mask in masks] == [kept, kept]
    text = f"model A():\n    {X}\n    (y, h, c) = x -> Masking() -> LSTM(2, return_sequences=True, return_state=True)\n"
    outputs = archonnx.compile(text=text + "    output y\n    output h\n    output c\n").graph.outputs
    assert [output.value.mask is not None for output in outputs] == [True, False, False]


def test_layers_inside_that_are_frozen_stay_so() -> None:
    text = f"""model A():
    {X}
    Bidirectional(GRU(4, trainable=False, return_sequences=True))
    RNN([LSTMCell(4, trainable=False), GRUCell(3)])
"""
    frozen = {weight.path for weight in archonnx.compile(text=text).graph.weights() if not weight.trainable}
    names = ("bias", "kernel", "recurrent_kernel")
    expected = {f"bidirectional/{way}_gru/{name}" for way in ("forward", "backward") for name in names}
    assert frozen == expected | {f"rnn/stacked_rnn_cells/lstm_cell/{name}" for name in names}


def test_both_ways_cost_twice() -> None:
    one, both = (
        archonnx.compile(text=f"model A():\n    input x: float32[N, 10, 3]\n    {layer}\n").summary()
        for layer in ("LSTM(5)", "Bidirectional(LSTM(5))")
    )
    assert both.macs == 2 * one.macs
    assert both.to_dict()["parameters"]["total"] == 2 * one.to_dict()["parameters"]["total"]


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_masked_images_are_held_as_in_keras(sequences: bool, backwards: bool, tmp_path: Path) -> None:
    import os

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras", reason="Keras' own masking is what ours is held against")
    arguments = f'3, 2, padding="same", return_sequences={sequences}, go_backwards={backwards}'
    session, weights, _ = build(
        f"""
        input x: float32[N, T, 32]
        Masking()
        TimeDistributed(Reshape((4, 4, 2)))
        ConvLSTM2D({arguments}, name="c")
        output y
        """,
        tmp_path,
    )
    x = random(3, 6, 32)
    x[0, 3:], x[1, 0], x[2, 2:4] = 0, 0, 0
    layer = keras.layers.ConvLSTM2D(3, 2, padding="same", return_sequences=sequences, go_backwards=backwards)
    reshaped = keras.layers.TimeDistributed(keras.layers.Reshape((4, 4, 2)))
    model = keras.Sequential([keras.Input((6, 32)), keras.layers.Masking(), reshaped, layer])
    kernels = [weights[f"c/{name}"].transpose(2, 3, 1, 0) for name in ("kernel", "recurrent_kernel")]
    model.set_weights([*kernels, weights["c/bias"]])
    np.testing.assert_allclose(session(x), np.asarray(model(x)), rtol=1e-5, atol=1e-5)


def test_images_cost_their_convolutions() -> None:
    text = "model A():\n    input x: float32[N, 5, 8, 7, 3]\n    ConvLSTM2D(4, 3, return_sequences={})\n"
    for sequences in (True, False):
        found = archonnx.compile(text=text.format(sequences)).summary()
        assert found.macs == 5 * (6 * 5) * 9 * (3 + 4) * 16
        assert found.to_dict()["parameters"]["total"] == 9 * (3 + 4) * 16 + 16


VIDEO = "input x: float32[N, T, 8, 7, 3]"
BAD = [
    ("ConvLSTM2D(0, 3)", (VIDEO,), "E0403", "filters of ConvLSTM2D is a whole number, at least 1, got 0"),
    (
        "ConvLSTM2D(4, (3, 3, 3))",
        (VIDEO,),
        "E0403",
        "kernel_size of ConvLSTM2D is a whole number, at least 1, or a tuple",
    ),
    ('ConvLSTM2D(4, 3, padding="causal")', (VIDEO,), "E0403", 'padding of ConvLSTM2D is "valid" or "same", got'),
    ("ConvLSTM2D(4, 3, strides=2, dilation_rate=2)", (VIDEO,), "E0410", "ConvLSTM2D takes strides or a dilation rate"),
    ("ConvLSTM2D(4, 8)", (VIDEO,), "E0304", "ConvLSTM2D looks at 8 places along the width, and float32[N, T, 8, 7, 3]"),
    (
        "ConvLSTM1D(4, 9)",
        ("input x: float32[N, T, 8, 3]",),
        "E0304",
        "ConvLSTM1D looks at 9 places along the rows, and float32[N, T, 8, 3] has 8",
    ),
    ('ConvLSTM2D(4, 3, "glu")', (VIDEO,), "E0403", "strides of ConvLSTM2D"),
    ('ConvLSTM2D(4, 3, activation="glu")', (VIDEO,), "E0645", "activation of ConvLSTM2D keeps the width of the state"),
    (
        "ConvLSTM2D(4, 3)",
        ("input x: float32[N, 8, 7, 3]",),
        "E0302",
        "ConvLSTM2D needs 5 axes (batch, steps, height, width, channels), got float32[N, 8, 7, 3]",
    ),
    (
        'ConvLSTM1D(4, 3, data_format="channels_first")',
        ("input x: float32[N, 8, 7]",),
        "E0302",
        "ConvLSTM1D needs 4 axes (batch, steps, channels, rows), got float32[N, 8, 7]",
    ),
    ("ConvLSTM2D(4, 3)", ("input x: float32[N, T, 8, 7, C]",), "E0301", "ConvLSTM2D needs a known last axis"),
    ("(x, x) -> ConvLSTM2D(4, 3)", (VIDEO,), "E0640", "ConvLSTM2D starts from 2 states, h, c; got 1"),
    (
        "(x, h, h) -> ConvLSTM2D(4, 3)",
        (VIDEO, "input h: float32[N, 8, 7, 4]"),
        "E0641",
        "the state h of ConvLSTM2D is float32[N, 6, 5, 4], got float32[N, 8, 7, 4]",
    ),
    (
        "x -> Masking() -> ConvLSTM2D(4, 3)",
        (VIDEO,),
        "E0624",
        "ConvLSTM2D needs a mask bool[N, T], got bool[N, T, 8, 7]",
    ),
    ("LSTM(0)", (X,), "E0403", "units of LSTM is a whole number, at least 1, got 0"),
    ("GRU(-3)", (X,), "E0403", "units of GRU is a whole number, at least 1, got -3"),
    ("SimpleRNN(2.5)", (X,), "E0403", "units of SimpleRNN is a whole number, at least 1, got 2.5"),
    ("LSTM()", (X,), "E0401", "LSTM needs the argument units"),
    ('LSTM(4, activation="tahn")', (X,), "E0403", "activation of LSTM is the name of an activation"),
    ('LSTM(4, recurrent_activation="glu")', (X,), "E0645", "recurrent_activation of LSTM keeps the width of the state"),
    ('SimpleRNNCell(4, "glu")', (X,), "E0645", "activation of SimpleRNNCell keeps the width"),
    ("LSTM(4, stateful=True)", (X,), "E0403", "stateful of LSTM is False (states in and out are inputs and outputs"),
    ("LSTM(4, return_sequences=1)", (X,), "E0403", "return_sequences of LSTM is True or False, got 1"),
    ("LSTM(4, dropout=2)", (X,), "E0403", "dropout of LSTM is a number from 0 to 1, got 2"),
    ('GRU(4, dtype="int32")', (X,), "E0403", "dtype of GRU is a floating element type"),
    ("LSTM(4)", ("input x: float32[N, 3]",), "E0302", "LSTM needs 3 axes (batch, steps, features), got float32[N, 3]"),
    ("LSTM(4)", ("input x: float32[N, T, 3, 3]",), "E0302", "LSTM needs 3 axes (batch, steps, features), got"),
    ("LSTM(4)", ("input x: float32[N, T, F]",), "E0301", "LSTM needs a known last axis, got float32[N, T, F]"),
    ("LSTM(4)", ("input x: string[N, T, 3]",), "E0303", "LSTM needs numbers, got string[N, T, 3]"),
    ("(x, h) -> LSTM(4)", (X, H), "E0640", "LSTM starts from 2 states, h, c; got 1"),
    ("(x, h, c) -> GRU(4)", (X, H, C), "E0640", "GRU starts from 1 state, h; got 2"),
    ("(x, initial_state=[h]) -> LSTM(4)", (X, H), "E0640", "LSTM starts from 2 states, h, c; got 1"),
    ("(x, h) -> GRU(5)", (X, H), "E0641", "the state h of GRU is float32[N, 5], got float32[N, 4]"),
    ("(x, h, c) -> LSTM(5)", (X, "input h: float32[N, 5]", C), "E0641", "the state c of LSTM is float32[N, 5], got"),
    ("(x, h) -> GRU(4)", (X, "input h: float32[4]"), "E0641", "the state h of GRU is float32[N, 4], got float32[4]"),
    (
        "(x, h) -> GRU(4)",
        (X, "input h: string[N, 4]"),
        "E0641",
        "the state h of GRU is float32[N, 4], got string[N, 4]",
    ),
    ("(x, h) -> GRU(4)", (X, "input h: float32[M, 4]"), "E0309", "GRU cannot tell whether N and M are equal"),
    ("(x, state=h) -> GRU(4)", (X, H), "E0604", "GRU has no input state"),
    ("(y, h) = x -> LSTM(4, return_state=True)\n    output y\n    output h", (X,), "E0504", "2 names on the left, 3"),
    ("LSTMCell(4)", ("input x: float32[N, 3]",), "E0604", "LSTMCell needs one or more states"),
    ("(x, h) -> LSTMCell(4)", ("input x: float32[N, 3]", H), "E0640", "LSTMCell starts from 2 states, h, c; got 1"),
    ("(x, h) -> GRUCell(4)", (X, H), "E0302", "GRUCell needs 2 axes (batch, features), got float32[N, T, 3]"),
    (
        "RNN([])",
        (X,),
        "E0620",
        "cell of RNN is a block or a cell, constructed and not applied, or a list of cells, got",
    ),
    ("RNN(LSTM(4))", (X,), "E0620", "cell of RNN is a block or a cell"),
    ("RNN([LSTMCell(4), Dense(4)])", (X,), "E0620", "cell of RNN is a block or a cell"),
    ("RNN(StackedRNNCells([]))", (X,), "E0644", "cells of StackedRNNCells is a list of one or more cells, got []"),
    ("(x, h) -> RNN([GRUCell(4), LSTMCell(4)])", (X, H), "E0640", "RNN starts from 3 states, h_0, h_1, c_1; got 1"),
    (
        "(x, h, h, c) -> RNN([GRUCell(4), LSTMCell(5)])",
        (X, H, C),
        "E0641",
        "the state h_1 of RNN is float32[N, 5], got",
    ),
    ("RNN(LSTMCell(4))", ("input x: float32[N, 3]",), "E0302", "RNN needs 3 axes (batch, steps, features)"),
    (
        "x -> Reshape((6, 3)) -> Masking() -> TimeDistributed(LSTM(4))",
        ("input x: float32[N, 18]",),
        "E0302",
        "LSTM needs 3 axes",
    ),
]


@pytest.mark.parametrize(("line", "inputs", "code", "message"), BAD, ids=[f"{case[2]}-{case[0]}" for case in BAD])
def test_says_what_does_not_fit(line: str, inputs: tuple[str, ...], code: str, message: str) -> None:
    found = diagnose(line, *inputs)
    assert found.code == code
    assert message in found.message


def test_points_at_the_argument_and_offers_a_mend() -> None:
    found = diagnose('LSTM(4, activation="tahn")', X)
    assert found.place.column == len("    LSTM(4, activation=") + 1
    assert found.help == 'did you mean "tanh"?'
    assert diagnose("(x, h) -> LSTM(4)", X, H).help == "(x, h, c) -> LSTM(...)"
    assert diagnose("(x, h) -> GRU(4)", X, "input h: float32[M, 4]").help == "state it: require N == M"
