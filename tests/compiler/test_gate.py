"""The gate: what it lets through, and what it says of each kind of wrong graph."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import archonnx
from archonnx.compiler import gate, gate_pieces, writer
from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import OperatorGraph
from archonnx.contract.diagnostics import CompileError, Diagnostic
from archonnx.contract.dims import Facts, compare, symbol

graphs = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("operator_graphs.py"))))
N = symbol("N")


@pytest.fixture(params=[gate_pieces.LONGEST, 1], ids=["whole", "pieces"], autouse=True)
def longest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Graphs are checked whole, and in pieces of one operator: what is said must be the same."""
    monkeypatch.setattr(gate_pieces, "LONGEST", request.param)
    return int(request.param)


def check(graph: OperatorGraph, **more: Any) -> gate.Verdict:
    return gate.check(writer.build(graph, {}), graph, **more)


def only(graph: OperatorGraph, **more: Any) -> Diagnostic:
    (diagnostic,) = check(graph, **more).diagnostics
    return diagnostic


@pytest.mark.parametrize("opset", [17, 18, 19, 20, 21, 22, 23, 24])
def test_a_right_graph_passes_under_every_opset(opset: int) -> None:
    for make in (graphs.dense, graphs.convolution):
        graph = make()
        graph.opset = opset
        verdict = check(graph)
        assert verdict.diagnostics == []
        assert verdict.unknown == 0
        assert verdict.compared > 0


def test_a_wrong_size_is_named_with_its_layer_and_place() -> None:
    graph = graphs.dense(4, 3)
    graph.operators[0].outputs[0].type = TensorType("float32", (N, 5))
    found = only(graph)
    assert found.code == "E0991"
    assert found.message == "dense: Gemm gives float32[N, 4], and archonnx expects float32[N, 5] (dense)"
    assert found.place == graph.operators[0].place
    assert found.trail == graph.operators[0].trail


@pytest.mark.parametrize(
    ("shape", "code"),
    [((N,), "E0991"), ((7, 4), "E0991"), ((N + 1, 4), "E0991"), ((symbol("M"), 4), "E0991"), ((N, 4, 1), "E0991")],
)
def test_ranks_numbers_and_symbols_are_compared(shape: tuple[Any, ...], code: str) -> None:
    graph = graphs.dense(4, 3)
    graph.operators[0].outputs[0].type = TensorType("float32", shape)
    assert check(graph).diagnostics[0].code == code


def test_a_known_size_where_the_graph_has_a_symbol_is_wrong() -> None:
    graph = graphs.convolution()
    graph.outputs[0][1].type = TensorType("float32", (N, symbol("F")))
    assert only(graph).code == "E0991"


def test_a_wrong_dtype_is_named() -> None:
    graph = graphs.dense()
    graph.operators[1].outputs[0].type = TensorType("float16", (N, 4))
    found = only(graph)
    assert found.code == "E0992"
    assert "Relu gives float32, and archonnx expects float16[N, 4] (y)" in found.message


def test_what_onnx_refuses_is_said_at_its_line() -> None:
    graph = graphs.dense(4, 3)
    kernel = graph.operators[0].inputs[1]
    kernel.type, kernel.recipe = TensorType("float32", (5, 4)), graphs.draw("dense/kernel", (5, 4))
    found = only(graph)
    assert found.code == "E0990"
    assert found.place == graph.operators[0].place
    assert found.message.startswith("dense: onnx refuses Gemm: ")


@pytest.mark.parametrize(
    "change",
    [
        lambda operator: operator.attributes.update(nonsense=1),
        lambda operator: setattr(operator, "type", "NoSuchOperator"),
        lambda operator: operator.inputs.append(operator.inputs[0]),
    ],
)
def test_what_only_the_checker_sees_is_refused(change: Callable[[Any], None]) -> None:
    graph = graphs.dense()
    change(graph.operators[1])
    found = check(graph).diagnostics
    assert found[0].code == "E0990"
    assert found[0].place == graph.operators[1].place


def test_one_mistake_is_said_once_and_not_of_all_that_follows() -> None:
    graph = graphs.dense(4, 3)
    for operator in graph.operators:
        operator.outputs[0].type = TensorType("float32", (N, 5))
    assert len(check(graph).diagnostics) == 1


def test_symbols_agree_where_the_facts_make_them_equal() -> None:
    h = symbol("H")
    graph = OperatorGraph("Half", 21)
    x, y = graphs.tensor("x", h), graphs.tensor("y", 2 * (h // 2))
    graph.inputs, graph.outputs = [x], [("y", y)]
    graph.operators = [graphs.operator("Relu", [x], y)]
    assert only(graph).code == "E0991"
    facts = Facts()
    facts.require(compare("==", h % 2, 0))
    assert check(graph, facts=facts).diagnostics == []


def test_sizes_that_depend_on_data_stand_on_the_compilers_word() -> None:
    graph = OperatorGraph("Found", 21)
    x, y = graphs.tensor("x", N), graphs.tensor("y", 1, symbol("K"), dtype="int64")
    graph.inputs, graph.outputs = [x], [("y", y)]
    graph.operators = [graphs.operator("NonZero", [x], y)]
    verdict = check(graph)
    assert verdict.diagnostics == []
    assert verdict.unknown == 1


def test_an_operator_of_another_domain_is_taken_at_its_word() -> None:
    graph = graphs.dense()
    own = graph.operators[0]
    own.type, own.domain, own.attributes = "Own", "com.example", {"alpha": 1.5, "names": ["a"], "sizes": [1, 2]}
    graph.domains = {"com.example": 1}
    assert check(graph).diagnostics == []
    graph.operators[1].outputs[0].type = TensorType("float32", (N, 5))
    assert only(graph).code == "E0991"


def test_a_tensor_has_the_type_of_the_value_it_stands_for() -> None:
    graph = graphs.convolution(8, 6)
    values = {"conv2d": TensorType("float32", (N, 6, 6, 8))}
    assert check(graph, values=values).diagnostics == []
    found = only(graph, values={"conv2d": TensorType("float32", (N, 8, 6, 6))})
    assert found.code == "E0993"
    assert "'conv2d' (float32[N, 8, 6, 6], axes (0, 3, 1, 2)) stands for 'conv2d', which is float32[N, 8, 6, 6]" in (
        found.message
    )
    assert only(graph, values={"conv2d": TensorType("float16", (N, 6, 6, 8))}).code == "E0993"
    graph.operators[1].outputs[0].permutation = (0, 3, 1, 1)
    assert "no order of 4" in only(graph).message


def test_two_tensors_that_stand_for_one_value_agree() -> None:
    graph = graphs.dense()
    for operator in graph.operators:
        operator.outputs[0].stands_for = "dense"
    assert check(graph).diagnostics == []
    graph.inputs[0].stands_for = "dense"
    assert check(graph).diagnostics[0].code == "E0993"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: setattr(g.operators[0].inputs[2], "name", "dense/kernel"),
            "a constant takes the name 'dense/kernel'",
        ),
        (lambda g: setattr(g.operators[0].outputs[0], "name", "x"), "a result of Gemm takes the name 'x'"),
        (lambda g: setattr(g.operators[1], "name", g.operators[0].name), "Relu has the name 'dense/Gemm'"),
        (lambda g: setattr(g.operators[1], "name", ""), "Relu has the name ''"),
        (lambda g: setattr(g.inputs[0], "name", ""), "an input has no name"),
        (lambda g: g.operators.reverse(), "Relu uses 'dense' before anything gives it"),
        (lambda g: g.outputs.__setitem__(0, ("z", g.outputs[0][1])), "the output 'z' is given by no operator"),
    ],
)
def test_names_are_given_once_and_before_their_use(change: Callable[[OperatorGraph], None], message: str) -> None:
    graph = graphs.dense()
    change(graph)
    found = check(graph).diagnostics
    assert {d.code for d in found} == {"E0994"}
    assert any(message in d.message for d in found)


def test_large_constants_do_not_reach_onnx() -> None:
    graph = graphs.dense(3000, 3000)
    model = gate._bare_model(gate._Case(writer.build(graph, {}), graph, {}, None))
    assert [i.name for i in model.graph.initializer] == []
    assert model.ByteSize() < 2000
    assert check(graph).diagnostics == []


SOURCE = """model Dense():
    input x: float32[N, 3]
    Dense(4, name="dense")
    ReLU(name="y")
    output y
"""


def wrong_graph(code: str) -> OperatorGraph:
    """The smallest graph that gives a code; no source does."""
    graph = graphs.dense(4, 3)
    for operator, end in zip(graph.operators, (27, 19), strict=True):
        operator.place = replace(operator.place, end_column=end)
        operator.trail = ()
    first, second = graph.operators
    if code == "E0990":
        second.attributes["slope"] = 1.0
    elif code == "E0991":
        first.outputs[0].type = TensorType("float32", (N, 5))
    elif code == "E0992":
        second.outputs[0].type = TensorType("float16", (N, 4))
    elif code == "E0993":
        first.outputs[0].stands_for, first.outputs[0].permutation = "dense", (1, 0)
        graph.inputs[0].stands_for = "x"
    else:
        second.outputs[0].name = "dense"
    return graph


@pytest.mark.parametrize("code", ["E0990", "E0991", "E0992", "E0993", "E0994"])
def test_the_pages_show_what_is_rendered(code: str, project: Path) -> None:
    graph = wrong_graph(code)
    found = check(graph, values={"dense": TensorType("float32", (N, 4))}).diagnostics
    page = (project / "src/archonnx/contract/codes" / f"{code}.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert shown.rstrip() == str(CompileError(found[:1], {"example.arch": SOURCE})).rstrip()
    assert found[0].code == code


def biased(width: int, dtype: str = "float32") -> OperatorGraph:
    """x: dtype[N, width] -> abs(x + bias) @ scale, both vectors; `scale` is read by MatMul too."""
    graph = OperatorGraph("Biased", 21)
    x, y, z = (graphs.tensor(name, N, width, dtype=dtype) for name in ("x", "dense", "z"))
    bias = graphs.held("bias", graphs.draw("bias", (width,), "ones", dtype))
    scale = graphs.held("scale", graphs.draw("scale", (width,), "ones", dtype))
    out = graphs.tensor("out", N, dtype=dtype)
    graph.inputs, graph.outputs = [x], [("out", out)]
    graph.operators = [
        graphs.operator("Add", [x, bias], y),
        graphs.operator("Mul", [y, scale], z),
        graphs.operator("MatMul", [z, scale], out),
    ]
    return graph


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_no_vector_is_carried_along_number_by_number_while_shapes_are_inferred(
    dtype: str, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnx import shape_inference

    seen: list[Any] = []
    infer = shape_inference.infer_shapes

    def watched(model: Any, **more: Any) -> Any:
        seen.append(model)
        return infer(model, **more)

    monkeypatch.setattr(shape_inference, "infer_shapes", watched)
    verdict = check(biased(5000, dtype))
    assert (verdict.diagnostics, verdict.unknown) == ([], 0)
    # int64 numbers are what shapes are made of: onnx would look for them and find none
    followed = {"bias"} if longest > 1 else {"bias", "scale"}  # Mul and MatMul, which read `scale`, are in one piece
    assert {i.name for m in seen for i in m.graph.initializer} == (set() if dtype == "int64" else followed)
    assert {v.name for m in seen for v in m.graph.input} >= {"x", "scale"}


def test_a_wrong_vector_is_found_all_the_same() -> None:
    graph = biased(5000)
    graph.operators[0].inputs[1] = graphs.held("bias", graphs.draw("bias", (4999,), "ones"))
    assert check(graph).diagnostics[0].code == "E0990"


def test_pieces_compare_what_the_whole_does(project: Path, longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = archonnx.compile(project / "models/gpt2.arch", model="GPT2Small")
    lowered, values = model.lower(), {v.name: v.type for n in model.graph.nodes for v in n.outputs}
    monkeypatch.setattr(gate_pieces, "LONGEST", 10_000)
    whole = check(lowered, values=values, facts=model.graph.facts)
    monkeypatch.setattr(gate_pieces, "LONGEST", 7 if longest == 1 else 200)
    pieces = check(lowered, values=values, facts=model.graph.facts)
    assert pieces.diagnostics == whole.diagnostics == []
    assert pieces.compared + pieces.unknown == whole.compared + whole.unknown
    assert pieces.compared > whole.compared  # behind a size that onnx cannot infer, a piece begins with the compiler's
