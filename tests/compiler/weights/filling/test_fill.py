"""Which tensor is which weight: namings found by themselves, scopes, types, and the list of what is left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.compiler.recipes import Constant, Draw, Evaluation
from archonnx.compiler.weights.filling import WeightsError, fill
from archonnx.compiler.weights.filling.undoing import assembled, axis_groups, undone
from archonnx.compiler.weights.filling.widening import widens
from archonnx.compiler.weights.layouts.torch import LAYOUT, module_name
from archonnx.compiler.weights.recipe import numpy_dtype
from archonnx.contract.diagnostics import ArchonnxError, CompileError, UsageError

# Every kind of weight whose initializer is not the weight as it is.
TEXT = """\
block cell(width):
    input x
    weight scale: [width] = "ones"
    h = x -> Dense(width) -> LayerNormalization()
    h = h * scale
    (h + x) -> ReLU()

model Zoo():
    input x: float32[N, 8, 6]
    input image: float32[N, 12, 12, 3]
    h = x -> cell(6) -> cell(6)
    a = h -> LSTM(5, return_sequences=True) -> Bidirectional(GRU(4, return_sequences=True))
          -> SimpleRNN(3, return_sequences=True)
    b = (a, a) -> MultiHeadAttention(2, 4)
    c = image -> Conv2D(8, 3, strides=2) -> BatchNormalization() -> DepthwiseConv2D(3) -> SeparableConv2D(6, 1)
              -> Conv2DTranspose(4, 3) -> GlobalAveragePooling2D() -> Dense(7)
    output b
    output c
"""


def random_weights(model: archonnx.CompiledModel, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {w.path: rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in model.graph.weights()}


def as_torch_names_them(model: archonnx.CompiledModel) -> dict[str, Any]:
    """What a state dictionary of the same model would hold."""
    evaluation, state = model.evaluation(), {}
    for node in model.graph.nodes:
        if node.type_name == "weight":
            (weight,) = node.layer.weights.values()
            state[module_name(node.path)] = Draw(weight).whole(evaluation)
            continue
        ours = {local: Draw(weight) for local, weight in node.layer.weights.items()}
        for name, recipe in (LAYOUT.write(node.layer, ours) if ours else {}).items():
            state[f"{module_name(node.path)}.{name}"] = recipe.whole(evaluation)
    return state


def assert_same(model: archonnx.CompiledModel, expected: dict[str, Any]) -> None:
    found = model.values()
    assert found.keys() == expected.keys()
    for path, array in expected.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)


@pytest.fixture(scope="module")
def zoo() -> archonnx.CompiledModel:
    return archonnx.compile(text=TEXT)


def test_our_own_onnx_file_is_read_back(zoo: archonnx.CompiledModel, tmp_path: Path) -> None:
    arrays = random_weights(zoo)
    zoo.with_weights(arrays).save(tmp_path / "zoo.onnx", optimization=1)
    found = fill(zoo, tmp_path / "zoo.onnx")
    assert found.how == "initializers of the model's own .onnx"
    assert_same(zoo.with_given(found.given), arrays)


@pytest.mark.parametrize("first", ["", "Conv2D(2, 1)\n    Flatten()"])
def test_our_own_onnx_file_of_another_size_is_said(first: str, tmp_path: Path) -> None:
    shape = "8, 8, 1" if first else "128"
    text = f"model M(classes):\n    input x: float32[N, {shape}]\n    {first}\n    Dense(classes)\n    output y\n"
    archonnx.compile(text=text, classes=4).save(tmp_path / "m.onnx")
    with pytest.raises(WeightsError, match=r"dense/kernel is float32\[128, 5\], float32\[128, 4\] there"):
        archonnx.compile(text=text, classes=5).with_weights(tmp_path / "m.onnx")


def test_constants_that_hold_no_weight_may_be_others_in_our_own_onnx_file(tmp_path: Path) -> None:
    model = archonnx.compile(
        text="model A():\n    input x: float32[N, H, W, 3]\n    Resizing(4, 4)\n    Flatten()\n    Dense(2)\n    output y\n"
    )
    arrays = random_weights(model)
    model.with_weights(arrays).save(tmp_path / "a.onnx")
    written = onnx.load(tmp_path / "a.onnx")
    constants = [one for one in written.graph.initializer if one.name.startswith("resizing/")]
    assert constants, "sizes that the operators take"
    for one in constants:
        one.CopyFrom(onnx.numpy_helper.from_array(np.zeros(7, np.int64), one.name))
    onnx.save(written, tmp_path / "a.onnx")
    assert_same(model.with_weights(tmp_path / "a.onnx"), arrays)


def test_names_of_pytorch_modules(zoo: archonnx.CompiledModel) -> None:
    arrays = random_weights(zoo)
    found = fill(zoo, as_torch_names_them(zoo.with_weights(arrays)))
    assert found.how == "names of to_torch"
    assert_same(zoo.with_given(found.given), arrays)


def test_names_of_pytorch_modules_in_a_wrapper(zoo: archonnx.CompiledModel) -> None:
    arrays = random_weights(zoo)
    state = {f"module.{name}": array for name, array in as_torch_names_them(zoo.with_weights(arrays)).items()}
    found = fill(zoo, state)
    assert found.how == "names of to_torch below module."
    assert_same(zoo.with_given(found.given), arrays)
    with pytest.raises(WeightsError, match=r"1 unexpected\n  unexpected: module\.other, "):
        zoo.with_weights({**state, "module.other": np.zeros(1)})


def test_layers_that_share_weights(tmp_path: Path) -> None:
    text = """\
model Tied():
    input x: int32[N, T]
    embed = ReversibleEmbedding(20, 6)
    h = x -> embed
    both = Bidirectional(LSTM(3, return_sequences=True))
    y = h -> both -> both
    output y
    words = (h, reverse=True) -> embed
    output words
"""
    model = archonnx.compile(text=text)
    arrays = random_weights(model)
    model.with_weights(arrays).save(tmp_path / "m.onnx")
    assert_same(model.with_weights(tmp_path / "m.onnx"), arrays)
    assert_same(model.with_weights(as_torch_names_them(model.with_weights(arrays))), arrays)


SMALL = """\
block body():
    Dense(6, name="one")
    Dense(5)

model Small():
    input x: float32[N, 4]
    body()
    Dense(2, name="head")
    output y
"""


def small() -> archonnx.CompiledModel:
    return archonnx.compile(text=SMALL)


def test_a_scope_alone_is_filled() -> None:
    model = small()
    arrays = random_weights(model)
    body = {path.removeprefix("body/"): array for path, array in arrays.items() if path.startswith("body/")}
    filled = model.with_weights(body, scope="body")
    assert set(filled.given) == {path for path in arrays if path.startswith("body/")}
    both = filled.with_weights({"kernel": arrays["head/kernel"], "bias": arrays["head/bias"]}, scope="head/")
    assert_same(both, arrays)


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ("bodi", "the model Small has no scope bodi with weights; did you mean body?"),
        ("xyz", "the model Small has no scope xyz with weights; scopes are body, head, body/one, body/dense"),
        ("body/one/kernel", "the model Small has no scope body/one/kernel with weights; did you mean body/one?"),
    ],
)
def test_a_scope_that_does_not_exist_lists_those_that_do(scope: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        small().with_weights({}, scope=scope)
    assert str(raised.value) == message


def test_the_names_of_the_whole_model_for_a_scope_are_told() -> None:
    with pytest.raises(WeightsError) as caught:
        small().with_weights(random_weights(small()), scope="head")
    assert "missing: kernel, float32[" in str(caught.value)
    assert "; did you mean head/kernel? Names are those below head" in str(caught.value)


def test_what_is_left_over_is_listed() -> None:
    model = small()
    arrays = random_weights(model)
    arrays["body/one/kernels"] = arrays.pop("body/one/kernel")
    arrays["head/bias"] = arrays["head/bias"][:1]
    arrays["body/dense/bias"] = arrays["body/dense/bias"].astype("float64")
    with pytest.raises(WeightsError) as raised:
        model.with_weights(arrays)
    assert str(raised.value).splitlines() == [
        "the arrays: not the weights of Small: 1 missing, 1 unexpected, 1 of another shape, 1 of another dtype",
        "  missing: body/one/kernel, float32[4, 6]; did you mean body/one/kernels?",
        "  unexpected: body/one/kernels, float32[4, 6]",
        "  head/bias is float32[2], float32[1] there",
        "  body/dense/bias is float32[5], float64[5] there: bits would be lost",
        "  help: names are the weights' paths; with others, write a map (docs/maps.md)",
    ]


def test_at_most_ten_of_a_kind_are_listed() -> None:
    text = "model A():\n    input x: float32[N, 4]\n" + "    Dense(4)\n" * 8 + "    output y\n"
    with pytest.raises(WeightsError) as raised:
        archonnx.compile(text=text).with_weights({})
    lines = str(raised.value).splitlines()
    assert lines[0] == "the arrays: not the weights of A: no name agrees, 16 missing"
    assert lines[4] == "  ... and 13 more"  # a few are enough to show how the names differ
    some = {f"dense{f'_{n}' if n else ''}/kernel": np.zeros((4, 4), "float32") for n in range(3)}
    with pytest.raises(WeightsError) as raised:
        archonnx.compile(text=text).with_weights(some)
    lines = str(raised.value).splitlines()
    assert lines[0] == "the arrays: not the weights of A: 13 missing"
    assert len(lines) == 1 + 10 + 1 + 1
    assert lines[11] == "  ... and 3 more"


def test_a_tool_s_layer_of_which_a_tensor_is_missing() -> None:
    model = small()
    state = as_torch_names_them(model)
    del state["head.weight"]
    with pytest.raises(WeightsError) as raised:
        model.with_weights(state)
    assert str(raised.value).splitlines()[:2] == [
        "the arrays: not the weights of Small: 1 that do not fit",
        "  there is head.bias, and no head.weight",
    ]


def test_narrower_types_are_widened_and_said() -> None:
    model = small()
    arrays = random_weights(model)
    arrays["head/bias"] = arrays["head/bias"].astype("float16")
    arrays["body/one/bias"] = arrays["body/one/bias"].astype(numpy_dtype("bfloat16"))
    found = fill(model, arrays)
    assert found.notes == (
        "1 tensor is bfloat16 there and widened exactly",
        "1 tensor is float16 there and widened exactly",
    )
    expected = {path: array.astype("float32") for path, array in arrays.items()}
    assert_same(model.with_given(found.given), expected)


def test_arrays_that_are_none() -> None:
    with pytest.raises(ArchonnxError, match=r"^the arrays: head/bias is no array of numbers but of dtype object$"):
        small().with_weights({"head/bias": {1, 2}})
    with pytest.raises(ArchonnxError, match=r"^the arrays: names are texts, one is 3$"):
        small().with_weights({3: np.zeros(2)})  # type: ignore[dict-item]


def folder_of_maps(tmp_path: Path, **maps: str) -> archonnx.CompiledModel:
    (tmp_path / "small.arch").write_text(SMALL)
    for name, text in maps.items():
        (tmp_path / f"small.{name}.map").write_text(text)
    return archonnx.compile(tmp_path / "small.arch")


RULES = "layout torch\nbody/one = a\nbody/dense = b\nhead = c\n"


def named(model: archonnx.CompiledModel, arrays: dict[str, Any]) -> dict[str, Any]:
    state = as_torch_names_them(model.with_weights(arrays))
    short = {"body.one": "a", "body.dense": "b", "head": "c"}
    return {f"{short[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": array for name, array in state.items()}


def test_the_one_map_beside_the_model_that_fits_is_taken(tmp_path: Path) -> None:
    model = folder_of_maps(tmp_path, tool=RULES, other=RULES.replace("= c", "= d"), broken="layout (")
    arrays = random_weights(model)
    state = named(model, arrays)
    found = fill(model, state)
    assert found.how == f"by {tmp_path / 'small.tool.map'}"
    assert_same(model.with_given(found.given), arrays)
    assert_same(model.with_weights(state, map="tool"), arrays)
    assert_same(model.with_weights(state, map=tmp_path / "small.tool.map"), arrays)


def test_several_maps_that_fit_are_named_and_none_is_taken(tmp_path: Path) -> None:
    model = folder_of_maps(tmp_path, one=RULES, two=RULES)
    with pytest.raises(WeightsError, match=r"several maps beside the model fit \(one, two\): choose one with --map$"):
        model.with_weights(named(model, random_weights(model)))


def test_maps_that_do_not_fit_are_named(tmp_path: Path) -> None:
    model = folder_of_maps(tmp_path, other=RULES.replace("= c", "= d"))
    with pytest.raises(WeightsError, match=r"none of the maps beside the model fits \(other\); --map NAME says why$"):
        model.with_weights(named(model, random_weights(model)))


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    model = folder_of_maps(tmp_path, tool=RULES)
    with pytest.raises(UsageError, match=r"there is no map tol beside .*small\.arch; did you mean tool\?$"):
        model.with_weights({}, map="tol")
    with pytest.raises(UsageError, match=r"there is no map x beside .*small\.arch; there are tool$"):
        model.with_weights({}, map="x")
    (tmp_path / "small.tool.map").unlink()
    with pytest.raises(
        UsageError, match=r"small\.arch; its file is small\.x\.map, and `archonnx weights map` proposes"
    ):
        model.with_weights({}, map="x")
    with pytest.raises(FileNotFoundError):
        model.with_weights({}, map="x.map")
    with pytest.raises(UsageError, match=r"^there is no map x \(the model is no file\); there is none$"):
        small().with_weights({}, map="x")


def test_files_that_are_no_maps(tmp_path: Path) -> None:
    (tmp_path / "x.map").write_bytes(b"\xff\xfe")
    with pytest.raises(ArchonnxError, match=r"x\.map: it is no UTF-8 text \(byte 0\); is it a map\?$"):
        small().with_weights({}, map=tmp_path / "x.map")
    (tmp_path / "x.map").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ArchonnxError, match=r"x\.map: a map of more than 1,000,000 bytes"):
        small().with_weights({}, map=tmp_path / "x.map")


@pytest.mark.parametrize(
    "source", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "uint16", "int64", "float64"]
)
@pytest.mark.parametrize("target", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_widening_changes_no_number(source: str, target: str) -> None:
    import ml_dtypes

    def dtype(name: str) -> Any:
        return np.dtype(getattr(ml_dtypes, name)) if hasattr(ml_dtypes, name) else np.dtype(name)

    bits = dtype(source).itemsize * 8
    if bits <= 16:
        every = np.arange(2**bits, dtype=f"uint{bits}").view(dtype(source))
    else:
        info = np.iinfo(source) if "int" in source else np.finfo(source)
        every = np.array([info.min, info.max, 1], source)
    with np.errstate(all="ignore"):
        there = every.astype(dtype(target))
        numbers = [a.tolist() if a.dtype.kind in "iu" else a.astype("float64").tolist() for a in (every, there)]
    exact = all(one == two or (one != one and two != two) for one, two in zip(*numbers, strict=True))
    names = {"float8_e4m3fn": "float8e4m3fn", "float8_e5m2": "float8e5m2"}
    assert widens(names.get(source, source), target) == exact


def test_axes_are_grouped_as_a_reshape_splits_and_merges_them() -> None:
    assert axis_groups((2, 12), (2, 3, 4)) == [([0], [0]), ([1], [1, 2])]
    assert axis_groups((6, 4), (2, 12)) == [([0, 1], [0, 1])]
    assert axis_groups((1, 5), (5,)) == [([0], []), ([1], [0])]


def test_parts_that_are_stored_apart_are_put_together() -> None:
    model = archonnx.compile(text="model A():\n    input x: float32[N, 6]\n    Dense(8)\n    output y\n")
    weight = next(iter(model.graph.weights()))
    value = np.arange(48, dtype="float32").reshape(6, 8)
    draw, evaluation = Draw(weight), Evaluation(0, {weight.path: Constant(value)})
    written = [
        draw[0:2].transpose((1, 0)),
        draw[2:6, 0:4].reshape((2, 2, 4)),
        draw[2:6, 4:][::-1],
        draw[2:6, 4:5].reshape((4,)),
    ]
    parts = [(ranges, recipe) for one in written for _, ranges, recipe in undone(one, Constant(one.whole(evaluation)))]
    found = assembled((6, 8), parts)
    assert found is not None
    np.testing.assert_array_equal(found.whole(Evaluation(0)), value)
    assert assembled((6, 8), parts[1:]) is None


ZOO = """\
block features(depths):
    input x
    x -> Dense(6, name="stem")
    for depth in depths:
        Dense(depth)

model Whole():
    input x: float32[N, 4]
    features([6, 5])
    Dense(2, name="head")
    output y
"""
WHOLE_MAP = "layout torch\nfeatures/stem = conv1\nfeatures/dense_{i} = layer{i+1}.0\nhead = fc\nignore *.extra\n"
MINE = """\
from "zoo.arch" import features
model Mine():
    input x: float32[N, 4]
    features([6, 5], name="backbone")
    Dense(3, name="top")
    output y
"""


def test_a_map_of_a_whole_model_serves_a_block_of_it(tmp_path: Path) -> None:
    (tmp_path / "zoo.arch").write_text(ZOO)
    (tmp_path / "zoo.tool.map").write_text(WHOLE_MAP)
    (tmp_path / "mine.arch").write_text(MINE)
    whole = archonnx.compile(tmp_path / "zoo.arch")
    arrays = random_weights(whole)
    state = as_torch_names_them(whole.with_weights(arrays))
    names = {"features.stem": "conv1", "features.dense": "layer1.0", "features.dense_1": "layer2.0", "head": "fc"}
    file = {f"{names[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": array for n, array in state.items()}
    file["a.extra"] = np.zeros(1)
    assert_same(whole.with_weights(file), arrays)
    mine = archonnx.compile(tmp_path / "mine.arch")
    expected = {p.replace("features/", "backbone/"): a for p, a in arrays.items() if p.startswith("features/")}
    for options in ({}, {"map": "tool"}, {"map": tmp_path / "zoo.tool.map"}):
        found = mine.with_weights(file, scope="backbone", **options)
        assert set(found.given) == set(expected)
        for path, array in expected.items():
            np.testing.assert_array_equal(found.values()[path], array)
    with pytest.raises(CompileError, match="no rule uses the tensor other"):
        mine.with_weights({**file, "other": np.zeros(1)}, scope="backbone", map="tool")
    del file["layer2.0.bias"]
    with pytest.raises(CompileError, match=r"the file has no tensor layer2\.0\.bias, which dense_1 takes"):
        mine.with_weights(file, scope="backbone", map="tool")


def test_quantized_tensors_are_noted(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    values = np.random.default_rng(0).normal(size=(2, 64)).astype("float32")
    blocks = gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0)
    writer = gguf.GGUFWriter(tmp_path / "w.gguf", "llama")
    writer.add_tensor("head/kernel", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    text = "model A():\n    input x: float32[N, 2]\n    Dense(64, use_bias=False, name='head')\n    output y\n"
    model = archonnx.compile(text=text)
    found = fill(model, tmp_path / "w.gguf")
    assert found.notes == ("quantized tensors (1 of Q8_0) are read as the numbers that they stand for",)
    expected = gguf.dequantize(blocks, gguf.GGMLQuantizationType.Q8_0)
    np.testing.assert_array_equal(model.with_given(found.given).values()["head/kernel"], expected)
