"""archonnx.to_keras: the model of Keras computes what the ONNX file does, with the same weights, and can be trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_harness
import numpy as np
import pytest
from keras_harness import Case, Ours, error, random_inputs
from layer_cases import CASES
from test_transformers import ENCODER, READER, SOURCES, TOKENS, TRANSLATOR

import archonnx
from archonnx.compiler.layers.registry import find_layer

keras = pytest.importorskip("keras")

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "Keras' layer gives its input itself, which a functional model cannot hold"
# Layers that Keras has and to_keras refuses, each with the reason.
REFUSED = {"Equalization": LIBRARY}
A_LAYER = 2  # cases


def sample() -> list[Case]:
    """The first cases of each layer that Keras has, those left out that TensorFlow has no kernels for."""
    taken: Counter[str] = Counter()
    found = []
    for case in CASES:
        layer = find_layer(case.layer)
        if layer is None or layer.keras is None or case.opset is not None or case.layer in REFUSED:
            continue
        if "channels_first" in case.call and ("Conv" in case.layer or case.layer == "RandomColorDegeneration"):
            continue
        if "activation=GELU(" in case.call or "activation=CELU(" in case.call:
            continue  # an activation with arguments that Keras has no layer for is refused inside another layer
        wanted = "zero_output_for_mask" in case.call or "RNN([LSTMCell(5), GRUCell(4)], return_state" in case.call
        if wanted or taken[case.layer] < A_LAYER:
            taken[case.layer] += 1
            found.append(case)
    return found


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def results(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """What the model of Keras gives at inference, in order."""
    made = model(list(arrays) if len(arrays) > 1 else arrays[0], training=False)
    values = list(made.values()) if isinstance(made, dict) else [made]
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in values]


@pytest.mark.filterwarnings("ignore:You passed .rms_scaling=True:UserWarning")
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("case", sample(), ids=lambda case: case.id)
def test_a_layer_computes_what_the_file_does(case: Case) -> None:
    ours = Ours(case)
    model = archonnx.to_keras(ours.model)
    for sizes in case.runs():
        arrays = random_inputs(case, sizes)
        found, expected = results(model, arrays), ours.run(arrays, sizes)
        for y, reference in zip(found, expected, strict=True):
            assert (y.shape, y.dtype) == (reference.shape, reference.dtype)
            assert error(y, reference) <= case.tolerance
    before = sum(value.size for value in ours.before.values())
    assert model.count_params() == ours.trainable + ours.other + before


def test_every_layer_of_keras_is_sampled() -> None:
    from archonnx.compiler.layers.registry import layer_names

    wanted = {name for name in layer_names() if find_layer(name).keras is not None}  # type: ignore[union-attr]
    assert wanted - {case.layer for case in sample()} == set(REFUSED)


def both(source: Any, arrays: Mapping[str, Array], seed: int = 0) -> tuple[Any, float]:
    """The model of Keras, and the largest error between it and the file."""
    import tempfile

    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        source.save(path, seed=seed)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        expected = session.run(None, dict(arrays))
    model = archonnx.to_keras(source, seed=seed)
    found = results(model, list(arrays.values()))
    return model, max(error(y, reference) for y, reference in zip(found, expected, strict=True))


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("text", [ENCODER, TRANSLATOR, READER], ids=["encoder", "translator", "reader"])
def test_masks_travel_through_transformers(text: str) -> None:
    arrays = {"tokens": TOKENS} if text is ENCODER else {"tokens": TOKENS, "source": SOURCES}
    _, worst = both(archonnx.compile(text=text), arrays)
    assert worst <= keras_harness.TOLERANCE


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
def test_a_merging_layer_sees_the_mask_that_attention_took_off() -> None:
    text = """
model Gated():
    input tokens: int32[N, T]
    x = tokens -> Embedding(12, 8, mask_zero=True)
    a = (x, x) -> MultiHeadAttention(2, 4)
    g = (x, a) -> Multiply()
    output y = (g, x) -> Maximum()
"""
    _, worst = both(archonnx.compile(text=text), {"tokens": TOKENS})
    assert worst <= keras_harness.TOLERANCE


@pytest.mark.parametrize("name", ["AND", "OR", "NAND", "XOR"])
def test_gates(name: str) -> None:
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    _, worst = both(archonnx.compile(ROOT / "models/gates.arch", model=name), {"bits": bits})
    assert worst == 0


def test_the_network_of_the_introduction() -> None:
    source = archonnx.compile(ROOT / "models/dnn.arch")
    model = archonnx.to_keras(source)
    assert model.count_params() == 4_571_018
    assert [layer.name for layer in model.layers[:3]] == ["image", "conv2d", "max_pooling2d"]
    assert model.input_shape == (None, 256, 256, 3)


def test_pictures_of_whole_numbers_are_resized_without_rounding() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (2, 9, 14, 3)).astype(np.uint8)
    text = (
        "model M():\n    input photo: uint8[N, H, W, 3]\n    Resizing(5, 6, crop_to_aspect_ratio=True)\n    output y\n"
    )
    model, worst = both(archonnx.compile(text=text), {"photo": photo})
    assert worst <= 1e-6
    assert model.inputs[0].dtype == "uint8"


def test_resnet50() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    model, worst = both(archonnx.compile(ROOT / "models/resnet.arch", model="ResNet50"), {"image": image})
    assert model.count_params() == 25_636_712
    assert worst <= keras_harness.TOLERANCE


BLOCKS = """
block residual(width):
    input x: [N, D]
    y = x -> Dense(width, activation=LeakyReLU(0.2)) -> Dense(D)
    output (x, y) -> Add()

model Shared():
    input left: float32[N, 4]
    input right: float32[N, 4]
    tower = Dense(4, name="tower")
    a = left -> tower -> residual(8, name="first")
    b = right -> tower -> residual(8, trainable=False)
    c = a * 2 - b[:, :1]
    output score = (a, b) -> Dot(1)
    output c
"""


def test_shared_layers_blocks_and_frozen_layers() -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.uniform(-1, 1, (3, 4)).astype(np.float32) for name in ("left", "right")}
    model, worst = both(archonnx.compile(text=BLOCKS), arrays, seed=7)
    assert worst <= keras_harness.TOLERANCE
    assert list(model.output) == ["score", "c"]
    names = [layer.name for layer in model.layers]
    assert names.count("tower") == 1
    assert {"first.dense", "first.dense_1", "residual.dense", "residual.add"} <= set(names)
    frozen = {layer.name for layer in model.layers if not layer.trainable}
    assert frozen == {"residual.dense", "residual.dense_1"}
    by_name = model(dict(reversed(arrays.items())), training=False)
    assert np.array_equal(by_name["score"], results(model, list(arrays.values()))[0])


def test_a_block_that_is_applied_twice_shares_its_layers() -> None:
    text = """
block tower():
    Dense(4, name="wide", kernel_initializer="he_normal")
    ReLU()

model M():
    input x: float32[N, 4]
    tower = tower()
    x -> tower -> tower
    output y
"""
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4)).astype(np.float32)
    model, worst = both(archonnx.compile(text=text), {"x": x})
    assert worst <= keras_harness.TOLERANCE
    assert [layer.name for layer in model.layers] == ["x", "tower.wide", "tower.re_lu"]
    assert model.count_params() == 4 * 4 + 4
    assert type(model.layers[1].kernel_initializer).__name__ == "HeNormal"


WRAPPED = """
block inside():
    input x: float32[N, T, 4]
    d = Dense(4, name="_d")
    a = x -> d
    b = x -> SpectralNormalization(d)
    c = x -> TimeDistributed(d)
    output y = a + b * c

model Wrapped():
    input x: float32[N, T, 4]
    y = x -> inside() -> Dense(4, name="größe")
    y = (x, y) -> Add()
    output y = (y + x, y - x) -> Add(name="add_1")
"""


def test_a_layer_that_others_wrap_and_names_that_keras_would_give_twice() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 4)).astype(np.float32)
    model, worst = both(archonnx.compile(text=WRAPPED), {"x": x})
    assert worst <= keras_harness.TOLERANCE
    assert error(model.predict(x, verbose=0), results(model, [x])[0]) <= keras_harness.TOLERANCE
    assert {"inside._d", "inside.time_distributed", "gru00f6u00dfe", "add_1"} <= {layer.name for layer in model.layers}
    assert model.count_params() == 2 * (4 * 4 + 4) + 4


def test_weights_are_those_of_the_seed() -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    first, again, other = (archonnx.to_keras(source, seed=seed).get_weights()[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_it_trains() -> None:
    text = """
model M():
    input x: float32[N, 4]
    weight scale: [4] = "ones"
    h = x * scale
    h -> Dense(8, activation="relu") -> BatchNormalization() -> Dropout(0.5) -> Dense(2, trainable=False)
    output y
"""
    model = archonnx.to_keras(archonnx.compile(text=text))
    before = {v.path: v.numpy() for v in model.weights}
    model.compile(optimizer="sgd", loss="mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 4)), rng.normal(size=(8, 2)), epochs=1, batch_size=8, verbose=0)
    changed = {v.path for v in model.weights if not np.array_equal(before[v.path], v.numpy())}
    assert {"scale/value", "dense/kernel", "batch_normalization/moving_mean"} <= changed
    assert not {"dense_1/kernel", "dense_1/bias"} & changed


# TensorFlow's variables hand themselves to NumPy in the old way.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_model_can_be_stored(tmp_path: Path) -> None:
    bits = np.array([[0, 1], [1, 1]], np.float32)
    model = archonnx.to_keras(archonnx.compile(ROOT / "models/gates.arch", model="XOR"))
    model.save(tmp_path / "xor.keras")
    again = keras.models.load_model(tmp_path / "xor.keras")
    assert np.array_equal(results(again, [bits])[0], [[1], [0]])


def test_what_has_no_counterpart_is_listed_at_once() -> None:
    text = """
block step(width):
    input x: float32[M, D]
    output y = x -> Dense(width) -> Dense(D)

model M():
    input x: float32[N, T, 4]
    a = x -> TimeDistributed(step(3))
    b = a -> onnx.Relu()
    c = reshape(b, (T, N, 4))
    d = c -> ChannelShuffle(2)
    output y = d -> Dense(2)
"""
    with pytest.raises(archonnx.ArchonnxError) as caught:
        archonnx.to_keras(archonnx.compile(text=text))
    lines = str(caught.value).splitlines()
    assert lines[0] == "M cannot become a Keras model: 3 layers have no way"
    assert [line.split(" ", 3)[2].split(":", 1)[1] for line in lines[1:]] == ["8:14:", "9:14:", "11:14:"]
    assert "TimeDistributed (time_distributed): it runs the block step(...)" in lines[1]
    assert "Relu (relu): it is an operator of ONNX" in lines[2]
    assert "ChannelShuffle (channel_shuffle): it has no counterpart in Keras" in lines[3]


def test_a_weight_of_another_layer_is_refused() -> None:
    text = """
model M():
    input tokens: int32[N, T]
    embed = Embedding(12, 8)
    x = tokens -> embed
    output y = x @ transpose(embed.embeddings)
"""
    with pytest.raises(
        archonnx.ArchonnxError, match="reads embed/embeddings, a weight of another layer; use Reversible"
    ):
        archonnx.to_keras(archonnx.compile(text=text))


def test_a_wrong_seed() -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    with pytest.raises(archonnx.UsageError, match=r"from 0 to 2\*\*64 - 1, got -1"):
        archonnx.to_keras(source, seed=-1)


def test_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(archonnx.MachineError, match=r"^Keras is not installed: pip install 'archonnx\[keras\]'$"):
        archonnx.to_keras(source)
