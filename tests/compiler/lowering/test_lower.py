"""From the layer graph to the operator graph: names, places, metadata, shared layers, one Transpose."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import archonnx
from archonnx.compiler.graph import Input, LayerGraph, Node, Output, TensorType, Value
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.layers.base import Layer
from archonnx.compiler.lowering import opsets
from archonnx.compiler.lowering.lower import LoweringError, lower
from archonnx.compiler.lowering.text import format_graph
from archonnx.compiler.passes.verify import broken_rules
from archonnx.compiler.saving import save
from archonnx.contract.diagnostics import CompileError, UsageError


def lowered(text: str, **options: object) -> OperatorGraph:
    graph = lower(archonnx.compile(text=text).graph, **options)  # type: ignore[arg-type]
    assert list(broken_rules(graph)) == []
    return graph


def count(graph: OperatorGraph) -> Counter[str]:
    return Counter(operator.type for operator in graph.operators)


DNN = """
model DNN(classes = 10):
    input image: float32[N, 256, 256, 3]
    Conv2D(256, (3, 3), activation="relu", padding="same")
    MaxPooling2D(2, 2)
    Conv2D(128, (3, 3), activation="relu", padding="same")
    MaxPooling2D(2, 2)
    Conv2D(64, (3, 3), activation="relu", padding="same")
    MaxPooling2D(2, 2)
    Flatten()
    Dense(64, activation="relu")
    Dense(classes)
    output logits
"""


def test_the_articles_network_has_one_transpose_at_its_input() -> None:
    graph = lowered(DNN)
    assert count(graph) == {"Transpose": 1, "Conv": 3, "Relu": 4, "MaxPool": 3, "Reshape": 1, "Gemm": 2}
    first = graph.operators[0]
    assert (first.type, first.inputs[0]) == ("Transpose", graph.inputs[0])
    kernel = next(tensor for tensor in graph.constants() if tensor.name == "dense/kernel")
    assert kernel.recipe is not None
    assert kernel.recipe.shape == (32 * 32 * 64, 64)


@pytest.mark.parametrize("model", ["ResNet50", "ResNet101", "ResNet152"])
def test_resnet_has_one_transpose(model: str, project: Path) -> None:
    graph = lower(archonnx.compile(project / "models" / "resnet.arch", model=model).graph)
    counts = count(graph)
    assert (counts["Transpose"], counts["Reshape"], counts["ReduceMean"]) == (1, 0, 1)
    assert counts["Conv"] == {"ResNet50": 53, "ResNet101": 104, "ResNet152": 155}[model]


NAMES = """
block unit(filters):
    Conv2D(filters, 1, activation="relu")
    Dense(filters, name="mix")

model A():
    input x: float32[N, 4, 4, 3]
    unit(2)
    unit(3)
    shared = Dense(3)
    y = it -> shared
    z = y -> shared
    output first = y
    output second = z
    output x_again = x
    output also = z
"""


def test_names_are_the_users() -> None:
    graph = lowered(NAMES)
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert [name for name, _ in graph.outputs] == ["first", "second", "x_again", "also"]
    assert [tensor.name for _, tensor in graph.outputs] == ["first", "second", "x_again", "also"]
    weights = [tensor.name for tensor in graph.constants()]
    assert weights == [
        "unit/conv2d/kernel",
        "unit/conv2d/bias",
        "unit/mix/kernel",
        "unit/mix/bias",
        "unit_1/conv2d/kernel",
        "unit_1/conv2d/bias",
        "unit_1/mix/kernel",
        "unit_1/mix/bias",
        "shared/kernel",
        "shared/bias",
    ]
    named = {operator.outputs[0].name: operator.name for operator in graph.operators}
    assert named["unit/conv2d:transposed"] == "unit/conv2d/Relu"  # channels first, for the convolution
    assert named["unit/conv2d"] == "unit/conv2d/Transpose_1"
    assert named["unit/conv2d/conv"] == "unit/conv2d/Conv"
    assert named["first"] == "shared/Add"
    assert named["second"] == "shared#1/Add"
    assert named["x_again"] == "Identity"
    assert {operator.layer for operator in graph.operators} == {
        "",  # the Identity behind `output x_again = x`
        "unit/conv2d",
        "unit/mix",
        "unit_1/conv2d",
        "unit_1/mix",
        "shared",
    }


def test_names_are_unique() -> None:
    graph = lowered(NAMES)
    tensors = [*graph.inputs, *graph.constants(), *(t for o in graph.operators for t in o.outputs)]
    assert max(Counter(tensor.name for tensor in tensors).values()) == 1
    assert max(Counter(operator.name for operator in graph.operators).values()) == 1


def test_a_layer_that_is_called_as_an_output_gives_way() -> None:
    graph = lowered("""
model A():
    input x: float32[N, 3]
    a = x -> Dense(3, name="y")
    b = a -> Dense(4)
    output y = b
""")
    assert [operator.outputs[0].name for operator in graph.operators] == ["y_1", "y"]
    assert [tensor.name for tensor in graph.constants()] == ["y/kernel", "y/bias", "dense/kernel", "dense/bias"]


def test_a_layer_that_is_called_as_an_input_gives_way(tmp_path: Path) -> None:
    text = "model A():\n    input dense: float32[N, 4]\n    Dense(3)\n    ReLU()\n    output y\n"
    archonnx.compile(text=text).save(tmp_path / "a.onnx")
    graph = lowered(text)
    assert [tensor.name for tensor in graph.inputs] == ["dense"]
    assert graph.operators[0].outputs[0].name == "dense_1"


def test_every_operator_knows_where_it_comes_from() -> None:
    graph = lowered(NAMES)
    for operator in graph.operators:
        if operator.layer:
            assert operator.place is not None
            assert [frame.name for frame in operator.trail] == (["unit"] if "unit" in operator.layer else [])
    conv = next(operator for operator in graph.operators if operator.type == "Conv")
    assert conv.place is not None
    assert (conv.place.line, conv.trail[0].place.line) == (3, 8)


def test_metadata_says_what_the_model_is(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes("röt\nblau\nc\nd\ne\n".encode())
    (tmp_path / "raw.bin").write_bytes(b"\xff\x00")
    file = tmp_path / "m.arch"
    file.write_text("""
model A(width = 4):
    input x: float32[N, T, 3]
    input h: float32[N, width]
    require T % 2 == 0, "an even number of steps"
    asset labels = "names.txt"
    asset raw = "raw.bin"
    output y = (x -> Dense(width))
    output state h = (h -> Dense(width))
""")
    said = lower(archonnx.compile(file, width=5).graph).metadata
    assert said["archonnx.model"] == "A"
    assert json.loads(said["archonnx.arguments"]) == {"width": "5"}
    (required,) = json.loads(said["archonnx.requires"])
    assert (required["condition"], required["message"]) == ("T % 2 == 0", "an even number of steps")
    assert required["place"].endswith("m.arch:5:5")
    assert json.loads(said["archonnx.states"]) == {"h_next": "h"}
    assert said["archonnx.asset.labels"] == "röt\nblau\nc\nd\ne\n"
    assert said["archonnx.asset.raw"] == "base64:/wA="


def test_the_same_source_gives_the_same_text() -> None:
    assert format_graph(lowered(NAMES)) == format_graph(lowered(NAMES))


@pytest.mark.parametrize("opset", range(opsets.OLDEST_OPSET, opsets.NEWEST_OPSET + 1))
def test_every_operator_set_lowers_and_passes_the_gate(opset: int, tmp_path: Path) -> None:
    text = """
model A():
    input x: uint8[N, 8, 8, 3]
    Rescaling(1 / 255)
    Conv2D(4, 3, activation="gelu")
    LayerNormalization()
    GlobalAveragePooling2D(keepdims=True)
    GlobalMaxPooling2D()
    Dense(3, activation="softmax")
    output y
"""
    graph = lower(archonnx.compile(text=text, opset=opset).graph, opset=opset)
    assert graph.opset == opset
    save(graph, tmp_path / "a.onnx", seed=0)


@pytest.mark.parametrize("opset", [0, 16, 29, -1])
def test_an_operator_set_out_of_range_is_an_error(opset: int) -> None:
    with pytest.raises(UsageError, match=f"opset {opset} is not compiled for: expected 17 to 28"):
        lower(archonnx.compile(text=DNN).graph, opset=opset)


def test_the_newest_operator_set_is_onnx_newest() -> None:
    import onnx

    assert onnx.defs.onnx_opset_version() == opsets.NEWEST_OPSET


def test_passes_change_nothing_that_can_be_seen(tmp_path: Path) -> None:
    import onnxruntime

    text = """
model A():
    input image: uint8[N, 12, 10, 3]
    Rescaling(1 / 127.5, offset=-1)
    ZeroPadding2D(1)
    Conv2D(4, 3, strides=2, activation="relu")
    BatchNormalization()
    x = it
    gate = x -> GlobalAveragePooling2D() -> Reshape((1, 1, 4)) -> Conv2D(4, 1, activation="sigmoid")
    (x, gate) -> Multiply()
    UpSampling2D(2)
    Cropping2D(1)
    Flatten()
    Dropout(0.5)
    Dense(5)
    output y
    output x
"""
    image = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3)).astype(np.uint8)
    results = []
    for level in (0, 1, 2):
        graph = lowered(text, optimization=level)
        path = tmp_path / f"{level}.onnx"
        save(graph, path, seed=1)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        results.append(session.run(None, {"image": image}))
    for plain, passed in zip(results[0] * 2, results[1] + results[2], strict=True):
        np.testing.assert_allclose(passed, plain, rtol=1e-4, atol=1e-5)
    assert count(graph)["Transpose"] == 2  # one in, one for the output `x`


class Broken(Layer):
    """A layer whose lowering gives another type than its shape rule."""

    def __init__(self, *results: str) -> None:
        super().__init__({})
        self.results = results

    def lower(self, b, x):  # type: ignore[no-untyped-def]
        return tuple(b.cast(x, dtype) for dtype in self.results)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (["float16"], r"Broken \(layer\): its lowering gives float16\[2\], its shape rule float32\[2\]"),
        (["float32", "float32"], "its lowering gives 2 results, its shape rule 1"),
    ],
)
def test_a_layer_that_breaks_its_promise_is_named(results: list[str], message: str) -> None:
    given = Value(TensorType("float32", (2,)), None, 0, "x")
    node = Node("layer", 0, Broken(*results), (given,))
    node.outputs = (Value(TensorType("float32", (2,)), node, 0, "layer"),)
    graph = LayerGraph("A", [Input("x", given)], [Output("y", node.outputs[0])], [node])
    with pytest.raises(LoweringError, match=message):
        lower(graph)


def test_a_size_that_no_input_tells_is_a_diagnostic_with_its_source() -> None:
    model = archonnx.compile(text="model A():\n    input x: float32[H * W]\n    output y = reshape(x, (H, W))\n")
    with pytest.raises(CompileError, match="E0930") as caught:
        lower(model.graph, sources=model.sources)
    assert caught.value.diagnostics[0].place is not None
    assert caught.value.sources == model.sources


def test_ten_thousand_layers_are_lowered_without_recursion() -> None:
    graph = lowered("""
model A():
    input x: float32[N, 4, 4, 2]
    for i in range(5000):
        Conv2D(2, 1)
        ReLU()
    output y
""")
    assert count(graph) == {"Transpose": 2, "Conv": 5000, "Relu": 5000}
