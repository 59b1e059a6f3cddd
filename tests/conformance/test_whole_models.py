"""Whole models of several families against Keras' functional models with the same weights, which go by the same names.

Masks go through every family, wrappers stand around one another, layers are applied twice, parts are frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import error, local_name

import archonnx
from archonnx.compiler.recipes import Draw, Evaluation
from archonnx.compiler.weights.initializers import resolve

keras = pytest.importorskip("keras")

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Whole:
    """`text` and `theirs` are one model: the same inputs, outputs and names. `inputs` draws arrays for a batch."""

    name: str
    text: str
    theirs: Callable[[Any], Any]
    inputs: Callable[[Any, int], dict[str, Array]]
    frozen: int = 0  # parameters that are not trained
    tolerance: float = TOLERANCE


def tokens(rng: Any, batch: int, steps: int, vocabulary: int) -> Array:
    """int32 [batch, steps], each row filled up with zeros from another place on, one row not at all."""
    drawn = rng.integers(1, vocabulary, (batch, steps)).astype(np.int32)
    for row in range(1, batch):
        drawn[row, rng.integers(1, steps) :] = 0
    return drawn


def sequence(rng: Any, batch: int, steps: int, width: int) -> Array:
    """float32 [batch, steps, width], the first steps of all rows but one all zero."""
    drawn = rng.uniform(-1, 1, (batch, steps, width)).astype(np.float32)
    for row in range(1, batch):
        drawn[row, : rng.integers(1, steps)] = 0
    return drawn


def encoder(k: Any) -> Any:
    x = given = keras.Input((None,), dtype="int32", name="tokens")
    x = k.Embedding(50, 16, mask_zero=True, name="embed")(x)
    for i in range(2):
        y = k.LayerNormalization(name=f"before_{i}")(x)
        y = k.MultiHeadAttention(4, 4, name=f"attend_{i}")(y, y)
        x = k.Add(name=f"add_{i}")([x, y])
        y = k.LayerNormalization(name=f"between_{i}")(x)
        y = k.Dense(32, activation="gelu", name=f"widen_{i}")(y)
        y = k.Dense(16, name=f"narrow_{i}")(y)
        x = k.Add(name=f"join_{i}")([x, k.Dropout(0.1)(y)])
    x = k.GlobalAveragePooling1D()(x)
    return keras.Model([given], [k.Dense(3, activation="softmax", name="head")(x)])


ENCODER = """\
model Encoder(layers = 2):
    input tokens: int32[N, T]
    x = tokens -> Embedding(50, 16, mask_zero=True, name="embed")
    for i in range(layers):
        y = x -> LayerNormalization(name=f"before_{i}")
        y = (y, y) -> MultiHeadAttention(4, 4, name=f"attend_{i}")
        x = (x, y) -> Add()
        y = x -> LayerNormalization(name=f"between_{i}")
              -> Dense(32, activation="gelu", name=f"widen_{i}")
              -> Dense(16, name=f"narrow_{i}")
              -> Dropout(0.1)
        x = (x, y) -> Add()
    x -> GlobalAveragePooling1D() -> Dense(3, activation="softmax", name="head")
    output classes
"""


def tagger(k: Any) -> Any:
    given = keras.Input((None, 6), name="frames")
    x = k.Masking(name="masking")(given)
    x = k.Bidirectional(k.LSTM(5, return_sequences=True), name="both")(x)
    x = k.Bidirectional(k.GRU(4, return_sequences=True), merge_mode="sum", name="again")(x)
    x = k.LayerNormalization(name="normal")(x)
    tags = k.TimeDistributed(k.Dense(7, activation="softmax"), name="tags")(x)
    last = k.SimpleRNN(3, name="last")(x)
    return keras.Model([given], [tags, last])


TAGGER = """\
model Tagger():
    input frames: float32[N, T, 6]
    x = frames -> Masking()
               -> Bidirectional(LSTM(5, return_sequences=True), name="both")
               -> Bidirectional(GRU(4, return_sequences=True), merge_mode="sum", name="again")
               -> LayerNormalization(name="normal")
    output tags = x -> TimeDistributed(Dense(7, activation="softmax"), name="tags")
    output last = x -> SimpleRNN(3, name="last")
"""


def masks(k: Any) -> Any:
    given = keras.Input((None, 6), name="frames")
    x = k.Masking()(given)
    x = k.LSTM(8, return_sequences=True, name="lstm")(x)
    x = k.LayerNormalization(name="normal")(x)
    x = k.SpatialDropout1D(0.5)(x)
    x = k.MultiHeadAttention(2, 4, name="attend")(x, x)
    x = k.Activation("tanh")(x)
    return keras.Model([given], [k.GlobalAveragePooling1D()(x)])


MASKS = """\
model Masks():
    input frames: float32[N, T, 6]
    x = frames -> Masking() -> LSTM(8, return_sequences=True) -> LayerNormalization(name="normal")
               -> SpatialDropout1D(0.5)
    (x, x) -> MultiHeadAttention(2, 4, name="attend")
    Activation("tanh")
    GlobalAveragePooling1D()
    output y
"""


def conformer(k: Any) -> Any:
    given = keras.Input((None, 12), name="frames")

    def half(x: Any, name: str) -> Any:
        y = k.LayerNormalization(name=f"{name}_normal")(x)
        y = k.Dense(24, activation="silu", name=f"{name}_widen")(y)
        y = k.Dense(12, name=f"{name}_narrow")(y)
        return k.Add()([x, k.Rescaling(0.5)(y)])

    x = half(given, "first")
    y = k.LayerNormalization(name="attend_normal")(x)
    x = k.Add()([x, k.MultiHeadAttention(3, 4, name="attend")(y, y)])
    y = k.LayerNormalization(name="conv_normal")(x)
    y = k.Multiply()([k.Dense(12, name="value")(y), k.Dense(12, activation="sigmoid", name="gate")(y)])
    y = k.DepthwiseConv1D(5, padding="same", name="conv")(y)
    y = k.BatchNormalization(name="batch")(y)
    y = k.Conv1D(12, 1, name="mix")(k.Activation("silu")(y))
    x = half(k.Add()([x, y]), "second")
    return keras.Model([given], [k.LayerNormalization(name="last")(x)])


CONFORMER = """\
model Conformer():
    input frames: float32[N, T, 12]
    x = frames
    y = x -> LayerNormalization(name="first_normal") -> Dense(24, activation="silu", name="first_widen")
          -> Dense(12, name="first_narrow")
    x = x + 0.5 * y
    y = x -> LayerNormalization(name="attend_normal")
    x = x + ((y, y) -> MultiHeadAttention(3, 4, name="attend"))
    y = x -> LayerNormalization(name="conv_normal")
    y = (y -> Dense(12, name="value")) * (y -> Dense(12, activation="sigmoid", name="gate"))
    y = y -> DepthwiseConv1D(5, padding="same", name="conv") -> BatchNormalization(name="batch")
          -> Activation("silu") -> Conv1D(12, 1, name="mix")
    x = x + y
    y = x -> LayerNormalization(name="second_normal") -> Dense(24, activation="silu", name="second_widen")
          -> Dense(12, name="second_narrow")
    x + 0.5 * y
    LayerNormalization(name="last")
    output result
"""


def unet(k: Any) -> Any:
    given = keras.Input((None, None, 3), name="image")

    def twice(x: Any, width: int, name: str) -> Any:
        for i in (0, 1):
            x = k.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv_{i}")(x)
            x = k.ReLU()(k.BatchNormalization(name=f"{name}_batch_{i}")(x))
        return x

    x, skips = given, []
    for i, width in enumerate((4, 6)):
        x = twice(x, width, f"down_{i}")
        skips.append(x)
        x = k.MaxPooling2D(2)(x)
    x = twice(x, 8, "bottom")
    for i, width in enumerate((6, 4)):
        x = k.Conv2DTranspose(width, 2, strides=2, name=f"up_{i}")(x)
        x = twice(k.Concatenate()([skips[1 - i], x]), width, f"out_{i}")
    return keras.Model([given], [k.Conv2D(2, 1, activation="softmax", name="head")(x)])


UNET = """\
model UNet():
    input image: float32[N, H, W, 3]
    require H % 4 == 0 and W % 4 == 0
    x = image
    skips = []
    for (i, width) in enumerate([4, 6]):
        for j in range(2):
            x = x -> Conv2D(width, 3, padding="same", use_bias=False, name=f"down_{i}_conv_{j}")
                  -> BatchNormalization(name=f"down_{i}_batch_{j}") -> ReLU()
        skips = skips + [x]
        x = x -> MaxPooling2D(2)
    for j in range(2):
        x = x -> Conv2D(8, 3, padding="same", use_bias=False, name=f"bottom_conv_{j}")
              -> BatchNormalization(name=f"bottom_batch_{j}") -> ReLU()
    for (i, width) in enumerate([6, 4]):
        x = x -> Conv2DTranspose(width, 2, strides=2, name=f"up_{i}")
        x = (skips[1 - i], x) -> Concatenate()
        for j in range(2):
            x = x -> Conv2D(width, 3, padding="same", use_bias=False, name=f"out_{i}_conv_{j}")
                  -> BatchNormalization(name=f"out_{i}_batch_{j}") -> ReLU()
    x -> Conv2D(2, 1, activation="softmax", name="head")
    output mask
"""


def wrapped(k: Any) -> Any:
    given = keras.Input((4, None, 6), name="clips")
    inner = k.Bidirectional(k.LSTM(3), name="both")
    x = k.TimeDistributed(inner, name="clip")(given)
    x = k.RNN(k.StackedRNNCells([k.LSTMCell(4), k.GRUCell(5)]), return_sequences=True, name="cells")(x)
    shared = k.Dense(5, activation="tanh", name="shared")
    x = shared(shared(x))
    frozen = k.SpectralNormalization(k.Dense(4), name="frozen")
    frozen.trainable = False
    x = frozen(x)
    return keras.Model([given], [k.GlobalMaxPooling1D()(x)])


WRAPPED = """\
block freeze():
    SpectralNormalization(Dense(4), name="frozen")

model Wrapped():
    input clips: float32[N, 4, T, 6]
    x = clips -> TimeDistributed(Bidirectional(LSTM(3), name="both"), name="clip")
              -> RNN([LSTMCell(4), GRUCell(5)], return_sequences=True, name="cells")
    shared = Dense(5, activation="tanh")
    x -> shared -> shared
    freeze(trainable=False)
    GlobalMaxPooling1D()
    output y
"""


def merged(k: Any) -> Any:
    first, second, third = (keras.Input((None, 4), name=name) for name in ("first", "second", "third"))
    a, b = k.Masking()(first), k.Masking()(second)
    products = [k.Multiply()([a, b]), k.Multiply()([a, third, b]), k.Multiply()([third, a])]
    extremes = [k.Maximum()([a, b, third]), k.Minimum()([b, a]), k.Maximum()([third, b]), k.Minimum()([a, third])]
    normal = k.SpectralNormalization(k.Dense(3, name="dense"), name="normal")(k.Maximum()([a, b]))
    return keras.Model([first, second, third], [*products, *extremes, k.LSTM(4, name="lstm")(normal)])


MERGED = """\
model Merged():
    input first: float32[N, T, 4]
    input second: float32[N, T, 4]
    input third: float32[N, T, 4]
    a = first -> Masking()
    b = second -> Masking()
    output product = (a, b) -> Multiply()
    output of_three = (a, third, b) -> Multiply()
    output with_open = (third, a) -> Multiply()
    output largest = (a, b, third) -> Maximum()
    output smallest = (b, a) -> Minimum()
    output largest_open = (third, b) -> Maximum()
    output smallest_open = (a, third) -> Minimum()
    output last = (a, b) -> Maximum() -> SpectralNormalization(Dense(3, name="dense"), name="normal") -> LSTM(4)
"""

MODELS = [
    Whole("encoder", ENCODER, encoder, lambda rng, n: {"tokens": tokens(rng, n, 5 + n, 50)}),
    Whole("tagger", TAGGER, tagger, lambda rng, n: {"frames": sequence(rng, n, 4 + n, 6)}),
    Whole("masks", MASKS, masks, lambda rng, n: {"frames": sequence(rng, n, 4 + n, 6)}),
    Whole("conformer", CONFORMER, conformer,
          lambda rng, n: {"frames": rng.uniform(-1, 1, (n, 4 + n, 12)).astype(np.float32)}, frozen=24),
    Whole("merged", MERGED, merged,
          lambda rng, n: {name: sequence(rng, n, 5 + n, 4) for name in ("first", "second", "third")}, frozen=3),
    Whole("unet", UNET, unet,
          lambda rng, n: {"image": rng.uniform(-1, 1, (n, 4 * n, 8, 3)).astype(np.float32)}, frozen=112),
    Whole("wrapped", WRAPPED, wrapped,
          lambda rng, n: {"clips": rng.uniform(-1, 1, (n, 4, 2 + n, 6)).astype(np.float32)}, frozen=28),
]  # fmt: skip


def filled(model: Any) -> dict[str, Array]:
    """The weights, by path, drawn so that no term vanishes, set as initial values."""
    weights = {}
    for number, weight in enumerate(model.graph.weights()):
        rng = np.random.default_rng(number)
        low, high = (0.5, 1.5) if weight.path.endswith("variance") else (-0.5, 0.5)
        weight.initializer = resolve(rng.uniform(low, high, weight.shape).tolist())
        weights[weight.path] = Draw(weight).whole(Evaluation(0)).reshape(weight.shape)
    return weights


def session_of(model: Any, folder: Path) -> Any:
    import onnxruntime

    model.save(folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])


def give(theirs: Any, weights: dict[str, Array]) -> None:
    """Keras' variables from ours of the same path; the cell inside a recurrent layer is no layer of ours."""
    found = {v.path if v.path in weights else without_cell(v.path): v for v in theirs.weights}
    assert sorted(found) == sorted(weights)
    for path, variable in found.items():
        assert tuple(variable.shape) == weights[path].shape, path
        variable.assign(weights[path])


def without_cell(path: str) -> str:
    return "/".join([path.split("/")[0], local_name(path)])


# Keras says that it destroys the mask, and hands on that of the layer inside.
@pytest.mark.filterwarnings("ignore:Layer 'normal' .of type SpectralNormalization. was passed an input with a mask")
@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.name)
def test_a_whole_model_computes_what_keras_computes(case: Whole, tmp_path: Path) -> None:
    keras.utils.clear_session(free_memory=False)
    model = archonnx.compile(text=case.text)
    weights = filled(model)
    theirs = case.theirs(keras.layers)
    give(theirs, {path.removeprefix("freeze/"): w for path, w in weights.items()})  # a block is a scope of names
    trained = sum(w.size for w in model.graph.weights() if w.trainable)
    assert trained == sum(int(np.prod(v.shape)) for v in theirs.trainable_weights)
    assert sum(w.size for w in model.graph.weights()) - trained == case.frozen
    session = session_of(model, tmp_path)
    for batch in (2, 3):
        arrays = case.inputs(np.random.default_rng(batch), batch)
        found = session.run(None, arrays)
        expected = theirs(list(arrays.values()), training=False)
        expected = expected if isinstance(expected, list | tuple) else [expected]
        assert len(found) == len(expected)
        for y, reference in zip(found, map(keras.ops.convert_to_numpy, expected), strict=True):
            assert y.shape == reference.shape
            assert error(y, reference) <= case.tolerance


STEP = """\
model Step(layers = 2):
    input tokens: int32[N, T]
    input keys[layers]: float32[N, 4, P, 4]
    input values[layers]: float32[N, 4, P, 4]
    require P >= 0
    x = tokens -> Embedding(40, 16, name="embed")
    new_keys = []
    new_values = []
    for i in range(layers):
        y = x -> LayerNormalization(name=f"before_{i}")
        (y, k, v) = (y, y, past_key=keys[i], past_value=values[i]) -> MultiHeadAttention(
            4, 4, name=f"attend_{i}", use_causal_mask=True, use_cache=True)
        x = x + y
        new_keys = new_keys + [k]
        new_values = new_values + [v]
        y = x -> LayerNormalization(name=f"between_{i}") -> Dense(32, activation="silu", name=f"widen_{i}")
              -> Dense(16, name=f"narrow_{i}")
        x = x + y
    output logits = x -> LayerNormalization(name="last") -> Dense(40, name="head")
    output state keys = new_keys
    output state values = new_values
"""


def decoder(k: Any) -> Any:
    x = given = keras.Input((None,), dtype="int32")
    x = k.Embedding(40, 16, name="embed")(x)
    for i in range(2):
        y = k.LayerNormalization(name=f"before_{i}")(x)
        x = x + k.MultiHeadAttention(4, 4, name=f"attend_{i}")(y, y, use_causal_mask=True)
        y = k.LayerNormalization(name=f"between_{i}")(x)
        y = k.Dense(32, activation="silu", name=f"widen_{i}")(y)
        x = x + k.Dense(16, name=f"narrow_{i}")(y)
    x = k.LayerNormalization(name="last")(x)
    return keras.Model([given], [k.Dense(40, name="head")(x)])


def test_a_decoder_with_its_cache_is_keras_decoder_over_all_steps(tmp_path: Path) -> None:
    keras.utils.clear_session(free_memory=False)
    model = archonnx.compile(text=STEP)
    weights = filled(model)
    theirs = decoder(keras.layers)
    give(theirs, weights)
    session = session_of(model, tmp_path)
    tokens = np.random.default_rng(5).integers(0, 40, (2, 9)).astype(np.int32)
    expected = keras.ops.convert_to_numpy(theirs([tokens]))
    states = {value.name: np.zeros((2, 4, 0, 4), np.float32) for value in session.get_inputs()[1:]}
    for first, last in ((0, 4), (4, 5), (5, 7), (7, 9)):
        logits, *new = session.run(None, {"tokens": tokens[:, first:last], **states})
        states = dict(zip(states, new, strict=True))
        assert error(logits, expected[:, first:last]) <= TOLERANCE


DETECTOR = """\
model Detector(classes = 3, bins = 4):
    input image: float32[N, 32, 24, 3]
    x = image -> Conv2D(6, 3, strides=4, padding="same", activation="silu", name="stem")
    maps = []
    distances = []
    scores = []
    for i in range(2):
        x = x -> Conv2D(8, 3, strides=2, padding="same", activation="silu", name=f"level_{i}")
        maps = maps + [x]
        distances = distances + [x -> Conv2D(4 * bins, 1, name=f"sides_{i}") -> Reshape((-1, 4 * bins))]
        scores = scores + [x -> Conv2D(classes, 1, activation="sigmoid", name=f"class_{i}") -> Reshape((-1, classes))]
    (points, strides) = maps -> AnchorPoints((8, 16))
    sides = distances -> Concatenate(axis=1) -> DistributionFocalDecoding(bins)
    boxes = (sides, points, strides) -> DistanceDecoding()
    all_scores = scores -> Concatenate(axis=1)
    (best, their_scores, kinds, count) = (boxes, all_scores) -> NonMaxSuppression(8, 0.4, 0.45)
    output best
    output their_scores
    output kinds
    output count
"""


def heads(k: Any) -> Any:
    given = keras.Input((32, 24, 3))
    x = k.Conv2D(6, 3, strides=4, padding="same", activation="silu", name="stem")(given)
    sides, scores = [], []
    for i in range(2):
        x = k.Conv2D(8, 3, strides=2, padding="same", activation="silu", name=f"level_{i}")(x)
        sides.append(k.Reshape((-1, 4, 4))(k.Conv2D(16, 1, name=f"sides_{i}")(x)))
        scores.append(k.Reshape((-1, 3))(k.Conv2D(3, 1, activation="sigmoid", name=f"class_{i}")(x)))
    return keras.Model([given], [k.Concatenate(axis=1)(sides), k.Concatenate(axis=1)(scores)])


def test_a_detector_finds_what_keras_and_tensorflow_find(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="TensorFlow suppresses boxes")
    keras.utils.clear_session(free_memory=False)
    model = archonnx.compile(text=DETECTOR)
    weights = filled(model)
    theirs = heads(keras.layers)
    give(theirs, weights)
    image = np.random.default_rng(6).uniform(-4, 4, (2, 32, 24, 3)).astype(np.float32)
    sides, scores = map(keras.ops.convert_to_numpy, theirs([image]))
    distances = keras.ops.convert_to_numpy(keras.ops.softmax(sides)) @ np.arange(4, dtype=np.float32)
    cells = [(x + 0.5, y + 0.5, s) for s, h, w in ((8, 4, 3), (16, 2, 2)) for y in range(h) for x in range(w)]
    x, y, stride = np.asarray(cells, np.float32).T
    left, top, right, bottom = np.moveaxis(distances, -1, 0)
    boxes = np.stack([x - left, y - top, x + right, y + bottom], -1) * stride[:, None]
    # Overlap is the same whichever coordinate comes first.
    expected = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, 8, 8, iou_threshold=0.4, score_threshold=0.45, clip_boxes=False
    )
    found = session_of(model, tmp_path).run(None, {"image": image})
    assert int(found[3].min()) > 0
    assert len(np.unique(found[2])) > 1
    for value, reference in zip(found, expected, strict=True):
        assert error(value, reference.numpy()) <= TOLERANCE
