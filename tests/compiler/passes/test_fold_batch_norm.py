"""Batch normalizations folded into products: before and after, where they are not, and the same results."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from graph_texts import after, check_equal, expected, parse_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from archonnx.compiler.passes.fold_batch_norm import fold_batch_norm
from archonnx.compiler.passes.pipeline import run_passes

NORM = "\n".join(f"weight {name}: float32[4]" for name in ("g", "b", "m")) + "\nweight v: float32[4]"
HEAD = f"input x: float32[N, 3, 6, 6]\nweight k: float32[4, 3, 3, 3]\n{NORM}\n"


def graph(*lines: str) -> str:
    return HEAD + "\n".join(lines)


CONV = "c: float32[N, 4, 4, 4] = Conv(x, k) kernel_shape=[3, 3]"
NORMED = "y: float32[N, 4, 4, 4] = BatchNormalization(c, g, b, m, v.reshape(4)) epsilon=4.0"


def test_a_convolution_before_and_after(tmp_path: Path) -> None:
    text = graph(CONV, NORMED, "output z = y")
    assert after(text, fold_batch_norm).replace(" kernel_shape=[3, 3]", "") == expected("""
        input x: float32[N, 3, 6, 6]
        weight k: float32[4, 3, 3, 3]
        weight g: float32[4]
        weight v: float32[4]
        weight m: float32[4]
        weight b: float32[4]
        z: float32[N, 4, 4, 4] = Conv(x, k.scaled(factor(g, v, 4.0), axis=0), shifted(m, factor(g, v, 4.0), b))
        output z = z
    """)
    check_equal(text, fold_batch_norm, tmp_path)


def test_what_was_done_is_noted() -> None:
    made, facts = parse_graph(graph(CONV, NORMED, "output z = y"))
    made = fold_batch_norm(made, facts)
    (change,) = made.changes
    assert (change.rule, change.what) == ("fold_batch_norm", "BatchNormalization into Conv")
    (operator,) = made.operators
    assert [one.type for one in operator.merged] == ["BatchNormalization"]
    assert operator.outputs[0].stands_for == "y", "the convolution's own value is there no longer"


FOLDED = {
    "a bias": ["weight a: float32[4]", CONV.replace("k)", "k, a)"), NORMED, "output z = y"],
    "groups": [
        "weight d: float32[3, 1, 3, 3]",
        "weight e: float32[3]",
        "weight f: float32[3]",
        "c: float32[N, 3, 4, 4] = Conv(x, d) kernel_shape=[3, 3] group=3",
        "y: float32[N, 3, 4, 4] = BatchNormalization(c, float32([1, 1, 1]), float32([0, 0, 0]), e, f) epsilon=4.0",
        "output z = y",
    ],
    "transposed convolution": [
        "weight t: float32[3, 4, 2, 2]",
        "c: float32[N, 4, 12, 12] = ConvTranspose(x, t) kernel_shape=[2, 2] strides=[2, 2]",
        "y: float32[N, 4, 12, 12] = BatchNormalization(c, g, b, m, v) epsilon=4.0",
        "output z = y",
    ],
    "twice": [CONV, NORMED, "w: float32[N, 4, 4, 4] = BatchNormalization(y, g2, b, m, v) epsilon=4.0", "output z = w"],
    "both read the same": [
        CONV,
        NORMED,
        CONV.replace("c:", "d:").replace("(x", "(r"),
        "e: float32[N, 4, 4, 4] = BatchNormalization(d, g, b, m, v) epsilon=4.0",
        "output z = y",
        "output w = e",
    ],
    "gemm": [
        "input i: float32[N, 5]",
        "weight w: float32[5, 4]",
        "weight a: float32[4]",
        "c: float32[N, 4] = Gemm(i, w, a) alpha=2.0",
        "y: float32[N, 4] = BatchNormalization(c, g, b, m, v) epsilon=4.0",
        "output z = y",
    ],
    "gemm of columns": [
        "input i: float32[N, 5]",
        "weight w: float32[4, 5]",
        "c: float32[N, 4] = Gemm(i, w) transB=1",
        "y: float32[N, 4] = BatchNormalization(c, g, b, m, v) epsilon=4.0",
        "output z = y",
    ],
    "matmul behind a transpose": [
        "input i: float32[N, 7, 5]",
        "weight w: float32[5, 4]",
        "c: float32[N, 7, 4] = MatMul(i, w)",
        "t: float32[N, 4, 7] = Transpose(c) perm=[0, 2, 1]",
        "y: float32[N, 4, 7] = BatchNormalization(t, g, b, m, v) epsilon=4.0",
        "u: float32[N, 7, 4] = Transpose(y) perm=[0, 2, 1]",
        "output z = u",
    ],
    "matmul and a bias": [
        "input i: float32[N, 7, 5]",
        "weight w: float32[5, 4]",
        "weight d: float32[4]",
        "c: float32[N, 7, 4] = MatMul(i, w)",
        "a: float32[N, 7, 4] = Add(d, c)",
        "t: float32[N, 4, 7] = Transpose(a) perm=[0, 2, 1]",
        "y: float32[N, 4, 7] = BatchNormalization(t, g, b, m, v) epsilon=4.0",
        "output z = y",
    ],
}


def text_of(name: str) -> str:
    lines = FOLDED[name]
    more = ["input r: float32[N, 3, 6, 6]"] if name == "both read the same" else []
    more += ["weight g2: float32[4]"] if name == "twice" else []
    first = [line for line in [*more, *lines] if line.startswith(("input", "weight"))]
    rest = [line for line in lines if line not in first]
    return graph(*first, *rest)


@pytest.mark.parametrize("name", [name for name in FOLDED if name != "twice"])
def test_folded(name: str, tmp_path: Path) -> None:
    text = text_of(name)
    assert "BatchNormalization" not in after(text, fold_batch_norm)
    check_equal(text, fold_batch_norm, tmp_path)
    check_equal(text, run_passes, tmp_path)


def test_one_normalization_after_another(tmp_path: Path) -> None:
    """Weights of their own, both are folded; where they share some, one alone would change what the other reads."""
    shared = text_of("twice")
    assert after(shared, fold_batch_norm).count("BatchNormalization") == 2
    own = shared.replace("(y, g2, b, m, v)", "(y, g2, b2, m2, v2)")
    own = "\n".join([*(f"weight {name}: float32[4]" for name in ("b2", "m2", "v2")), own])
    assert "BatchNormalization" not in after(own, fold_batch_norm)
    check_equal(own, fold_batch_norm, tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([CONV, NORMED, "output z = y", "output w = c"], id="the product is an output"),
        pytest.param(
            [CONV, NORMED, "r: float32[N, 4, 4, 4] = Relu(c)", "output z = y", "output w = r"], id="read twice"
        ),
        pytest.param([CONV, NORMED, "output z = y", "output w = k"], id="the kernel is an output"),
        pytest.param([CONV.replace("k)", "k, m)"), NORMED, "output z = y"], id="the bias is the mean"),
        pytest.param([CONV, NORMED.replace("g,", "v,"), "output z = y"], id="gamma is the variance"),
        pytest.param(
            [CONV, NORMED, "a: float32[N, 4, 4, 4] = Add(y, g.reshape(4, 1, 1))", "output z = a"], id="gamma is read"
        ),
        pytest.param(
            [CONV, NORMED, CONV.replace("c:", "d:").replace("(x", "(x2"), "output z = y", "output w = d"],
            id="kernel shared",
        ),
        pytest.param([CONV, NORMED + " training_mode=1", "output z = y"], id="statistics of the batch"),
        pytest.param(
            [CONV, NORMED.replace("(c, g,", "(c, float32([2, 2, 2, 2]),"), "output z = y"], id="a written gamma"
        ),
        pytest.param(
            [CONV, "r: float32[N, 4, 4, 4] = Relu(c)", NORMED.replace("(c", "(r"), "output z = y"], id="behind another"
        ),
        pytest.param(
            [
                "t: float32[N, 4, 4, 4] = Conv(x, k) kernel_shape=[3, 3]",
                "c: float32[N, 4, 4, 4] = Transpose(t) perm=[0, 2, 1, 3]",
                NORMED,
                "output z = y",
            ],
            id="another axis",
        ),
        pytest.param([NORMED.replace("(c", "(x4").replace("4, 4, 4]", "4, 4, 4]"), "output z = y"], id="an input"),
    ],
)
def test_left_alone(lines: list[str]) -> None:
    first = ["input x2: float32[N, 3, 6, 6]", "input x4: float32[N, 4, 4, 4]"]
    if any("training_mode" in line for line in lines):  # gives the new statistics too
        lines = [line.replace("] = BatchN", "], o: float32[4], p: float32[4] = BatchN") for line in lines]
    made, facts = parse_graph(graph(*first, *lines))
    kinds = [operator.type for operator in fold_batch_norm(made, facts).operators]
    assert "BatchNormalization" in kinds
    assert not made.changes


def test_what_hangs_dead_on_the_product_goes() -> None:
    """It would be taken for the convolution's value; what hangs on the normalization is still that one's."""
    made, facts = parse_graph(
        graph(
            CONV,
            "t: float32[N, 4, 4, 4] = Transpose(c) perm=[0, 2, 3, 1]",
            NORMED,
            "u: float32[N, 4, 4, 4] = Transpose(y) perm=[0, 2, 3, 1]",
            "output z = y",
        )
    )
    made = fold_batch_norm(made, facts)
    assert [o.outputs[0].stands_for for o in made.operators] == ["y", "u"]


@settings(max_examples=25)
@given(st.data())
def test_random_chains_compute_the_same(data: st.DataObject) -> None:
    """Products, normalizations, activations and transposes one behind another, weights drawn anew or shared."""
    head, lines, names = ["input x: float32[N, 4, 5, 5]"], [], dict[str, str]()

    def weight(kind: str, shape: str) -> str:
        name = data.draw(st.sampled_from([f"{kind}_0", f"{kind}_{len(names)}"]))
        if name not in names:
            names[name] = shape
            head.append(f"weight {name}: float32[{shape}]")
        return name

    value = "x"
    for number in range(data.draw(st.integers(2, 7))):
        new = f"v{number}"
        kind = data.draw(st.sampled_from(["conv", "norm", "norm", "relu", "dense", "both"]))
        if kind == "conv":
            bias = f", {weight('bias', '4')}" if data.draw(st.booleans()) else ""
            call = f"Conv({value}, {weight('kernel', '4, 4, 1, 1')}{bias}) kernel_shape=[1, 1]"
        elif kind == "norm":
            call = f"BatchNormalization({value}, {', '.join(weight(w, '4') for w in 'gbmv')}) epsilon=4.0"
        elif kind == "relu":
            call = f"Relu({value})"
        elif kind == "both":
            call = f"Add({value}, {data.draw(st.sampled_from(['x', *(f'v{n}' for n in range(number))]))})"
        else:
            lines.append(f"t{new}: float32[N, 5, 5, 4] = Transpose({value}) perm=[0, 2, 3, 1]")
            lines.append(f"d{new}: float32[N, 5, 5, 4] = MatMul(t{new}, {weight('matrix', '4, 4')})")
            call = f"Transpose(d{new}) perm=[0, 3, 1, 2]"
        lines.append(f"{new}: float32[N, 4, 5, 5] = {call}")
        value = new
    text = "\n".join([*head, *lines, f"output y = {value}"])
    with tempfile.TemporaryDirectory() as folder:
        check_equal(text, fold_batch_norm, Path(folder))
        check_equal(text, run_passes, Path(folder))
