"""Which of a model's nodes an optimised node does the work of, against what onnxruntime really makes of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper, numpy_helper

from archonnx.runtime.profiling.fusion import DROPPED, LOADED, SHARED, match


def node(operator: str, inputs: str, outputs: str, name: str = "", **attributes: object) -> NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), name=name or outputs, **attributes)


@st.composite
def graphs(draw: st.DrawFn) -> list[NodeProto]:
    """Nodes of one or two inputs, in an order in which they can run."""
    values, made = ["x"], []
    for number in range(draw(st.integers(1, 12))):
        inputs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
        operator = draw(st.sampled_from(("Relu", "Neg"))) if len(inputs) == 1 else "Add"
        made.append(node(operator, " ".join(inputs), f"v{number}"))
        values.append(f"v{number}")
    return made


@given(graphs(), st.data())
def test_every_node_is_in_one_place(own: list[NodeProto], data: st.DataObject) -> None:
    kept = [each for each in own if data.draw(st.booleans())]
    found = match(own, kept, ())
    places = [place for parts in found.parts for place in parts]
    assert sorted([*places, *found.apart]) == list(range(len(own)))
    for each, parts in zip(kept, found.parts, strict=True):
        assert own.index(each) in parts, "a node that was kept does its own work"


@given(graphs())
def test_a_graph_that_nothing_changed(own: list[NodeProto]) -> None:
    found = match(own, own, ())
    assert found.parts == [[place] for place in range(len(own))]
    assert found.apart == {}


def test_what_is_behind_a_node_and_what_went() -> None:
    own = [
        node("Shape", "w", "shape"),
        node("MatMul", "x w", "m"),
        node("Add", "m b", "a"),
        node("Relu", "a", "r"),
        node("Relu", "a", "again"),
        node("Add", "r again", "y"),
        node("Identity", "x", "nothing"),
    ]
    optimised = [node("FusedGemm", "x w b", "r", "fused m"), node("Add", "r r", "y")]
    found = match(own, optimised, ["w", "b"])
    assert found.parts == [[1, 2, 3], [5]]
    assert found.apart == {0: LOADED, 4: SHARED, 6: DROPPED}


def test_a_convolution_takes_what_follows_in_its_layout() -> None:
    own = [
        node("Conv", "x w", "c"),
        node("Add", "c s", "a"),
        node("Relu", "a", "r"),
        node("MaxPool", "r", "p"),
    ]
    optimised = [
        node("Conv", "x w2 '' s2", "t0", "c_nchwc", activation="Relu"),
        node("MaxPool", "t0", "t1", "p_nchwc"),
        node("ReorderOutput", "t1", "p", "ReorderOutput"),
    ]
    assert match(own, optimised[:2], ["w"]).parts == [[0, 1, 2], [3]]
    assert match(own, optimised, ["w"]).parts == [[0, 1, 2], [3], []], "what reorders is nobody's"


def test_a_function_in_its_layout_is_known_by_its_name() -> None:
    own = [
        node("Conv", "x w", "c", "net/Conv"),
        node("Sigmoid", "c", "s", "net/Sigmoid"),
        node("Mul", "c s", "m", "net/Mul"),
        node("Conv", "m w", "d", "net/Conv_1"),
    ]
    optimised = [
        node("Conv", "x w2", "t0", "c_nchwc"),
        node("QuickGelu", "t0", "t1", "net/Mul/QuickGeluFusion/"),
        node("Conv", "t1 w3", "t2", "d_nchwc"),
        node("ReorderOutput", "t2", "d", "ReorderOutput"),
    ]
    assert match(own, optimised, ["w"]).parts == [[0], [1, 2], [3], []]


def test_a_body_reads_from_outside() -> None:
    body = helper.make_graph(
        [node("Add", "inner outer", "sum")],
        "body",
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, [])],
    )
    own = [node("Neg", "x", "before"), node("Neg", "before", "outer"), node("Scan", "x", "y", body=body)]
    assert match(own, [node("Scan", "x", "y")], ()).parts == [[0, 1, 2]]


def test_as_onnxruntime_optimises(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.random(shape, np.float32), name)
        for name, shape in (("w", (16, 16, 3, 3)), ("scale", (16,)), ("bias", (16,)), ("mean", (16,)), ("var", (16,)))
    ]
    own = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c scale bias mean var", "b"),
        node("Add", "b x", "a"),
        node("Relu", "a", "y"),
    ]
    shape = [1, 16, 8, 8]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(own, "g", values[:1], values[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "m.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    optimised = list(onnx.load(tmp_path / "m.onnx").graph.node)
    found = match(own, optimised, [each.name for each in weights])
    assert found.apart == {}
    (whole,) = (parts for each, parts in zip(optimised, found.parts, strict=True) if each.op_type.endswith("Conv"))
    assert whole[:2] == [0, 1], "a normalization is part of the convolution before it, on any processor"
    assert sorted(place for parts in found.parts for place in parts) == [0, 1, 2, 3]
