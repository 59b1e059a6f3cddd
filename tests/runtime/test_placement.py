"""Which provider runs which nodes, with their lines and their share of the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import archonnx
from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.loading import load
from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.placement import place
from archonnx.runtime.skeleton import skeleton
from archonnx.runtime.work import count_macs

SOURCE = """
model Pictures():
    input picture: float32[N, H, 8, 3]
    picture -> Conv2D(4, 3, padding="same") -> ReLU() -> GlobalAveragePooling2D() -> Dense(5)
"""


def test_a_model_of_ours_with_lines_and_the_macs_of_its_summary(tmp_path: Path) -> None:
    compiled = archonnx.compile(text=SOURCE)
    compiled.save(tmp_path / "pictures.onnx")
    for session in (load(tmp_path / "pictures.onnx", "cpu"), load(compiled, "cpu")):
        placed = session.placement(N=2, H=6)
        (part,) = placed.parts
        assert part.provider == "CPUExecutionProvider"
        assert part.share == 1
        assert part.macs == 2 * (6 * 8 * 4 * 3 * 3 * 3 + 4 * 5)
        conv = next(node for node in part.nodes if node.operator == "Conv")
        assert (conv.layer, conv.place) == ("conv2d", "text.arch:4:16")
        assert conv.macs == 2 * 6 * 8 * 4 * 27
        assert str(conv) == "Conv (conv2d, at text.arch:4:16)"
        assert str(placed) == f"CPUExecutionProvider: {len(part.nodes)} nodes, 100.0% of the MACs\nMACs at N=2, H=6"


@pytest.mark.parametrize("tokens", [1, 5])
def test_shapes_that_onnx_does_not_infer_are_the_files_own(tmp_path: Path, tokens: int) -> None:
    models = Path(archonnx.__file__).parent / "models"
    compiled = archonnx.compile(models / "bert.arch", "SentenceBERT", layers=1, width=24, heads=2, vocabulary=99)
    compiled.save(tmp_path / "m.onnx")
    placed = load(tmp_path / "m.onnx", "cpu").placement(B=1, T=tokens)
    assert not placed.uncounted
    # Queries, keys, values and what leaves: 4 w w a token; the two layers after: 8 w w; scores and their sums: 2 w T.
    assert sum(part.macs for part in placed.parts) == 12 * 24 * 24 * tokens + 2 * 24 * tokens * tokens


def test_wrong_sizes_are_refused_and_a_closed_session_too() -> None:
    session = load(archonnx.compile(text=SOURCE), "cpu")
    with pytest.raises(UsageError, match=r"no input of .* has a size M; they have N, H"):
        session.placement(M=1)
    with pytest.raises(UsageError, match="the size N is a whole number of at least 1, received 0"):
        session.placement(N=0)
    session.close()
    with pytest.raises(UsageError, match="the session is closed"):
        session.placement()


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    archonnx.compile(text=SOURCE).save(tmp_path / "m.onnx")
    session = load(tmp_path / "m.onnx", "cpu")
    (tmp_path / "m.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"m\.onnx"):
        session.placement()


def test_a_file_that_was_written_anew_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    archonnx.compile(text=SOURCE).save(path)
    session = load(path, "cpu", cache="off")
    path.write_bytes(b"no model any more")
    for what in (session.placement, session.profile):
        with pytest.raises(ModelFileError, match=r"m\.onnx: it was changed since it was loaded; load it again"):
            what()


def test_two_providers_share_the_work() -> None:
    places = {"a": NodePlace("Conv", "first", "m.arch:3:5"), "b": NodePlace("Gemm", "last", "m.arch:4:5")}
    model = ModelFile("m.onnx", nodes=places)
    ran = {"Cpu": [("b", "Gemm"), ("", "Transpose")], "Fast": [("a", "Conv"), ("x", "Abs"), ("y", "Abs")]}
    placed = place(model, ran, [("a", 300), ("b", 100)], {})
    assert placed.nodes == {"Fast": 3, "Cpu": 2}
    assert [part.share for part in placed.parts] == [0.75, 0.25]
    assert str(placed) == (
        "Fast: 3 nodes, 75.0% of the MACs\nCpu: 2 nodes, 25.0% of the MACs\n  Gemm (last, at m.arch:4:5)\n  Transpose"
    )
    unknown = place(model, ran, [("a", None), ("b", 100)], {"N": 1})
    assert [part.share for part in unknown.parts] == [None, None]
    assert str(unknown).endswith("the work of 1 node is not known; sizes may help, as in placement(N=1)")


def test_the_work_of_nodes_without_a_name(make: Any) -> None:
    weights = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    products = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("MatMul", ["x", "w"], ["z"], name="z")]
    outputs = {"y": ("float32", ["N", 2]), "z": ("float32", ["N", 2])}
    session = load(make({"x": ("float32", ["N", 4])}, products, outputs, [weights]).SerializeToString(), "cpu")
    (part,) = session.placement(N=3).parts
    assert (part.macs, part.share) == (48, 1.0)
    ran = {"Fast": [("", "MatMul"), ("z", "MatMul")], "Cpu": [("", "Abs")]}
    model = ModelFile("m.onnx", nodes={"z": NodePlace("MatMul")})
    placed = place(model, ran, [("", 24), ("z", 24), ("", 0)], {})
    assert [part.share for part in placed.parts] == [None, None]
    assert str(placed).endswith("the work of 1 node is of no provider: the file gives them no name")
    assert place(model, ran, [("", 0), ("z", 24)], {}).parts[0].share == 1


def node(operator: str, inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), ["y"], name="n", **attributes)


@pytest.mark.parametrize(
    ("made", "shapes", "macs"),
    [
        (node("Conv", "x w", group=2), {"x": [1, 4, 9, 9], "w": [6, 2, 3, 3]}, 6 * 7 * 7 * 2 * 9),
        (node("ConvTranspose", "x w"), {"x": [1, 4, 5, 5], "w": [4, 6, 3, 3]}, 4 * 25 * 6 * 9),
        (node("MatMul", "x w"), {"x": [2, 3, 4], "w": [4, 5]}, 2 * 3 * 4 * 5),
        (node("Gemm", "x w", transA=1, transB=1), {"x": [4, 3], "w": [5, 4]}, 3 * 4 * 5),
        (node("Einsum", "x w", equation="bij,bjk->bik"), {"x": [2, 3, 4], "w": [2, 4, 5]}, 2 * 3 * 4 * 5),
        (
            node("LSTM", "x w r", hidden_size=6),
            {"x": [7, 2, 5], "w": [1, 24, 5], "r": [1, 24, 6]},
            7 * 2 * 4 * (6 * 5 + 6 * 6),
        ),
        (node("Add", "x w"), {"x": [2, 3], "w": [2, 3]}, 0),
    ],
)
def test_macs_of_operators(make: Any, made: onnx.NodeProto, shapes: dict[str, list[int]], macs: int) -> None:
    weights = [
        numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in shapes.items() if name != "x"
    ]
    model = make({"x": ("float32", shapes["x"])}, [made], {"y": ("float32", None)}, weights)
    assert count_macs(model.SerializeToString(), {}) == {"n": macs}
    assert count_macs(skeleton(model.SerializeToString()), {}) == {"n": macs}


def test_an_unknown_shape_is_not_guessed(make: Any) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["i"], name="i"),
        helper.make_node("Cast", ["i"], ["f"], name="f", to=1),
    ]
    nodes.append(helper.make_node("MatMul", ["f", "f"], ["y"], name="y"))
    model = make({"x": ("float32", ["N"])}, nodes, {"y": ("float32", None)})
    assert count_macs(model.SerializeToString(), {"N": 3}) == {"i": 0, "f": 0, "y": None}


def test_a_skeleton_has_the_shapes_and_not_the_weights(tmp_path: Path) -> None:
    archonnx.compile(Path(archonnx.__file__).parent / "models" / "dnn.arch").save(tmp_path / "m.onnx")
    whole, bare = onnx.load(tmp_path / "m.onnx"), skeleton(tmp_path / "m.onnx")
    assert len(bare) < 100_000 < (tmp_path / "m.onnx").stat().st_size
    left = onnx.load_from_string(bare)
    assert [(t.name, list(t.dims)) for t in left.graph.initializer] == [
        (t.name, list(t.dims)) for t in whole.graph.initializer
    ]
    del whole.graph.initializer[:], left.graph.initializer[:]
    assert left == whole
