"""PyTorch's attention: nn.MultiheadAttention's projections in one tensor or in three, else an nn.Linear for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.layouts.base import Exchange, Turned, shown
from archonnx.compiler.weights.transforms import concatenate

if TYPE_CHECKING:
    from archonnx.compiler.weights.recipe import Recipe

Shapes = Mapping[str, tuple[int, ...]]
PROJECTIONS = ("query", "key", "value")
LETTERS = {"query": "q", "key": "k", "value": "v"}
FUSED, FUSED_BIAS = "in_proj_weight", "in_proj_bias"


class Projections(Exchange):
    """The projections of query, key and value: `in_proj_weight`, or `q_proj_weight` and so on with `in_proj_bias`, or
    `q_proj.weight` and so on, each with its own bias. All three are read; one is written (`form`).
    """

    def __init__(self, shapes: Shapes, form: str) -> None:
        self.form, self.bias = form, "query/bias" in shapes
        self.kernels = {name: _linear(f"{name}/kernel", shapes, 1, f"{LETTERS[name]}_proj") for name in PROJECTIONS}
        self.biases = {name: _bias(f"{name}/bias", shapes, "") for name in PROJECTIONS if self.bias}
        self.sizes = [kernel.expected[0] for kernel in self.kernels.values()]
        self.ours = [f"{name}/{kind}" for name in PROJECTIONS for kind in ("kernel", *(["bias"] * self.bias))]
        self.ways = {
            "fused": [FUSED, *([FUSED_BIAS] * self.bias)],
            "apart": [*(f"{letter}_proj_weight" for letter in "qkv"), *([FUSED_BIAS] * self.bias)],
            "linear": [f"{letter}_proj.{kind}" for letter in "qkv" for kind in ("weight", *(["bias"] * self.bias))],
        }
        self.theirs = dict.fromkeys((name for way in self.ways.values() for name in way), False)

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        way = next((way for way, names in self.ways.items() if all(name in theirs for name in names)), None)
        if way is None:
            raise ValueError(f"there is neither {nor(self.ways)}")
        found: dict[str, Recipe] = {}
        for name, kernel in self.kernels.items():
            letter = LETTERS[name]
            if way == "fused":
                part = self._part(theirs[FUSED], name, FUSED)
            else:
                part = theirs[f"{letter}_proj_weight" if way == "apart" else f"{letter}_proj.weight"]
            found |= kernel.read({next(iter(kernel.theirs)): part})
            if self.bias:
                whole = theirs[f"{letter}_proj.bias" if way == "linear" else FUSED_BIAS]
                part = whole if way == "linear" else self._part(whole, name, FUSED_BIAS)
                found |= self.biases[name].read({"": part})
        return found

    def _part(self, fused: Recipe, name: str, called: str) -> Recipe:
        """The rows of one projection."""
        if fused.shape[0] != sum(self.sizes):
            raise ValueError(f"{called} has the shape {shown(fused.shape)}, expected {sum(self.sizes)} rows")
        number = PROJECTIONS.index(name)
        start = sum(self.sizes[:number])
        return fused[start : start + self.sizes[number]]

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        kernels = [next(iter(kernel.write(ours).values())) for kernel in self.kernels.values()]
        biases = [next(iter(bias.write(ours).values())) for bias in self.biases.values()]
        if self.form == "linear":
            parts = [part for pair in zip(kernels, biases, strict=True) for part in pair] if self.bias else kernels
            return dict(zip(self.ways["linear"], parts, strict=True))
        rows = [concatenate(kernels, 0)] if self.form == "fused" else kernels
        return dict(zip(self.ways[self.form], [*rows, *([concatenate(biases, 0)] if biases else [])], strict=True))

    def one(self, ours: str, theirs: Recipe) -> Recipe:
        name, _, kind = ours.partition("/")
        return (self.kernels if kind == "kernel" else self.biases)[name].one(ours, theirs)


def attention_exchanges(layer: Any, shapes: Shapes) -> list[Exchange]:
    """MultiHeadAttention and GroupQueryAttention."""
    found: list[Exchange] = [Projections(shapes, form(layer, shapes))]
    for name, theirs, taken in (("gate", "gate_proj", 1), ("attention_output", "out_proj", 2)):
        if f"{name}/kernel" in shapes:
            found.append(_linear(f"{name}/kernel", shapes, taken, theirs))
        if f"{name}/bias" in shapes:
            found.append(_bias(f"{name}/bias", shapes, f"{theirs}.bias"))
    return found


def form(layer: Any, shapes: Shapes) -> str:
    """How nn.MultiheadAttention would hold the projections; "linear" where it cannot be this layer."""
    width, heads, head = shapes["query/kernel"]
    fits = (
        layer.type_name == "MultiHeadAttention"
        and not layer.use_gate
        and heads * head == width
        and layer.value_width == head
        and shapes["attention_output/kernel"][2:] == (width,)
    )
    if not fits:
        return "linear"
    return "fused" if shapes["key/kernel"][0] == shapes["value/kernel"][0] == width else "apart"


def nor(ways: Mapping[str, list[str]]) -> str:
    """The alternatives in words."""
    return " nor ".join(", ".join(names) for names in ways.values())


def _linear(ours: str, shapes: Shapes, taken: int, theirs: str) -> Turned:
    """A kernel whose first `taken` axes are summed over, as the weight (out, in) of an nn.Linear."""
    shape = shapes[ours]
    order = (*range(taken, len(shape)), *range(taken))
    flat = (math.prod(shape[taken:]), math.prod(shape[:taken]))
    return Turned(ours, shape, f"{theirs}.weight", perm=order, flat=flat)


def _bias(ours: str, shapes: Shapes, theirs: str) -> Turned:
    return Turned(ours, shapes[ours], theirs, flat=(math.prod(shapes[ours]),))
