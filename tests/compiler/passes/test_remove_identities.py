"""remove_identities, each numbered case before and after."""

from __future__ import annotations

from pathlib import Path

import pytest
from graph_texts import after, check_equal, expected, parse_graph

from archonnx.compiler.passes.remove_identities import remove_identities

CASES = {
    "1: Identity and Dropout": (
        """
        a: float32[N, 4] = Identity(x)
        b: float32[N, 4] = Dropout(a)
        c: float32[N, 4] = Relu(b)
        """,
        "y: float32[N, 4] = Relu(x)",
    ),
    "1: a Dropout whose mask is read stays": (
        """
        b: float32[N, 4], m: bool[N, 4] = Dropout(x)
        d: float32[N, 4] = Cast(m) to=1
        c: float32[N, 4] = Add(b, d)
        """,
        """
        b: float32[N, 4], m: bool[N, 4] = Dropout(x)
        d: float32[N, 4] = Cast(m) to=1
        y: float32[N, 4] = Add(b, d)
        """,
    ),
    "2: Cast to the same dtype": (
        """
        a: float32[N, 4] = Cast(x) to=1
        c: float64[N, 4] = Cast(a) to=11
        """,
        "y: float64[N, 4] = Cast(x) to=11",
    ),
    "3: to the shape that it has": (
        """
        a: float32[N, 4] = Reshape(x, [0, 4])
        b: float32[N, 4] = Expand(a, [1, 4])
        c: float32[N, 4] = Relu(b)
        """,
        "y: float32[N, 4] = Relu(x)",
    ),
    "4: Transposes cancel": (
        """
        a: float32[4, N] = Transpose(x)
        b: float32[N, 4] = Transpose(a) perm=[1, 0]
        c: float32[N, 4] = Relu(b)
        """,
        "y: float32[N, 4] = Relu(x)",
    ),
    "4: or become one": (
        """
        a: float32[1, N, 4] = Unsqueeze(x, [0])
        b: float32[N, 4, 1] = Transpose(a) perm=[1, 2, 0]
        c: float32[4, N, 1] = Transpose(b) perm=[1, 0, 2]
        """,
        """
        a: float32[1, N, 4] = Unsqueeze(x, [0])
        y: float32[4, N, 1] = Transpose(a) perm=[2, 1, 0]
        """,
    ),
    "5: Reshapes become one": (
        """
        a: float32[N, 2, 2] = Reshape(x, [0, 2, 2])
        b: float32[N, 2, 2, 1] = Unsqueeze(a, [3])
        c: float32[N, 1, 4] = Reshape(b, [0, 1, 4])
        """,
        "y: float32[N, 1, 4] = Reshape(x, [0, 1, 4])",
    ),
    "6: Pad by nothing, Concat and Split of one": (
        """
        a: float32[N, 4] = Pad(x, [0, 0, 0, 0])
        b: float32[N, 4] = Concat(a) axis=1
        d: float32[N, 4] = Split(b, [4]) axis=1
        c: float32[N, 4] = Relu(d)
        """,
        "y: float32[N, 4] = Relu(x)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_before_and_after(case: str, tmp_path: Path) -> None:
    before, wanted = CASES[case]
    text = (
        "input x: float32[N, 4]\n" + "\n".join(line.strip() for line in before.strip().splitlines()) + "\noutput y = c"
    )
    lines = "\n".join(line.strip() for line in wanted.strip().splitlines())
    assert after(text, remove_identities) == expected(f"input x: float32[N, 4]\n{lines}\noutput y = y")
    check_equal(text, remove_identities, tmp_path)


def test_a_shape_that_the_facts_make_the_same_is_the_same() -> None:
    text = """
        require S == T
        input x: float32[S]
        input z: float32[T]
        a: float32[T] = Expand(x, [1])
        b: float32[T] = Add(a, z)
        output y = b
    """
    assert "Expand" not in after(text, remove_identities)


def test_the_value_that_an_identity_stood_for_is_not_lost() -> None:
    graph, facts = parse_graph("""
        input x: float32[N, 4]
        a: float32[N, 4] = Relu(x)
        b: float32[N, 4] = Identity(a)
        c: float32[N, 4] = Neg(b)
        output y = c
    """)
    relu = graph.operators[0].outputs[0]
    relu.stands_for = None
    remove_identities(graph, facts)
    assert relu.stands_for == "b"
