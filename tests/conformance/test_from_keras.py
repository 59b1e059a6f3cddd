"""archonnx.from_keras: the text of a model of Keras compiles to the same function, with the same weights."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_harness import TOLERANCE, Case, error, random_inputs
from layer_cases import CASES
from test_whole_models import MODELS, Whole

import archonnx
from archonnx.compiler.layers.registry import find_layer

keras = pytest.importorskip("keras")

Array = np.ndarray[Any, Any]
ROOT = Path(__file__).resolve().parents[2]
A_LAYER = 1  # case; all of them were compared by hand
# Layers that no functional model of Keras holds, each with the reason.
NOT_BUILT = {"Equalization": "gives its input itself"}


@pytest.fixture(autouse=True)
def names_count_anew() -> None:
    keras.utils.clear_session(free_memory=False)


def randomize(model: Any) -> None:
    """Weights that are drawn so that no term vanishes."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if str(variable.dtype).startswith(("float", "bfloat")):
            low, high = (0.5, 1.5) if "variance" in variable.path else (-0.5, 0.5)
            low, high = (0.7, 1.3) if variable.path.endswith("gamma") else (low, high)
            if len(variable.shape) < 2 or low > 0:
                variable.assign(rng.uniform(low, high, variable.shape))
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def run(compiled: Any, arrays: Sequence[Array]) -> list[Array]:
    """What the file gives."""
    import onnxruntime

    names = [given.name for given in compiled.graph.inputs]
    with tempfile.TemporaryDirectory() as folder:
        compiled.save(Path(folder) / "model.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            str(Path(folder) / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        asked = {given.name for given in session.get_inputs()}
        feeds = {name: array for name, array in zip(names, arrays, strict=True) if name in asked}
        found: list[Array] = session.run(None, feeds)
    return found


def compare(model: Any, arrays: Sequence[Array], compiled: Any = None) -> tuple[Any, float]:
    """The compiled model, and the largest error between it and the model of Keras."""
    compiled = archonnx.from_keras(model) if compiled is None else compiled
    struct = model._inputs_struct if hasattr(model, "_inputs_struct") else None
    given = arrays[0] if len(arrays) == 1 and not isinstance(struct, list) else list(arrays)
    made = model(given, training=False)
    expected = [made[key] for key in model.output] if isinstance(made, dict) else keras.tree.flatten(made)
    found = run(compiled, arrays)
    assert len(found) == len(expected)
    worst = 0.0
    for y, reference in zip(found, (keras.ops.convert_to_numpy(e) for e in expected), strict=True):
        assert (y.shape, str(y.dtype)) == (reference.shape, str(reference.dtype))
        worst = max(worst, error(y, reference))
    return compiled, worst


def sample() -> list[Case]:
    """The first cases of each layer that Keras has, those left out that TensorFlow has no kernels for."""
    taken: Counter[str] = Counter()
    found = []
    for case in CASES:
        layer = find_layer(case.layer)
        if layer is None or layer.keras is None or case.opset is not None or case.layer in NOT_BUILT:
            continue
        if "channels_first" in case.call and ("Conv" in case.layer or case.layer == "RandomColorDegeneration"):
            continue
        if "activation=GELU(" in case.call or "activation=CELU(" in case.call:
            continue  # in Keras a function of one's own
        if taken[case.layer] < A_LAYER and not ("ConvLSTM" in case.layer and "W" in case.inputs[0]):
            taken[case.layer] += 1
            found.append(case)
    return found


def built(case: Case, arrays: Sequence[Array]) -> Any:
    """The case as a functional model of Keras."""
    names = dict(vars(keras.layers)) | {"keras": keras, "float32": "float32"}
    layer = eval(case.theirs or case.call, names)
    inputs = []
    for number, kind in enumerate(case.inputs):
        dtype, _, rest = kind.partition("[")
        sizes = [d.strip() for d in rest.rstrip("]").split(",") if d.strip()]
        shape = [int(size) if size.isdigit() else None for size in sizes]
        inputs.append(keras.Input(batch_shape=shape, dtype=dtype, name=f"x{number}"))
    xs = list(inputs)
    if case.before:
        xs[0] = eval(case.before, names)(xs[0])
    if case.apply:
        made = eval(case.apply, {f"x{i}": x for i, x in enumerate(xs)} | {"layer": layer, "keras": keras})
    else:
        made = layer(xs if len(xs) > 1 else xs[0])
    return keras.Model(inputs, keras.tree.flatten(made)[: case.results])


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.parametrize("case", sample(), ids=lambda case: case.id)
def test_a_layer_is_read(case: Case) -> None:
    arrays = random_inputs(case, case.runs()[0])
    model = built(case, arrays)
    randomize(model)
    compiled, worst = compare(model, arrays)
    assert worst <= case.tolerance
    assert sum(weight.size for weight in compiled.graph.weights()) == model.count_params()


def test_every_layer_of_keras_is_read() -> None:
    from archonnx.compiler.layers.registry import layer_names

    wanted = {name for name in layer_names() if find_layer(name).keras is not None}  # type: ignore[union-attr]
    assert wanted - {case.layer for case in sample()} - {"GRUCell", "LSTMCell", "SimpleRNNCell"} == set(NOT_BUILT)


# Keras says that it destroys the mask, and hands on that of the layer inside.
@pytest.mark.filterwarnings("ignore:Layer 'normal' .of type SpectralNormalization. was passed an input with a mask")
@pytest.mark.parametrize("case", MODELS, ids=lambda case: case.name)
def test_a_whole_model_is_read(case: Whole) -> None:
    model = case.theirs(keras.layers)
    randomize(model)
    compiled = archonnx.from_keras(model)
    assert {w.path.split("/")[0] for w in compiled.graph.weights()} == {v.path.split("/")[0] for v in model.weights}
    trained = sum(weight.size for weight in compiled.graph.weights() if weight.trainable)
    assert trained == sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    for batch in (2, 3):
        arrays = list(case.inputs(np.random.default_rng(batch), batch).values())
        _, worst = compare(model, arrays, compiled)
        assert worst <= case.tolerance


@pytest.mark.parametrize(("name", "largest"), [("MobileNetV2", 1.0), ("MobileNetV3Small", 255.0)])
def test_a_network_of_keras_applications_is_read(name: str, largest: float) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    randomize(model)
    compiled, worst = compare(model, [np.random.default_rng(0).uniform(0, largest, (2, 64, 64, 3)).astype(np.float32)])
    assert worst <= TOLERANCE
    assert sum(weight.size for weight in compiled.graph.weights()) == model.count_params()
    assert {w.path.split("/")[0] for w in compiled.graph.weights()} == {v.path.split("/")[0] for v in model.weights}


def test_the_text_is_one_that_a_person_would_write() -> None:
    inputs = keras.Input((28, 28, 1), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    for width in (8, 16):
        y = keras.layers.Conv2D(width, (3, 3), padding="same", kernel_initializer="he_normal")(x)
        y = keras.layers.BatchNormalization()(y)
        y = keras.layers.ReLU()(y)
        x = keras.layers.MaxPooling2D(2)(keras.layers.Concatenate()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x * 0.5 + 1)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax", name="digits")(x), name="Digits")
    assert (
        archonnx.from_keras(model).text
        == """\
model Digits():
    input image: float32[N, 28, 28, 1]
    conv2d = image -> Conv2D(8, 3, padding="same", activation="relu")
    conv2d -> Conv2D(8, 3, padding="same", kernel_initializer="he_normal")
    BatchNormalization()
    ReLU()
    max_pooling2d = (conv2d, it) -> Concatenate() -> MaxPooling2D()
    max_pooling2d -> Conv2D(16, 3, padding="same", kernel_initializer="he_normal")
    BatchNormalization()
    ReLU()
    (max_pooling2d, it) -> Concatenate()
    MaxPooling2D()
    (it * 0.5 + 1) -> GlobalAveragePooling2D()
    Dense(10, activation="softmax", name="digits")
    output digits
"""
    )


def test_models_inside_become_blocks_and_shared_layers_are_named() -> None:
    def tower(name: str) -> Any:
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(8, name="wide"), keras.layers.Dense(4, name="narrow")], name=name
        )

    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    first, second, shared = tower("first"), tower("second"), keras.layers.Dense(4, name="shared")
    a, b = shared(first(left)), shared(first(right))
    model = keras.Model([left, right], {"a": a, "sum": a + second(b)}, name="Pair")
    randomize(model)
    rng = np.random.default_rng(0)
    compiled, worst = compare(model, [rng.uniform(-1, 1, (3, 4)).astype(np.float32) for _ in range(2)])
    assert worst <= TOLERANCE
    assert [output.name for output in compiled.graph.outputs] == ["a", "sum"]
    assert len({w.path for w in compiled.graph.weights()}) == len(model.weights)
    assert compiled.text.count("block ") == 1, "towers of equal layers are one block"


def test_weights_come_back_bit_by_bit() -> None:
    source = archonnx.compile(
        text="""
block residual(width):
    input x: [N, D]
    y = x -> Dense(width, activation="relu") -> BatchNormalization() -> Dense(D)
    output x + y

model M():
    input x: float32[N, 4]
    weight scale: [4] = "ones"
    x = x * scale
    x -> residual(8) -> residual(8, trainable=False)
    output y
"""
    )
    model = archonnx.to_keras(source)
    model.compile(optimizer="sgd", loss="mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(16, 4)), rng.normal(size=(16, 4)), epochs=1, batch_size=8, verbose=0)
    back = archonnx.from_keras(model, like=source)
    assert back.text == source.text
    for path, array in source.with_weights(model).values().items():
        assert np.array_equal(back.values()[path], array)
    values = back.values()
    known = {variable.path.replace("/value", ""): variable for variable in model.weights}
    assert len(values) == len(known)
    for path, array in values.items():
        owner, _, name = path.rpartition("/")
        variable = known[f"{owner.replace('/', '.')}/{name}" if owner else name]
        assert np.array_equal(array, variable.numpy()), path


def test_the_text_of_a_text_stays() -> None:
    for model in ("AND", "XOR"):
        first = archonnx.from_keras(archonnx.to_keras(archonnx.compile(ROOT / "models/gates.arch", model=model)))
        again = archonnx.from_keras(archonnx.to_keras(first))
        assert again.text == first.text
        for path, array in first.values().items():
            assert np.array_equal(again.values()[path], array)


def test_a_model_of_other_layers_is_told_layer_by_layer() -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="head")])
    with pytest.raises(archonnx.ArchonnxError) as caught:
        archonnx.from_keras(other, like=source)
    assert str(caught.value).splitlines()[1:] == [
        "  dense: M has this layer, Dense, and Keras' model has not",
        "  head: Keras' model has this layer with weights, and M has not",
    ]
    wider = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="dense")])
    with pytest.raises(archonnx.ArchonnxError, match=r"dense/kernel is \[5, 3\] in Keras' model and \[4, 3\] here"):
        archonnx.from_keras(wider, like=source)


def test_what_weights_do_not_come_from() -> None:
    source = archonnx.compile(text="model M():\n    input x: float32[N, 4]\n    Dense(3)\n    output y\n")
    with pytest.raises(archonnx.UsageError, match=r"from arrays by name or from a keras\.Model, got int"):
        source.with_weights(3)
    with pytest.raises(archonnx.UsageError, match="takes neither map= nor scope="):
        source.with_weights(archonnx.to_keras(source), scope="dense")


def test_what_cannot_be_read_is_listed_at_once() -> None:
    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    inputs = keras.Input((4,))
    x = keras.layers.Lambda(lambda value: value + 1, name="plus")(inputs)
    x = Own(name="twice")(x)
    x = keras.layers.Dense(3, activation=lambda value: value * 2, name="head")(x)
    model = keras.Model(inputs, keras.ops.cumprod(x, axis=-1), name="Odd")
    with pytest.raises(archonnx.ArchonnxError) as caught:
        archonnx.from_keras(model)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Odd cannot be read: 4 layers have no way"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "plus (Lambda)", "twice (Own)", "head (Dense)", "cumprod (Cumprod)",
    ]  # fmt: skip
    assert "its activation is a function of its own, <lambda>; take an activation that Keras has" in lines[3]


def test_a_model_that_is_python_code_is_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    with pytest.raises(archonnx.ArchonnxError, match=r"keras.Model\(inputs, outputs\)"):
        archonnx.from_keras(Own())
    with pytest.raises(archonnx.ArchonnxError, match="its input's shape is not known yet"):
        archonnx.from_keras(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(archonnx.UsageError, match=r"from_keras\(\) takes a keras.Model, got Dense"):
        archonnx.from_keras(keras.layers.Dense(3))


def test_the_source_is_written(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)], name="Small")
    compiled = archonnx.from_keras(model)
    compiled.save_source(tmp_path / "small.arch")
    assert archonnx.compile(tmp_path / "small.arch").text == compiled.text


STAGES = """\
block unit(filters, strides = 1):
    Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)
    BatchNormalization()
    ReLU()

block stage(filters):
    unit(filters, strides=2)
    unit(filters)

model Stages():
    input image: float32[N, 16, 16, 3]
    stage(8)
    stage(16)
    GlobalAveragePooling2D()
    Dense(3)
    output dense
"""


def test_blocks_of_one_shape_become_one_with_parameters() -> None:
    source = archonnx.compile(text=STAGES)
    read = archonnx.from_keras(archonnx.to_keras(source))
    assert read.text == STAGES
    assert [w.path for w in read.graph.weights()] == [w.path for w in source.graph.weights()]
    for path, array in source.values().items():
        assert np.array_equal(read.values()[path], array)


def test_a_model_that_is_run_on_each_step() -> None:
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, name="first"),
            layers.Conv2D(3, 3, name="second"),
            layers.GlobalAveragePooling2D(name="pool"),
        ],
        name="cnn",
    )
    clip = keras.Input((None, 6, 6, 2), name="clip")
    model = keras.Model(clip, layers.LSTM(4)(layers.TimeDistributed(inner, name="frames")(clip)), name="Video")
    randomize(model)
    compiled, worst = compare(model, [np.random.default_rng(0).uniform(-1, 1, (2, 3, 6, 6, 2)).astype(np.float32)])
    assert worst <= TOLERANCE
    assert '    TimeDistributed(cnn(), name="frames")\n' in compiled.text
    assert next(compiled.graph.weights()).path == "frames/cnn/first/kernel"


def test_names_that_the_language_does_not_have() -> None:
    inputs = keras.Input((4,), name="my input")
    x = keras.layers.Dense(3, name="größe 1")(inputs)
    x = keras.layers.Dense(3, name="it")(keras.layers.Dense(3, name="output")(x))
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="own")], name="net_1.00_32")
    model = keras.Model(inputs, inner(x), name="my model!")
    randomize(model)
    compiled, worst = compare(model, [np.random.default_rng(0).uniform(-1, 1, (2, 4)).astype(np.float32)])
    assert worst <= TOLERANCE
    assert compiled.name == "my_model_"
    assert [given.name for given in compiled.graph.inputs] == ["my_input"]
    owners = {weight.path.rpartition("/")[0] for weight in compiled.graph.weights()}
    assert owners == {"größe_1", "output", "it", "net_1.00_32/own"}


def test_layers_of_positions_come_back() -> None:
    source = archonnx.compile(
        text="""
model Positions():
    input tokens: int32[N, T]
    require T <= 16
    words = tokens -> Embedding(20, 8)
    positions = words -> PositionEmbedding(16, name="places")
    sines = words -> SinePositionEncoding()
    (words + positions + sines) -> RotaryEmbedding(interleaved=True)
    output turned
"""
    )
    read = archonnx.from_keras(archonnx.to_keras(source))
    tokens = np.random.default_rng(0).integers(0, 20, (2, 5)).astype(np.int32)
    assert error(run(read, [tokens])[0], run(source, [tokens])[0]) <= TOLERANCE
    assert [w.path for w in read.graph.weights()] == [w.path for w in source.graph.weights()]
    assert "PositionEmbedding(16, name=" in read.text
    assert "RotaryEmbedding(interleaved=True)" in read.text


def test_layers_that_repeat_become_a_loop() -> None:
    inputs = x = keras.Input((8,), name="x")
    for _ in range(4):
        x = keras.layers.Dense(8, activation="relu")(x)
    for i in range(3):
        x = keras.layers.Dense(8, name=f"head_{i}")(x)
    assert (
        archonnx.from_keras(keras.Model(inputs, x, name="Deep")).text
        == """\
model Deep():
    input x: float32[N, 8]
    for _ in range(4):
        Dense(8, activation="relu")
    for i in range(0, 3):
        Dense(8, name=f"head_{i}")
    output head_2
"""
    )
