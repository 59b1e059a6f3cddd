"""Sizes as tensors: every expression over symbols is computed exactly at run time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from graph_texts import feeds_for, parse_type, run
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.lowering.builder import Builder
from archonnx.contract.dims import Condition, Dim, Facts, ceil_div, compare, dim_max, dim_min, parse_dim, symbol


def graph_of(*types: str) -> Builder:
    b = Builder(OperatorGraph("test", 20), Facts())
    for name, text in zip("xyz", types, strict=False):
        tensor = Tensor(name, parse_type(text), stands_for=name)
        b.graph.inputs.append(tensor)
        b.carry(tensor, is_input=True)
    return b


def value(b: Builder, result: Tensor, folder: Path, **sizes: int) -> list[int]:
    b.graph.outputs = [("result", result)]
    return run(b.graph, feeds_for(b.graph, sizes), folder)["result"].reshape(-1).tolist()


def dims() -> st.SearchStrategy[Dim]:
    h, w = symbol("H"), symbol("W")
    leaves = st.one_of(st.integers(1, 7), st.sampled_from([h, w]))

    def grow(inner: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(lambda p: p[0] + p[1]),
            pair.map(lambda p: p[0] - p[1]),
            pair.map(lambda p: p[0] * p[1]),
            st.tuples(inner, st.integers(1, 5)).map(lambda p: p[0] // p[1]),
            st.tuples(inner, st.integers(1, 5)).map(lambda p: ceil_div(p[0], p[1])),
            st.tuples(inner, st.integers(1, 5)).map(lambda p: p[0] % p[1]),
            pair.map(lambda p: dim_min(*p)),
            pair.map(lambda p: dim_max(*p)),
        )

    return st.recursive(leaves, grow, max_leaves=6)


@settings(max_examples=60)
@given(dims(), st.integers(1, 6), st.integers(1, 6))
def test_expressions_are_computed_exactly(dim: Dim, h: int, w: int) -> None:
    b = graph_of("float32[H, W]")
    wanted = dim if isinstance(dim, int) else dim.evaluate({"H": h, "W": w})
    with tempfile.TemporaryDirectory() as folder:
        assert value(b, b.shape([dim, 3]), Path(folder), H=h, W=w) == [wanted, 3]


def test_known_sizes_are_a_constant() -> None:
    b = graph_of("float32[H, 4]")
    fact = compare("==", symbol("H"), 6)
    assert isinstance(fact, Condition)
    b.facts.require(fact)
    assert b.shape([4, symbol("H") // 2]).recipe is not None
    assert b.dim(symbol("H")).recipe is not None
    assert b.graph.operators == []


def test_a_size_is_computed_once() -> None:
    b = graph_of("float32[H, W]")
    h = symbol("H")
    b.shape([2 * h, h])
    count = len(b.graph.operators)
    b.shape([2 * h])
    b.dim(h)
    assert len(b.graph.operators) == count + 1  # a Squeeze


@pytest.mark.parametrize(
    ("types", "wanted", "sizes", "result"),
    [
        (["float32[2*H]"], "H", {"H": 3}, 3),
        (["float32[3*H + 1]"], "H", {"H": 3}, 3),
        (["float32[H*W]", "float32[W]"], "H", {"H": 3, "W": 5}, 3),
        (["float32[H*W + W]", "float32[W]"], "H", {"H": 3, "W": 5}, 3),
        (["float32[H*W]"], "H*W", {"H": 3, "W": 5}, 15),
    ],
)
def test_a_symbol_is_solved_for(
    types: list[str], wanted: str, sizes: dict[str, int], result: int, tmp_path: Path
) -> None:
    b = graph_of(*types)
    assert value(b, b.shape([parse_dim(wanted)]), tmp_path, **sizes) == [result]


@pytest.mark.parametrize("types", [["float32[H*W]"], ["float32[H*H]"], ["float32[H // 2]"], ["float32[4]"]])
def test_what_no_input_tells_is_an_error(types: list[str]) -> None:
    b = graph_of(*types)
    with pytest.raises(LayerError, match="the size H is needed at run time, and no input tells it") as caught:
        b.shape([symbol("H")])
    assert caught.value.code == "E0930"


def test_a_size_that_data_decides_is_read_from_the_result(tmp_path: Path) -> None:
    b = graph_of("float32[N]")
    found = b.op("NonZero", b.graph.inputs[0], result=parse_type("int64[1, K]"))
    size = b.dim(2 * symbol("K") + 1)
    b.graph.outputs = [("result", size), ("found", found)]
    feeds = feeds_for(b.graph, {"N": 7})
    feeds["x"][2:4] = 0.0
    assert run(b.graph, feeds, tmp_path)["result"] == 11
