"""store_in_half, before and after; what is computed is what float32 makes of the rounded weights."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from graph_texts import expected, feeds_for, parse_graph

import archonnx
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.lowering.naming import assign_names
from archonnx.compiler.lowering.text import format_graph
from archonnx.compiler.passes.quantize_weights import quantize_weights
from archonnx.compiler.passes.share_constants import share_constants
from archonnx.compiler.passes.store_in_half import store_in_half
from archonnx.compiler.passes.verify import broken_rules
from archonnx.compiler.recipes import Evaluation
from archonnx.compiler.saving import save

NUMPY = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
PRODUCTS = """
    input x: float32[N, 128]
    weight k: float32[128, 64]
    weight c: float32[8192]
    weight small: float32[64, 8]
    a: float32[N, 64] = MatMul(x, k)
    b: float32[128, 64] = Relu(k)
    d: float32[N, 8] = MatMul(a, small)
    e: float32[8192] = Relu(c)
    output y = d
    output z = b
    output w = e
"""
TABLES = """
    input ids: int64[N, T]
    weight tied: float32[100, 64]
    weight seen: float32[90, 64]
    a: float32[N, T, 64] = Gather(tied, ids)
    b: float32[N, T, 64] = Gather(seen, ids)
    c: float32[N, T, 64] = Add(a, b)
    d: float32[M, 64] = Reshape(c, [-1, 64])
    e: float32[M, 100] = Gemm(d, tied) transB=1
    output y = e
    output found = b
"""


def halved(text: str, dtype: str = "float16", opset: int = 20) -> OperatorGraph:
    graph = share_constants(parse_graph(text, opset)[0])
    assign_names(graph)
    graph = store_in_half(graph, dtype)
    assert list(broken_rules(graph)) == []
    return graph


def test_a_weight_is_cast_once_for_all_who_read_it() -> None:
    graph = halved(PRODUCTS)
    assert format_graph(graph) == expected("""
        input x: float32[N, 128]
        weight k: float32[128, 64]
        weight small: float32[64, 8]
        weight c: float32[8192]
        k:float32: float32[128, 64] = Cast(k.stored(float16)) to=1
        a: float32[N, 64] = MatMul(x, k:float32)
        z: float32[128, 64] = Relu(k:float32)
        y: float32[N, 8] = MatMul(a, small)
        w: float32[8192] = Relu(c)
        output y = y
        output z = z
        output w = w
    """)
    found = graph.halving
    assert found is not None
    assert (found.stored, found.left, found.declared) == (["k"], {"c": "it has one axis"}, 0)
    assert found.before - found.after == 128 * 64 * 2


def test_rows_that_are_looked_up_are_cast_and_a_table_that_is_multiplied_with_too_is_cast_whole() -> None:
    assert format_graph(halved(TABLES, "bfloat16")) == expected("""
        input ids: int64[N, T]
        weight tied: float32[100, 64]
        weight seen: float32[90, 64]
        tied:float32: float32[100, 64] = Cast(tied.stored(bfloat16)) to=1
        a: float32[N, T, 64] = Gather(tied:float32, ids)
        found:bfloat16: bfloat16[N, T, 64] = Gather(seen.stored(bfloat16), ids)
        found: float32[N, T, 64] = Cast(found:bfloat16) to=1
        c: float32[N, T, 64] = Add(a, found)
        d: float32[M, 64] = Reshape(c, [-1, 64])
        y: float32[M, 100] = Gemm(d, tied:float32) transB=1
        output y = y
        output found = found
    """)


@pytest.mark.parametrize("dtype", NUMPY)
@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("text", [PRODUCTS, TABLES])
def test_what_is_computed_is_what_the_rounded_weights_give(text: str, opset: int, dtype: str, tmp_path: Path) -> None:
    before, _ = parse_graph(text, opset)
    feeds = feeds_for(before, {"N": 3, "T": 4})
    assign_names(before)
    values = {t.name: t.recipe.whole(Evaluation(3)) for t in before.constants() if t.recipe and not t.recipe.is_literal}
    rounded = {
        n: v.astype(NUMPY[dtype]).astype(np.float32) if v.ndim > 1 and v.size >= 4096 else v for n, v in values.items()
    }
    if "Gather" in text:
        rows = rounded["tied"][feeds["ids"]] + rounded["seen"][feeds["ids"]]
        wanted = {"y": rows.reshape(-1, 64) @ rounded["tied"].T, "found": rounded["seen"][feeds["ids"]]}
    else:
        wanted = {
            "y": feeds["x"] @ rounded["k"] @ rounded["small"],
            "z": np.maximum(rounded["k"], 0),
            "w": np.maximum(rounded["c"], 0),
        }
    graph = halved(text, dtype, opset)
    save(graph, tmp_path / "half.onnx", seed=3)
    found = archonnx.load(tmp_path / "half.onnx")(**feeds)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)
    assert graph.halving is not None
    assert set(graph.halving.rounded) == set(graph.halving.stored)


def test_weights_in_few_bits_stay_so() -> None:
    graph = share_constants(quantize_weights(share_constants(parse_graph(TABLES)[0]), 8, 32))
    assign_names(graph)
    before = format_graph(graph)
    graph = store_in_half(graph, "float16")
    assert graph.halving is not None
    assert graph.halving.stored == []
    assert format_graph(graph) == before


def test_what_a_loop_reads_stays_as_it_is() -> None:
    model = archonnx.compile(
        text='model A():\n    input x: float32[N, 9, 64]\n    output y = x -> RNN(LSTMCell(64, activation="gelu"))\n'
    )
    graph = model.lower(precision="float16")
    assert any(operator.bodies for operator in graph.operators), "not a loop: another example is needed"
    assert graph.halving is not None
    assert graph.halving.stored == ["rnn/lstm_cell/kernel"]  # all steps at once, before the loop
    assert graph.halving.left == {"rnn/lstm_cell/recurrent_kernel": "it is used within a loop"}
