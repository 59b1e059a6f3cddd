"""The layout pass: graphs before and after, as text, and both computed by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import pytest
from graph_texts import after, check_equal, expected, parse_graph

from archonnx.compiler.passes.propagate_layout import propagate_layout

HEAD = """
input x: float32[N, 6, 8, 3]
weight k: float32[3, 3, 3, 4]
t: float32[N, 3, 6, 8] = Transpose(x) perm=[0, 3, 1, 2]
c: float32[N, 4, 6, 8] = Conv(t, k.transpose(3, 2, 0, 1)) kernel_shape=[3, 3] pads=[1, 1, 1, 1]
u: float32[N, 6, 8, 4] = Transpose(c) perm=[0, 2, 3, 1]
"""
# The head once the pass has been at it; the value `u` is `c`, looked at channels last.
DONE = """
input x: float32[N, 6, 8, 3]
weight k: float32[3, 3, 3, 4]
t: float32[N, 3, 6, 8] = Transpose(x) perm=[0, 3, 1, 2]
c: float32[N, 4, 6, 8] = Conv(t, k.transpose(3, 2, 0, 1)) kernel_shape=[3, 3] pads=[1, 1, 1, 1]
"""


def join(head: str, tail: str, weights: str = "") -> str:
    """Lines behind a head, weights before its operators as format_graph has them."""
    lines = head.strip().splitlines()
    extra = [line.strip() for line in weights.strip().splitlines()]
    return "\n".join([*lines[:2], *extra, *lines[2:], *(line.strip() for line in tail.strip().splitlines())]) + "\n"


CASES = {
    "a constant beside it is moved": (
        """
        a: float32[N, 6, 8, 4] = Add(u, float32([1.0, 2.0, 3.0, 4.0]))
        m: float32[N, 4] = ReduceMean(a, [1, 2]) keepdims=0
        output y = m
        """,
        """
        a: float32[N, 4, 6, 8] = Add(c, float32([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]))
        y: float32[N, 4] = ReduceMean(a, [2, 3]) keepdims=0
        output y = y
        """,
    ),
    "a scalar stays as it is": (
        """
        a: float32[N, 6, 8, 4] = Mul(u, float32(0.5))
        m: float32[N, 1, 1, 4] = ReduceMax(a, [1, 2]) keepdims=1
        f: float32[N, 4] = Reshape(m, [0, 4])
        output y = f
        """,
        """
        a: float32[N, 4, 6, 8] = Mul(c, float32(0.5))
        m: float32[N, 4, 1, 1] = ReduceMax(a, [2, 3]) keepdims=1
        y: float32[N, 4] = Reshape(m, [0, 4])
        output y = y
        """,
    ),
    "two branches in one order are joined in it": (
        """
        s: float32[N, 6, 8, 4] = Sigmoid(u)
        j: float32[N, 6, 16, 4] = Concat(u, s) axis=2
        m: float32[N, 4] = ReduceSum(j, [1, 2]) keepdims=0
        output y = m
        """,
        """
        s: float32[N, 4, 6, 8] = Sigmoid(c)
        j: float32[N, 4, 6, 16] = Concat(c, s) axis=3
        y: float32[N, 4] = ReduceSum(j, [2, 3]) keepdims=0
        output y = y
        """,
    ),
    "a flattened value meets a kernel whose rows take its order": (
        """
        r: float32[N, 6, 8, 4] = Relu(u)
        f: float32[N, 192] = Reshape(r, [0, 192])
        e: float32[N, 192] = Elu(f) alpha=0.5
        g: float32[N, 5] = Gemm(e, d)
        output y = g
        """,
        """
        r: float32[N, 4, 6, 8] = Relu(c)
        e/elu: float32[N, 4, 6, 8] = Elu(r) alpha=0.5
        e/reshape: float32[N, 192] = Reshape(e/elu, [0, 192])
        y: float32[N, 5] = Gemm(e/reshape, d.reshape(6, 8, 4, 5).transpose(2, 0, 1, 3).reshape(192, 5))
        output y = y
        """,
    ),
    "so do constants as long as the flattened value": (
        """
        f: float32[N, 192] = Reshape(u, [0, 192])
        a: float32[N, 192] = Mul(f, v)
        g: float32[N, 192] = MatMul(a, q)
        output y = g
        """,
        """
        a/mul: float32[N, 4, 6, 8] = Mul(c, v.reshape(6, 8, 4).transpose(2, 0, 1))
        a/reshape: float32[N, 192] = Reshape(a/mul, [0, 192])
        y: float32[N, 192] = MatMul(a/reshape, q.reshape(6, 8, 4, 192).transpose(2, 0, 1, 3).reshape(192, 192))
        output y = y
        """,
    ),
    "pads are renumbered": (
        """
        p: float32[N, 9, 8, 4] = Pad(u, [0, 1, 0, 0, 0, 2, 0, 0])
        m: float32[N, 4] = ReduceMin(p, [1, 2]) keepdims=0
        output y = m
        """,
        """
        p: float32[N, 4, 9, 8] = Pad(c, [0, 0, 1, 0, 0, 0, 2, 0])
        y: float32[N, 4] = ReduceMin(p, [2, 3]) keepdims=0
        output y = y
        """,
    ),
    "so are the axes of a slice, a split, a gather": (
        """
        s: float32[N, 4, 8, 4] = Slice(u, [1], [5], [1])
        a: float32[N, 4, 8, 1], b: float32[N, 4, 8, 3] = Split(s, [1, 3]) axis=3
        g: float32[N, 4, 3] = Gather(b, 0) axis=2
        h: float32[1, 4, 3] = ReduceMean(g, [0]) keepdims=1
        m: float32[N] = ReduceMean(a, [1, 2, 3]) keepdims=0
        n: float32[] = ReduceMean(h) keepdims=0
        output y = m
        output z = n
        """,
        """
        s: float32[N, 4, 4, 8] = Slice(c, [1], [5], [2])
        a: float32[N, 1, 4, 8], b: float32[N, 3, 4, 8] = Split(s, [1, 3]) axis=1
        g: float32[N, 3, 4] = Gather(b, 0) axis=3
        h: float32[1, 3, 4] = ReduceMean(g, [0]) keepdims=1
        y: float32[N] = ReduceMean(a, [1, 2, 3]) keepdims=0
        z: float32[] = ReduceMean(h, [0, 1, 2]) keepdims=0
        output y = y
        output z = z
        """,
    ),
    "argmax over channels": (
        """
        i: int64[N, 6, 8] = ArgMax(u) axis=-1 keepdims=0
        output y = i
        """,
        """
        y: int64[N, 6, 8] = ArgMax(c) axis=1 keepdims=0
        output y = y
        """,
    ),
    "an output is brought into its own order, once": (
        """
        r: float32[N, 6, 8, 4] = Relu(u)
        f: float32[N, 192] = Reshape(r, [0, 192])
        output y = r
        output z = f
        """,
        """
        r: float32[N, 4, 6, 8] = Relu(c)
        y: float32[N, 6, 8, 4] = Transpose(r) perm=[0, 2, 3, 1]
        z: float32[N, 192] = Reshape(y, [0, 192])
        output y = y
        output z = z
        """,
    ),
    "softmax over channels before an output stays on the last axis": (
        """
        s: float32[N, 6, 8, 4] = Softmax(u)
        output y = s
        """,
        """
        u: float32[N, 6, 8, 4] = Transpose(c) perm=[0, 2, 3, 1]
        y: float32[N, 6, 8, 4] = Softmax(u)
        output y = y
        """,
    ),
    "softmax over channels before a reduction moves": (
        """
        s: float32[N, 6, 8, 4] = Softmax(u) axis=3
        m: float32[N, 4] = ReduceMean(s, [1, 2]) keepdims=0
        output y = m
        """,
        """
        s: float32[N, 4, 6, 8] = Softmax(c) axis=1
        y: float32[N, 4] = ReduceMean(s, [2, 3]) keepdims=0
        output y = y
        """,
    ),
    "axes of size 1 are a matter of shape": (
        """
        m: float32[N, 4] = ReduceMean(u, [1, 2]) keepdims=0
        e: float32[N, 1, 1, 4] = Reshape(m, [0, 1, 1, 4])
        p: float32[N, 4, 1, 1] = Transpose(e) perm=[0, 3, 1, 2]
        q: float32[N, 4, 1, 1] = Conv(p, w.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]
        g: float32[N, 1, 1, 4] = Transpose(q) perm=[0, 2, 3, 1]
        a: float32[N, 6, 8, 4] = Mul(u, g)
        z: float32[N, 4] = ReduceMax(a, [1, 2]) keepdims=0
        output y = z
        """,
        """
        m: float32[N, 4] = ReduceMean(c, [2, 3]) keepdims=0
        p: float32[N, 4, 1, 1] = Reshape(m, [0, 4, 1, 1])
        q: float32[N, 4, 1, 1] = Conv(p, w.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]
        a: float32[N, 4, 6, 8] = Mul(c, q)
        y: float32[N, 4] = ReduceMax(a, [2, 3]) keepdims=0
        output y = y
        """,
    ),
    "cumsum and tile": (
        """
        s: float32[N, 6, 8, 4] = CumSum(u, 2)
        d: float32[N, 12, 8, 4] = Tile(s, [1, 2, 1, 1])
        m: float32[N, 4] = ReduceMean(d, [1, 2]) keepdims=0
        output y = m
        """,
        """
        s: float32[N, 4, 6, 8] = CumSum(c, 3)
        d: float32[N, 4, 12, 8] = Tile(s, [1, 1, 2, 1])
        y: float32[N, 4] = ReduceMean(d, [2, 3]) keepdims=0
        output y = y
        """,
    ),
}
WEIGHTS = {
    "a flattened value meets a kernel whose rows take its order": "weight d: float32[192, 5]",
    "so do constants as long as the flattened value": "weight v: float32[192]\nweight q: float32[192, 192]",
    "axes of size 1 are a matter of shape": "weight w: float32[1, 1, 4, 4]",
}


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    weights = WEIGHTS.get(case, "")
    text = join(HEAD, before, weights)
    assert after(text, propagate_layout) == expected(join(DONE, wanted, weights))
    check_equal(text, propagate_layout, tmp_path)


def test_old_operator_sets_name_axes_by_attribute(tmp_path: Path) -> None:
    text = join(HEAD, "m: float32[N, 4] = ReduceMean(u) axes=[1, 2] keepdims=0\noutput y = m")
    assert "ReduceMean(c) keepdims=0 axes=[2, 3]" in after(text, propagate_layout, opset=17)
    check_equal(text, propagate_layout, tmp_path, opset=17)


def test_small_integers_are_transposed_before_they_are_cast(tmp_path: Path) -> None:
    text = """
        input x: uint8[N, 6, 8, 3]
        weight k: float32[1, 1, 3, 4]
        f: float32[N, 6, 8, 3] = Cast(x) to=1
        s: float32[N, 6, 8, 3] = Mul(f, float32([0.1, 0.2, 0.3]))
        t: float32[N, 3, 6, 8] = Transpose(s) perm=[0, 3, 1, 2]
        c: float32[N, 4, 6, 8] = Conv(t, k.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]
        output y = c
    """
    assert after(text, propagate_layout) == expected("""
        input x: uint8[N, 6, 8, 3]
        weight k: float32[1, 1, 3, 4]
        f/transpose: uint8[N, 3, 6, 8] = Transpose(x) perm=[0, 3, 1, 2]
        f: float32[N, 3, 6, 8] = Cast(f/transpose) to=1
        s: float32[N, 3, 6, 8] = Mul(f, float32([[[0.10000000149011612]], [[0.20000000298023224]], \
[[0.30000001192092896]]]))
        y: float32[N, 4, 6, 8] = Conv(s, k.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]
        output y = y
    """)
    check_equal(text, propagate_layout, tmp_path)


def test_of_two_orders_the_cheaper_is_taken(tmp_path: Path) -> None:
    """A small mask beside a large value in another order: the mask moves."""
    text = join(
        HEAD.replace("weight k", "input mask: float32[N, 6, 8, 1]\nweight k"),
        """
        a: float32[N, 6, 8, 4] = Mul(u, mask)
        m: float32[N, 4] = ReduceMean(a, [1, 2]) keepdims=0
        output y = m
        """,
    )
    changed = after(text, propagate_layout)
    assert "Transpose(mask)" not in changed  # an axis of size 1 moves without a Transpose
    assert "Reshape(mask, [0, 1, 6, 8])" in changed
    check_equal(text, propagate_layout, tmp_path)


def test_sizes_are_asked_for_without_a_transpose(tmp_path: Path) -> None:
    text = """
        input x: float32[N, H, 8, 3]
        t: float32[N, 3, H, 8] = Transpose(x) perm=[0, 3, 1, 2]
        r: float32[N, 3, H, 8] = Relu(t)
        u: float32[N, H, 8, 3] = Transpose(r) perm=[0, 2, 3, 1]
        s: int64[2] = Shape(u) start=1 end=3
        m: float32[N, 3] = ReduceMean(u, [1, 2]) keepdims=0
        output y = s
        output z = m
    """
    changed = after(text, propagate_layout)
    assert "Transpose" not in changed
    check_equal(text, propagate_layout, tmp_path, {"N": 2, "H": 5})


def test_what_knows_no_other_order_gets_its_own(tmp_path: Path) -> None:
    text = join(
        HEAD,
        """
        a: float32[N, 6, 8, 5] = MatMul(u, d)
        b: float32[N, 6, 8, 5] = Relu(a)
        output y = b
        """,
        "weight d: float32[4, 5]",
    )
    assert after(text, propagate_layout).count("Transpose") == 2
    check_equal(text, propagate_layout, tmp_path)


def test_a_tensor_in_another_order_says_what_it_stands_for() -> None:
    text = join(
        HEAD,
        """
        r: float32[N, 6, 8, 4] = Relu(u)
        m: float32[N, 4] = ReduceMean(r, [1, 2]) keepdims=0
        output y = m
        """,
    )
    graph = propagate_layout(*parse_graph(text))
    relu = next(operator.outputs[0] for operator in graph.operators if operator.type == "Relu")
    assert (relu.stands_for, relu.permutation) == ("r", (0, 3, 1, 2))


def test_a_long_chain_takes_linear_time_and_one_transpose() -> None:
    lines = ["input x: float32[N, 4, 4, 4]", "weight k: float32[1, 1, 4, 4]"]
    last = "x"
    for i in range(3000):
        lines += [
            f"t{i}: float32[N, 4, 4, 4] = Transpose({last}) perm=[0, 3, 1, 2]",
            f"c{i}: float32[N, 4, 4, 4] = Conv(t{i}, k.transpose(3, 2, 0, 1)) kernel_shape=[1, 1]",
            f"u{i}: float32[N, 4, 4, 4] = Transpose(c{i}) perm=[0, 2, 3, 1]",
            f"r{i}: float32[N, 4, 4, 4] = Add(u{i}, {last})",
        ]
        last = f"r{i}"
    changed = after("\n".join([*lines, f"output y = {last}"]), propagate_layout)
    assert changed.count(" = Transpose(") == 2  # one in, one out


def test_operators_over_weights_alone_keep_every_axis(tmp_path: Path) -> None:
    before = join(
        HEAD,
        """
        r: float32[1, 1, 1, 4] = Sqrt(w)
        a: float32[N, 6, 8, 4] = Mul(u, r)
        t2: float32[N, 4, 6, 8] = Transpose(a) perm=[0, 3, 1, 2]
        d: float32[N, 4, 6, 8] = MaxPool(t2) kernel_shape=[1, 1]
        output y = d
        """,
        "weight w: float32[1, 1, 1, 4]",
    )
    check_equal(before, propagate_layout, tmp_path)
