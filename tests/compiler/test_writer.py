"""Messages of an operator graph: attributes of every kind, versions, left-out inputs."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from archonnx.compiler import writer

graphs = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("operator_graphs.py"))))


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (3, 0, 3),
        (True, 0, 1),
        (np.int64(3), 0, 3),
        (1.5, 0, 1.5),
        (1, onnx.AttributeProto.FLOAT, 1.0),
        ("SAME", 0, b"SAME"),
        (b"\xff", 0, b"\xff"),
        ([1, 2], 0, [1, 2]),
        ((1, 2.5), 0, [1.0, 2.5]),
        ([1, 2], onnx.AttributeProto.FLOATS, [1.0, 2.0]),
        ([], onnx.AttributeProto.STRINGS, []),
        (["a", "é"], 0, [b"a", "é".encode()]),
    ],
)
def test_attributes_are_python_values(value: Any, declared: int, expected: Any) -> None:
    proto = onnx.AttributeProto()
    writer.fill_attribute(proto, "a", value, declared)
    assert proto.name == "a"
    found = helper.get_attribute_value(proto)
    assert (list(found) if isinstance(expected, list) else found) == expected
    if declared:
        assert proto.type == declared


def test_an_array_is_a_tensor_attribute() -> None:
    proto = onnx.AttributeProto()
    writer.fill_attribute(proto, "value", np.array([1.5], np.float16))
    assert proto.type == onnx.AttributeProto.TENSOR
    assert onnx.numpy_helper.to_array(proto.t).tolist() == [1.5]


@pytest.mark.parametrize(("value", "declared"), [({}, 0), ([1, "a"], 0), (None, 0), ("a", onnx.AttributeProto.TENSOR)])
def test_what_is_no_attribute_is_refused(value: Any, declared: int) -> None:
    with pytest.raises(TypeError):
        writer.fill_attribute(onnx.AttributeProto(), "a", value, declared)


def test_the_schema_decides_where_python_does_not() -> None:
    graph = graphs.dense()
    graph.operators[0].attributes = {"alpha": 1, "beta": 2}
    attributes = writer.build(graph, {}).graph.node[0].attribute
    assert [(a.name, a.type, a.f) for a in attributes] == [("alpha", 1, 1.0), ("beta", 1, 2.0)]


@pytest.mark.parametrize(("opset", "ir_version"), [(17, 8), (19, 9), (21, 10)])
def test_the_ir_version_is_the_first_that_has_the_opset(opset: int, ir_version: int) -> None:
    graph = graphs.dense()
    graph.opset = opset
    assert writer.build(graph, {}).model.ir_version == ir_version


def test_inputs_left_out_and_other_domains() -> None:
    graph = graphs.dense()
    first = graph.operators[0]
    first.inputs, first.domain = [first.inputs[0], None, first.inputs[1]], "com.example"
    graph.domains = {"com.example": 3, "ai.onnx.ml": 3}
    skeleton = writer.build(graph, {"archonnx.model": "Other"})
    assert list(skeleton.graph.node[0].input) == ["x", "", "dense/kernel"]
    assert [(o.domain, o.version) for o in skeleton.model.opset_import] == [
        ("", 21),
        ("ai.onnx.ml", 3),
        ("com.example", 3),
    ]
    assert [(p.key, p.value) for p in skeleton.model.metadata_props] == [
        ("archonnx.model", "Other"),
        ("archonnx.source", "example.arch"),
    ]


def test_long_fields_are_turned_into_bytes_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = writer.build(graphs.dense(), {"archonnx.weights": "none"})
    whole = skeleton.graph.SerializeToString(deterministic=True)
    for stretch in (1, 2, 10_000):
        monkeypatch.setattr(writer, "STRETCH", stretch)
        names = [field.name for field, _ in skeleton.graph.ListFields()]
        assert writer.serialized(skeleton.graph, names) == whole


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model, "producer_version", "0"),
        lambda model: model.metadata_props.add(key="a", value="b"),
        lambda model: model.ClearField("opset_import"),
        lambda model: setattr(model.graph, "name", "other"),
        lambda model: setattr(model.graph, "doc_string", "other"),
        lambda model: model.graph.ClearField("value_info"),
        lambda model: setattr(model.graph.node[1], "name", "other"),
        lambda model: model.graph.node.add(),
        lambda model: model.graph.initializer.pop(),
        lambda model: setattr(model.graph.initializer[0], "name", "other"),
    ],
)
def test_a_model_that_differs_anywhere_is_not_the_one_that_was_meant(change: Callable[[Any], object]) -> None:
    skeleton = writer.build(graphs.dense(), {"archonnx.weights": "none"})
    model = skeleton.whole()
    assert skeleton.is_in(model)
    change(model)
    assert not skeleton.is_in(model)
