"""Small transformers against Keras' functional models: masks travel through residual sums, weights go by their paths.

Keras 3.15 takes the masks off the inputs of MultiHeadAttention while it runs, so that a second layer that reads the same
value, or a sum with it, sees none. In the language a value keeps its mask: Keras is given them back here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_harness
import numpy as np
import pytest

import archonnx
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.initializers import resolve

keras = pytest.importorskip("keras")

Array = np.ndarray[Any, Any]
TOKENS = np.array([[4, 7, 1, 9, 2, 0, 0], [3, 5, 0, 8, 0, 0, 0], [6, 2, 2, 1, 9, 4, 3]], np.int32)
SOURCES = np.array([[1, 2, 3, 0], [9, 0, 0, 0], [5, 6, 7, 8]], np.int32)

ENCODER = """
block feed_forward(width):
    input x: [..., D]
    x -> Dense(width, activation="gelu") -> Dense(D)

block layer(heads, width):
    input x: [N, T, D]
    a = (x, x) -> MultiHeadAttention(heads, D // heads, dropout=0.1) -> Dropout(0.1)
    x = (x, a) -> Add() -> LayerNormalization(epsilon=1e-6)
    f = x -> feed_forward(width) -> Dropout(0.1)
    (x, f) -> Add() -> LayerNormalization(epsilon=1e-6)

model Encoder():
    input tokens: int32[N, T]
    tokens -> Embedding(12, 8, mask_zero=True)
    layer(2, 16)
    layer(2, 16)
    output y
"""


def attention(*arguments: Any, **options: Any) -> Any:
    """Keras' layer, which gives its inputs their masks back."""

    class MultiHeadAttention(keras.layers.MultiHeadAttention):  # type: ignore[misc]
        def call(
            self,
            query: Any,
            value: Any,
            key: Any = None,
            query_mask: Any = None,
            value_mask: Any = None,
            key_mask: Any = None,
            use_causal_mask: bool = False,
        ) -> Any:
            masks = [(x, x._keras_mask) for x in (query, value) if getattr(x, "_keras_mask", None) is not None]
            result = super().call(query, value, key, query_mask, value_mask, key_mask, use_causal_mask=use_causal_mask)
            for x, mask in masks:
                x._keras_mask = mask
            return result

    return MultiHeadAttention(*arguments, **options)


def encoder() -> Any:
    layers = keras.layers
    tokens = keras.Input((None,), dtype="int32")
    x = layers.Embedding(12, 8, mask_zero=True)(tokens)
    for _ in range(2):
        a = layers.Dropout(0.1)(attention(2, 4, dropout=0.1)(x, x))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, a]))
        f = layers.Dense(16, activation="gelu")(x)
        f = layers.Dropout(0.1)(layers.Dense(8)(f))
        x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([x, f]))
    return keras.Model(tokens, x)


TRANSLATOR = """
model Translator():
    input tokens: int32[N, T]
    input source: int32[N, S]
    m = source -> Embedding(12, 6, mask_zero=True)
    a = (m, m) -> MultiHeadAttention(2, 3)
    m = (m, a) -> Add() -> LayerNormalization()
    x = tokens -> Embedding(12, 8, mask_zero=True)
    for i in range(2):
        a = (x, x) -> MultiHeadAttention(2, 4, use_causal_mask=True)
        x = (x, a) -> Add() -> LayerNormalization()
        a = (x, m) -> MultiHeadAttention(2, 4)
        x = (x, a) -> Add() -> LayerNormalization()
    output y = x -> Dense(12)
"""


def translator() -> Any:
    layers = keras.layers
    tokens, source = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    m = layers.Embedding(12, 6, mask_zero=True)(source)
    m = layers.LayerNormalization()(layers.Add()([m, attention(2, 3)(m, m)]))
    x = layers.Embedding(12, 8, mask_zero=True)(tokens)
    for _ in range(2):
        a = attention(2, 4)(x, x, use_causal_mask=True)
        x = layers.LayerNormalization()(layers.Add()([x, a]))
        x = layers.LayerNormalization()(layers.Add()([x, attention(2, 4)(x, m)]))
    return keras.Model([tokens, source], layers.Dense(12)(x))


READER = """
model Reader():
    input tokens: int32[N, T]
    input source: int32[N, S]
    m = source -> Embedding(12, 8, mask_zero=True)
    x = tokens -> Embedding(12, 8, mask_zero=True)
    g = (x, x) -> GroupQueryAttention(4, 4, 2, use_causal_mask=True, sliding_window=3)
    x = (x, g) -> Add()
    a = (x, m) -> Attention(use_scale=True)
    x = (x, a) -> Add()
    b = (x, m) -> AdditiveAttention(use_causal_mask=True)
    output y = (x, b) -> Concatenate()
"""


def reader() -> Any:
    layers = keras.layers
    tokens, source = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    m = layers.Embedding(12, 8, mask_zero=True)(source)
    x = layers.Embedding(12, 8, mask_zero=True)(tokens)
    x = layers.Add()([x, layers.GroupQueryAttention(4, 4, 2, sliding_window=3)(x, x, use_causal_mask=True)])
    x = layers.Add()([x, layers.Attention(use_scale=True)([x, m])])
    b = layers.AdditiveAttention()([x, m], use_causal_mask=True)
    return keras.Model([tokens, source], layers.Concatenate()([x, b]))


def ours(text: str, arrays: dict[str, Array], opset: int, folder: Path) -> tuple[Array, dict[str, Array]]:
    """The result, and the weights by their paths without the blocks."""
    model = archonnx.compile(text=text, opset=opset)
    weights = {}
    counted: dict[str, list[str]] = {}
    for number, weight in enumerate(model.graph.weights()):
        drawn = np.random.default_rng(number).uniform(-1, 1, weight.shape)
        weight.initializer = resolve(drawn.tolist())
        node = next(n for n in model.graph.nodes if weight in n.layer.weights.values())
        kind, local = node.layer.default_name(), weight.path.removeprefix(f"{node.path}/")
        paths = counted.setdefault(kind, [])
        if node.path not in paths:
            paths.append(node.path)
        place = paths.index(node.path)
        weights[f"{kind}_{place}/{local}" if place else f"{kind}/{local}"] = (
            Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
        )
    model.save(folder / "net.onnx")
    return archonnx.load(folder / "net.onnx")(**arrays), weights


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("opset", [20, 23, 25])
@pytest.mark.parametrize(
    ("text", "theirs", "names"),
    [
        (ENCODER, encoder, ("tokens",)),
        (TRANSLATOR, translator, ("tokens", "source")),
        (READER, reader, ("tokens", "source")),
    ],
    ids=["encoder", "translator", "reader"],
)
def test_a_transformer_computes_what_keras_computes(
    text: str, theirs: Callable[[], Any], names: tuple[str, ...], opset: int, tmp_path: Path
) -> None:
    arrays = {name: TOKENS if name == "tokens" else SOURCES for name in names}
    y, weights = ours(text, arrays, opset, tmp_path)
    keras.utils.clear_session(free_memory=False)
    model = theirs()
    found = {variable.path: variable for variable in model.weights}
    assert set(found) == set(weights)
    for path, variable in found.items():
        variable.assign(weights[path])
    expected = keras.ops.convert_to_numpy(model([arrays[name] for name in names] if len(names) > 1 else TOKENS))
    assert y.shape == expected.shape
    assert keras_harness.error(y, expected) <= 1e-5


def vision(options: dict[str, Any], flat: bool) -> Any:
    layers = keras.layers
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.Reshape((-1, 8))(x) if flat else x
    x = layers.Add()([x, attention(2, 4, **options)(x, x)])
    x = layers.Reshape((6, 6, 8))(x) if flat else x
    return keras.Model(image, layers.Conv2D(4, 3, padding="same")(x))


@pytest.mark.parametrize("opset", [20, 23])
@pytest.mark.parametrize("options", ["flat", "", "attention_axes=1", "attention_axes=2", "attention_axes=(2, 1)"])
def test_attention_between_convolutions_computes_what_keras_computes(options: str, opset: int, tmp_path: Path) -> None:
    """The passes turn images around convolutions, and leave the axes of attention as they are."""
    flat = options == "flat"
    lines = [
        "model Vision():",
        "input image: float32[N, 12, 12, 3]",
        'x = image -> Conv2D(8, 3, strides=2, padding="same", activation="relu")',
        *(["x = x -> Reshape((-1, 8))"] if flat else []),
        f"a = (x, x) -> MultiHeadAttention(2, 4{'' if flat or not options else ', ' + options})",
        "x = (x, a) -> Add()",
        *(["x = x -> Reshape((6, 6, 8))"] if flat else []),
        'output y = x -> Conv2D(4, 3, padding="same")',
    ]
    image = np.random.default_rng(5).normal(size=(2, 12, 12, 3)).astype(np.float32)
    y, weights = ours("\n    ".join(lines) + "\n", {"image": image}, opset, tmp_path)
    keras.utils.clear_session(free_memory=False)
    model = vision({} if flat or not options else eval(f"dict({options})"), flat)
    for variable in model.weights:
        variable.assign(weights[variable.path])
    expected = keras.ops.convert_to_numpy(model(image))
    assert y.shape == expected.shape
    assert keras_harness.error(y, expected) <= 1e-5
