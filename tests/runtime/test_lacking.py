"""All the operators that onnxruntime lacks, at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import archonnx
from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.lacking import lacking

Make = Callable[..., onnx.ModelProto]
Load = Callable[..., Any]


def node(operator: str, give: str, take: str = "x", name: str = "", **more: Any) -> onnx.NodeProto:
    return helper.make_node(operator, [take], [give], name=name, **more)


def test_all_unknown_operators_are_listed_with_their_nodes(make: Make, load: Load) -> None:
    nodes = [node("Foo", f"f{k}", name=f"net/foo{k}") for k in range(5)]
    nodes += [node("Bar", "b", "f0"), node("Relu", "r", "b"), node("Op", "y", "r", "net/op", domain="com.example")]
    model = make({"x": ("float32", [2])}, nodes, {"y": ("float32", None)})
    model.opset_import.append(helper.make_opsetid("com.example", 3))
    with pytest.raises(ModelFileError) as caught:
        load(model)
    text = str(caught.value)
    assert "does not know the 3 operators: Foo (nodes net/foo0, net/foo1, net/foo2 and 2 more), " in text
    assert "Bar (node that gives b), com.example:Op (node net/op)" in text
    assert "operators of the domain com.example come with a library of their own" in text


def test_kernels_that_are_missing_are_listed_with_their_types_and_the_provider(make: Make, load: Load) -> None:
    nodes = [
        helper.make_node("GlobalMaxPool", ["x"], ["a"], name="net/pool"),
        helper.make_node("Det", ["a"], ["b"], name="net/det"),
        helper.make_node("Relu", ["b"], ["y"], name="net/relu"),
    ]
    with pytest.raises(MachineError) as caught:
        load(make({"x": ("float64", [1, 2, 3, 3])}, nodes, {"y": ("float64", None)}))
    text = str(caught.value)
    assert "has no implementation of " in text
    assert "Det for float64 (node net/det)" in text
    assert "on device cpu (CPUExecutionProvider)" in text
    assert "Relu" not in text  # which has one


def test_what_is_unknown_and_what_has_no_kernel_come_in_one_message(make: Make, load: Load) -> None:
    nodes = [node("Det", "d", name="net/det"), node("Foo", "y", "d", "net/foo")]
    with pytest.raises(ModelFileError, match=r"does not know the operator Foo .*; and has no implementation of Det"):
        load(make({"x": ("float64", [3, 3])}, nodes, {"y": ("float64", None)}))


def test_operators_inside_of_branches_and_functions_are_listed(make: Make) -> None:
    then, other = (
        helper.make_graph(
            [helper.make_node(operator, ["x"], ["z"], name=f"net/{operator}")],
            operator,
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        )
        for operator in ("Inner", "Relu")
    )
    branch = helper.make_node("If", ["c"], ["i"], then_branch=then, else_branch=other)
    call = helper.make_node("Twice", ["i"], ["y"], domain="mine", name="net/twice")
    model = make({"x": ("float32", [2]), "c": ("bool", [])}, [branch, call], {"y": ("float32", None)})
    body = helper.make_node("Deep", ["a"], ["b"], name="body/deep")
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], [body], [helper.make_opsetid("", 21)]))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    unknown, without = lacking(model.SerializeToString())
    assert {each.operator: each.nodes for each in unknown} == {"Inner": ("net/Inner",), "Deep": ("body/deep",)}
    assert without == []


def test_an_operator_that_is_newer_or_was_withdrawn_is_unknown(make: Make) -> None:
    new = make({"x": ("float32", [2])}, [node("Gelu", "y")], opset=19)
    old = make({"x": ("float32", [2])}, [node("Upsample", "y")], opset=11)
    assert [[each.operator for each in lacking(model.SerializeToString())[0]] for model in (new, old)] == [
        ["Gelu"],
        ["Upsample"],
    ]


def test_the_layer_and_its_line_are_told(tmp_path: Path) -> None:
    source = "model A():\n    input x: float64[N, 3, 3]\n    y: float64[N] = x -> onnx.Det()\n    output y\n"
    (tmp_path / "a.arch").write_text(source)
    archonnx.compile(tmp_path / "a.arch").save(tmp_path / "a.onnx")
    with pytest.raises(MachineError, match=r"Det for float64 \(.* at a\.arch:3:\d+\)"):
        archonnx.load(tmp_path / "a.onnx", "cpu")


def test_float16_that_onnxruntime_casts_is_not_lacking(make: Make) -> None:
    model = make({"x": ("float16", [3, 3])}, [node("Det", "y", name="net/det")], {"y": ("float16", None)})
    assert lacking(model.SerializeToString()) == ([], [])


def models() -> list[Path]:
    """The onnx package's own models, which onnxruntime runs."""
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    return sorted(path for kind in ("pytorch-converted", "light") for path in (data / kind).rglob("*.onnx"))


@pytest.mark.parametrize("path", models(), ids=lambda path: os.path.relpath(path, path.parents[1]))
def test_nothing_is_lacking_in_a_model_that_loads(path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
        assert any(each.operator in str(error) for each in lacking(str(path))[1])
    else:
        assert lacking(str(path)) == ([], [])
