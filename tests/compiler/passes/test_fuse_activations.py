"""fuse_activations, each numbered case before and after."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from graph_texts import after, check_equal, expected, feeds_for, parse_graph, run
from hypothesis import given
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.fuse_activations import fuse_activations
from archonnx.contract.dims import Facts

CASES = {
    "1: erf": (
        """
        a: float32[N, 4] = Div(x, float32(1.4142135381698608))
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(float32(1.0), b)
        e: float32[N, 4] = Mul(x, float32(0.5))
        c: float32[N, 4] = Mul(e, d)
        """,
        "y: float32[N, 4] = Gelu(x)",
    ),
    "1: in another order, of a value that is a product": (
        """
        p: float32[N, 4] = Mul(x, float32(3.0))
        a: float32[N, 4] = Mul(float32(0.7071067690849304), p)
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(b, float32(1.0))
        e: float32[N, 4] = Mul(d, p)
        c: float32[N, 4] = Div(e, float32(2.0))
        """,
        """
        p: float32[N, 4] = Mul(x, float32(3.0))
        y: float32[N, 4] = Gelu(p)
        """,
    ),
    "1: another number is another function": (
        """
        a: float32[N, 4] = Div(x, float32(1.4140000343322754))
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(b, float32(1.0))
        e: float32[N, 4] = Mul(x, d)
        c: float32[N, 4] = Mul(e, float32(0.5))
        """,
        None,
    ),
    "1: of two values it is none": (
        """
        a: float32[N, 4] = Div(x, float32(1.4142135381698608))
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(b, float32(1.0))
        e: float32[N, 4] = Mul(z, d)
        c: float32[N, 4] = Mul(e, float32(0.5))
        """,
        None,
    ),
    "1: what else reads the curve keeps it": (
        """
        a: float32[N, 4] = Div(x, float32(1.4142135381698608))
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(b, float32(1.0))
        e: float32[N, 4] = Mul(x, d)
        f: float32[N, 4] = Mul(e, float32(0.5))
        c: float32[N, 4] = Add(f, b)
        """,
        None,
    ),
    "1: what else reads the half of it does not": (
        """
        h: float32[N, 4] = Mul(x, float32(0.5))
        a: float32[N, 4] = Div(x, float32(1.4142135381698608))
        b: float32[N, 4] = Erf(a)
        d: float32[N, 4] = Add(b, float32(1.0))
        e: float32[N, 4] = Mul(h, d)
        c: float32[N, 4] = Add(e, h)
        """,
        """
        h: float32[N, 4] = Mul(x, float32(0.5))
        e: float32[N, 4] = Gelu(x)
        y: float32[N, 4] = Add(e, h)
        """,
    ),
    "2: tanh and a cube": (
        """
        a: float32[N, 4] = Pow(x, float32(3.0))
        b: float32[N, 4] = Mul(float32(0.04471499845385551), a)
        d: float32[N, 4] = Add(x, b)
        e: float32[N, 4] = Mul(d, float32(0.7978845834732056))
        f: float32[N, 4] = Tanh(e)
        g: float32[N, 4] = Add(f, float32(1.0))
        h: float32[N, 4] = Mul(float32(0.5), x)
        c: float32[N, 4] = Mul(h, g)
        """,
        "y: float32[N, 4] = Gelu(x) approximate='tanh'",
    ),
    "2: tanh and a square": (
        """
        p: float32[N, 4] = Mul(x, float32(0.5))
        s: float32[N, 4] = Mul(p, float32(0.7978845834732056))
        a: float32[N, 4] = Mul(float32(0.04471499845385551), p)
        b: float32[N, 4] = Mul(a, p)
        d: float32[N, 4] = Add(float32(1.0), b)
        e: float32[N, 4] = Mul(s, d)
        f: float32[N, 4] = Tanh(e)
        g: float32[N, 4] = Add(f, float32(1.0))
        h: float32[N, 4] = Mul(p, g)
        c: float32[N, 4] = Mul(float32(0.5), h)
        """,
        """
        p: float32[N, 4] = Mul(x, float32(0.5))
        y: float32[N, 4] = Gelu(p) approximate='tanh'
        """,
    ),
    "3: Clip": (
        """
        a: float32[N, 4] = Add(x, float32(3.0))
        b: float32[N, 4] = Clip(a, float32(0.0), float32(6.0))
        d: float32[N, 4] = Mul(x, b)
        c: float32[N, 4] = Div(d, float32(6.0))
        """,
        "y: float32[N, 4] = HardSwish(x)",
    ),
    "3: Min and Max": (
        """
        a: float32[N, 4] = Add(float32(3.0), x)
        b: float32[N, 4] = Max(float32(0.0), a)
        e: float32[N, 4] = Min(b, float32(6.0))
        d: float32[N, 4] = Mul(e, float32(0.1666666716337204))
        c: float32[N, 4] = Mul(d, x)
        """,
        "y: float32[N, 4] = HardSwish(x)",
    ),
    "3: HardSigmoid": (
        """
        a: float32[N, 4] = HardSigmoid(x) alpha=0.16666667163372040
        c: float32[N, 4] = Mul(x, a)
        """,
        "y: float32[N, 4] = HardSwish(x)",
    ),
    "3: HardSigmoid of another slope": (
        """
        a: float32[N, 4] = HardSigmoid(x) alpha=0.2
        c: float32[N, 4] = Mul(x, a)
        """,
        None,
    ),
    "4: Softsign": (
        """
        a: float32[N, 4] = Abs(x)
        b: float32[N, 4] = Add(float32(1.0), a)
        c: float32[N, 4] = Div(x, b)
        """,
        "y: float32[N, 4] = Softsign(x)",
    ),
    "a formula that stretches stays": (
        """
        s: float32[1, 4] = ReduceMax(x, [0]) keepdims=1
        a: float32[1, 4] = Abs(s)
        b: float32[1, 4] = Add(float32(1.0), a)
        c: float32[N, 4] = Div(x, b)
        """,
        None,
    ),
    "x Sigmoid(x) stays": (
        """
        a: float32[N, 4] = Sigmoid(x)
        c: float32[N, 4] = Mul(x, a)
        """,
        None,
    ),
}


def fuse(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    return fuse_activations(graph)


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    before = dedent(before).strip()
    head = "input x: float32[N, 4]\ninput z: float32[N, 4]"
    lines = before.replace("\nc: ", "\ny: ") if wanted is None else dedent(wanted).strip()
    assert after(f"{head}\n{before}\noutput y = c", fuse) == expected(f"{head}\n{lines}\noutput y = y")
    check_equal(f"{head}\n{before}\noutput y = c", fuse, tmp_path)


@pytest.mark.parametrize("case", ["1: erf", "2: tanh and a cube"])
def test_older_operator_sets_have_no_gelu(case: str) -> None:
    text = f"input x: float32[N, 4]\n{dedent(CASES[case][0]).strip()}\noutput y = c"
    assert after(text, fuse, opset=19) == after(text, lambda graph, facts: graph, opset=19)


def test_float64_stays() -> None:
    text = """
        input x: float64[N, 4]
        a: float64[N, 4] = Abs(x)
        b: float64[N, 4] = Add(float64(1.0), a)
        c: float64[N, 4] = Div(x, b)
        output y = c
    """
    assert "Softsign" not in after(text, fuse)


def test_formulas_of_a_model() -> None:
    model = archonnx.compile(
        text=dedent(
            """
            model Formulas():
                input x: float32[N, 8, 16]
                output erf = 0.5 * x * (1 + erf(x / sqrt(2)))
                output tanh = 0.5 * x * (1 + tanh(sqrt(0.6366197723675814) * (x + 0.044715 * x ** 3)))
                output relu6 = x * clip(x + 3, 0, 6) / 6
                output soft = x / (1 + abs(x))
            """
        )
    )
    assert [o.type for o in model.lower().operators] == ["Gelu", "Gelu", "HardSwish", "Softsign"]
    assert "Erf" in [o.type for o in model.lower(optimization=1).operators]


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.sampled_from([0.5, 2.0, 1.0]))
def test_any_order_of_the_products(swaps: list[bool], scale: float) -> None:
    def call(kind: str, one: str, two: str, swap: bool) -> str:
        return f"float32[N, 4] = {kind}({two if swap else one}, {one if swap else two})"

    text = f"""
        input w: float32[N, 4]
        x: {call("Mul", "w", f"float32({scale})", swaps[0])}
        a: {call("Mul", "x", "float32(0.7071067690849304)", swaps[1])}
        b: float32[N, 4] = Erf(a)
        d: {call("Add", "b", "float32(1.0)", swaps[2])}
        e: {call("Mul", "x", "d", swaps[3])}
        c: {call("Mul", "e", "float32(0.5)", swaps[4])}
        output y = c
    """
    before, _ = parse_graph(text)
    fused = fuse_activations(parse_graph(text)[0])
    assert [o.type for o in fused.operators] == ["Mul", "Gelu"]
    assert fused.operators[1].inputs[0] is fused.operators[0].outputs[0]
    assert len(before.operators) == 6


def test_extremes_are_the_same(tmp_path: Path) -> None:
    extremes = np.array([[-1e30, -8.0, 8.0, 1e30], [-3.0, 3.0, -0.0, 0.0]], np.float32)
    for case in ("1: erf", "3: Clip", "3: Min and Max", "4: Softsign"):
        text = f"input x: float32[N, 4]\n{dedent(CASES[case][0]).strip()}\noutput y = c"
        graph = parse_graph(text)[0]
        feeds = {**feeds_for(graph, {"N": 2}), "x": extremes}
        wanted = run(graph, feeds, tmp_path)["y"]
        found = run(fuse_activations(parse_graph(text)[0]), feeds, tmp_path)["y"]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
