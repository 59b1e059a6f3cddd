"""Dot-product attention as operators: masks, scores, softmax and mixture, or ONNX's one operator for all of them.

Geometry      how many heads and steps there are
combined      the masks that apply, as one
attend        MatMul, Softmax, MatMul; for any number of attended axes
attend_fused  ONNX's Attention, since opset 23; it fits one attended axis and no scores asked for (`fuses`)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.common import decide, product

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

FUSED_SINCE = 23
# Added to scores that do not count: so low that every score vanishes beside it, as if it were put in their place.
LOWEST = {"float16": -3e4, "float64": -1e300}
LOWEST_FLOAT = -2.3e38


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes of one application; scores are [*batch, heads, *steps, *source].

    batch    axes that are attended over separately, the batch first
    groups   heads of key and value; `repeats` heads of the query look at each
    steps    the query's attended axes
    source   those of key and value, the past included, which is the first `past` of them
    """

    batch: tuple[Dim, ...]
    groups: int
    repeats: int
    steps: tuple[Dim, ...]
    source: tuple[Dim, ...]
    past: Dim = 0

    @property
    def heads(self) -> int:
        return self.groups * self.repeats

    @property
    def scores(self) -> tuple[Dim, ...]:
        return (*self.batch, self.heads, *self.steps, *self.source)


@dataclass(frozen=True, slots=True)
class Mask:
    """`kept` is True where a score counts; it broadcasts to the scores. `may_be_empty`: a row may have no True."""

    kept: Tensor
    may_be_empty: bool
    is_causal: bool  # nothing but causal


def combined(b: Builder, g: Geometry, given: Sequence[Tensor], *, causal: bool, window: int | None) -> Mask | None:
    """All masks as one. `given` have the rank of the scores, or that of their last axes alone."""
    masks = list(given)
    if causal and g.steps == (1,) and g.source[0] - g.past == 1:
        causal = False  # one step more than the past: nothing comes after it
    only_causal = causal and not masks and window is None
    empty = bool(masks)
    if causal or window is not None:
        steps, source = g.steps[0], g.source[0]
        rows = b.expand_dims(_places(b, g.past, steps), [1])
        columns = b.expand_dims(_places(b, 0, source), [0])
        if causal:
            masks.append(b.op("GreaterOrEqual", rows, columns))
        if window is not None:
            apart = b.op("Abs", b.op("Sub", rows, columns))
            masks.append(b.op("Less", apart, b.constant(window, "int64")))
            # The row of step t sees step t itself, where there is one.
            empty = empty or decide(b.facts, ">=", source - g.past, steps) is not True
    if not masks:
        return None
    kept = masks[0]
    for mask in masks[1:]:
        kept = b.op("And", kept, mask)
    return Mask(kept, empty, only_causal)


def _places(b: Builder, first: Dim, count: Dim) -> Tensor:
    """first, first + 1, ... as int64 [count]."""
    result = TensorType("int64", (count,))
    return b.op("Range", b.dim(first), b.dim(first + count), b.constant(1, "int64"), result=result)


def attend(
    b: Builder,
    g: Geometry,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Mask | None,
    *,
    scale: float,
    zero_empty: bool,
    wants_scores: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What each query step takes from the values, [*batch, heads, steps, width], and the scores after the softmax.

    `query` is [*batch, heads, steps, width], `key` and `value` are [*batch, groups, source, width], the attended axes
    made into one. A row that is masked as a whole is the mean of the values, or zeros with `zero_empty`.
    """
    steps, source = product(g.steps), product(g.source)
    one_axis = len(g.steps) == 1
    flat = (*g.batch, g.heads, steps, source)
    # The heads that share a key go through one product with it, one below the other: nothing is repeated.
    shared = (*g.batch, g.groups, g.repeats * steps)
    query = b.reshape(query, (*shared, query.shape[-1]))
    if scale != 1.0:
        query = b.op("Mul", query, b.like(query, scale))
    axes = range(key.rank)
    scores = b.matmul(query, b.transpose(key, (*axes[:-2], axes[-1], axes[-2])))
    rows = None
    if mask is not None:
        scores = b.op("Add", b.reshape(scores, g.scores), additive(b, mask, scores.dtype))
        if zero_empty and mask.may_be_empty:
            rows = _any(b, mask.kept, len(g.source))
    weights = b.reshape(scores, flat)
    weights = b.op("Softmax", weights, result=weights.type, axis=-1)
    at_scores = rows is not None and (wants_scores or not one_axis)
    if at_scores:
        weights = b.reshape(_where(b, rows, b.reshape(weights, g.scores)), flat)
    mixed = b.matmul(b.reshape(weights, (*shared, source)), value)
    mixed = b.reshape(mixed, (*g.batch, g.heads, steps, value.shape[-1]))
    if rows is not None and not at_scores:
        mixed = _where(b, rows, mixed)
    return mixed, b.reshape(weights, g.scores) if wants_scores else None


def fuses(b: Builder, g: Geometry, mask: Mask | None, *, zero_empty: bool, wants_scores: bool) -> bool:
    """Whether ONNX's Attention does all of it. The rows to be zeroed are then the same for all heads."""
    if b.opset < FUSED_SINCE or wants_scores or len(g.steps) != 1 or len(g.batch) != 1:
        return False
    zeroes = zero_empty and mask is not None and mask.may_be_empty
    return not zeroes or mask is None or mask.kept.rank == 2 or mask.kept.shape[1] == 1


def attend_fused(
    b: Builder,
    g: Geometry,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Mask | None,
    *,
    scale: float | None = None,
    zero_empty: bool,
    past: tuple[Tensor, Tensor] | None = None,
    lowest: float | None = None,
) -> tuple[Tensor, ...]:
    """The same by one operator: `query` [batch, steps, heads * width], `key` and `value` [batch, source, ...].

    Gives [batch, steps, heads * width of the values]; with `past`, [batch, groups, past, width] each, then the keys and
    values with those of this application. `scale` None is 1 / sqrt(width of the keys).
    """
    bias = None
    if mask is not None and not mask.is_causal:
        bias = additive(b, mask, query.dtype, lowest)
        if bias.rank == 3:
            bias = b.expand_dims(bias, [1])  # for all heads
        # onnxruntime 1.32 stretches the axes before these only.
        bias = b.expand(bias, (*bias.shape[:-2], g.steps[0], g.source[0]))
    width = value.shape[-1]
    assert isinstance(width, int)
    result = TensorType(query.dtype, (g.batch[0], g.steps[0], width * g.repeats))
    types = [result]
    for one in past or ():
        types.append(TensorType(one.dtype, (*one.shape[:2], g.source[0], one.shape[3])))
    made = b.op(
        "Attention",
        query,
        key,
        value,
        bias,
        *(past or ()),
        result=types,
        q_num_heads=g.heads,
        kv_num_heads=g.groups,
        is_causal=1 if mask is not None and mask.is_causal else None,
        scale=scale,
    )
    mixed = made[0]
    if zero_empty and mask is not None and mask.may_be_empty:
        rows = _any(b, mask.kept, 1)
        mixed = _where(b, b.squeeze(rows, [1]) if rows.rank == 4 else rows, mixed)
    return (mixed, *made[1:])


def additive(b: Builder, mask: Mask, dtype: str, lowest: float | None = None) -> Tensor:
    """0 where a score counts, else a number so low that nothing is left of it."""
    low = b.constant(LOWEST.get(dtype, LOWEST_FLOAT) if lowest is None else lowest, dtype)
    return b.op("Where", mask.kept, b.constant(0.0, dtype), low, result=TensorType(dtype, mask.kept.shape))


def _any(b: Builder, kept: Tensor, axes: int) -> Tensor:
    """Whether anything is True along the last axes, which stay with size 1."""
    return b.cast(b.reduce("Max", b.cast(kept, "int32"), range(-axes, 0), keepdims=True), "bool")


def _where(b: Builder, rows: Tensor | None, x: Tensor) -> Tensor:
    assert rows is not None
    return b.op("Where", rows, x, b.like(x, 0.0), result=x.type)
