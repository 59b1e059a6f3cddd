"""verify: a sound graph breaks no rule, and each rule is seen to be broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from graph_texts import parse_graph

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.verify import broken_rules

TEXT = """
input x: float32[N, 4]
weight w: float32[4, 4]
a: float32[N, 4] = MatMul(x, w)
b: float32[N, 4] = Relu(a)
output y = b
output z = a
"""


def test_a_sound_graph_breaks_none() -> None:
    assert list(broken_rules(parse_graph(TEXT)[0])) == []


def _swap(graph: OperatorGraph) -> None:
    graph.operators.reverse()


def _forget(graph: OperatorGraph) -> None:
    graph.operators[1].outputs[0].producer = graph.operators[0]


def _twice(graph: OperatorGraph) -> None:
    graph.operators.append(graph.operators[1])


def _reshape(graph: OperatorGraph) -> None:
    weight = graph.operators[0].inputs[1]
    assert weight is not None
    assert weight.recipe is not None
    weight.recipe = weight.recipe.reshape((16,))


def _order(graph: OperatorGraph) -> None:
    graph.operators[0].outputs[0].permutation = (0, 1)


def _name(graph: OperatorGraph) -> None:
    graph.outputs[1] = ("y", graph.outputs[1][1])


def _input(graph: OperatorGraph) -> None:
    graph.inputs[0].producer = graph.operators[0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_swap, "b/Relu reads a before anything gives it"),
        (_forget, "b does not know that b/Relu gives it"),
        (_twice, "b is given twice"),
        (_reshape, "a/MatMul reads w: float32[4, 4], whose recipe is float32[16]"),
        (_order, "a stands for a in the order (0, 1)"),
        (_name, "outputs share a name: ['y', 'y']"),
        (_input, "the input x has a producer or a recipe"),
    ],
)
def test_a_broken_rule_is_said(damage: Callable[[OperatorGraph], None], said: str) -> None:
    graph, _ = parse_graph(TEXT)
    damage(graph)
    assert said in list(broken_rules(graph))
