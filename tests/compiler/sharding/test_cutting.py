"""Lowered models in stages: every operator once, nothing flows back, and what crosses is what a later stage reads."""

from __future__ import annotations

import json

import archonnx
from archonnx.compiler.artifact import CompiledModel
from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.sharding.cutting import Cut, cut
from archonnx.contract import metadata


def stages(text: str, *firsts: str, **parameters: object) -> tuple[CompiledModel, OperatorGraph, list[Cut]]:
    """The stages of a model that begin with these layers, after the first one."""
    model = archonnx.compile(text=text, **parameters)
    names = [node.name for node in model.graph.nodes]
    whole = model.lower()
    return model, whole, cut(whole, model.graph, [0, *(names.index(first) for first in firsts)])


def kinds(found: Cut) -> list[str]:
    return [operator.type for operator in found.graph.operators]


SKIP = """\
model Skip():
    input x: float32[N, 8]
    input extra: float32[N, 4]
    a = x -> Dense(4)
    b = a -> Dense(4, activation="relu")
    output y = b + a + extra
    output early = a -> Softmax()
"""


def test_values_cross_under_the_names_that_they_have_in_the_whole() -> None:
    _, whole, found = stages(SKIP, "dense_1", "add")
    assert [(each.inputs, each.outputs) for each in found] == [
        (("x",), ("dense",)),
        (("dense",), ("dense_1",)),
        (("extra", "dense", "dense_1"), ("y", "early")),
    ]
    assert [kinds(each) for each in found] == [["Gemm"], ["Gemm", "Relu"], ["Add", "Add", "Softmax"]]
    assert [o for each in found for o in each.graph.operators] == whole.operators


def test_an_output_that_a_later_stage_reads_is_given_once() -> None:
    _, _, found = stages(
        "model A():\n    input x: float32[N, 4]\n    output a = x -> Dense(4)\n    output b = a -> Dense(4)\n",
        "dense_1",
    )
    assert [(each.inputs, each.outputs) for each in found] == [(("x",), ("a",)), (("a",), ("b",))]


def test_a_tied_weight_is_in_both_stages_under_one_name() -> None:
    text = """\
model Tied():
    input tokens: int64[N, T]
    words = ReversibleEmbedding(100, 16)
    x = tokens -> words -> Dense(16)
    output scores = (x, reverse=True) -> words
"""
    _, _, found = stages(text, "dense")
    assert all("words/embeddings" in {t.name for t in each.graph.constants()} for each in found)


def test_what_depends_on_no_input_is_made_where_it_is_read() -> None:
    text = """\
model Table():
    input x: float32[N, 4]
    t = exp(cast(arange(4), float32))
    a = (x -> Dense(4)) * t
    output y = (a -> Dense(4)) * t
"""
    _, whole, found = stages(text, "dense_1")
    assert [kinds(each).count("Exp") for each in found] == [1, 1]
    assert kinds(found[0]).count("Exp") == [o.type for o in whole.operators].count("Exp")
    assert found[1].inputs == found[0].outputs
    assert len(found[0].outputs) == 1


def test_random_numbers_are_drawn_once() -> None:
    """One draw, read by two stages, is not two."""
    text = """\
model Noise():
    input x: float32[N, 4]
    n = () -> onnx.RandomNormal(shape=[4])
    a = (x -> Dense(4)) + n
    output y = (a -> Dense(4)) + n
"""
    _, _, found = stages(text, "dense_1")
    assert sum(kinds(each).count("RandomNormal") for each in found) == 1


def test_a_stage_without_operators_is_left_out() -> None:
    text = "model D():\n    input x: float32[N, 4]\n    Dense(4)\n    Dropout(0.5)\n    Dense(4)\n    output y\n"
    _, _, found = stages(text, "dropout", "dense_1")
    assert [kinds(each) for each in found] == [["Gemm"], ["Gemm"]]
    assert json.loads(found[1].graph.metadata[metadata.SHARD]) == {"stage": 2, "of": 2}


def test_what_a_pass_moved_still_flows_forward() -> None:
    """An operator of a late layer that an early one reads goes where it is read; nothing flows back."""
    model = archonnx.compile(text="model M():\n    input x: float32[N, 3]\n    Dense(3)\n    Dense(3)\n    output y\n")
    whole = model.lower()
    first, second = whole.operators
    first.name, second.name = second.name, first.name  # as if each came of the other's layer
    found = cut(whole, model.graph, [0, 1])
    assert [o for each in found for o in each.graph.operators] == [first, second]
    made: set[str] = set()
    for each in found:
        assert {name for name in each.inputs if name != "x"} <= made
        made |= set(each.outputs)


def test_each_stage_says_what_is_its_own() -> None:
    text = """\
model Meta():
    asset labels = "labels.txt"
    input tokens: int64[N, T]
    input h: float32[N, 8]
    require T <= 9, "short"
    x = tokens -> Embedding(10, 4)
    x = x -> Dense(4)
    (y, hn) = (x, h) -> GRU(8, return_state=True)
    output z = y -> Dense(2)
    output state h = hn
"""
    model = archonnx.compile(text=text.replace('    asset labels = "labels.txt"\n', ""))
    model = model.with_assets(labels=b"a\nb\n")
    names = [node.name for node in model.graph.nodes]
    found = cut(model.lower(), model.graph, [0, names.index("gru")])
    first, second = (each.graph.metadata for each in found)
    assert metadata.ASSET + "labels" in first
    assert metadata.ASSET + "labels" not in second
    assert set(json.loads(first[metadata.TOKENS])) == {"tokens"}
    assert metadata.TOKENS not in second
    assert metadata.STATES not in first
    assert json.loads(second[metadata.STATES]) == {"h_next": "h"}
    assert [r["message"] for r in json.loads(first[metadata.REQUIRES])] == ["short"]
    assert first[metadata.MODEL] == second[metadata.MODEL] == "Meta"
