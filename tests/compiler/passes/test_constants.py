"""fold_constants and share_constants, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph_texts import after, check_equal, expected

from archonnx.compiler.passes.fold_constants import fold_constants
from archonnx.compiler.passes.share_constants import share_constants

FOLDED = {
    "1: sizes that are known": (
        """
        s: int64[1] = Shape(x) start=1 end=2
        c: int64[2] = Concat(s, [2]) axis=0
        """,
        "[4, 2]",
    ),
    "2: shapes of literals": (
        """
        t: int64[2, 1] = Reshape([1, 2], [2, 1])
        u: int64[1, 2] = Transpose(t)
        v: int64[2] = Squeeze(u, [0])
        c: int32[2] = Cast(v) to=6
        """,
        "int32([1, 2])",
    ),
    "3: whole numbers": (
        """
        a: int64[2] = Add([7, 8], [1, 1])
        b: int64[2] = Mul(a, [3, 3])
        d: int64[2] = Sub(b, [1, 2])
        e: int64[2] = Div(d, [2, 2])
        f: int64[2] = Min(e, [99, 5])
        g: int64[2] = Max(f, [0, 7])
        c: int64[2] = Mod(g, [4, 4])
        """,
        "[3, 3]",
    ),
    "4: taken apart": (
        """
        a: int64[2] = Slice([5, 6, 7], [1], [3])
        c: int64[1] = Gather(a, [-1])
        """,
        "[7]",
    ),
}


@pytest.mark.parametrize("case", FOLDED)
def test_literals_are_worked_out(case: str, tmp_path: Path) -> None:
    before, wanted = FOLDED[case]
    text = (
        "input x: float32[N, 4]\n" + "\n".join(line.strip() for line in before.strip().splitlines()) + "\noutput y = c"
    )
    changed = after(text, fold_constants)
    dtype = "int32" if wanted.startswith("int32") else "int64"
    count = wanted.count(",") + 1
    line = f"y: {dtype}[{count}] = Identity({wanted})"
    assert changed == expected(f"input x: float32[N, 4]\n{line}\noutput y = y")
    check_equal(text, fold_constants, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "c: int64[1] = Shape(x) start=0 end=1",  # the batch is not known
        "c: int64[1] = Div([-7], [2])",  # rounds towards zero
        "c: int64[1] = Div([7], [0])",  # nobody's to work out
        "c: float32[4] = Add(w, w)",  # a weight
        "c: float32[1] = Gather(w, [0])",
    ],
)
def test_what_is_not_known_stays(line: str) -> None:
    text = f"input x: float32[N, 4]\nweight w: float32[4]\n{line}\noutput y = c"
    assert line.split(" = ")[1] in after(text, fold_constants)


def test_a_weight_changes_its_recipe_only(tmp_path: Path) -> None:
    text = """
        input x: float32[N, 4]
        weight w: float32[2, 4]
        t: float32[4, 2] = Transpose(w)
        c: float32[N, 2] = MatMul(x, t)
        output y = c
    """
    assert "MatMul(x, w.transpose(1, 0))" in after(text, fold_constants)
    check_equal(text, fold_constants, tmp_path)


def test_equal_constants_are_shared_and_weights_only_with_themselves() -> None:
    text = """
        input x: float32[N, 4]
        weight v: float32[4, 4]
        weight w: float32[4, 4]
        a: float32[N, 4] = Add(x, float32([1.0, 2.0, 3.0, 4.0]))
        b: float32[N, 4] = Add(a, float32([1.0, 2.0, 3.0, 4.0]))
        d: float32[N, 4] = MatMul(b, w.transpose(1, 0))
        e: float32[N, 4] = MatMul(d, w.transpose(1, 0))
        f: float32[N, 4] = MatMul(e, v.transpose(1, 0))
        c: float32[N, 4] = MatMul(f, w)
        output y = c
    """
    from graph_texts import parse_graph

    from archonnx.compiler.lowering.naming import assign_names

    graph, _ = parse_graph(text)
    share_constants(graph)
    assign_names(graph)
    assert [tensor.name for tensor in graph.constants()] == ["a/constant", "w:transposed", "v", "w"]


def test_numbers_and_strings_are_cast_at_run_time(tmp_path: Path) -> None:
    import onnxruntime

    import archonnx

    text = """
model A():
    input x: float32[N, 2]
    a = ([1.5, 2.0],) -> onnx.Cast(to=string)
    b = (["1.5", "2"],) -> onnx.Cast(to=float32)
    output a
    output c = x + b
"""
    archonnx.compile(text=text).save(tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    words, numbers = session.run(None, {"x": np.zeros((1, 2), np.float32)})
    assert [float(word) for word in words] == [1.5, 2.0]
    assert numbers.tolist() == [[1.5, 2.0]]
