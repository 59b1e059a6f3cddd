"""The networks that are built, as models of Keras: those of keras.applications, and those that it has not by hand.

Nothing of archonnx is imported: what an import takes would count as the peer's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TOKENS = 128


def _application(name: str) -> Any:
    import keras

    return getattr(keras.applications, name)(weights=None)


def dnn() -> Any:
    """models/dnn.arch."""
    import keras

    layers: list[Any] = [keras.Input((256, 256, 3))]
    for filters in (256, 128, 64):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu", padding="same"), keras.layers.MaxPooling2D()]
    dense = [keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)]
    return keras.Sequential([*layers, *dense])


def stack(width: int, depth: int = 24) -> Any:
    """dense.arch beside this file."""
    import keras

    return keras.Sequential([keras.Input((width,)), *(keras.layers.Dense(width, "relu") for _ in range(depth))])


def _places(most: int, width: int) -> Any:
    import keras

    class Places(keras.layers.Layer):  # type: ignore[misc]
        """A vector for each place of a text, as many as it has tokens: [N, T, width] to [T, width]."""

        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(most, width), initializer="uniform", name="table")

        def call(self, x: Any) -> Any:
            return self.table[: keras.ops.shape(x)[1]]

        def compute_output_shape(self, shape: Any) -> Any:
            return shape[1:]

    return Places()


def bert(layers: int = 12, width: int = 768, heads: int = 12) -> Any:
    """BERTBase of models/bert.arch."""
    import keras
    from keras import layers as k

    ids, mask, types = (keras.Input((TOKENS,), dtype="int64", name=name) for name in ("ids", "mask", "types"))
    word = k.Embedding(30522, width)(ids)
    x = k.LayerNormalization(epsilon=1e-12)(word + _places(512, width)(word) + k.Embedding(2, width)(types))
    seen = keras.ops.not_equal(mask, 0)[:, None, :]
    for _ in range(layers):
        attended = k.MultiHeadAttention(heads, width // heads)(x, x, attention_mask=seen)
        x = k.LayerNormalization(epsilon=1e-12)(x + attended)
        thought = k.Dense(width)(k.Dense(4 * width, activation="gelu")(x))
        x = k.LayerNormalization(epsilon=1e-12)(x + thought)
    return keras.Model([ids, mask, types], [x, k.Dense(width, activation="tanh")(x[:, 0])])


def gpt2(layers: int = 12, width: int = 768, heads: int = 12) -> Any:
    """GPT2Small of models/gpt2.arch."""
    import keras
    from keras import layers as k

    ids, mask = (keras.Input((TOKENS,), dtype="int64", name=name) for name in ("ids", "mask"))
    words = k.ReversibleEmbedding(50257, width)
    word = words(ids)
    x = word + _places(1024, width)(word)
    seen = keras.ops.not_equal(mask, 0)[:, None, :]
    for _ in range(layers):
        y = k.LayerNormalization(epsilon=1e-5)(x)
        x = x + k.MultiHeadAttention(heads, width // heads)(y, y, attention_mask=seen, use_causal_mask=True)
        y = k.Dense(4 * width)(k.LayerNormalization(epsilon=1e-5)(x))
        x = x + k.Dense(width)(keras.ops.gelu(y, approximate=True))
    return keras.Model([ids, mask], words(k.LayerNormalization(epsilon=1e-5)(x), reverse=True))


def gru() -> Any:
    """gru.arch beside this file."""
    import keras

    layer = keras.layers.Bidirectional(keras.layers.GRU(256, return_sequences=True))
    return keras.Sequential([keras.Input((128, 256)), layer])


def lstm() -> Any:
    """CharacterModel of models/lstm.arch."""
    import keras

    characters = keras.Input((TOKENS,), dtype="int32", name="characters")
    states = [keras.Input((256,), name=name) for name in ("h0", "h1", "c0", "c1")]
    x = keras.layers.Embedding(128, 64)(characters)
    hs: list[Any] = []
    cs: list[Any] = []
    for h, c in (states[::2], states[1::2]):
        x, h, c = keras.layers.LSTM(256, return_sequences=True, return_state=True)(x, initial_state=[h, c])
        hs, cs = [*hs, h], [*cs, c]
    return keras.Model([characters, *states], [keras.layers.Dense(128)(x), *hs, *cs])


NETWORKS: dict[str, Callable[[], Any]] = {
    "DNN": dnn,
    "ResNet-50": lambda: _application("ResNet50"),
    "VGG-19": lambda: _application("VGG19"),
    "EfficientNet-B0": lambda: _application("EfficientNetB0"),
    "BERT-base": bert,
    "GPT-2": gpt2,
    "GRU": gru,
    "LSTM": lstm,
}
