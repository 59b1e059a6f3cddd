"""Random small networks against Keras: what the passes do between layers must not change what is computed."""

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

IMAGE = [
    'Conv2D(5, 3, padding="same", activation="relu")',
    "Conv2D(4, 1)",
    'Conv2D(6, 3, strides=2, padding="same", use_bias=False)',
    'Conv2D(6, 2, data_format="channels_first")',
    'DepthwiseConv2D(3, padding="same", activation="silu")',
    'MaxPooling2D(2, padding="same")',
    'AveragePooling2D(2, 1, "same")',
    "BatchNormalization()",
    "BatchNormalization(axis=1)",
    "LayerNormalization()",
    "LayerNormalization(axis=(1, 3))",
    "ZeroPadding2D(((1, 0), (0, 2)))",
    "Cropping2D(((0, 1), (1, 0)))",
    "UpSampling2D(2)",
    'UpSampling2D(2, interpolation="bilinear")',
    "Resizing(6, 5)",
    "Conv2DTranspose(3, 2, strides=2)",
    'Activation("gelu")',
    'Activation("softmax")',
    "Softmax(axis=1)",
    "ReLU(3.0, 0.1)",
    "PReLU(shared_axes=[1, 2])",
    "Rescaling(0.5, 0.1)",
    "Normalization(mean=0.1, variance=2.0)",
    "Normalization()",
    "Permute((2, 1, 3))",
    "Permute((3, 1, 2))",
    "Dense(5)",
    'Dense(4, activation="tanh")',
    "Dropout(0.2)",
]
ENDS = [
    ["Flatten()", "Dense(5)"],
    ["Flatten()", "ReLU()", "BatchNormalization()", "Dense(3)"],
    ["GlobalAveragePooling2D()", "Dense(4)"],
    ["GlobalMaxPooling2D()"],
    ["Reshape((-1, 2))", "Dense(3)"],
    ["Flatten()", "Dropout(0.1)", "Dense(3, use_bias=False)", "Reshape((3, 1))"],
    ["Permute((3, 2, 1))", "Flatten()", "Dense(2)"],
    ["GlobalAveragePooling2D(keepdims=True)", "Conv2D(3, 1)", "Flatten()"],
    [],
]


def network(seed: int) -> list[str]:
    """Lines that set x0, x1, ...: chains, with sums and joins of a value and what a layer made of it."""
    rng = random.Random(seed)
    lines, last = [], 0
    for _ in range(rng.randint(3, 7)):
        kind = rng.random()
        if kind < 0.2:
            branch = rng.choice(['Conv2D(4, 3, padding="same")', 'Activation("sigmoid")', "BatchNormalization()"])
            joint = "Concatenate()" if "Conv" in branch else rng.choice(["Add()", "Multiply()", "Maximum()"])
            joint = "Concatenate(axis=2)" if "sigmoid" in branch and rng.random() < 0.5 else joint
            lines += [f"x{last + 1} = x{last} -> {branch}", f"x{last + 2} = (x{last}, x{last + 1}) -> {joint}"]
            last += 2
        else:
            lines.append(f"x{last + 1} = x{last} -> {rng.choice(IMAGE)}")
            last += 1
    for call in rng.choice(ENDS):
        lines.append(f"x{last + 1} = x{last} -> {call}")
        last += 1
    return lines


def source(lines: list[str], height: int | str, width: int | str) -> str:
    head = ["model Net():", f"input x0: float32[N, {height}, {width}, 4]"]
    return "\n    ".join([*head, *lines, f"output y = x{len(lines)}"]) + "\n"


def run_ours(
    text: str, x: np.ndarray[Any, Any], folder: Path
) -> tuple[np.ndarray[Any, Any], list[np.ndarray[Any, Any]]]:
    """The result, and the weights in the order of the layers."""
    import onnxruntime

    model = archonnx.compile(text=text)
    weights = []
    for number, weight in enumerate(model.graph.weights()):
        rng = np.random.default_rng(number)
        low, high = (0.5, 1.5) if weight.path.endswith("variance") else (-0.5, 0.5)
        weight.initializer = resolve(rng.uniform(low, high, weight.shape).tolist())
        weights.append(Draw(weight).whole(Evaluation(0)).reshape(weight.shape))
    model.save(folder / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x0": x})[0], weights


def run_keras(lines: list[str], x: np.ndarray[Any, Any], weights: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The same lines in Keras, with the same weights."""
    values: list[Any] = [keras.ops.convert_to_tensor(x)]
    left = list(weights)
    for line in lines:
        flow, call = line.partition(" = ")[2].split(" -> ")
        given = eval(flow.replace("x", "values[").replace(",", "],").replace(")", "])") + ("" if "(" in flow else "]"))
        # TensorFlow convolves channels-first on some processors only.
        turned = call.startswith("Conv2D") and "channels_first" in call
        layer = eval(call.replace("channels_first", "channels_last") if turned else call, dict(vars(keras.layers)))
        given = keras.ops.moveaxis(given, 1, -1) if turned else given
        layer.build([tuple(g.shape) for g in given] if isinstance(given, tuple) else tuple(given.shape))
        for variable in layer.weights:
            variable.assign(left.pop(0))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        value = layer(list(given) if isinstance(given, tuple) else given)
        values.append(keras.ops.moveaxis(value, -1, 1) if turned else value)
    assert not left
    return np.asarray(keras.ops.convert_to_numpy(values[-1]))


def compare(lines: list[str], height: int | str, width: int | str, seed: int, folder: Path) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 12, 11, 4)).astype(np.float32)
    text = source(lines, height, width)
    y, weights = run_ours(text, x, folder)
    reference = run_keras(lines, x, weights)
    assert y.shape == reference.shape, text
    assert error(y, reference) <= 1e-5, text


@pytest.mark.parametrize("seed", range(40))
def test_a_random_network_computes_what_keras_computes(seed: int, tmp_path: Path) -> None:
    compare(network(seed), 12, 11, seed, tmp_path)


# Those of the first hundred networks whose weights need neither height nor width.
@pytest.mark.parametrize("seed", [0, 3, 4, 6, 8, 10, 11, 12, 13, 15, 16, 18, 19, 21, 27, 28, 29, 31, 36, 43])
def test_a_random_network_of_open_sizes_computes_what_keras_computes(seed: int, tmp_path: Path) -> None:
    compare(network(seed), "H", "W", seed, tmp_path)
