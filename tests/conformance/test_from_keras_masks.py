"""archonnx.from_keras where Keras' masks are not those that travel with tensors by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE
from test_from_keras import compare, randomize
from test_transformers import ENCODER, READER, SOURCES, TOKENS, TRANSLATOR

import archonnx

keras = pytest.importorskip("keras")
k = keras.layers


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def masked() -> tuple[Any, Any]:
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    return tokens, k.Embedding(12, 8, mask_zero=True)(tokens)


def residual() -> Any:
    """Attention takes the mask off `x` before it is added; what pools was given the mask when the model was built."""
    tokens, x = masked()
    x = k.Add()([x, k.MultiHeadAttention(2, 4)(x, x)])
    return keras.Model(tokens, k.GlobalAveragePooling1D()(k.LayerNormalization()(x)))


def product() -> Any:
    """A layer of several inputs, which sees no mask on what attention has read."""
    tokens, x = masked()
    return keras.Model(tokens, k.Multiply()([x, k.MultiHeadAttention(2, 4)(x, x)]))


def around() -> Any:
    """Layers that run before attention, and layers that run after it."""
    tokens, x = masked()
    before = k.GlobalAveragePooling1D()(x)
    return keras.Model(tokens, k.Concatenate()([before, k.LSTM(3)(x), k.LSTM(3)(k.MultiHeadAttention(2, 4)(x, x))]))


def given() -> Any:
    """A mask in the call, which is the one that travels."""
    tokens, x = masked()
    return keras.Model(tokens, k.LSTM(4)(k.Dense(4)(x), mask=keras.ops.not_equal(tokens, 0)))


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("build", [residual, product, around, given])
def test_masks_are_those_that_keras_has(build: Callable[[], Any]) -> None:
    model = build()
    randomize(model)
    _, worst = compare(model, [TOKENS])
    assert worst <= TOLERANCE


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("text", [ENCODER, TRANSLATOR, READER], ids=["encoder", "translator", "reader"])
def test_transformers_of_ours_come_back(text: str) -> None:
    arrays = [TOKENS] if text is ENCODER else [TOKENS, SOURCES]
    model = archonnx.to_keras(archonnx.compile(text=text))
    compiled, worst = compare(model, arrays)
    assert worst <= TOLERANCE
    keras.utils.clear_session(free_memory=False)
    assert archonnx.from_keras(archonnx.to_keras(compiled)).text == compiled.text


def test_a_mask_that_is_an_input_is_refused() -> None:
    x, mask = keras.Input((None, 6), name="x"), keras.Input((None,), dtype="bool", name="m")
    with pytest.raises(
        archonnx.ArchonnxError, match="a mask that its input does not carry in the language; set it with"
    ):
        archonnx.from_keras(keras.Model([x, mask], k.LSTM(4, name="last")(x, mask=mask)))


def test_the_mask_of_attention_that_is_an_input() -> None:
    x, mask = keras.Input((5, 8), name="x"), keras.Input((5,), dtype="bool", name="m")
    model = keras.Model([x, mask], k.Attention()([x, x], mask=[None, mask]))
    rng = np.random.default_rng(0)
    compiled, worst = compare(model, [rng.normal(size=(2, 5, 8)).astype(np.float32), rng.random((2, 5)) < 0.6])
    assert worst <= TOLERANCE
    assert "(x, x, value_mask=m) -> Attention()" in compiled.text


def test_masks_of_value_and_key_that_are_inputs() -> None:
    x, value, key = keras.Input((5, 8), name="x"), *(keras.Input((5,), dtype="bool", name=n) for n in ("v", "k"))
    made = k.MultiHeadAttention(2, 4, name="attend")(x, x, value_mask=value, key_mask=key)
    rng = np.random.default_rng(0)
    masks = [rng.random((2, 5)) < 0.7 for _ in range(2)]
    compiled, worst = compare(
        keras.Model([x, value, key], made), [rng.normal(size=(2, 5, 8)).astype(np.float32), *masks]
    )
    assert worst <= TOLERANCE
    assert "(x, x, value_mask=v, key_mask=k)" in compiled.text
