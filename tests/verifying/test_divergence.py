"""A divergence that is planted is found, in the layer that it was planted in, and none that follows it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.compiler.layers.dense import Dense
from archonnx.compiler.passes import pipeline
from archonnx.verifying.checking import Report, verify

pytest.importorskip("keras")

# Residual branches in blocks in a loop; layers of one line are told apart by their scopes.
TEXT = """\
block cell(width, activation = "relu"):
    input x
    y = x -> Dense(width, activation=activation, name="first")
          -> Dense(width, name="second")
    output (x + y) -> LayerNormalization()

model Res(odd = "relu"):
    input x: float32[N, 8]
    cell(8)
    for i in range(3):
        cell(8, activation=odd if i == 1 else "relu")
    Dense(3, name="head")
    output y
"""


def model(**parameters: Any) -> archonnx.CompiledModel:
    return archonnx.compile(text=TEXT, **parameters)


def named(report: Report, number: int = 0) -> tuple[str, str, str]:
    """Layer, place and trail of what was found."""
    assert not report.agrees
    found = report.pairs[number].found
    assert found is not None, report.pairs[number].said
    assert found.code == "E1055"
    trail = str(found.trail[0]) if found.trail else ""
    return found.message.partition(":")[0], str(found.place), trail


def changed(path: str) -> archonnx.CompiledModel:
    """The model with one number of a weight changed."""
    values = model().values()
    values[path] = values[path].copy()
    values[path].reshape(-1)[1] += 0.5
    return model().with_weights(values)


# Our lowering ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place", "where"),
    [
        ("cell/first", "text.arch:3:14", "applied at text.arch:9:5"),
        ("cell_2/second", "text.arch:4:14", "applied at text.arch:11:9 (i = 1)"),
        ("cell_3/first", "text.arch:3:14", "applied at text.arch:11:9 (i = 2)"),
        ("head", "text.arch:12:5", ""),
    ],
)
def test_a_wrong_lowering_is_named(path: str, place: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Dense.lower

    def wrong(self: Any, b: Any, x: Any) -> Any:
        y = right(self, b, x)
        return b.op("Mul", y, b.constant(1.25, "float32"), result=y.type) if self.path == path else y

    monkeypatch.setattr(Dense, "lower", wrong)
    report = verify(model(), via="prediction")
    layer, found, trail = named(report)
    assert (layer, found) == (path, place)
    assert where in trail
    assert "archonnx's graph and Keras' own prediction part at this Dense: error" in str(report.pairs[0].found)


def test_a_pass_that_changes_what_is_computed_is_told_from_a_lowering(monkeypatch: pytest.MonkeyPatch) -> None:
    right = pipeline.share_constants

    def wrong(graph: Any) -> Any:
        graph = right(graph)
        for operator in graph.operators:
            if operator.layer == "cell_1/second" and operator.type in ("MatMul", "Gemm"):
                operator.inputs[1].recipe = operator.inputs[1].recipe.transpose((1, 0))
        return graph

    monkeypatch.setattr(pipeline, "share_constants", wrong)
    report = verify(model(), via="prediction")
    assert named(report)[0] == "cell_1/second"
    assert report.pairs[0].found is not None
    assert "a pass of archonnx changed what they compute" in (report.pairs[0].found.help or "")


def test_a_difference_in_one_run_alone_is_found_in_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Dense.lower

    def wrong(self: Any, b: Any, x: Any) -> Any:
        """Adds up the rows: right where there is one."""
        y = right(self, b, x)
        return b.op("CumSum", y, b.constant(0, "int64"), result=y.type) if self.path == "cell_1/first" else y

    monkeypatch.setattr(Dense, "lower", wrong)
    report = verify(model(), via="prediction")
    assert named(report)[0] == "cell_1/first"
    assert report.runs[report.pairs[0].run] == {"N": 2}


# The second route --------------------------------------------------------------------------------------------------------


def test_a_wrong_second_route_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tf2onnx")
    from archonnx.compiler.keras.route import conversion

    right = conversion._write
    compiled = model()
    token = list(dict.fromkeys(node.path for node in compiled.graph.nodes)).index("cell_2/second")

    def wrong(*args: Any) -> Any:
        written = right(*args)
        for node in written.graph.node:
            scopes = node.name.split("/")
            if node.op_type == "MatMul" and any(scope.startswith(f"n{token}x") for scope in scopes):
                weight = next(i for i in written.graph.initializer if i.name == node.input[1])
                array = onnx.numpy_helper.to_array(weight) * np.float32(1.5)
                weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
        return written

    monkeypatch.setattr(conversion, "_write", wrong)
    report = verify(compiled, via="keras")
    assert report.pairs[0].agrees(report.tolerance), "archonnx's graph and Keras agree"
    assert named(report, 1)[0] == "cell_2/second"
    assert "the graph that Keras and tf2onnx make" in str(report.pairs[1].found)


# Other files ---------------------------------------------------------------------------------------------------------------


def renamed(path: Path, target: Path) -> None:
    """The same file without a name of ours."""
    other = onnx.load(path)
    names: dict[str, str] = {}

    def name(old: str) -> str:
        return names.setdefault(old, f"t{len(names)}") if old else ""

    for node in other.graph.node:
        node.input[:], node.output[:] = map(name, node.input), map(name, node.output)
        node.name = ""
        del node.metadata_props[:]
    for value in (*other.graph.input, *other.graph.output, *other.graph.initializer):
        value.name = name(value.name)
    del other.graph.value_info[:]
    del other.metadata_props[:]
    onnx.save(other, target)


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize("path", ["cell/second/kernel", "cell_2/first/kernel", "head/bias"])
def test_a_changed_weight_is_found_in_another_file(path: str, anonymous: bool, tmp_path: Path) -> None:
    changed(path).save(tmp_path / "other.onnx")
    if anonymous:
        renamed(tmp_path / "other.onnx", tmp_path / "other.onnx")
    report = verify(model(), against=tmp_path / "other.onnx")
    assert named(report)[0] == path.rpartition("/")[0]
    same = verify(changed(path), against=tmp_path / "other.onnx")
    assert same.agrees
    assert same.pairs[0].error < 1e-6


@pytest.mark.parametrize("anonymous", [False, True])
def test_a_changed_activation_is_found_in_another_file(anonymous: bool, tmp_path: Path) -> None:
    model(odd="gelu").save(tmp_path / "other.onnx")
    if anonymous:
        renamed(tmp_path / "other.onnx", tmp_path / "other.onnx")
    layer, _, trail = named(verify(model(), against=tmp_path / "other.onnx"))
    assert layer == "cell_2/first"
    assert "(i = 1)" in trail


def test_what_follows_in_a_longer_branch_is_not_named(tmp_path: Path) -> None:
    """The right branch ends after the left one that differs, and stands before it in the graph."""
    text = """\
model Two():
    input x: float32[N, 8]
    long = x -> Dense(8, name="a") -> Dense(8, name="b") -> Dense(8, name="c")
    short = x -> Dense(8, name="d")
    output y = (long + short) -> Dense(2, name="e")
"""
    two = archonnx.compile(text=text)
    values = two.values()
    values["d/kernel"] = values["d/kernel"] * 1.5
    two.with_weights(values).save(tmp_path / "other.onnx")
    assert named(verify(two, against=tmp_path / "other.onnx"))[0] == "d"
    renamed(tmp_path / "other.onnx", tmp_path / "other.onnx")
    assert named(verify(two, against=tmp_path / "other.onnx"))[0] == "d"
