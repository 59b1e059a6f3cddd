"""Walking a model file without loading it, and saying so where it is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from archonnx.compiler import wire


def model() -> onnx.ModelProto:
    initializers = [
        numpy_helper.from_array(np.arange(1000, dtype=np.float32), "weights"),
        helper.make_tensor("floats", 1, [2], [1.0, 2.0]),
        helper.make_tensor("empty", 1, [0], b"", raw=True),
    ]
    outside = initializers[0].__class__(name="outside", dims=[3], data_type=1, data_location=1)
    outside.external_data.add(key="location", value="m.data")
    outside.external_data.add(key="length", value="12")
    node = helper.make_node("Relu", ["weights"], ["y"], name="n")
    output = helper.make_tensor_value_info("y", 1, [1000])
    return helper.make_model(helper.make_graph([node], "g", [], [output], [*initializers, outside]))


def walk(path: Path, data: bytes) -> wire.Walked:
    path.write_bytes(data)
    with open(path, "rb") as stream:
        return wire.walk(stream)


def test_regions_are_where_the_raw_data_is(tmp_path: Path) -> None:
    data = model().SerializeToString()
    walked = walk(tmp_path / "m", data)
    assert [(r.name, r.length) for r in walked.regions] == [
        ("weights", 4000),
        ("floats", 0),
        ("empty", 0),
        ("outside", 0),
    ]
    first = walked.regions[0]
    assert data[first.start : first.start + 4000] == np.arange(1000, dtype="<f4").tobytes()
    assert walked.regions[3].external == {"location": "m.data", "length": "12"}
    expected = model()
    for tensor in expected.graph.initializer:
        tensor.ClearField("raw_data")
    assert onnx.ModelProto.FromString(walked.skeleton) == expected


def test_tensors_in_nodes_are_passed_over_where_they_are_asked_for(tmp_path: Path) -> None:
    values = [np.arange(600, dtype=np.float32), np.arange(300, dtype=np.int64)]
    nodes = [
        helper.make_node("Constant", [], [f"c{i}"], value=numpy_helper.from_array(v)) for i, v in enumerate(values)
    ]
    nodes.insert(1, helper.make_node("Gemm", ["c0", "c0"], ["y"], alpha=2.0, transA=1))
    expected = helper.make_model(helper.make_graph(nodes, "g", [], []))
    data = expected.SerializeToString()
    (tmp_path / "m").write_bytes(data)
    with open(tmp_path / "m", "rb") as stream:
        walked = wire.walk(stream, inside=True)
        assert wire.walk(stream).skeleton == data
    found = [data[region.start : region.start + region.length] for region in walked.inside.attributes]
    assert found == [v.tobytes() for v in values]
    for node in (nodes[0], nodes[2]):
        node.attribute[0].t.ClearField("raw_data")
    assert onnx.ModelProto.FromString(walked.skeleton).graph.node == nodes
    assert len(walked.skeleton) < 300


@pytest.mark.parametrize("cut", [1, 5, 100, 3000])
def test_a_truncated_file_is_no_model(tmp_path: Path, cut: int) -> None:
    data = model().SerializeToString()
    with pytest.raises(wire.MalformedFileError):
        walk(tmp_path / "m", data[:-cut])


@given(data=st.binary(max_size=60))
def test_any_bytes_are_walked_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    try:
        walk(path, data)
    except wire.MalformedFileError as error:
        assert str(error)


@given(value=st.integers(0, 2**63 - 1))
def test_numbers_come_back(value: int) -> None:
    encoded = wire.varint(value)
    proto = onnx.ModelProto.FromString(b"\x28" + encoded)  # field 5, model_version
    assert proto.model_version == value


@given(data=st.binary(max_size=40) | st.binary(max_size=30).map(lambda raw: b"\x08\x03\x10\x01\x42\x01w" + raw))
def test_small_tensors_are_walked_in_memory_as_others_are_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "tensor"
    path.write_bytes(b"head" + data)
    found: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        for small in (wire.SMALL, -1):
            patch.setattr(wire, "SMALL", small)
            region = wire.Region("")
            with open(path, "rb") as stream:
                stream.seek(4)
                try:
                    found.append((wire._walk_tensor(stream, 4 + len(data), region), region, stream.tell()))
                except wire.MalformedFileError:
                    found.append("malformed")
    assert found[0] == found[1]
