"""Weights of other tools through maps: what the tool itself computes with them, our model computes too.

The oracles are torch.nn's modules, Keras' layers, and ONNX Runtime's own operators LSTM, GRU, RNN, Conv, Gemm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import archonnx
from archonnx.compiler.weights.files.base import Entry, Tensor
from archonnx.compiler.weights.files.formats import write_tensors

rng = np.random.default_rng(11)


def run(path: Path, inputs: dict[str, Any]) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def ours(tmp_path: Path, body: str, maps: str, weights: Any, x: Any) -> Any:
    """What our model computes of `x` with these weights. `body` are its lines."""
    shape = ", ".join(["N", *map(str, x.shape[1:])])
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / "m.arch").write_text(f"model M():\n    input x: float32[{shape}]\n{lines}    output y\n")
    (tmp_path / "m.tool.map").write_text(maps)
    model = archonnx.compile(tmp_path / "m.arch").with_weights(weights, map="tool")
    model.save(tmp_path / "m.onnx")
    return run(tmp_path / "m.onnx", {"x": x})


def assert_close(found: Any, expected: Any) -> None:
    error = np.max(np.abs(found - expected)) / max(1e-6, np.max(np.abs(expected)))
    assert found.shape == expected.shape
    assert error < 1e-5


def sample(*shape: int) -> Any:
    return rng.normal(size=shape).astype("float32")


# torch

TORCH = {
    "lstm": ("LSTM(5, return_sequences=True)", "lstm = rnn", "LSTM(4, 5, batch_first=True)", (2, 7, 4)),
    "lstm, weight by weight": (
        "LSTM(5, return_sequences=True)",
        "lstm/kernel = rnn.weight_ih_l0\nlstm/recurrent_kernel = rnn.weight_hh_l0\n"
        "lstm/bias = rnn.bias_ih_l0 + rnn.bias_hh_l0",
        "LSTM(4, 5, batch_first=True)",
        (2, 7, 4),
    ),
    "both ways": (
        "Bidirectional(LSTM(5, return_sequences=True))",
        "bidirectional = rnn",
        "LSTM(4, 5, batch_first=True, bidirectional=True)",
        (2, 7, 4),
    ),
    "two deep": (
        "LSTM(5, return_sequences=True)\nLSTM(5, return_sequences=True)",
        "\n".join(
            f"{ours}/kernel = rnn.weight_ih_l{n}\n{ours}/recurrent_kernel = rnn.weight_hh_l{n}\n"
            f"{ours}/bias = rnn.bias_ih_l{n} + rnn.bias_hh_l{n}"
            for n, ours in enumerate(("lstm", "lstm_1"))
        ),
        "LSTM(4, 5, num_layers=2, batch_first=True)",
        (2, 7, 4),
    ),
    "two deep, in a pattern": (
        "LSTM(5, return_sequences=True)\nLSTM(5, return_sequences=True)",
        "lstm_{i}/kernel = rnn.weight_ih_l{i}\nlstm_{i}/recurrent_kernel = rnn.weight_hh_l{i}\n"
        "lstm_{i}/bias = rnn.bias_ih_l{i} + rnn.bias_hh_l{i}",
        "LSTM(4, 5, num_layers=2, batch_first=True)",
        (2, 7, 4),
    ),
    "gru": ("GRU(5, return_sequences=True)", "gru = rnn", "GRU(4, 5, batch_first=True)", (2, 7, 4)),
    "gru, weight by weight": (
        "GRU(5, return_sequences=True)",
        "gru/kernel = rnn.weight_ih_l0\ngru/recurrent_kernel = rnn.weight_hh_l0\n"
        "gru/bias = stack(rnn.bias_ih_l0, rnn.bias_hh_l0)",
        "GRU(4, 5, batch_first=True)",
        (2, 7, 4),
    ),
    "gru, gates by hand": (
        "GRU(5, return_sequences=True)",
        'gru/kernel = as_is(transpose(gates(rnn.weight_ih_l0, "rzn", "zrh")))\n'
        'gru/recurrent_kernel = as_is(transpose(gates(rnn.weight_hh_l0, "rzn", "zrh")))\n'
        'gru/bias = as_is(gates(stack(rnn.bias_ih_l0, rnn.bias_hh_l0), "rzn", "zrh", axis=1))',
        "GRU(4, 5, batch_first=True)",
        (2, 7, 4),
    ),
    "rnn": ("SimpleRNN(5, return_sequences=True)", "simple_rnn = rnn", "RNN(4, 5, batch_first=True)", (2, 7, 4)),
}


@pytest.mark.parametrize("name", TORCH)
def test_recurrent_layers_of_torch(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    body, maps, module, shape = TORCH[name]
    torch.manual_seed(3)
    made = torch.nn.Module()
    made.rnn = eval(f"torch.nn.{module}", {"torch": torch})
    torch.save(made.state_dict(), tmp_path / "w.pth")
    x = sample(*shape)
    with torch.no_grad():
        expected = made.rnn(torch.from_numpy(x))[0].numpy()
    assert_close(ours(tmp_path, body, f"layout torch\n{maps}\n", tmp_path / "w.pth", x), expected)


def test_a_convolutional_network_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(4)
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 6, 3, groups=2),
        nn.ConvTranspose2d(6, 4, 3), nn.Flatten(2), nn.LayerNorm(64), nn.Linear(64, 5, bias=False), nn.PReLU(),
    )  # fmt: skip
    for buffer in (net[1].running_mean, net[1].running_var):
        buffer.uniform_(0.5, 1.5)
    net.eval()
    torch.save(net.state_dict(), tmp_path / "w.pth")
    x = sample(2, 12, 12, 3)
    with torch.no_grad():
        expected = net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    body = """\
Conv2D(8, 3)
BatchNormalization(epsilon=1e-5)
DepthwiseConv2D(3)
Conv2D(6, 3, groups=2)
Conv2DTranspose(4, 3)
Reshape((64, 4))
Permute((2, 1))
LayerNormalization(epsilon=1e-5)
Dense(5, use_bias=False)
PReLU(shared_axes=[1, 2])"""
    maps = """\
layout torch
conv2d = 0
batch_normalization = 1
depthwise_conv2d = 2
conv2d_1 = 3
conv2d_transpose = 4
layer_normalization = 6
dense = 7
p_re_lu = 8
"""
    assert_close(ours(tmp_path, body, maps, tmp_path / "w.pth", x), expected)


def test_attention_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    made = torch.nn.Module()
    made.attn = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    made.attn.in_proj_bias.data.uniform_(-1, 1)
    torch.save(made.state_dict(), tmp_path / "w.pth")
    x = sample(2, 5, 8)
    with torch.no_grad():
        expected = made.attn(*[torch.from_numpy(x)] * 3)[0].numpy()
    body = '(x, x) -> MultiHeadAttention(2, 4, name="attention")'
    assert_close(ours(tmp_path, body, "layout torch\nattention = attn\n", tmp_path / "w.pth", x), expected)
    parts = "\n".join(
        f"attention/{part}/kernel = split(attn.in_proj_weight, 3)[{n}]\n"
        f"attention/{part}/bias = split(attn.in_proj_bias, 3)[{n}]"
        for n, part in enumerate(("query", "key", "value"))
    )
    maps = f"""\
layout torch
{parts}
attention/attention_output/kernel = attn.out_proj.weight
attention/attention_output/bias = attn.out_proj.bias
"""
    assert_close(ours(tmp_path, body, maps, tmp_path / "w.pth", x), expected)


# ONNX

RECURRENT = {
    "LSTM": ("LSTM(5, return_sequences=True)", "lstm", 4),
    "GRU": ("GRU(5, return_sequences=True)", "gru", 3),
    "RNN": ("SimpleRNN(5, return_sequences=True)", "simple_rnn", 1),
}


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("by_weight", [False, True])
def test_recurrent_operators_of_onnx(kind: str, ways: int, by_weight: bool, tmp_path: Path) -> None:
    layer, name, gates = RECURRENT[kind]
    steps, width, units = 7, 4, 5
    weights = {
        "W": sample(ways, gates * units, width),
        "R": sample(ways, gates * units, units),
        "B": sample(ways, 2 * gates * units),
    }
    attributes: dict[str, Any] = {"hidden_size": units, "direction": "forward" if ways == 1 else "bidirectional"}
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    node = helper.make_node(kind, ["x", "W", "R", "B"], ["all"], **attributes)
    # (steps, ways, batch, units) -> (batch, steps, ways * units)
    turned = helper.make_node("Transpose", ["all"], ["turned"], perm=[2, 0, 1, 3])
    flat = helper.make_node("Reshape", ["turned", "shape"], ["y"])
    x = sample(2, steps, width)
    initializers = [numpy_helper.from_array(array, n) for n, array in weights.items()]
    graph = helper.make_graph(
        [node, turned, flat],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, 2, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [*initializers, numpy_helper.from_array(np.array([2, steps, ways * units]), "shape")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "t.onnx")
    expected = run(tmp_path / "t.onnx", {"x": x.transpose(1, 0, 2).copy()})
    if ways == 2:
        layer, path = f"Bidirectional({layer})", "bidirectional"
    else:
        path = name
    if by_weight:
        below = [""] if ways == 1 else [f"forward_{name}/", f"backward_{name}/"]
        rules = "\n".join(
            f"{path}/{b}kernel = w.W\n{path}/{b}recurrent_kernel = w.R[{n}]\n{path}/{b}bias = w.B"
            for n, b in enumerate(below)
        )
    else:
        rules = f"{path} = w"
    tensors = {f"w.{n}": array for n, array in weights.items()}
    assert_close(ours(tmp_path, layer, f"layout onnx\n{rules}\n", tensors, x), expected)


def test_initializers_of_other_operators_of_onnx(tmp_path: Path) -> None:
    weights = {
        "conv.weight": sample(6, 3, 3, 3),
        "conv.bias": sample(6),
        "fc.weight": sample(5, 6),
        "fc.bias": sample(5),
        "onnx::MatMul_7": sample(5, 4),
    }
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "fc.weight", "fc.bias"], ["d"], transB=1),
        helper.make_node("MatMul", ["d", "onnx::MatMul_7"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, n) for n, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "t.onnx")
    x = sample(2, 8, 8, 3)
    expected = run(tmp_path / "t.onnx", {"x": x.transpose(0, 3, 1, 2).copy()})
    body = "Conv2D(6, 3)\nGlobalAveragePooling2D()\nDense(5)\nDense(4, use_bias=False)"
    maps = "layout onnx\nconv2d = conv\ndense = fc\ndense_1/kernel = as_is(onnx::MatMul_7)\n"
    assert_close(ours(tmp_path, body, maps, tmp_path / "t.onnx", x), expected)


# Keras


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own, as it saves
def test_files_of_keras(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    layers = keras.layers
    x = enters = keras.Input((6, 4))
    x = layers.LSTM(5, return_sequences=True, name="one")(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="two")(x)
    x = layers.MultiHeadAttention(2, 3, name="three")(x, x)
    x = layers.BatchNormalization(name="four")(x)
    x = layers.SeparableConv1D(4, 3, name="five")(x)
    model = keras.Model(enters, layers.Dense(2, name="six")(x))
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    data = sample(2, 6, 4)
    expected = np.asarray(model(data))
    body = """\
LSTM(5, return_sequences=True)
h = it -> Bidirectional(GRU(3, return_sequences=True))
(h, h) -> MultiHeadAttention(2, 3)
BatchNormalization()
SeparableConv1D(4, 3)
Dense(2)"""
    maps = """\
layout keras
lstm = one
bidirectional = two
multi_head_attention = three
batch_normalization = four
separable_conv1d = five
dense/kernel = six/kernel
dense/bias = six/bias
"""
    for name in ("w.keras", "w.weights.h5", "w.h5"):
        (model.save_weights if name == "w.weights.h5" else model.save)(tmp_path / name)
        assert_close(ours(tmp_path, body, maps, tmp_path / name, data), expected)
    arrays = {variable.path: np.asarray(variable) for variable in model.weights}
    assert_close(ours(tmp_path, body, maps, arrays, data), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own, as it saves
@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5", "w.h5"])
def test_what_to_keras_saves_needs_no_map(name: str, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    text = """\
block cell(width):
    input x
    weight scale: [width] = "ones"
    (x -> Dense(width)) * scale
model M():
    input x: float32[N, 6, 4]
    cell(4)
    cell(4)
    LSTM(5, return_sequences=True)
    h = it -> Bidirectional(GRU(3, return_sequences=True))
    (h, h) -> MultiHeadAttention(2, 3)
    output y
"""
    model = archonnx.compile(text=text)
    arrays = {w.path: rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in model.graph.weights()}
    made = archonnx.to_keras(model.with_weights(arrays))
    (made.save_weights if name == "w.weights.h5" else made.save)(tmp_path / name)
    found = model.with_weights(tmp_path / name).values()
    for path, array in arrays.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


def test_a_file_of_weights_in_half_precision(tmp_path: Path) -> None:
    import ml_dtypes

    kernel = rng.normal(size=(4, 5)).astype(ml_dtypes.bfloat16)
    tensor = Tensor(Entry("bfloat16", kernel.shape), lambda: iter([kernel.reshape(-1)]))
    write_tensors(tmp_path / "w.safetensors", {"dense/kernel": tensor}, {})
    model = archonnx.compile(
        text="model M():\n    input x: float32[N, 4]\n    Dense(5, use_bias=False)\n    output y\n"
    )
    found = model.with_weights(tmp_path / "w.safetensors").values()["dense/kernel"]
    np.testing.assert_array_equal(found, kernel.astype("float32"))
