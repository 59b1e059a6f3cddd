"""merge_projections, each numbered case before and after, and files of what it made read back as weights."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from graph_texts import after, check_equal, expected
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes import merge_projections as merging
from archonnx.compiler.passes.merge_projections import merge_projections
from archonnx.contract.dims import Facts

HEAD = """
input x: float32[B, T, 4]
input z: float32[B, T, 4]
weight q: float32[4, 6]
weight k: float32[4, 3]
weight v: float32[4, 2]
weight c: float32[6]
weight d: float32[3]
weight e: float32[2]
"""
THREE = """
l: float32[B, T, 6] = MatMul(x, q)
m: float32[B, T, 3] = MatMul(x, k)
n: float32[B, T, 2] = MatMul(x, v)
"""
APART = THREE + "y: float32[B, T, 11] = Concat(n, m, l) axis=2"
CASES = {
    "1: three": (
        APART,
        """
        matmul: float32[B, T, 11] = MatMul(x, concat(q, k, v, axis=1))
        l: float32[B, T, 6], m: float32[B, T, 3], n: float32[B, T, 2] = Split(matmul, [6, 3, 2]) axis=2
        y: float32[B, T, 11] = Concat(n, m, l) axis=2
        """,
    ),
    "2: with biases": (
        f"""{THREE}
        o: float32[B, T, 6] = Add(l, c)
        p: float32[B, T, 3] = Add(d, m)
        r: float32[B, T, 2] = Add(n, e)
        y: float32[B, T, 11] = Concat(o, p, r) axis=2
        """,
        """
        matmul: float32[B, T, 11] = MatMul(x, concat(q, k, v, axis=1))
        add: float32[B, T, 11] = Add(matmul, concat(c, d, e, axis=0))
        o: float32[B, T, 6], p: float32[B, T, 3], r: float32[B, T, 2] = Split(add, [6, 3, 2]) axis=2
        y: float32[B, T, 11] = Concat(o, p, r) axis=2
        """,
    ),
    "2: what reads a product before its bias keeps the bias apart": (
        f"""{THREE}
        o: float32[B, T, 6] = Add(l, c)
        y: float32[B, T, 17] = Concat(o, n, m, l) axis=2
        """,
        """
        matmul: float32[B, T, 11] = MatMul(x, concat(q, k, v, axis=1))
        l: float32[B, T, 6], m: float32[B, T, 3], n: float32[B, T, 2] = Split(matmul, [6, 3, 2]) axis=2
        o: float32[B, T, 6] = Add(l, c)
        y: float32[B, T, 17] = Concat(o, n, m, l) axis=2
        """,
    ),
    "1: of two values": (APART.replace("(x, k)", "(z, k)"), None),
    "1: two": (THREE.replace("(x, k)", "(z, k)") + "y: float32[B, T, 11] = Concat(n, m, l) axis=2", None),
    "1: a weight that something else reads": (
        f"""{THREE}
        w: float32[4, 6] = Relu(q)
        o: float32[B, T, 6] = MatMul(z, w)
        y: float32[B, T, 17] = Concat(n, m, l, o) axis=2
        """,
        None,
    ),
    "1: layers that share all weights": (
        f"""{THREE}
        s: float32[B, T, 6] = MatMul(z, q)
        t: float32[B, T, 3] = MatMul(z, k)
        u: float32[B, T, 2] = MatMul(z, v)
        y: float32[B, T, 22] = Concat(l, m, n, s, t, u) axis=2
        """,
        """
        matmul: float32[B, T, 11] = MatMul(x, concat(q, k, v, axis=1))
        l: float32[B, T, 6], m: float32[B, T, 3], n: float32[B, T, 2] = Split(matmul, [6, 3, 2]) axis=2
        matmul_1: float32[B, T, 11] = MatMul(z, concat(q, k, v, axis=1))
        s: float32[B, T, 6], t: float32[B, T, 3], u: float32[B, T, 2] = Split(matmul_1, [6, 3, 2]) axis=2
        y: float32[B, T, 22] = Concat(l, m, n, s, t, u) axis=2
        """,
    ),
    "1: layers that share some": (
        f"""{THREE}
        s: float32[B, T, 6] = MatMul(z, q)
        t: float32[B, T, 3] = MatMul(z, k)
        u: float32[B, T, 6] = MatMul(z, q.transpose(1, 0).reshape(4, 6))
        y: float32[B, T, 26] = Concat(l, m, n, s, t, u) axis=2
        """,
        None,
    ),
    "1: many rows": (
        """
        g: float32[200, 4] = Gather(x, 0) axis=1
        l: float32[200, 6] = MatMul(g, q)
        m: float32[200, 3] = MatMul(g, k)
        n: float32[200, 2] = MatMul(g, v)
        y: float32[200, 11] = Concat(n, m, l) axis=1
        """,
        None,
    ),
}


def merge(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    return merge_projections(graph)


def text_of(lines: str) -> str:
    body = dedent("\n".join(line.strip() for line in lines.splitlines() if line.strip()))
    head = HEAD.strip().replace("[B, T, 4]", "[200, T, 4]") if "200" in body else HEAD.strip()
    return f"{head}\n{body}\noutput y = y"


def graph_lines(text: str) -> list[str]:
    """The lines of operators, values that have no names of their own under their types'."""
    lines = [
        line.replace("l/matmul", "matmul").replace("l/add", "add").replace("s/matmul", "matmul_1")
        for line in text.splitlines()
    ]
    return [line for line in lines if not line.startswith(("weight", "input"))]


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    text = text_of(before)
    found = graph_lines(after(text, merge))
    assert found == graph_lines(expected(text if wanted is None else text_of(wanted)))
    check_equal(text, merge, tmp_path, {"B": 2, "T": 3})


TEXT = dedent(
    """
    model Layers(layers = 2):
        input x: float32[B, T, 8]
        for i in range(layers):
            x = x + ((x, x) -> MultiHeadAttention(2, 4))
        output y = x
    """
)


def test_queries_keys_and_values_are_read_back(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    path = tmp_path / "layers.onnx"
    model.save(path, seed=5)
    kinds = [operator.type for operator in model.lower().operators]
    assert kinds.count("Split") == 2
    again = archonnx.compile(text=TEXT).with_weights(path)
    wanted, found = model.values(seed=5), again.values(seed=9)
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_levels_read_each_other(tmp_path: Path) -> None:
    model = archonnx.compile(text=TEXT)
    x = np.random.default_rng(0).standard_normal((1, 3, 8)).astype(np.float32)
    results = []
    for level in (0, 1, 2):
        model.save(tmp_path / f"{level}.onnx", seed=5, optimization=level)
        results.append(archonnx.load(tmp_path / f"{level}.onnx")(x))
        filled = model.with_weights(tmp_path / f"{level}.onnx").values(seed=1)
        for name, array in model.values(seed=5).items():
            np.testing.assert_array_equal(filled[name], array, err_msg=name)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-5, atol=1e-6)


def test_the_joined_weights_have_a_name_that_says_which() -> None:
    graph = archonnx.compile(text=TEXT, layers=1).lower()
    names = {tensor.name for tensor in graph.constants()}
    assert "multi_head_attention/query+key+value/kernel" in names
    assert "multi_head_attention/query+key+value/bias" in names


def test_a_file_holds_each_weight_once() -> None:
    model = archonnx.compile(text=TEXT)
    graph = model.lower()
    weights = [w.path for t in graph.constants() if t.recipe is not None for w in t.recipe.weights()]
    assert sorted(weights) == sorted(model.values())


def test_quantized_weights_are_those_of_each_matrix(tmp_path: Path) -> None:
    text = TEXT.replace("T, 8]", "T, 64]").replace("(2, 4)", "(4, 16)")
    model = archonnx.compile(text=text)
    x = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
    found = []
    for level in (1, 2):
        model.save(tmp_path / "few.onnx", weight_bits=8, optimization=level)
        found.append(archonnx.load(tmp_path / "few.onnx")(x))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_weights_of_many_branches_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    weights_of = merging._weights_of
    monkeypatch.setattr(merging, "_weights_of", lambda branches: asked.append(len(branches)) or weights_of(branches))
    text = "model Experts():\n    input x: float32[B, T, 4]\n    ys = [x -> Dense(3) for _ in range(50)]\n    ys -> Add()\n"
    archonnx.compile(text=text).lower()
    assert asked == [50]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_branches_compute_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    lines, outputs, head = [], [], ["input x: float32[B, T, 4]"]
    for i in range(data.draw(st.integers(1, 5))):
        width = data.draw(st.integers(1, 4))
        head += [f"weight w{i}: float32[4, {width}]", f"weight b{i}: float32[{width}]"]
        lines.append(f"t{i}: float32[B, T, {width}] = MatMul(x, w{i})")
        outputs.append(f"t{i}")
        if data.draw(st.booleans()):
            lines.append(f"a{i}: float32[B, T, {width}] = Add({'b' + str(i)}, t{i})")
            outputs[-1] = f"a{i}"
        if data.draw(st.integers(0, 3)) == 0:
            outputs.append(f"t{i}")
    text = "\n".join([*head, *lines, *(f"output y{i} = {name}" for i, name in enumerate(dict.fromkeys(outputs)))])
    check_equal(text, merge, tmp_path_factory.mktemp("merged"), {"B": 1, "T": 3})
