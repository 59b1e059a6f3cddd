"""The initializers of ONNX models, against onnx.numpy_helper and onnx.load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from file_tensors import damaged, random_array, random_tensors, read_all, same, survives, tensors
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from archonnx.compiler import wire
from archonnx.compiler.weights.files import onnx_file
from archonnx.compiler.weights.files.base import Entry, Tensor, TensorFileError
from archonnx.compiler.weights.files.formats import write_tensors
from archonnx.compiler.weights.recipe import Array
from archonnx.contract.diagnostics import ArchonnxError
from archonnx.contract.dtypes import DTYPES


def model(*initializers: TensorProto) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph([], "g", [], [], list(initializers)))


def outside(location: str = "w.bin", offset: str | None = "4", length: str | None = "8") -> TensorProto:
    proto = TensorProto(name="w", dims=[2], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            proto.external_data.add(key=key, value=value)
    return proto


@given(arrays=random_tensors(onnx_file.FORMAT.holds))
def test_onnx_reads_what_is_written_bit_for_bit(
    arrays: dict[str, Array], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "a.onnx"
    write_tensors(path, tensors(arrays), {"made": "here"})
    theirs = onnx.load(path)
    onnx.checker.check_model(theirs, full_check=True)
    assert [t.name for t in theirs.graph.initializer] == list(arrays)
    assert all(same(numpy_helper.to_array(t), arrays[t.name]) for t in theirs.graph.initializer)
    found = read_all(path)
    assert list(found) == list(arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)
    with onnx_file.open_file(path) as file:
        assert file.metadata == {"made": "here"}


@pytest.mark.parametrize("dtype", sorted(onnx_file.FORMAT.holds))
@pytest.mark.parametrize("shape", [(), (3,), (2, 4), (0,)])
def test_numbers_in_typed_fields(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = random_array(dtype, shape, 3)
    if DTYPES[dtype].kind in ("float", "complex"):
        array = np.ones(shape, array.dtype)
    proto = helper.make_tensor("w", DTYPES[dtype].onnx, shape, array.reshape(-1))
    assert not proto.HasField("raw_data")
    onnx.save(model(proto), tmp_path / "a.onnx")
    assert same(read_all(tmp_path / "a.onnx")["w"], array)


def test_text(tmp_path: Path) -> None:
    good = helper.make_tensor("w", TensorProto.STRING, (2,), ["a", "größe"])
    onnx.save(model(good), tmp_path / "a.onnx")
    with onnx_file.open_file(tmp_path / "a.onnx") as file:
        assert file.entries["w"] == Entry("string", (2,))
        assert file.whole("w").tolist() == ["a", "größe"]
    onnx.save(model(helper.make_tensor("w", TensorProto.STRING, (1,), [b"\xff"])), tmp_path / "a.onnx")
    with onnx_file.open_file(tmp_path / "a.onnx") as file, pytest.raises(TensorFileError, match="not UTF-8"):
        file.whole("w")


@pytest.mark.parametrize("dtype", ["float32", "int4", "bfloat16"])
def test_data_outside_the_model(dtype: str, tmp_path: Path) -> None:
    arrays = {name: random_array(dtype, (5, 3), seed) for seed, name in enumerate("wvu")}
    whole = model(*(numpy_helper.from_array(array, name) for name, array in arrays.items()))
    onnx.save(whole, tmp_path / "a.onnx", save_as_external_data=True, location="a.data", size_threshold=0)
    found = read_all(tmp_path / "a.onnx")
    assert all(same(found[name], arrays[name]) for name in arrays)


def test_offset_and_length_have_defaults(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(np.float32([1, 2]).tobytes())
    (tmp_path / "a.onnx").write_bytes(model(outside("sub/w.bin", None, None)).SerializeToString())
    assert read_all(tmp_path / "a.onnx")["w"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("proto", "said"),
    [
        (outside("../w.bin"), "said to be in '../w.bin'; data stand in the model's own folder"),
        (outside("sub/../../w.bin"), "the model's own folder"),
        (outside("/etc/passwd"), "the model's own folder"),
        (outside("link"), "is a link out of the model's folder; copy it there"),
        (outside(""), "the model's own folder"),
        (outside("."), "the model's own folder"),
        (outside("a\0b"), "the model's own folder"),
        (outside("gone.bin"), r"there is no file 'gone\.bin' with the data of 'w'"),
        (outside(offset="-4"), "the offset of the data of 'w' is '-4', which is no number"),
        (outside(offset="9" * 5000), "which is no number"),
        (outside(length="²"), "which is no number"),
        (outside(length="7"), r"is float32\[2\], 8 bytes, and has 7"),
        (outside(offset="5"), r"w\.bin: the data of 'w' end at byte 13, the file before; it is cut short"),
    ],
)
def test_data_outside_that_are_wrong(proto: TensorProto, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").write_bytes(bytes(12))
    (tmp_path / "w.bin").write_bytes(bytes(12))
    (folder / "link").symlink_to(tmp_path / "w.bin")
    (folder / "a.onnx").write_bytes(model(proto).SerializeToString())
    with pytest.raises(TensorFileError, match=said) as caught:
        onnx_file.open_file(folder / "a.onnx")
    assert "\n" not in str(caught.value)


def test_data_outside_that_shrink_while_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(12))
    (tmp_path / "a.onnx").write_bytes(model(outside()).SerializeToString())
    with onnx_file.open_file(tmp_path / "a.onnx") as file:
        (tmp_path / "w.bin").write_bytes(bytes(8))
        with pytest.raises(TensorFileError, match=r"w\.bin: the file ends at byte 8"):
            file.whole("w")


FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (onnx.ModelProto(), "it has no graph"),
        (onnx.ModelProto(ir_version=8), "it has no graph"),
        (model(TensorProto(name="w", dims=[2], data_type=FLOAT, raw_data=bytes(4))), "8 bytes, and has 4"),
        (model(TensorProto(name="w", dims=[2], data_type=FLOAT, float_data=[1])), "2 numbers, and has 1"),
        (model(TensorProto(name="w", dims=[1 << 40], data_type=FLOAT)), "and has 0"),
        (model(TensorProto(name="w", dims=[-2], data_type=FLOAT)), r"the shape \[-2\], which is none"),
        (model(TensorProto(name="w", dims=[1 << 40, 1 << 40], data_type=FLOAT)), "which is none"),
        (model(TensorProto(name="w", dims=[2], data_type=99)), "is of type 99"),
        (model(TensorProto(name="w", dims=[2], data_type=TensorProto.STRING)), "and has 0 elements"),
        (model(*[numpy_helper.from_array(np.zeros(1), "w")] * 2), "'w' is in it twice"),
    ],
)
def test_models_that_are_wrong(message: onnx.ModelProto, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(message.SerializeToString())
    with pytest.raises(TensorFileError, match=said) as caught:
        onnx_file.open_file(tmp_path / "a.onnx")
    assert "\n" not in str(caught.value)


def constants(*initializers: TensorProto) -> onnx.ModelProto:
    """A model with a tensor in a Constant, one in typed fields, and others that are none of its weights."""
    values = [
        ("raw", numpy_helper.from_array(np.float16([[1, 2], [3, 4]]))),
        ("typed", helper.make_tensor("", TensorProto.INT64, [2], [5, 6])),
    ]
    nodes = [helper.make_node("Constant", [], [name], value=value) for name, value in values]
    filled = helper.make_node("ConstantOfShape", ["typed"], ["filled"], value=helper.make_tensor("", 1, [1], [7.0]))
    number = helper.make_node("Constant", [], ["number"], value_float=8.0)
    return helper.make_model(helper.make_graph([nodes[0], filled, number, nodes[1]], "g", [], [], list(initializers)))


def test_constants_are_the_weights_of_a_model_without_initializers(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(constants().SerializeToString())
    found = read_all(path)
    assert list(found) == ["raw", "typed"]
    assert same(found["raw"], np.float16([[1, 2], [3, 4]]))
    assert same(found["typed"], np.array([5, 6]))
    path.write_bytes(constants(numpy_helper.from_array(np.float32([9]), "weight")).SerializeToString())
    assert list(read_all(path)) == ["weight"]


def test_a_constant_of_two_values_is_refused(tmp_path: Path) -> None:
    model = constants()
    text = model.SerializeToString()
    attribute = model.graph.node[0].attribute[0].SerializeToString()
    twice = attribute + onnx.AttributeProto(t=numpy_helper.from_array(np.float32([1]))).SerializeToString()
    assert len(attribute) < len(twice) < 128
    node = model.graph.node[0].SerializeToString()
    # Lengths of one byte each: attribute, node and graph grow by what is added.
    grown = node.replace(b"*" + bytes([len(attribute)]) + attribute, b"*" + bytes([len(twice)]) + twice)
    graph = model.graph.SerializeToString().replace(
        b"\n" + bytes([len(node)]) + node, b"\n" + bytes([len(grown)]) + grown
    )
    model.ClearField("graph")
    path = tmp_path / "a.onnx"
    length = bytes([len(graph) & 0x7F | 0x80, len(graph) >> 7])
    path.write_bytes(model.SerializeToString() + b":" + length + graph)
    assert len(text) < len(path.read_bytes())
    with pytest.raises(TensorFileError, match="an attribute of a node has two values"):
        read_all(path)


def branches(*initializers: TensorProto) -> onnx.ModelProto:
    """A model whose If has a Constant of one name in either branch, and in a branch within the first, and initializers."""

    def graph(number: float, nodes: list[onnx.NodeProto], *own: TensorProto) -> onnx.GraphProto:
        value = numpy_helper.from_array(np.full(3, number, np.float32))
        constant = helper.make_node("Constant", [], ["w"], value=value)
        return helper.make_graph([constant, *nodes], f"g{number}", [], [], list(own))

    inner = helper.make_node("If", ["c"], [], then_branch=graph(2, []), else_branch=graph(3, []))
    outer = helper.make_node("If", ["c"], [], then_branch=graph(1, [inner]), else_branch=graph(4, [], *initializers))
    return helper.make_model(helper.make_graph([outer], "g", [], []))


def test_constants_of_branches(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(branches().SerializeToString())
    found = read_all(path)
    assert list(found) == ["w", "w#1", "w#2", "w#3"]
    # An attribute's graphs stand in the order of their names: else_branch, then_branch.
    assert sorted(float(array[0]) for array in found.values()) == [1, 2, 3, 4]
    assert all(same(array, np.full(3, array[0], np.float32)) for array in found.values())


def test_initializers_of_branches_come_before_constants(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    weights = [numpy_helper.from_array(np.arange(5), "raw"), helper.make_tensor("typed", 1, (2,), [3, 4])]
    path.write_bytes(branches(*weights).SerializeToString())
    found = read_all(path)
    assert list(found) == ["raw", "typed"]
    assert same(found["raw"], np.arange(5))
    assert same(found["typed"], np.float32([3, 4]))


def test_graphs_too_deep_within_each_other_are_refused(tmp_path: Path) -> None:
    graph = onnx.GraphProto(name="innermost").SerializeToString()
    for _ in range(2000):
        attribute = wire.header(wire.ATTRIBUTE_GRAPH, len(graph)) + graph
        node = wire.header(wire.NODE_ATTRIBUTE, len(attribute)) + attribute
        graph = wire.header(wire.GRAPH_NODE, len(node)) + node
    path = tmp_path / "a.onnx"
    path.write_bytes(
        onnx.ModelProto(ir_version=9).SerializeToString() + wire.header(wire.MODEL_GRAPH, len(graph)) + graph
    )
    with pytest.raises(TensorFileError, match="graphs within graphs, more than 32"):
        read_all(path)


def test_sparse_initializers_are_refused(tmp_path: Path) -> None:
    message = model()
    message.graph.sparse_initializer.add(dims=[3])
    (tmp_path / "a.onnx").write_bytes(message.SerializeToString())
    with pytest.raises(TensorFileError, match="make them dense"):
        onnx_file.open_file(tmp_path / "a.onnx")


SMALL = model(
    numpy_helper.from_array(np.float32([1, 2]), "w"), helper.make_tensor("v", TensorProto.FLOAT, (2,), [3, 4])
).SerializeToString()


@pytest.mark.parametrize(
    ("old", "said"),
    [(b"name", r"the text b'\\xffame' of an initializer"), (b"value", r"the text b'\\xffalue' of its 'key'")],
)
def test_texts_that_are_none(old: bytes, said: str, tmp_path: Path) -> None:
    message = model(numpy_helper.from_array(np.float32([1, 2]), "name"))
    helper.set_model_props(message, {"key": "value"})
    data = message.SerializeToString()
    assert data.count(old) == 1
    (tmp_path / "a.onnx").write_bytes(data.replace(old, b"\xff" + old[1:]))
    with pytest.raises(TensorFileError, match=f"{said} is not UTF-8"):
        onnx_file.open_file(tmp_path / "a.onnx")


def test_a_model_cut_at_any_byte_is_refused_or_lacks_nothing(tmp_path: Path) -> None:
    whole = survives(onnx_file.FORMAT, tmp_path / "a.onnx", SMALL)
    assert whole is not None
    for length in range(len(SMALL)):
        found = survives(onnx_file.FORMAT, tmp_path / "a.onnx", SMALL[:length])
        assert found is None or all(same(found[name], whole[name]) for name in whole), length


INNER = branches(helper.make_tensor("v", TensorProto.FLOAT, (2,), [3, 4])).SerializeToString()


@given(
    data=st.sampled_from([SMALL, constants().SerializeToString(), branches().SerializeToString(), INNER]),
    seed=st.integers(0, 1 << 32),
)
def test_damaged_models_are_read_or_refused(data: bytes, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    survives(onnx_file.FORMAT, tmp_path_factory.mktemp("fuzz") / "a.onnx", damaged(data, seed))


def test_large_weights_stand_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archonnx.compiler.weights.files.onnx_writer.LONGEST", 9000)
    arrays = {f"w{i}": random_array("float32", (40, 30), i) for i in range(3)} | {"b": np.ones(3, np.float16)}
    path = tmp_path / "a.onnx"
    write_tensors(path, tensors(arrays))
    (data,) = tmp_path.glob("a.*.data")
    assert data.stat().st_size >= 3 * 4800
    assert path.stat().st_size < 1000
    theirs = onnx.load(path)
    assert all(same(numpy_helper.to_array(t), arrays[t.name]) for t in theirs.graph.initializer)
    assert all(same(array, arrays[name]) for name, array in read_all(path).items())
    write_tensors(path, tensors({"b": arrays["b"]}))  # nothing of the old one is left
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]


def test_nothing_is_left_where_large_weights_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archonnx.compiler.weights.files.onnx_writer.LONGEST", 0)

    def slices() -> Iterator[Array]:
        yield np.zeros(3)
        raise TensorFileError("in.npz", "the file ends at byte 9")

    with pytest.raises(TensorFileError, match=r"in\.npz"):
        write_tensors(tmp_path / "a.onnx", {"w": Tensor(Entry("float64", (1000,)), slices)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone/a.onnx", "there is no folder .*gone; make it first"), ("folder.onnx", "it is a folder; name a file in it")],
)
def test_where_no_model_can_be_written(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ArchonnxError, match=said):
        write_tensors(tmp_path / name, tensors({"w": np.zeros(2)}))
    with pytest.raises(TensorFileError, match="without a name"):
        write_tensors(tmp_path / "a.onnx", tensors({"": np.zeros(2)}))
