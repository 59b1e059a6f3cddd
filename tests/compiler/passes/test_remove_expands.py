"""remove_expands, each numbered case before and after."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from graph_texts import after, check_equal, expected

from archonnx.compiler.passes.remove_expands import remove_expands

CASES = {
    "1: another input has the axes": (
        """
        t: float32[4] = ReduceSum(x, [0]) keepdims=0
        s: int64[2] = Shape(x)
        e: float32[N, 4] = Expand(t, s)
        c: float32[N, 4] = Add(x, e)
        """,
        """
        t: float32[4] = ReduceSum(x, [0]) keepdims=0
        y: float32[N, 4] = Add(x, t)
        """,
    ),
    "1: on the left too": (
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        s: int64[2] = Shape(x)
        e: float32[N, 4] = Expand(t, s)
        c: float32[N, 4] = Sub(e, x)
        """,
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        y: float32[N, 4] = Sub(t, x)
        """,
    ),
    "1: a result of more axes": (
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        e: float32[3, 4] = Expand(t, [3, 4])
        u: float32[N, 1, 4] = Unsqueeze(x, [1])
        c: float32[N, 3, 4] = Mul(u, e)
        """,
        None,
    ),
    "1: an operator that does not broadcast": (
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        e: float32[3, 4] = Expand(t, [3, 4])
        c: float32[3, 4] = Relu(e)
        """,
        None,
    ),
    "1: one reader alone": (
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        s: int64[2] = Shape(x)
        e: float32[N, 4] = Expand(t, s)
        r: float32[N, 4] = Relu(e)
        a: float32[N, 4] = Add(x, e)
        c: float32[N, 4] = Mul(a, r)
        """,
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        s: int64[2] = Shape(x)
        e: float32[N, 4] = Expand(t, s)
        r: float32[N, 4] = Relu(e)
        a: float32[N, 4] = Add(x, t)
        y: float32[N, 4] = Mul(a, r)
        """,
    ),
    "2: the last one stays": (
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        u: float32[1, 4] = ReduceMax(x, [0]) keepdims=1
        s: int64[2] = Shape(x)
        e: float32[N, 4] = Expand(t, s)
        f: float32[N, 4] = Expand(u, s)
        c: float32[N, 4] = Add(e, f)
        """,
        """
        t: float32[1, 4] = ReduceSum(x, [0]) keepdims=1
        u: float32[1, 4] = ReduceMax(x, [0]) keepdims=1
        s: int64[2] = Shape(x)
        f: float32[N, 4] = Expand(u, s)
        y: float32[N, 4] = Add(t, f)
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    lines = "\n".join(line.strip() for line in before.strip().splitlines())
    left = lines.replace("\nc: ", "\ny: ") if wanted is None else dedent(wanted).strip()
    text = f"input x: float32[N, 4]\n{lines}\noutput y = c"
    assert after(text, remove_expands) == expected(f"input x: float32[N, 4]\n{left}\noutput y = y")
    check_equal(text, remove_expands, tmp_path, {"N": 3})


def test_a_table_of_positions_is_added_as_it_lies() -> None:
    import archonnx

    text = "model A():\n    input x: float32[N, 7, 4]\n    x + (x -> PositionEmbedding(9))\n"
    (add,) = archonnx.compile(text=text).lower().operators
    assert add.type == "Add"
