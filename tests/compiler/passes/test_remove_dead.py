"""remove_dead, before and after."""

from __future__ import annotations

from graph_texts import after, expected

from archonnx.compiler.passes.remove_dead import remove_dead


def test_what_no_output_needs_goes() -> None:
    text = """
        input x: float32[N, 4]
        weight w: float32[4, 4]
        a: float32[N, 4] = Relu(x)
        b: float32[N, 4] = MatMul(a, w)
        c: float32[N, 4] = Neg(b)
        d: float32[N, 1], e: float32[N, 3] = Split(a, [1, 3]) axis=1
        output y = e
    """
    assert after(text, lambda graph, facts: remove_dead(graph)) == expected("""
        input x: float32[N, 4]
        a: float32[N, 4] = Relu(x)
        d: float32[N, 1], y: float32[N, 3] = Split(a, [1, 3]) axis=1
        output y = y
    """)


def test_inputs_stay() -> None:
    text = """
        input x: float32[N, 4]
        input z: float32[N, 4]
        a: float32[N, 4] = Relu(z)
        b: float32[N, 4] = Relu(x)
        output y = b
    """
    assert after(text, lambda graph, facts: remove_dead(graph)).startswith(
        "input x: float32[N, 4]\ninput z: float32[N, 4]\ny: float32[N, 4] = Relu(x)"
    )
