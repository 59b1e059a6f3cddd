"""Attention: what it says of misuse, what the operators are, weights and costs, the mask of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
from diagnosing import diagnose

import archonnx
from archonnx.compiler.artifact import check_file

Array = np.ndarray[Any, Any]


X = "input x: float32[N, T, 8]"
Y = "input y: float32[N, S, 8]"
M = "MultiHeadAttention(2, 3)"
G = "GroupQueryAttention(3, 4, 2)"
CACHE = "MultiHeadAttention(2, 3, use_cache=True)"


def pasts(first: str, second: str | None = None) -> tuple[str, ...]:
    return X, f"input pk: {first}", f"input pv: {second or first}"


CASES = [
    # Arguments.
    (
        "(x, x) -> MultiHeadAttention(0, 3)",
        (X,),
        "E0403",
        "num_heads of MultiHeadAttention is a whole number, at least 1, got 0",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, -1)",
        (X,),
        "E0403",
        "key_dim of MultiHeadAttention is a whole number, at least 1, got -1",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3.5)",
        (X,),
        "E0403",
        "key_dim of MultiHeadAttention is a whole number, at least 1, got 3.5",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, True)",
        (X,),
        "E0403",
        "key_dim of MultiHeadAttention is a whole number, at least 1, got True",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, value_dim=0)",
        (X,),
        "E0403",
        "value_dim of MultiHeadAttention is a whole number, at least 1",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, dropout=1.5)",
        (X,),
        "E0403",
        "dropout of MultiHeadAttention is a number from 0 to 1, got 1.5",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, use_bias=1)",
        (X,),
        "E0403",
        "use_bias of MultiHeadAttention is True or False, got 1",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, output_shape=0)",
        (X,),
        "E0403",
        "output_shape of MultiHeadAttention is a whole number, at",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, output_shape=T)",
        (X,),
        "E0403",
        "output_shape of MultiHeadAttention is a whole number, at",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, sliding_window=0)",
        (X,),
        "E0403",
        "sliding_window of MultiHeadAttention is a",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, attention_axes=0)",
        (X,),
        "E0311",
        "MultiHeadAttention attends over axis 1 of float32[N, T, 8]; axis 0 is the batch",
    ),
    ("(x, x) -> MultiHeadAttention(2, 3, attention_axes=-1)", (X,), "E0311", "axis -1 is the features"),
    ("(x, x) -> MultiHeadAttention(2, 3, attention_axes=(1, 3))", (X,), "E0311", "axis 3 is not one of its axes"),
    ("(x, x) -> MultiHeadAttention(2, 3, attention_axes=(1, -2))", (X,), "E0311", "each once, got (1, -2)"),
    ("(x, x) -> MultiHeadAttention(2, 3, attention_axes=())", (X,), "E0311", "needs one or more axes"),
    (
        "(x, x) -> GroupQueryAttention(3, 4, 3)",
        (X,),
        "E0320",
        "GroupQueryAttention cannot share 3 heads of key and value evenly among 4 heads of the query",
    ),
    ("(x, x) -> GroupQueryAttention(3, 2, 4)", (X,), "E0320", "cannot share 4 heads of key and value evenly among 2"),
    (
        '(x, x) -> Attention(score_mode="dott")',
        (X,),
        "E0403",
        'score_mode of Attention is "dot" or "concat", got "dott"',
    ),
    ('(x, x) -> Attention(use_scale="yes")', (X,), "E0403", "use_scale of Attention is True or False"),
    (
        "(x, x) -> AdditiveAttention(dropout=-1)",
        (X,),
        "E0403",
        "dropout of AdditiveAttention is a number from 0 to 1, got -1",
    ),
    # Inputs.
    (f"x -> {M}", (X,), "E0604", "MultiHeadAttention needs its input value"),
    ("x -> Attention()", (X,), "E0604", "Attention needs its input value"),
    ("(x, x, x, x, x, x) -> AdditiveAttention()", (X,), "E0604", "AdditiveAttention takes 5 inputs, got 6"),
    (f"(x, x, mask=x) -> {M}", (X,), "E0604", "MultiHeadAttention has no input mask"),
    (
        f"(y, y) -> {M}",
        ("input y: float32[N, 8]",),
        "E0302",
        "needs at least 3 axes (batch, steps, features), got a query",
    ),
    (f"(x, y) -> {M}", (X, "input y: float32[N, 3, 4, 8]"), "E0302", "needs inputs of as many axes as one another"),
    (f"(x, x) -> {G}", ("input x: float32[N, 3, 4, 8]",), "E0302", "GroupQueryAttention needs 3 axes (batch, steps,"),
    ("(x, x) -> Attention()", ("input x: float32[N, 8]",), "E0302", "Attention needs at least 3 axes"),
    (f"(x, x) -> {M}", ("input x: string[N, T, 8]",), "E0303", "MultiHeadAttention needs numbers, got string[N, T, 8]"),
    (f"(x, x) -> {M}", ("input x: float32[N, T, D]",), "E0301", "MultiHeadAttention needs a known last axis"),
    ("(x, x) -> AdditiveAttention()", ("input x: float32[N, T, D]",), "E0301", "needs a known last axis"),
    (f"(x, y) -> {M}", (X, "input y: float32[B, S, 8]"), "E0309", "cannot tell whether N and B are equal"),
    (f"(x, y) -> {M}", ("input x: float32[2, 3, 8]", "input y: float32[3, 3, 8]"), "E0308", "(2 and 3)"),
    (
        f"(x, x, y) -> {M}",
        ("input x: float32[N, 3, 8]", "input y: float32[N, 4, 8]"),
        "E0308",
        "needs a value for every key: the key float32[N, 4, 8] has 4 steps, the value float32[N, 3, 8] 3",
    ),
    (
        f"(x, x, y) -> {G}",
        (X, Y),
        "E0309",
        "cannot tell whether the key float32[N, S, 8] has as many steps as the value",
    ),
    ("(x, x, y) -> Attention()", (X, Y), "E0309", "Attention cannot tell whether the key float32[N, S, 8] has as many"),
    ("(x, y) -> Attention()", (X, "input y: float32[N, S, 7]"), "E0308", "Attention got shapes that do not fit"),
    # Masks.
    (
        f"(x, x, attention_mask=m) -> {M}",
        (X, "input m: bool[N, T, 7]"),
        "E0309",
        "cannot tell whether 7 and T are equal: an attention_mask bool[N, T, 7] stretches to [N, 2, T, T]",
    ),
    (
        f"(x, x, attention_mask=m) -> {M}",
        (X, "input m: bool[N, T]"),
        "E0321",
        "as query steps by value steps, got bool",
    ),
    (
        f"(x, x, attention_mask=m) -> {G}",
        (X, "input m: bool[N, T]"),
        "E0321",
        "as query steps by value steps, got bool",
    ),
    (
        f"(x, x, attention_mask=m) -> {M}",
        (X, "input m: bool[T]"),
        "E0321",
        "(batch, heads, query steps, value steps), got",
    ),
    (f"(x, x, attention_mask=m) -> {M}", (X, "input m: bool[1, N, 2, T, T]"), "E0321", "stretches to [N, 2, T, T]"),
    (f"(x, x, attention_mask=m) -> {M}", (X, "input m: bool[N, 3, T, T]"), "E0321", "3 is neither 1 nor 2"),
    (
        f"(x, x, attention_mask=m) -> {M}",
        (X, "input m: string[N, T, T]"),
        "E0303",
        "needs an attention_mask of booleans",
    ),
    (f"(x, x, query_mask=m) -> {M}", (X, "input m: bool[N, T]"), "E0324", "reads no query_mask"),
    (f"(x, x, value_mask=m) -> {M}", (X, "input m: bool[N, T + 1]"), "E0321", "a value_mask that stretches to [N, T]"),
    (
        f"(x, x, query_mask=m) -> {G}",
        (X, "input m: bool[T]"),
        "E0321",
        "a query_mask that stretches to [N, T] (batch, st",
    ),
    ("(x, x, query_mask=m) -> Attention()", (X, "input m: bool[N, T, 1]"), "E0321", "a query_mask that stretches to"),
    (
        "(x, x) -> MultiHeadAttention(2, 3, use_causal_mask=True)",
        ("input x: float32[N, 3, 4, 8]",),
        "E0322",
        "attends over 2 axes (1, 2) of float32[N, 3, 4, 8] at once, and use_causal_mask needs one",
    ),
    (
        "(x, x) -> MultiHeadAttention(2, 3, sliding_window=2)",
        ("input x: float32[N, 3, 4, 8]",),
        "E0322",
        "and sliding_window needs one",
    ),
    # The cache.
    (f"(x, x, past_key=pk, past_value=pv) -> {M}", pasts("float32[N, 2, P, 3]"), "E0323", "gives no cache back"),
    (f"(x, x, past_key=pk) -> {CACHE}", pasts("float32[N, 2, P, 3]")[:2], "E0323", "past_key without past_value"),
    (f"(x, x, past_value=pk) -> {CACHE}", pasts("float32[N, 2, P, 3]")[:2], "E0323", "past_value without past_key"),
    (
        f"(x, x, past_key=pk, past_value=pv) -> {CACHE}",
        pasts("float32[N, P, 2, 3]"),
        "E0323",
        "needs past_key of float32[N, 2, past, 3] (batch, heads, past steps, width), got float32[N, P, 2, 3]: P is not 2",
    ),
    (
        f"(x, x, past_key=pk, past_value=pv) -> {CACHE}",
        pasts("float16[N, 2, P, 3]"),
        "E0323",
        "needs past_key of float32[N, 2, past, 3]",
    ),
    (
        f"(x, x, past_key=pk, past_value=pv) -> {CACHE}",
        pasts("float32[N, 2, P, 3]", "float32[N, 2, Q, 3]"),
        "E0309",
        "cannot tell whether Q and P are equal: it needs past_value of float32[N, 2, past, 3]",
    ),
    (
        f"(x, x, past_key=pk, past_value=pv) -> {CACHE}",
        pasts("float32[N, 2, P, 3]", "float32[N, 2, P, 4]"),
        "E0323",
        "got float32[N, 2, P, 4]: 4 is not 3",
    ),
    (
        f"(x, x, past_key=pk, past_value=pv) -> {CACHE}",
        pasts("float32[2, P, 3]"),
        "E0323",
        "needs past_key of float32[N, 2, past, 3] (batch, heads, past steps, width), got float32[2, P, 3]",
    ),
    (f"(x, x) -> {CACHE}", ("input x: float32[N, 3, 4, 8]",), "E0302", "with a cache needs 3 axes"),
    (
        f"x -> Masking() -> both({CACHE})",
        (X,),
        "E0323",
        "MultiHeadAttention keeps keys and values for later steps, and the mask that travels with its query is not kept",
    ),
]


@pytest.mark.parametrize(("line", "inputs", "code", "message"), CASES, ids=[f"{c[0]}-{c[1][-1]}" for c in CASES])
def test_misuse(line: str, inputs: tuple[str, ...], code: str, message: str) -> None:
    if "both(" in line:
        before, _, layer = line.partition(" -> both(")
        inputs, line = (*inputs, f"z = {before}"), f"(z, z) -> {layer[:-1]}"
    found = diagnose(line, *inputs)
    assert (found.code, message) == (code, message if message in found.message else found.message)


@pytest.mark.parametrize(
    ("line", "inputs", "help"),
    [
        (f"(x, x, y) -> {G}", (X, Y), "state it: require S == T"),
        (f"(x, x, attention_mask=m) -> {M}", (X, "input m: bool[N, T, S]"), "state it: require S == T"),
        (
            f"(a, b, c) = (x, x, past_key=pk, past_value=pv) -> {CACHE}\n    output a\n    output b\n    output c",
            pasts("float32[N, 2, P, 3]", "float32[N, 2, Q, 3]"),
            "state it: require Q == P",
        ),
    ],
)
def test_the_require_that_is_offered_mends(line: str, inputs: tuple[str, ...], help: str) -> None:
    assert diagnose(line, *inputs).help == help
    archonnx.compile(text="\n    ".join(["model A():", *inputs, help.removeprefix("state it: "), line]) + "\n")


PADDING = (X, "input m: bool[N, T]")
TURNED = pasts("float32[N, P, 2, 3]")


@pytest.mark.parametrize(
    ("line", "inputs", "help"),
    [
        (f"(x, x, attention_mask=m) -> {M}", PADDING, "an axis for the query's steps: attention_mask[:, None]"),
        (f"(x, x, query_mask=m) -> {M}", PADDING, "attention_mask=query_mask[:, :, None]"),
        (f"(x, x, past_key=pk, past_value=pv) -> {CACHE}", TURNED, "transpose(past_key, (0, 2, 1, 3))"),
        (f"(x, x, past_key=pk, past_value=pv) -> {CACHE}", pasts("float32[N, 3, P, 3]"), None),
        (f"(y, y) -> {M}", ("input y: float32[N, 8]",), "write the axis of the steps too: float32[N, T, 8]"),
        (f"(x, x, past_key=pk) -> {CACHE}", pasts("float32[N, 2, P, 3]")[:2], "the cache is both of them"),
        ("(x, x, use_causal_mask=True) -> MultiHeadAttention(2, 3)", (X,), "(..., use_causal_mask=True)"),
        (
            "(x, x) -> MultiHeadAttention(2, 3, attention_mask=m)",
            PADDING,
            "attention_mask is an input, left of the arrow: (..., attention_mask=...) -> MultiHeadAttention(...)",
        ),
    ],
)
def test_mend(line: str, inputs: tuple[str, ...], help: str | None) -> None:
    found = diagnose(line, *inputs).help
    assert found is None if help is None else help in (found or "")


def test_an_input_among_the_arguments_of_a_block_that_nothing_applies(tmp_path: Path) -> None:
    text = f"""block unused():
    input x: [N, T, 8]
    (x, x) -> MultiHeadAttention(2, 3, attention_mask=x)

model A():
    {X}
    (x, x) -> {M}
"""
    (tmp_path / "a.arch").write_text(text, encoding="utf-8")
    (found,) = check_file(tmp_path / "a.arch").diagnostics
    assert found.code == "E0402"
    assert found.help is not None
    assert found.help.startswith("attention_mask is an input, left of the arrow")


@pytest.mark.parametrize(
    "lines",
    [
        (*PADDING, f"output y = (x, x, attention_mask=m[:, None]) -> {M}"),
        (*PADDING, f"output y = (x, x, attention_mask=m[:, :, None]) -> {M}"),
        (
            *TURNED,
            "k = transpose(pk, (0, 2, 1, 3))",
            "v = transpose(pv, (0, 2, 1, 3))",
            f"(y, a, b) = (x, x, past_key=k, past_value=v) -> {CACHE}",
            "output y",
            "output a",
            "output b",
        ),
    ],
)
def test_what_the_mends_say_compiles(lines: tuple[str, ...]) -> None:
    archonnx.compile(text="\n    ".join(["model A():", *lines]) + "\n")


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("(x, x) -> MultiHeadAttention(2, 3, attention_axes=5)", 55),
        ("(x, x) -> GroupQueryAttention(3, 4, 3)", 41),
        ("(x, x) -> MultiHeadAttention(2, 0)", 37),
    ],
)
def test_the_place_is_the_argument(line: str, column: int) -> None:
    place = diagnose(line, X).place
    assert place is not None
    assert (place.line, place.column) == (3, column)


# Operators.


def operators(line: str, *inputs: str, opset: int | None = None) -> list[str]:
    text = "\n    ".join(["model A():", *inputs, line]) + "\n"
    model = archonnx.compile(text=text, **({"opset": opset} if opset else {}))
    return [o.type for o in model.lower(optimization=1).operators]  # each layer for itself


@pytest.mark.parametrize("line", [M, G, "MultiHeadAttention(2, 3, value_dim=5, use_causal_mask=True)"])
def test_one_operator_where_onnx_has_one(line: str) -> None:
    found = operators(f"(x, x) -> {line}", X, opset=23)
    assert found == ["MatMul", "Add"] * 3 + ["Attention"] + ["MatMul", "Add"]
    assert "Attention" not in operators(f"(x, x) -> {line}", X)


def test_attention_is_that_operator_alone() -> None:
    assert operators("(x, y) -> Attention()", X, Y, opset=23) == ["Attention"]


@pytest.mark.parametrize(
    ("line", "opset", "masks"),
    [
        ("MultiHeadAttention(2, 3, sliding_window=2)", 24, True),
        ("MultiHeadAttention(2, 3, sliding_window=2)", 25, False),
        ("MultiHeadAttention(2, 3, sliding_window=2, use_causal_mask=True)", 25, False),
        ("GroupQueryAttention(3, 4, 2, sliding_window=2, use_causal_mask=True)", 28, False),
        ("MultiHeadAttention(2, 3, use_causal_mask=True, dropout=0.1)", 23, False),
    ],
)
def test_a_window_is_sizes_of_the_operator_since_25(line: str, opset: int, masks: bool) -> None:
    found = operators(f"(x, x) -> {line}", X, opset=opset)
    assert "Attention" in found
    assert ("Less" in found) == masks
    assert masks or len(found) == 9


@pytest.mark.parametrize("opset", [20, 23])
def test_heads_that_share_a_key_repeat_nothing(opset: int) -> None:
    found = operators(f"(x, x) -> {G}", X, opset=opset)
    assert not {"Expand", "Tile", "Gather", "Concat"} & set(found)


def test_weights_are_those_of_keras_in_their_order() -> None:
    text = f"model A():\n    {X}\n    (x, x) -> MultiHeadAttention(2, 3, value_dim=4, use_gate=True)\n"
    found = {w.path: w.shape for w in archonnx.compile(text=text).graph.weights()}
    assert list(found.items()) == [
        ("multi_head_attention/query/kernel", (8, 2, 3)),
        ("multi_head_attention/query/bias", (2, 3)),
        ("multi_head_attention/key/kernel", (8, 2, 3)),
        ("multi_head_attention/key/bias", (2, 3)),
        ("multi_head_attention/gate/kernel", (8, 2, 4)),
        ("multi_head_attention/gate/bias", (2, 4)),
        ("multi_head_attention/value/kernel", (8, 2, 4)),
        ("multi_head_attention/value/bias", (2, 4)),
        ("multi_head_attention/attention_output/kernel", (2, 4, 8)),
        ("multi_head_attention/attention_output/bias", (8,)),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Projections of 8 to 2 x 3 for query, key and value and back; scores and mixture over 2 heads of 3.
        ("MultiHeadAttention(2, 3)", 4 * 5 * 8 * 6 + 2 * 5 * 5 * 2 * 3),
        ("MultiHeadAttention(2, 3, value_dim=4)", 2 * 5 * 8 * 6 + 2 * 5 * 8 * 8 + 5 * 5 * 2 * (3 + 4)),
        ("MultiHeadAttention(2, 3, use_gate=True)", 5 * 5 * 8 * 6 + 2 * 5 * 5 * 2 * 3),
        ("MultiHeadAttention(2, 3, output_shape=(4, 5))", 3 * 5 * 8 * 6 + 2 * 5 * 5 * 2 * 3 + 5 * 6 * 20),
        ("GroupQueryAttention(3, 4, 2)", 2 * 5 * 8 * 12 + 2 * 5 * 8 * 6 + 2 * 5 * 5 * 4 * 3),
        ("Attention()", 2 * 5 * 5 * 8),
        ("AdditiveAttention()", 2 * 5 * 5 * 8),
    ],
)
def test_multiply_accumulates(line: str, expected: int) -> None:
    text = f"model A():\n    input x: float32[1, 5, 8]\n    (x, x) -> {line}\n"
    assert archonnx.compile(text=text).graph.macs() == expected


def test_multiply_accumulates_of_a_step_are_its_own_projections_and_all_scores() -> None:
    inputs = ["input x: float32[1, 1, 8]", "input pk: float32[1, 2, 9, 3]", "input pv: float32[1, 2, 9, 3]"]
    lines = [f"(y, k, v) = (x, x, past_key=pk, past_value=pv) -> {CACHE}", "output y", "output k", "output v"]
    text = "\n    ".join(["model A():", *inputs, *lines]) + "\n"
    assert archonnx.compile(text=text).graph.macs() == 4 * 8 * 6 + 2 * 10 * 2 * 3


def build(lines: list[str], folder: Path, name: str, opset: int | None, optimization: Literal[1, 2] = 2) -> Any:
    text = "\n    ".join(["model A():", *lines]) + "\n"
    model = archonnx.compile(text=text, **({"opset": opset} if opset else {}))
    model.save(folder / f"{name}.onnx", seed=5, optimization=optimization)
    onnx.checker.check_model(str(folder / f"{name}.onnx"), full_check=True)
    return archonnx.load(folder / f"{name}.onnx")


# Several axes, which TensorFlow's softmax has not enough axes for: against NumPy.


def test_one_of_three_axes(tmp_path: Path) -> None:
    model = build(
        ["input x: float32[N, 3, 2, 4, 6]", "output y = (x, x) -> MultiHeadAttention(2, 3, attention_axes=2)"],
        tmp_path,
        "axes",
        None,
        optimization=1,  # whose weights have names of their own
    )
    w = {
        t.name.partition("/")[2]: onnx.numpy_helper.to_array(t)
        for t in onnx.load(tmp_path / "axes.onnx").graph.initializer
    }
    x = np.random.default_rng(7).normal(size=(2, 3, 2, 4, 6)).astype(np.float32)
    q, k, v = (
        (x @ w[f"{n}/kernel"].reshape(6, 6) + w[f"{n}/bias"].reshape(6)).reshape(2, 3, 2, 4, 2, 3)
        for n in ("query", "key", "value")
    )
    scores = np.einsum("nabuhk,nacuhk->nauhbc", q, k) / np.sqrt(3)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    mixed = np.einsum("nauhbc,nacuhk->nabuhk", weights, v).reshape(2, 3, 2, 4, 6)
    expected = mixed @ w["attention_output/kernel"].reshape(6, 6) + w["attention_output/bias"]
    np.testing.assert_allclose(model(x=x), expected, rtol=1e-5, atol=1e-6)


# Masks after attention.


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"(u, u) -> {M}", "u"),
        (f"(w, u) -> {M}", None),
        (f"(u, w) -> {G}", "u"),
        ("(u, v) -> Attention()", "u"),
        ("(w, v) -> Attention()", None),
        ("(u, v) -> AdditiveAttention()", "u"),
        ("(u, v, query_mask=m) -> Attention()", "m"),
        ("(u, v, value_mask=m) -> Attention()", None),
        ("(u, u) -> MultiHeadAttention(2, 3, return_attention_scores=True)", "u"),
    ],
)
def test_the_mask_of_the_result_is_the_querys(line: str, expected: str | None) -> None:
    result = "(y, s)" if "scores" in line else "y"
    lines = [
        "input a: int32[N, T]",
        "input m: bool[N, T]",
        "u = a -> Embedding(9, 6, mask_zero=True)",
        "v = a -> Embedding(9, 6, mask_zero=True)",
        "w = a -> Embedding(9, 6)",
        f"{result} = {line}",
        *(["output s"] if "scores" in line else []),
        "output y",
        "output z = sum(u) + sum(v) + sum(w) + sum(cast(m, float32))",
    ]
    graph = archonnx.compile(text="\n    ".join(["model A():", *lines]) + "\n").graph
    (y,) = [output.value for output in graph.outputs if output.name == "y"]
    embedded = next(node for node in graph.nodes if node.type_name == "Embedding")
    wanted = {"u": embedded.outputs[1], "m": graph.inputs[1].value, None: None}[expected]
    assert y.mask is wanted
