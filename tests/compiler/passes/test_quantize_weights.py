"""quantize_weights, before and after; what is computed is what a reference makes of the rounded numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_texts import after, expected, feeds_for, parse_graph, run

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.quantize_weights import quantize_weights
from archonnx.compiler.passes.share_constants import share_constants
from archonnx.compiler.passes.verify import broken_rules
from archonnx.compiler.recipes import Evaluation
from archonnx.compiler.weights import blocks

PRODUCTS = """
    input x: float32[N, 3, 128]
    weight k: float32[128, 64]
    weight g: float32[64, 96]
    weight c: float32[96]
    a: float32[N, 3, 64] = MatMul(x, k)
    b: float32[M, 64] = Reshape(a, [-1, 64])
    d: float32[M, 96] = Gemm(b, g, c)
    output y = d
"""
TABLE = """
    input ids: int64[N, T]
    weight words: float32[100, 64]
    a: float32[N, T, 64] = Gather(words, ids)
    b: float32[M, 64] = Reshape(a, [-1, 64])
    d: float32[M, 100] = Gemm(b, words) transB=1
    output y = d
    output found = a
"""


def quantized(graph: OperatorGraph, bits: int, size: int = 32) -> OperatorGraph:
    """What is read twice is one tensor before the pass, as share_constants leaves it."""
    return quantize_weights(share_constants(graph), bits, size)


def to_bits(bits: int, size: int = 32) -> Any:
    return lambda graph, facts: quantized(graph, bits, size)


def test_products_with_matrices_become_one_operator() -> None:
    assert after(PRODUCTS, to_bits(4)) == expected("""
        input x: float32[N, 3, 128]
        weight k: float32[128, 64]
        weight g: float32[64, 96]
        weight c: float32[96]
        a: float32[N, 3, 64] = com.microsoft.MatMulNBits(x, k.transpose(1, 0).numbers(4, 32), k.transpose(1, 0).scales(4, 32), k.transpose(1, 0).zeros(4, 32)) K=128 N=64 bits=4 block_size=32 accuracy_level=4
        b: float32[M, 64] = Reshape(a, [-1, 64])
        y: float32[M, 96] = com.microsoft.MatMulNBits(b, g.transpose(1, 0).numbers(4, 32), g.transpose(1, 0).scales(4, 32), g.transpose(1, 0).zeros(4, 32), None, c) K=64 N=96 bits=4 block_size=32 accuracy_level=4
        output y = y
    """)


def test_at_8_bits_there_are_no_zero_points() -> None:
    text = after(PRODUCTS, to_bits(8, 64))
    assert "zeros" not in text
    assert "k.transpose(1, 0).scales(8, 64, symmetric)) K=128 N=64 bits=8 block_size=64" in text


def test_a_table_that_is_looked_up_and_multiplied_with_stays_one() -> None:
    assert after(TABLE, to_bits(8)) == expected("""
        input ids: int64[N, T]
        weight words: float32[100, 64]
        a/gather: uint8[N, T, 2, 32] = Gather(words.numbers(8, 32, symmetric), ids)
        a/gather_1: float32[N, T, 2] = Gather(words.scales(8, 32, symmetric), ids)
        a/cast: float32[N, T, 2, 32] = Cast(a/gather) to=1
        a/sub: float32[N, T, 2, 32] = Sub(a/cast, float32(128.0))
        a/unsqueeze: float32[N, T, 2, 1] = Unsqueeze(a/gather_1, [3])
        a/mul: float32[N, T, 2, 32] = Mul(a/sub, a/unsqueeze)
        found: float32[N, T, 64] = Reshape(a/mul, [0, 0, 64])
        b: float32[M, 64] = Reshape(found, [-1, 64])
        y: float32[M, 100] = com.microsoft.MatMulNBits(b, words.numbers(8, 32, symmetric), words.scales(8, 32, symmetric)) K=64 N=100 bits=8 block_size=32 accuracy_level=4
        output y = y
        output found = found
    """)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("weight w: float32[32, 64]\na: float32[N, 64] = MatMul(x, w)", "it has fewer than 4,096 numbers"),
        ("weight w: float64[256, 64]\na: float64[N, 64] = MatMul(x, w)", "it is float64, not float32 or float16"),
        (
            "weight w: float32[16, 512]\na: float32[N, 512] = MatMul(x, w)",
            "16 numbers are added up, fewer than a block",
        ),
        ("weight w: float32[500, 80]\na: float32[T, 80] = Gather(w, ids)", "its rows of 80 are no multiple of a block"),
        (
            "weight w: float32[256, 64]\na: float32[N, 64] = MatMul(x, w)\nb: float32[256, 64] = Relu(w)\noutput z = b",
            "Relu reads it too",
        ),
        (
            "weight w: float32[64, 64]\na: float32[N, 64] = MatMul(x, w)\nb: float32[T, 64] = Gather(w, ids)\noutput z = b",
            "its rows are used, and its columns too",
        ),
        ("weight w: float32[256, 64]\na: float32[N, 64] = MatMul(x, w)\noutput z = w", "an output reads it too"),
    ],
)
def test_what_is_left_has_a_reason(line: str, reason: str) -> None:
    lines = [piece.strip() for piece in line.splitlines()]
    width = lines[0].split("[")[1].split(",")[0]
    dtype = lines[0].split()[2].split("[")[0]
    text = "\n".join([f"input x: {dtype}[N, {width}]", "input ids: int64[T]", *lines, "output y = a"])
    graph, _ = parse_graph(text)
    types = [operator.type for operator in graph.operators]
    graph = quantized(graph, 4)
    assert graph.quantization is not None
    assert [use.reason for use in graph.quantization.uses] == [reason]
    assert [operator.type for operator in graph.operators] == types


@pytest.mark.parametrize(
    "line", ["Gemm(x, w) alpha=0.5", "Gemm(x, w) transA=1", "Gemm(x, w, v)", "Gather(w, ids) axis=1"]
)
def test_other_products_are_none_of_these(line: str) -> None:
    rows = "N, 64" if "Gather" not in line else "64, T"
    text = f"""
        input x: float32[N, 64]
        input ids: int64[T]
        weight w: float32[64, 64]
        weight v: float32[1, 64]
        a: float32[{rows}] = {line}
        output y = a
    """
    graph, _ = parse_graph(text)
    graph = quantized(graph, 4)
    assert graph.quantization is not None
    assert graph.quantization.uses == []


def rounded(graph: OperatorGraph, name: str, bits: int, *, rows: bool, symmetric: bool) -> np.ndarray[Any, Any]:
    """The matrix of a weight, in its own layout, as its quantized numbers stand for it."""
    recipe = next(t.recipe for t in graph.constants() if t.name == name)
    assert recipe is not None
    matrix = recipe.whole(Evaluation(3))
    source = matrix if rows else matrix.T
    cut = source.reshape(len(source), -1, 32)
    numbers, scales, zeros = blocks.quantized(cut, bits, symmetric=symmetric)
    back = blocks.dequantized(numbers, scales, None if symmetric else zeros, bits).reshape(source.shape)
    return back if rows else back.T


@pytest.mark.parametrize("bits", blocks.BITS)
def test_products_are_those_with_the_rounded_numbers(bits: int, tmp_path: Path) -> None:
    before, _ = parse_graph(PRODUCTS)
    feeds = feeds_for(before, {"N": 4})
    k, g = (rounded(before, name, bits, rows=False, symmetric=bits == 8) for name in "kg")
    c = next(t.recipe for t in before.constants() if t.name == "c").whole(Evaluation(3))  # type: ignore[union-attr]
    wanted = (feeds["x"] @ k).reshape(-1, 64) @ g + c
    graph, _ = parse_graph(PRODUCTS)
    graph = quantized(graph, bits)
    assert list(broken_rules(graph)) == []
    found = run(graph, feeds, tmp_path)["y"]
    # Values are rounded to 8 bits on their way (accuracy_level 4).
    assert np.abs(found - wanted).max() <= 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("bits", blocks.BITS)
@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("sizes", [(2, 5), (1, 1), (0, 3)])
def test_rows_are_the_rounded_ones(bits: int, opset: int, sizes: tuple[int, int], tmp_path: Path) -> None:
    before, _ = parse_graph(TABLE)
    table = rounded(before, "words", bits, rows=True, symmetric=True)
    ids = np.random.default_rng(0).integers(-100, 100, sizes)
    graph = quantized(parse_graph(TABLE, opset)[0], bits)
    found = run(graph, {"ids": ids}, tmp_path)
    assert np.array_equal(found["found"], table[ids])
    wanted = table[ids].reshape(-1, 64) @ table.T
    assert found["y"].shape == wanted.shape
    assert wanted.size == 0 or np.abs(found["y"] - wanted).max() <= 0.02 * np.abs(wanted).max()


def test_a_row_that_the_table_does_not_have_fails_as_before(tmp_path: Path) -> None:
    graph = quantized(parse_graph(TABLE)[0], 4)
    with pytest.raises(Exception, match="idx=100 must be within the inclusive range"):
        run(graph, {"ids": np.array([[100]])}, tmp_path)


def test_a_width_that_is_no_multiple_of_the_block_is_filled_up(tmp_path: Path) -> None:
    text = """
        input x: float32[N, 100]
        weight w: float32[100, 60]
        a: float32[N, 60] = MatMul(x, w)
        output y = a
    """
    before, _ = parse_graph(text)
    feeds = feeds_for(before, {"N": 3})
    wanted = run(before, feeds, tmp_path)["y"]
    found = run(quantized(parse_graph(text)[0], 8, 64), feeds, tmp_path)["y"]
    assert np.abs(found - wanted).max() <= 0.03 * np.abs(wanted).max()
