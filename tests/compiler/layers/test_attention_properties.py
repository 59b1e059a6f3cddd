"""Drawn attention: heads, widths, axes, masks and operator sets, against the definition written out in NumPy."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import archonnx

Array = np.ndarray[Any, Any]
WIDTH = 5


@dataclass(frozen=True)
class Drawn:
    """One layer with its inputs: self-attention where `source` is None."""

    groups: int
    repeats: int
    key: int
    value: int
    steps: int
    source: int | None
    past: int | None
    causal: bool
    window: int | None
    dropout: bool
    bias: bool
    gate: bool
    mask: tuple[bool, ...] | None  # which axes of [batch, heads, steps, source] have their size, not 1
    opset: int | None
    seed: int

    @property
    def heads(self) -> int:
        return self.groups * self.repeats

    @property
    def own_value(self) -> int:
        return self.value if self.repeats == 1 else self.key

    @property
    def total(self) -> int:
        return (self.past or 0) + (self.steps if self.source is None else self.source)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        sizes = (2, self.heads, self.steps, self.total)
        return tuple(d if given else 1 for d, given in zip(sizes, self.mask or (), strict=True))

    @property
    def call(self) -> str:
        options = f"dropout={0.5 if self.dropout else 0.0}, use_bias={self.bias}, use_gate={self.gate}"
        options += ", bias_initializer=RandomNormal(stddev=0.5)"
        options += f", use_causal_mask={self.causal}, sliding_window={self.window}, use_cache={self.past is not None}"
        if self.repeats == 1:
            return f"MultiHeadAttention({self.heads}, {self.key}, value_dim={self.value}, {options})"
        return f"GroupQueryAttention({self.key}, {self.heads}, {self.groups}, {options})"

    def text(self) -> str:
        lines = ["model A():", f"input x: float32[N, T, {WIDTH}]"]
        given = ["x", "x"]
        if self.source is not None:
            lines.append(f"input y: float32[N, S, {WIDTH}]")
            given[1] = "y"
        if self.mask is not None:
            lines.append(f"input m: bool[{', '.join(map(str, self.mask_sizes()))}]")
            given.append("attention_mask=m")
        if self.past is None:
            lines.append(f"output r = ({', '.join(given)}) -> {self.call}")
        else:
            lines.append(f"input pk: float32[N, {self.groups}, P, {self.key}]")
            lines.append(f"input pv: float32[N, {self.groups}, P, {self.own_value}]")
            given += ["past_key=pk", "past_value=pv"]
            lines += ["require P >= 0", f"(r, k, v) = ({', '.join(given)}) -> {self.call}"]
            lines += ["output r", "output k", "output v"]
        return "\n    ".join(lines) + "\n"

    def mask_sizes(self) -> list[str]:
        source = "T" if self.source is None else "S"
        sizes = ("N", str(self.heads), "T", source if self.past is None else f"P + {source}")
        return [d if given else "1" for d, given in zip(sizes, self.mask or (), strict=True)]


@st.composite
def attentions(draw: st.DrawFn) -> Drawn:
    small = st.integers(1, 4)
    masks = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())
    return Drawn(
        groups=draw(st.integers(1, 3)),
        repeats=draw(st.integers(1, 3)),
        key=draw(small),
        value=draw(small),
        steps=draw(small),
        source=draw(st.none() | small),
        past=draw(st.none() | st.integers(0, 3)),
        causal=draw(st.booleans()),
        window=draw(st.none() | small),
        dropout=draw(st.booleans()),
        bias=draw(st.booleans()),
        gate=draw(st.booleans()),
        mask=draw(st.none() | masks),
        opset=draw(st.sampled_from((17, None, 23, 24, 25, 28))),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def reference(one: Drawn, w: dict[str, Array], given: dict[str, Array]) -> list[Array]:
    """In float64, head by head, a row of scores at a time."""
    x = given["x"].astype(np.float64)
    y = given.get("y", given["x"]).astype(np.float64)

    def project(name: str, z: Array) -> Array:
        made = np.einsum("btd,dhk->bhtk", z, w[f"{name}/kernel"].astype(np.float64))
        return made + w[f"{name}/bias"][:, None] if one.bias else made

    q, k, v = project("query", x), project("key", y), project("value", y)
    if one.past is not None:
        k, v = np.concatenate([given["pk"], k], 2), np.concatenate([given["pv"], v], 2)
    mixed = np.zeros((2, one.heads, one.steps, v.shape[-1]))
    kept = np.broadcast_to(given.get("m", np.True_), (2, one.heads, one.steps, one.total))
    for batch, head, step in np.ndindex(2, one.heads, one.steps):
        group, place = head // one.repeats, step + (one.past or 0)
        sees = [
            column
            for column in range(one.total)
            if kept[batch, head, step, column]
            and (not one.causal or column <= place)
            and (one.window is None or abs(column - place) < one.window)
        ]
        if not sees:
            mixed[batch, head, step] = 0 if one.dropout else v[batch, group].mean(0)
            continue
        scores = k[batch, group, sees] @ q[batch, head, step] / np.sqrt(one.key)
        weights = np.exp(scores - scores.max())
        mixed[batch, head, step] = weights @ v[batch, group, sees] / weights.sum()
    if one.gate:
        mixed = mixed / (1 + np.exp(-project("gate", x)))
    result = np.einsum("bhtv,hvd->btd", mixed, w["attention_output/kernel"].astype(np.float64))
    result = result + w["attention_output/bias"] if one.bias else result
    return [result] if one.past is None else [result, k, v]


@settings(max_examples=80)
@given(attentions())
def test_drawn_attention_is_its_definition(one: Drawn) -> None:
    rng = np.random.default_rng(one.seed)
    given_: dict[str, Array] = {"x": rng.normal(size=(2, one.steps, WIDTH)).astype(np.float32)}
    if one.source is not None:
        given_["y"] = rng.normal(size=(2, one.source, WIDTH)).astype(np.float32)
    if one.mask is not None:
        given_["m"] = rng.random(one.mask_shape) < 0.6
    if one.past is not None:
        given_["pk"] = rng.normal(size=(2, one.groups, one.past, one.key)).astype(np.float32)
        given_["pv"] = rng.normal(size=(2, one.groups, one.past, one.own_value)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.onnx"
        model = archonnx.compile(text=one.text(), **({"opset": one.opset} if one.opset else {}))
        model.save(path, seed=one.seed)
        weights = {name.partition("/")[2]: numbers for name, numbers in model.values(one.seed).items()}
        made = archonnx.load(path)(**given_)
    shapes = {w.path.partition("/")[2]: w.shape for w in model.graph.weights()}
    weights = {name: weights[name].reshape(shape) for name, shape in shapes.items() if name in weights}
    for name, shape in shapes.items():  # one of a single number may have no name of its own in the file
        assert name in weights, (name, shape)
    found = [made] if one.past is None else [made["r"], made["k"], made["v"]]
    for y, expected in zip(found, reference(one, weights, given_), strict=True):
        assert y.shape == expected.shape
        assert np.abs(y - expected).max(initial=0) <= 1e-5 * max(1e-6, np.abs(expected).max(initial=0)) + 1e-6
