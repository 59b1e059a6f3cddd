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
    from archonnx.contract.dims import Dim, Facts

FUSED_SINCE = 23  # the opset of ONNX's Attention
WINDOWS_SINCE = 25  # and of its window sizes
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
class Masks:
    """All masks of one application; a score counts where each of them lets it.

    given          booleans that have the rank of the scores, or that of their last axes alone
    causal         a step sees itself and those before it
    window         a step sees those less than this far from it
    may_be_empty   whether a step may see nothing
    """

    given: tuple[Tensor, ...]
    causal: bool
    window: int | None
    may_be_empty: bool

    def __bool__(self) -> bool:
        return bool(self.given) or self.causal or self.window is not None


def masks_of(facts: Facts, g: Geometry, given: Sequence[Tensor], *, causal: bool, window: int | None) -> Masks:
    """The masks that are given and those that arguments ask for, without what hides nothing."""
    if causal and g.steps == (1,) and g.source[0] - g.past == 1:
        causal = False  # one step more than the past: nothing comes after it
    empty = bool(given)
    if window is not None:
        # The row of step t sees step t itself, where there is one.
        empty = empty or decide(facts, ">=", g.source[0] - g.past, g.steps[0]) is not True
    return Masks(tuple(given), causal, window, empty)


def kept(b: Builder, g: Geometry, masks: Masks) -> Tensor | None:
    """One mask, True where a score counts, that broadcasts to the scores; None where all do."""
    found = list(masks.given)
    if masks.causal or masks.window is not None:
        rows = b.expand_dims(_places(b, g.past, g.steps[0]), [1])
        columns = b.expand_dims(_places(b, 0, g.source[0]), [0])
        if masks.causal:
            found.append(b.op("GreaterOrEqual", rows, columns))
        if masks.window is not None:
            apart = b.op("Abs", b.op("Sub", rows, columns))
            found.append(b.op("Less", apart, b.constant(masks.window, "int64")))
    if not found:
        return None
    result = found[0]
    for mask in found[1:]:
        result = b.op("And", result, mask)
    return result


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
    masks: Masks,
    *,
    scale: float,
    zero_empty: bool,
    wants_scores: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What each query step takes from the values, [*batch, heads, steps, width], and the scores after the softmax.

    `query` is [*batch, heads, steps, width], `key` and `value` are [*batch, groups, source, width], the attended axes
    made into one. A step that sees nothing gets the mean of the values, or zeros with `zero_empty`.
    """
    steps, source = product(g.steps), product(g.source)
    flat = (*g.batch, g.heads, steps, source)
    # The heads that share a key go through one product with it, one below the other: nothing is repeated.
    shared = (*g.batch, g.groups, g.repeats * steps)
    query = b.reshape(query, (*shared, query.shape[-1]))
    query = b.op("Mul", query, b.like(query, scale))
    axes = range(key.rank)
    scores = b.matmul(query, b.transpose(key, (*axes[:-2], axes[-1], axes[-2])))
    mask = kept(b, g, masks)
    if mask is not None:
        scores = b.op("Add", b.reshape(scores, g.scores), additive(b, mask, scores.dtype))
    weights = b.reshape(scores, flat)
    weights = b.op("Softmax", weights, result=weights.type, axis=-1)
    rows = _any(b, mask, len(g.source)) if mask is not None and zero_empty and masks.may_be_empty else None
    at_scores = wants_scores or len(g.steps) > 1
    if rows is not None and at_scores:
        weights = b.reshape(_where(b, rows, b.reshape(weights, g.scores)), flat)
    mixed = b.matmul(b.reshape(weights, (*shared, source)), value)
    mixed = b.reshape(mixed, (*g.batch, g.heads, steps, value.shape[-1]))
    if rows is not None and not at_scores:
        mixed = _where(b, rows, mixed)
    return mixed, b.reshape(weights, g.scores) if wants_scores else None


def fuses(b: Builder, g: Geometry, *, wants_scores: bool) -> bool:
    """Whether ONNX's Attention does all of it."""
    return b.opset >= FUSED_SINCE and not wants_scores and len(g.steps) == 1 and len(g.batch) == 1


def attend_fused(
    b: Builder,
    g: Geometry,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    masks: Masks,
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
    causal, window = masks.causal, masks.window
    # The operator gives zeros where a step sees nothing; for the mean, all masks are one that is added.
    by_attributes = (zero_empty or not masks.may_be_empty) and (window is None or b.opset >= WINDOWS_SINCE)
    # Before opset 25 onnxruntime 1.32 lets a single step after a past see all keys, of which one may be new then.
    by_attributes = by_attributes and (past is None or b.same(g.source[0] - g.past, g.steps[0]))
    if by_attributes:
        masks = Masks(masks.given, False, None, masks.may_be_empty)
    mask = kept(b, g, masks)
    if mask is not None:
        mask = mask if zero_empty else additive(b, mask, query.dtype, lowest)
        if mask.rank == 3:
            mask = b.expand_dims(mask, [1])  # for all heads
        # onnxruntime 1.32 stretches the axes before these only.
        mask = b.expand(mask, (*mask.shape[:-2], g.steps[0], g.source[0]))
    width = value.shape[-1]
    assert isinstance(width, int)
    types = [TensorType(query.dtype, (g.batch[0], g.steps[0], width * g.repeats))]
    types += [TensorType(one.dtype, (*one.shape[:2], g.source[0], one.shape[3])) for one in past or ()]
    return b.op(
        "Attention",
        query,
        key,
        value,
        mask,
        *(past or ()),
        result=types,
        q_num_heads=g.heads,
        kv_num_heads=g.groups,
        is_causal=1 if by_attributes and causal else None,
        left_window_size=window - 1 if by_attributes and window is not None else None,
        right_window_size=window - 1 if by_attributes and window is not None else None,
        scale=scale,
    )


def additive(b: Builder, mask: Tensor, dtype: str, lowest: float | None = None) -> Tensor:
    """0 where a score counts, else a number so low that nothing is left of it."""
    low = b.constant(LOWEST.get(dtype, LOWEST_FLOAT) if lowest is None else lowest, dtype)
    return b.op("Where", mask, b.constant(0.0, dtype), low, result=TensorType(dtype, mask.shape))


def _any(b: Builder, mask: Tensor, axes: int) -> Tensor:
    """Whether anything is True along the last axes, which stay with size 1."""
    return b.cast(b.reduce("Max", b.cast(mask, "int32"), range(-axes, 0), keepdims=True), "bool")


def _where(b: Builder, rows: Tensor, x: Tensor) -> Tensor:
    return b.op("Where", rows, x, b.like(x, 0.0), result=x.type)
