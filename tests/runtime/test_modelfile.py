"""The outline of a model file: compared with what onnx itself reads, and files that are none."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import read_model

BACKEND = Path(onnx.__file__).parent / "backend" / "test" / "data"
CORPUS = sorted(BACKEND.glob("*/**/*.onnx"))
CHOSEN = random.Random(5).sample(CORPUS, 40)
DTYPES = {value: name.lower() for name, value in TensorProto.DataType.items()}


def expected_shape(tensor: onnx.TypeProto.Tensor) -> tuple[Any, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(
        d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else d.dim_param or None for d in tensor.shape.dim
    )


@pytest.mark.parametrize("path", CHOSEN, ids=[str(p.relative_to(BACKEND)) for p in CHOSEN])
def test_the_outline_is_what_onnx_reads(path: Path) -> None:
    outline, model = read_model(path), onnx.load(path)
    assert outline.ir_version == model.ir_version
    assert outline.opsets == {o.domain: o.version for o in model.opset_import}
    assert outline.initializers == {t.name for t in model.graph.initializer}
    assert {n.name for n in model.graph.node if n.name} <= outline.nodes.keys()
    for specs, values in ((outline.inputs, model.graph.input), (outline.outputs, model.graph.output)):
        assert [s.name for s in specs] == [v.name for v in values]
        for spec, value in zip(specs, values, strict=True):
            if value.type.HasField("tensor_type"):
                tensor = value.type.tensor_type
                assert spec.shape == expected_shape(tensor)
                name = DTYPES[tensor.elem_type]
                assert spec.dtype == {"float": "float32", "double": "float64"}.get(name, name)
            else:
                assert spec.kind in ("sequence", "optional", "map", "sparse")


def test_types_are_written_as_in_the_language(make: Any) -> None:
    model = make({"a": ("float32", ["N", 2, None]), "b": ("int64", []), "c": ("bool", None)}, "Identity")
    outline = read_model(model.SerializeToString())
    assert [str(s) for s in outline.inputs] == ["a: float32[N, 2, ?]", "b: int64[]", "c: bool[...]"]


def test_nodes_carry_their_place(make: Any) -> None:
    node = helper.make_node("Identity", ["x"], ["y"], name="n")
    for key, value in (("layer", "head/dense"), ("place", "a.arch:3:5"), ("trail", '["head, applied at a.arch:9:5"]')):
        node.metadata_props.add(key=f"archonnx.{key}", value=value)
    outline = read_model(make({"x": ("float32", [1])}, [node]).SerializeToString())
    assert outline.nodes["n"].layer == "head/dense"
    assert outline.nodes["n"].place == "a.arch:3:5"
    assert outline.nodes["n"].trail == ("head, applied at a.arch:9:5",)


def test_nodes_of_branches_and_their_external_data_are_seen(make: Any) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2], bytes(8), raw=True)
    onnx.external_data_helper.set_external_data(weight, "w.data", offset=64, length=8)
    inner = helper.make_node("Identity", ["w"], ["z"], name="inner")
    branch = helper.make_graph([inner], "b", [], [helper.make_tensor_value_info("z", 1, [2])], [weight])
    node = helper.make_node("If", ["c"], ["y"], name="outer", then_branch=branch, else_branch=branch)
    model = make({"c": ("bool", [])}, [node], {"y": ("float32", [2])})
    outline = read_model(model.SerializeToString())
    assert outline.nodes.keys() == {"outer", "inner"}
    assert outline.external == {"w.data": 72}
    assert outline.initializers == set()


def test_a_file_cut_anywhere_is_refused(make: Any) -> None:
    data = make({"x": ("float32", ["N", 3])}, "Relu").SerializeToString()
    for length in range(len(data)):
        with pytest.raises(ModelFileError) as caught:
            read_model(data[:length], "model.onnx")
        assert str(caught.value).startswith("model.onnx: ")
        assert "\n" not in str(caught.value)
    assert "cut short" in str(caught.value)
    read_model(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"model A():\n", "this is a text file, not an ONNX model; it begins with 'model A"),
        ("Größe\n".encode(), "this is a text file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"\xff\xd8\xff\xe0", "JPEG picture"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PK\x03\x04", "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x00\x00\x00\x00ORTM", "own format"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00" + b'{"a":1}', "safetensors"),
        (b"  <!DOCTYPE html>", "web page"),
        (b"\xffgarbage" * 20, "this is no ONNX model"),
        (b"\x08\x0a", "the file has no graph"),
        (b"\x08\x0a\x3a\x00", "no opset import"),
        (b"\x3a\x00\x42\x02\x10\x15", "no IR version"),
    ],
)
def test_what_is_no_model_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason) as caught:
        read_model(data)
    assert "\n" not in str(caught.value)


def test_an_architecture_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "a.arch"
    path.write_text("model A():\n")
    with pytest.raises(ModelFileError, match="compile it first"):
        read_model(path)


def test_damaged_metadata_is_named(make: Any) -> None:
    data = make({"x": ("float32", [1])}, metadata={"archonnx.optional": "[oops"}).SerializeToString()
    with pytest.raises(ModelFileError, match=r"metadata entry archonnx\.optional is damaged"):
        read_model(data)


def test_inputs_are_optional_where_the_file_has_a_value_for_them(make: Any) -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    types = {"x": ("float32", [1]), "m": ("float32", [1]), "w": ("float32", [1])}
    metadata = {"archonnx.optional": json.dumps(["m", "w"])}
    outline = read_model(make(types, "Sum", initializers=[weight], metadata=metadata).SerializeToString())
    assert [s.optional for s in outline.inputs] == [False, False, True]
    assert outline.declared_optional == {"m", "w"}


@pytest.mark.parametrize(
    ("wrap", "kind", "type_"),
    [
        ([], "tensor", "float32[N]"),
        (["sequence"], "sequence", "sequence(float32[N])"),
        (["optional"], "optional", "optional(float32[N])"),
        (["sequence", "optional"], "optional sequence", "optional sequence(float32[N])"),
    ],
)
def test_sequences_and_optionals_are_told_apart(wrap: list[str], kind: str, type_: str) -> None:
    proto = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    for name in wrap:
        proto = getattr(helper, f"make_{name}_type_proto")(proto)
    graph = helper.make_graph([], "g", [helper.make_value_info("x", proto)], [])
    spec = read_model(helper.make_model(graph).SerializeToString()).inputs[0]
    assert (spec.kind, spec.type, spec.optional) == (kind, type_, "optional" in wrap)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match=r"m\.onnx: it is no regular file, but a pipe or a device; write it to a"):
        read_model(tmp_path / "m.onnx")
