"""The key and value cache of attention: a whole sequence at once is what its steps give, one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archonnx

M = "MultiHeadAttention(2, 3)"
CACHE = "MultiHeadAttention(2, 3, use_cache=True)"


LAYERS = {
    "heads": ("MultiHeadAttention(2, 3, value_dim=5, use_causal_mask=True{})", 2, 3, 5),
    "window": ("MultiHeadAttention(2, 3, use_causal_mask=True, sliding_window=3{})", 2, 3, 3),
    "gate": ("MultiHeadAttention(2, 3, use_causal_mask=True, use_gate=True, dropout=0.1{})", 2, 3, 3),
    "groups": ("GroupQueryAttention(3, 4, 2, use_causal_mask=True{})", 2, 3, 3),
    "groups with a window": ("GroupQueryAttention(3, 4, 2, use_causal_mask=True, sliding_window=2{})", 2, 3, 3),
}


def build(lines: list[str], folder: Path, name: str, opset: int | None) -> Any:
    text = "\n    ".join(["model A():", *lines]) + "\n"
    model = archonnx.compile(text=text, **({"opset": opset} if opset else {}))
    model.save(folder / f"{name}.onnx", seed=5)
    onnx.checker.check_model(str(folder / f"{name}.onnx"), full_check=True)
    return archonnx.load(folder / f"{name}.onnx")


def decoder(line: str, heads: int, key: int, value: int, mask: bool = False) -> list[str]:
    masked = ["input m: bool[N, 1, T, P + T]"] if mask else []
    given = "past_key=past_key, past_value=past_value" + (", attention_mask=m" if mask else "")
    return [
        "input x: float32[N, T, 8]",
        f"input past_key: float32[N, {heads}, P, {key}]",
        f"input past_value: float32[N, {heads}, P, {value}]",
        *masked,
        "require P >= 0",
        f"(y, keys, values) = (x, x, {given}) -> {line.format(', use_cache=True')}",
        "output y",
        "output state past_key = keys",
        "output state past_value = values",
    ]


@pytest.mark.parametrize("opset", [17, None, 23, 25, 28])
@pytest.mark.parametrize("name", LAYERS)
def test_step_by_step_is_the_whole_sequence(name: str, opset: int | None, tmp_path: Path) -> None:
    line, heads, key, value = LAYERS[name]
    whole = build(["input x: float32[N, T, 8]", f"output y = (x, x) -> {line.format('')}"], tmp_path, "whole", opset)
    step = build(decoder(line, heads, key, value), tmp_path, "step", opset)
    x = np.random.default_rng(3).normal(size=(2, 7, 8)).astype(np.float32)
    expected = whole(x=x)
    keys, values = np.zeros((2, heads, 0, key), np.float32), np.zeros((2, heads, 0, value), np.float32)
    found = []
    for first, last in ((0, 3), (3, 4), (4, 6), (6, 7)):  # a prompt, and steps of one and two
        made = step(x=x[:, first:last], past_key=keys, past_value=values)
        keys, values = made["past_key_next"], made["past_value_next"]
        assert keys.shape == (2, heads, last, key)
        assert values.shape == (2, heads, last, value)
        found.append(made["y"])
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", [None, 23])
@pytest.mark.parametrize("line", ["MultiHeadAttention(2, 3{})", "GroupQueryAttention(3, 4, 2{})"])
def test_a_mask_over_all_steps_holds_beside_the_cache(line: str, opset: int | None, tmp_path: Path) -> None:
    whole = build(
        [
            "input x: float32[N, T, 8]",
            "input m: bool[N, 1, T, T]",
            "output y = (x, x, attention_mask=m) -> " + line.format(""),
        ],
        tmp_path,
        "whole",
        opset,
    )
    step = build(decoder(line, 2, 3, 3, mask=True), tmp_path, "step", opset)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 6, 8)).astype(np.float32)
    m = np.tril(rng.random((2, 1, 6, 6)) < 0.7) | np.eye(6, dtype=bool)
    expected = whole(x=x, m=m)
    keys = values = np.zeros((2, 2, 0, 3), np.float32)
    for first, last in ((0, 2), (2, 3), (3, 6)):
        made = step(x=x[:, first:last], m=m[:, :, first:last, :last], past_key=keys, past_value=values)
        keys, values = made["past_key_next"], made["past_value_next"]
        np.testing.assert_allclose(made["y"], expected[:, first:last], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", [None, 23])
def test_a_cache_may_begin_without_a_past(opset: int | None, tmp_path: Path) -> None:
    lines = [
        "input x: float32[N, T, 8]",
        f"(y, keys, values) = (x, x) -> {CACHE}",
        "output y",
        "output keys",
        "output values",
    ]
    first = build(lines, tmp_path, "first", opset)
    plain = build(["input x: float32[N, T, 8]", f"output y = (x, x) -> {M}"], tmp_path, "plain", opset)
    x = np.random.default_rng(5).normal(size=(2, 4, 8)).astype(np.float32)
    made = first(x=x)
    assert made["keys"].shape == made["values"].shape == (2, 2, 4, 3)
    np.testing.assert_allclose(made["y"], plain(x=x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", ["use_causal_mask=True", "sliding_window=1", "sliding_window=2, dropout=0.1"])
@pytest.mark.parametrize("opset", [None, 23, 25])
def test_places_count_from_the_past_where_more_keys_than_queries_come(
    opset: int | None, options: str, tmp_path: Path
) -> None:
    line = f"MultiHeadAttention(2, 3, {options}{{}})"
    lines = decoder(line, 2, 3, 3)
    lines[0:1] = ["input x: float32[N, T, 8]", "input z: float32[N, S, 8]"]
    step = build([one.replace("(x, x, ", "(x, z, ") for one in lines], tmp_path, "step", opset)
    whole = build([*lines[:2], f"output y = (x, z) -> {line.format('')}"], tmp_path, "whole", opset)
    rng = np.random.default_rng(9)
    x, z = (rng.normal(size=(2, n, 8)).astype(np.float32) for n in (3, 7))  # at last one step, and five keys
    expected = whole(x=x, z=z)
    empty = np.zeros((2, 2, 0, 3), np.float32)
    first = step(x=x[:, :2], z=z[:, :2], past_key=empty, past_value=empty)
    past = {"past_key": first["past_key_next"], "past_value": first["past_value_next"]}
    second = step(x=x[:, 2:], z=z[:, 2:], **past)
    np.testing.assert_allclose(second["y"], expected[:, 2:], rtol=1e-5, atol=1e-6)


def test_scores_come_before_the_cache(tmp_path: Path) -> None:
    lines = decoder("MultiHeadAttention(2, 3, return_attention_scores=True{})", 2, 3, 3)
    lines[4] = lines[4].replace("(y, keys", "(y, scores, keys")
    step = build([*lines, "output scores"], tmp_path, "scores", None)
    x = np.random.default_rng(6).normal(size=(2, 4, 8)).astype(np.float32)
    past = np.ones((2, 2, 5, 3), np.float32)
    scores = step(x=x, past_key=past, past_value=past)["scores"]
    assert scores.shape == (2, 2, 4, 9)
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)


def test_one_step_after_the_past_needs_no_causal_mask() -> None:
    lines = decoder("MultiHeadAttention(2, 3, use_causal_mask=True{})", 2, 3, 3)
    lines[0] = "input x: float32[N, 1, 8]"
    text = "\n    ".join(["model A():", *lines]) + "\n"
    found = [o.type for o in archonnx.compile(text=text).lower().operators]
    assert not {"Range", "GreaterOrEqual", "Where"} & set(found)


DECODER = """
block decoder_layer(width, heads, groups):
    input x: [N, T, D]
    input past_key: [N, G, P, K]
    input past_value: [N, G, P, K]
    input mask: bool[N, S]
    require D % heads == 0, f"{heads} heads do not divide the width {D}"
    normed = x -> LayerNormalization()
    (y, key, value) = (normed, normed, attention_mask=mask[:, None, None], past_key=past_key, past_value=past_value)
        -> GroupQueryAttention(D // heads, heads, groups, use_causal_mask=True, use_cache=True)
    h = x + y
    output out = h + (h -> LayerNormalization() -> Dense(width, activation="silu") -> Dense(D))
    output key = key
    output value = value

model Decoder(layers = 2, vocab = 50, width = 16, heads = 4, groups = 2):
    input tokens: int32[N, T]
    input mask: bool[N, S]
    input past_key[layers]: float32[N, groups, P, width // heads]
    input past_value[layers]: float32[N, groups, P, width // heads]
    require P >= 0
    require S == P + T
    x = tokens -> Embedding(vocab, width)
    keys = []
    values = []
    for i in range(layers):
        r = (x, past_key[i], past_value[i], mask) -> decoder_layer(32, heads, groups)
        x = r.out
        keys = keys + [r.key]
        values = values + [r.value]
    output logits = x -> Dense(vocab)
    output state past_key = keys
    output state past_value = values
"""


@pytest.mark.parametrize("opset", [None, 23])
def test_a_decoder_feeds_its_states_back(opset: int | None, tmp_path: Path) -> None:
    model = archonnx.compile(text=DECODER, **({"opset": opset} if opset else {}))
    model.save(tmp_path / "decoder.onnx", seed=2)
    session = archonnx.load(tmp_path / "decoder.onnx")
    assert session.states["past_key_1_next"] == "past_key_1"
    empty = {name: np.zeros((2, 2, 0, 4), np.float32) for name in session.states.values()}
    tokens = np.random.default_rng(8).integers(0, 50, (2, 6)).astype(np.int32)
    mask = np.ones((2, 6), bool)
    mask[1, :2] = False  # the second begins two places later
    whole = session(tokens=tokens, mask=mask, **empty)["logits"]
    states, found = empty, []
    for first, last in ((0, 4), (4, 5), (5, 6)):
        made = session(tokens=tokens[:, first:last], mask=mask[:, :last], **states)
        states = {given: made[name] for name, given in session.states.items()}
        found.append(made["logits"])
    # What stands before the beginning looks at nothing: the mean of all values so far, which no one reads.
    np.testing.assert_allclose(np.concatenate(found, 1)[mask], whole[mask], rtol=1e-5, atol=1e-5)
    alone = session(tokens=tokens[1:, 2:], mask=mask[1:, 2:], **{n: e[1:] for n, e in empty.items()})["logits"]
    np.testing.assert_allclose(whole[1:, 2:], alone, rtol=1e-5, atol=1e-5)
