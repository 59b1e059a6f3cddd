"""TimeDistributed(layer or block): masks, several inputs, sharing, names, what it says of misuse."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx
from archonnx.contract.diagnostics import CompileError

Array = np.ndarray[Any, Any]

BLOCKS = """
block both(width):
    input a
    input b
    output sum = (a, b) -> Add() -> Dense(width, name="d")
    output difference = (a, b) -> Subtract()

block scaled():
    input x
    weight factor: float32[4] = RandomNormal()
    output y = x * factor

block summed():
    input x: [N, D]
    input h: [N, D]
    y = x + h
    output y
    output state h = y

block beside():
    output same = it
    output dense = it -> Dense(3, name="d")

block all_in_one():
    output y = sum(it, axis=0)
"""


def build(body: str, folder: Path) -> tuple[Any, dict[str, Array], onnx.ModelProto]:
    lines = "".join(f"    {line}\n" for line in dedent(body).strip().splitlines())
    model = archonnx.compile(text=f"{BLOCKS}\nmodel A():\n{lines}")
    path = folder / "a.onnx"
    model.save(path, seed=3)
    proto = onnx.load(path)
    return archonnx.load(path), {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}, proto


def random(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_block_with_two_inputs_and_results(tmp_path: Path) -> None:
    session, weights, _ = build(
        """
        input a: float32[N, T, 4]
        input b: float32[N, T, 4]
        r = (a, b) -> TimeDistributed(both(3))
        output sum = r.sum
        output difference = r.difference
        """,
        tmp_path,
    )
    assert set(weights) >= {"time_distributed/both/d/kernel", "time_distributed/both/d/bias"}
    a, b = random(2, 5, 4), random(2, 5, 4, seed=2)
    made = session(a=a, b=b)
    kernel, bias = weights["time_distributed/both/d/kernel"], weights["time_distributed/both/d/bias"]
    np.testing.assert_allclose(made["sum"], (a + b) @ kernel + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["difference"], a - b, rtol=1e-6)


def test_one_layer_applied_twice_has_one_set_of_weights(tmp_path: Path) -> None:
    session, weights, _ = build(
        """
        input a: float32[N, T, 4]
        input b: float32[M, S, 4]
        each = TimeDistributed(scaled())
        output y = a -> each
        output z = b -> each
        """,
        tmp_path,
    )
    factors = [w for name, w in weights.items() if name.endswith("factor")]
    assert [f.shape for f in factors] == [(4,)]
    a, b = random(2, 5, 4), random(1, 3, 4, seed=2)
    made = session(a=a, b=b)
    np.testing.assert_allclose(made["y"], a * factors[0], rtol=1e-6)
    np.testing.assert_allclose(made["z"], b * factors[0], rtol=1e-6)


def test_weights_are_named_below_it(tmp_path: Path) -> None:
    session, weights, _ = build(
        """
        input x: float32[N, T, 4]
        heads = TimeDistributed(Dense(3, name="inside"))
        output y = x -> heads
        output k = heads.inside.kernel
        """,
        tmp_path,
    )
    x = random(2, 5, 4)
    made = session(x=x)
    np.testing.assert_array_equal(made["k"], weights["heads/inside/kernel"])
    np.testing.assert_allclose(made["y"], x @ made["k"] + weights["heads/inside/bias"], rtol=1e-5, atol=1e-6)


def test_dense_needs_no_reshape(tmp_path: Path) -> None:
    _, _, proto = build("input x: float32[N, T, 4]\nTimeDistributed(Dense(3))", tmp_path)
    assert [n.op_type for n in proto.graph.node] == ["MatMul", "Add"]


def test_a_block_may_give_its_input_beside_one_layer(tmp_path: Path) -> None:
    session, weights, _ = build(
        """
        input x: float32[N, T, 4]
        r = x -> TimeDistributed(beside())
        output same = r.same
        output dense = r.dense
        """,
        tmp_path,
    )
    x = random(2, 5, 4)
    made = session(x=x)
    np.testing.assert_array_equal(made["same"], x)
    expected = x @ weights["time_distributed/beside/d/kernel"] + weights["time_distributed/beside/d/bias"]
    np.testing.assert_allclose(made["dense"], expected, rtol=1e-5, atol=1e-6)


def test_the_work_is_that_of_every_step() -> None:
    text = "model A():\n    input x: float32[N, T, 9, 8, 3]\n    TimeDistributed(Conv2D(4, 3))\n"
    graph = archonnx.compile(text=text).graph
    (node,) = graph.nodes
    found = node.layer.macs(tuple(v.type for v in node.inputs if v), tuple(v.type for v in node.outputs))
    assert str(found) == str(graph.macs())
    assert not isinstance(found, int)
    assert found.evaluate({"N": 2, "T": 5}) == 2 * 5 * 7 * 6 * 4 * 3 * 3 * 3


def test_the_mask_of_steps_goes_on_to_what_follows(tmp_path: Path) -> None:
    """As in Keras: the layer inside sees no mask of steps, the layers after it do."""
    session, weights, _ = build(
        """
        input words: int32[N, T]
        embed = Embedding(9, 4, mask_zero=True)
        words -> embed
        TimeDistributed(Dense(3, name="d"))
        GlobalAveragePooling1D()
        """,
        tmp_path,
    )
    words = np.array([[1, 2, 0, 0], [0, 3, 0, 4]], np.int32)
    table, kernel, bias = (
        weights[name] for name in ("embed/embeddings", "time_distributed/d/kernel", "time_distributed/d/bias")
    )
    each = table[words] @ kernel + bias
    mask = (words != 0)[..., None]
    np.testing.assert_allclose(session(words), (each * mask).sum(1) / mask.sum(1), rtol=1e-5, atol=1e-6)


def test_a_mask_with_axes_past_time_reaches_the_layer_inside(tmp_path: Path) -> None:
    """Sentences of words: inside, the words are masked; after it, the sentences without a word."""
    session, weights, _ = build(
        """
        input words: int32[N, T, S]
        embed = Embedding(9, 4, mask_zero=True)
        words -> embed
        TimeDistributed(RNN(summed()))
        GlobalAveragePooling1D()
        """,
        tmp_path,
    )
    words = np.array([[[1, 2, 0], [0, 3, 0], [0, 0, 0]]], np.int32)
    table = weights["embed/embeddings"]
    first, second = table[1] + table[2], table[3]
    made = session(words)
    np.testing.assert_allclose(made[0], (first + second) / 2, rtol=1e-5, atol=1e-6)


ERRORS = [
    ("TimeDistributed()", "float32[N, T, 4]", "E0401", "TimeDistributed needs the argument layer"),
    ("TimeDistributed(3)", "float32[N, T, 4]", "E0403", "layer of TimeDistributed is a layer or a block"),
    ("TimeDistributed(Dense)", "float32[N, T, 4]", "E0201", "Dense is a layer, not a value"),
    ("TimeDistributed(Dense(3))", "float32[N, T]", "E0302", "TimeDistributed needs at least 3 axes, got float32[N, T]"),
    ("TimeDistributed(Dense(0))", "float32[N, T, 4]", "E0403", "units of Dense is a whole number, at least 1, got 0"),
    ("TimeDistributed(Conv2D(4, 3))", "float32[N, T, 4]", "E0302", "Conv2D needs 4 axes"),
    ("TimeDistributed(Conv2D(4, 3))", "float32[N, T, 2, 2, 1]", "E0304", "Conv2D looks at 3 places along the height"),
    ("TimeDistributed(all_in_one())", "float32[N, T, 4]", "E0302", "TimeDistributed needs a result for each step"),
    ("TimeDistributed(all_in_onee())", "float32[N, T, 4]", "E0202", "all_in_onee"),
    ("TimeDistributed(Dense(T))", "float32[N, T, 4]", "E0403", "units of Dense is a whole number, at least 1, got T"),
]


@pytest.mark.parametrize(("call", "kind", "code", "words"), ERRORS, ids=[f"{e[0]}-{e[1]}" for e in ERRORS])
def test_misuse_is_told(call: str, kind: str, code: str, words: str) -> None:
    with pytest.raises(CompileError) as caught:
        archonnx.compile(text=f"{BLOCKS}\nmodel A():\n    input x: {kind}\n    {call}\n")
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert words in found.message


def test_inputs_of_different_lengths_are_told() -> None:
    with pytest.raises(CompileError) as caught:
        archonnx.compile(
            text=f"{BLOCKS}\nmodel A():\n    input a: float32[N, 3, 4]\n    input b: float32[N, 4, 4]\n"
            "    r = (a, b) -> TimeDistributed(both(3))\n    output r[0]\n"
        )
    assert caught.value.diagnostics[0].code == "E0308"
