"""share_operators, each numbered case before and after."""

from __future__ import annotations

import tempfile
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from graph_texts import after, check_equal, expected, parse_graph
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.share_operators import share_operators
from archonnx.contract.dims import Facts

HEAD = """
input x: float32[N, 4]
input z: float32[N, 4]
weight w: float32[4, 4]
weight v: float32[4, 4]
"""
CASES = {
    "1: the same inputs": (
        """
        a: float32[N, 4] = Relu(x)
        b: float32[N, 4] = Relu(x)
        c: float32[N, 4] = Mul(a, b)
        """,
        """
        a: float32[N, 4] = Relu(x)
        y: float32[N, 4] = Mul(a, a)
        """,
    ),
    "1: equal literals, the same weight": (
        """
        a: float32[N, 4] = MatMul(x, w.transpose(1, 0))
        b: float32[N, 4] = MatMul(x, w.transpose(1, 0))
        d: float32[N, 4] = Max(a, float32(0.5))
        e: float32[N, 4] = Max(b, float32(0.5))
        c: float32[N, 4] = Mul(d, e)
        """,
        """
        a: float32[N, 4] = MatMul(x, w.transpose(1, 0))
        d: float32[N, 4] = Max(a, float32(0.5))
        y: float32[N, 4] = Mul(d, d)
        """,
    ),
    "1: other weights, other literals, other dtypes": (
        """
        a: float32[N, 4] = MatMul(x, w)
        b: float32[N, 4] = MatMul(x, v)
        d: float32[N, 4] = Max(a, float32(0.5))
        e: float32[N, 4] = Max(a, float32(0.25))
        f: float64[N, 4] = Cast(x) to=11
        g: int64[N, 4] = Cast(x) to=7
        h: float32[N, 4] = Cast(f) to=1
        i: float32[N, 4] = Cast(g) to=1
        c: float32[N, 4] = Sum(b, d, e, h, i)
        """,
        None,
    ),
    "1: what commutes": (
        """
        a: float32[N, 4] = Add(x, z)
        b: float32[N, 4] = Add(z, x)
        d: float32[N, 4] = Mul(b, float32(3.0))
        e: float32[N, 4] = Mul(float32(3.0), a)
        c: float32[N, 4] = Concat(d, e) axis=0
        """,
        """
        a: float32[N, 4] = Add(x, z)
        d: float32[N, 4] = Mul(a, float32(3.0))
        y: float32[N, 4] = Concat(d, d) axis=0
        """,
    ),
    "1: what does not": (
        """
        a: float32[N, 4] = Sub(x, z)
        b: float32[N, 4] = Sub(z, x)
        c: float32[N, 4] = Add(a, b)
        """,
        None,
    ),
    "1: attributes": (
        """
        a: float32[N, 4] = LeakyRelu(x) alpha=0.0
        b: float32[N, 4] = LeakyRelu(x) alpha=-0.0
        d: float32[N, 4] = LeakyRelu(x) alpha=0.0
        c: float32[N, 4] = Sum(a, b, d)
        """,
        """
        a: float32[N, 4] = LeakyRelu(x) alpha=0.0
        b: float32[N, 4] = LeakyRelu(x) alpha=-0.0
        y: float32[N, 4] = Sum(a, b, a)
        """,
    ),
    "1: several results": (
        """
        a: float32[N, 2], b: float32[N, 2] = Split(x, [2, 2]) axis=1
        d: float32[N, 2], e: float32[N, 2] = Split(x, [2, 2]) axis=1
        f: float32[N, 1], g: float32[N, 3] = Split(x, [1, 3]) axis=1
        c: float32[N, 12] = Concat(e, b, a, d, f, g) axis=1
        """,
        """
        a: float32[N, 2], b: float32[N, 2] = Split(x, [2, 2]) axis=1
        f: float32[N, 1], g: float32[N, 3] = Split(x, [1, 3]) axis=1
        y: float32[N, 12] = Concat(b, b, a, a, f, g) axis=1
        """,
    ),
    "2: a chain": (
        """
        a: int64[1] = Shape(x) start=0 end=1
        b: int64[] = Squeeze(a, [0])
        d: int64[N] = Range(0, b, 1)
        e: int64[1] = Shape(x) start=0 end=1
        f: int64[] = Squeeze(e, [0])
        g: int64[N] = Range(0, f, 1)
        c: int64[N] = Add(d, g)
        """,
        """
        a: int64[1] = Shape(x) start=0 end=1
        b: int64[] = Squeeze(a, [0])
        d: int64[N] = Range(0, b, 1)
        y: int64[N] = Add(d, d)
        """,
    ),
}


def share(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    return share_operators(graph)


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = (None if part is None else dedent(part).strip() for part in CASES[case])
    head = HEAD.strip()
    text = f"{head}\n{before}\noutput y = c"
    lines = before.replace("\nc: ", "\ny: ") if wanted is None else wanted  # type: ignore[union-attr]
    used = "\n".join(line for line in head.splitlines() if not line.startswith("weight") or f", {line[7]}" in lines)
    assert after(text, share) == expected(f"{used}\n{lines}\noutput y = y")
    check_equal(text, share, tmp_path)


@pytest.mark.parametrize(
    "call", ["RandomNormalLike(x)", "RandomUniformLike(x)", "Bernoulli(x)", "Dropout(x)", "com.example.Noise(x)"]
)
def test_what_may_differ_each_time_stays(call: str) -> None:
    graph, _ = parse_graph(f"""
        input x: float32[N, 4]
        a: float32[N, 4] = {call}
        b: float32[N, 4] = {call}
        c: float32[N, 4] = Add(a, b)
        output y = c
    """)
    assert len(share_operators(graph).operators) == 3


def test_sizes_that_depend_on_data_keep_their_own_symbols() -> None:
    graph, _ = parse_graph("""
        input x: float32[N, 4]
        a: int64[2, K] = NonZero(x)
        b: int64[2, L] = NonZero(x)
        output y = a
        output z = b
    """)
    assert len(share_operators(graph).operators) == 2


def test_an_operator_with_a_body_stays() -> None:
    graph = archonnx.compile(
        text=dedent(
            """
        model Twice():
            input x: float32[N, 5, 3]
            rnn = GRU(4, activation="gelu")
            output once = x -> rnn
            output again = x -> rnn
        """
        )
    ).lower(optimization=0)
    scans = [o for o in graph.operators if o.bodies]
    assert len(scans) == 2
    assert [o for o in share_operators(graph).operators if o.bodies] == scans


def test_two_outputs_that_are_the_same_keep_their_names(tmp_path: Path) -> None:
    model = archonnx.compile(
        text=dedent(
            """
        model Two():
            input x: float32[N, 4]
            output a = x -> ReLU()
            output b = x -> ReLU()
        """
        )
    )
    path = tmp_path / "two.onnx"
    model.save(path)
    x = np.array([[-1.0, 2.0, -3.0, 4.0]], np.float32)
    found = archonnx.load(path)(x)
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], found["b"])


def test_the_value_that_an_operator_stood_for_is_not_lost_where_there_is_room() -> None:
    graph, _ = parse_graph("""
        input x: float32[N, 4]
        a: float32[N, 4] = Relu(x)
        b: float32[N, 4] = Relu(x)
        output y = b
    """)
    graph.operators[0].outputs[0].stands_for = None
    (relu,) = share_operators(graph).operators
    assert relu.outputs[0].stands_for == "b"
    assert [change.what for change in graph.changes] == ["Relu is that of a/Relu"]


def test_masks_and_positions_are_made_once_for_all_layers() -> None:
    text = dedent("""
        block layer():
            input x: float32[B, T, 8]
            (x, x) -> MultiHeadAttention(2, 4, use_causal_mask=True)
        model Stack(layers = 6):
            input x: float32[B, T, 8]
            for i in range(layers):
                x = x + (x -> layer())
            output y = x
    """)
    one, six = (archonnx.compile(text=text, layers=n).lower() for n in (1, 6))
    for kind in ("Range", "GreaterOrEqual"):
        assert [o.type for o in six.operators].count(kind) == [o.type for o in one.operators].count(kind) > 0


@settings(max_examples=40)
@given(st.data())
def test_random_graphs_compute_the_same(data: st.DataObject) -> None:
    names, lines = ["x", "z"], []
    for i in range(data.draw(st.integers(2, 12))):
        kind = data.draw(st.sampled_from(["Relu", "Neg", "Add", "Sub", "Mul", "MatMul"]))
        inputs = [data.draw(st.sampled_from(names))]
        if kind == "MatMul":
            inputs.append(data.draw(st.sampled_from(["w", "v"])))
        elif kind not in ("Relu", "Neg"):
            inputs.append(data.draw(st.sampled_from([*names, "float32(0.5)"])))
        names.append(f"t{i}")
        lines.append(f"t{i}: float32[N, 4] = {kind}({', '.join(inputs)})")
    outputs = "\n".join(f"output y{i} = {name}" for i, name in enumerate(names[-3:]))
    text = "\n".join([HEAD.strip(), *lines, outputs])
    graph, _ = parse_graph(text)
    shared = share_operators(graph)
    told = len(shared.changes)
    assert len(share_operators(shared).changes) == told  # there is no more to find
    with tempfile.TemporaryDirectory() as folder:
        check_equal(text, share, Path(folder))
