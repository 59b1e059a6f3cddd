"""The rule of ONNX's Attention: keys behind the mask get no weight, and their values are numbers.

Source: the operator's own text in onnx/docs/Operators.md. A mask of booleans hides by -inf, or by the lowest number.
"""

from __future__ import annotations

import math

from archonnx.runtime.batching.extents import Size
from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding.along import check_hidden
from archonnx.runtime.padding.ranges import ANYTHING, BOOL, Range, add, hull, within
from archonnx.runtime.padding.states import PLAIN, Made, State, Step

_PAST = (4, 5, 6)  # keys, values and lengths of what came before
_FLOAT = 1


def attention(node: Step) -> list[Made]:
    """Query, key, value and mask; with three axes [batch, tokens, heads * width], with four [batch, heads, tokens,
    width]."""
    if any(node.given(place) is not None for place in _PAST):
        raise Unprovable("it goes on from tokens that came before")
    if len(node.outputs) > 1 and any(node.outputs[1:]):
        raise Unprovable("it hands on keys, values or scores")
    if node.attribute("softcap", 0.0) or max(_window(node, "left"), _window(node, "right")) >= 0:
        raise Unprovable("its scores are capped, or a token sees only those near it")
    query, key, value = (node.state(place) for place in range(3))
    shape = node.shape(0)
    at = 1 if len(shape) == 3 else 2
    for place, state in enumerate((query, key, value)):
        if len(node.shape(place)) != len(shape) or set(state.tails) - {at} or state.grain(at) != PLAIN:
            raise Unprovable(f"its input {place} does not hold the tokens on axis {at} alone")
    if set(key.tails) != set(value.tails):
        raise Unprovable("its keys and its values do not hold the tokens alike")
    if not key.whole.sure or not query.whole.sure or not value.whole.sure:
        raise Unprovable("what it looks at may be infinite, as far as the graph tells")
    causal = bool(node.attribute("is_causal", 0))
    if causal and query.carries != key.carries:
        raise Unprovable("its queries are other tokens than its keys, of which each sees those before it")
    if key.carries:
        _check_keys(node, query, key, at)
    elif (mask := node.maybe(3)) is not None and mask.from_end(1) in mask.tails:
        raise Unprovable("its mask holds the tokens where its keys do not")
    found = hull([value.whole, Range(0, 0)])
    width = node.shape(2)[-1]
    if len(shape) == 3:
        heads, groups = (int(node.attribute(f"{name}_num_heads", 1)) for name in ("q", "kv"))
        own = width.over(Size(groups))
        last = None if own is None else Size(own.number * heads, own.names)
    else:
        last = width
    held = {at: found} if query.carries else {}
    return [Made([*shape[:-1], last], found, dict(held), dict(held))]


def _window(node: Step, side: str) -> int:
    return int(node.attribute(f"{side}_window_size", -1))


def _check_keys(node: Step, query: State, key: State, at: int) -> None:
    """That no token is seen that lies behind the mask, and that each sees the first one."""
    mask = node.maybe(3)
    if mask is None:
        if not node.attribute("is_causal", 0):
            raise Unprovable("it looks at all tokens, and has no mask")
        return  # those behind the mask come after all that count
    column = mask.from_end(1)
    if column not in mask.tails or mask.grain(column) != PLAIN:
        raise Unprovable("its mask does not hold the tokens along its last axis")
    _check_rows(node, mask, query)
    if mask.dtype == BOOL:
        if mask.tails[column].only != 0 or mask.fronts[column].only != 1:
            raise Unprovable("its mask does not hide what lies behind the declared one, or hides the first token")
        return
    scores = _scores(node, query, key, at)
    lying = State(
        (Size(1),) * len(mask.shape or ()),
        dtype=_FLOAT if mask.dtype != 11 else 11,
        tails={column: add(scores, mask.tails[column])},
        fronts={column: add(scores, mask.fronts[column])},
    )
    check_hidden(lying, column, "a score")


def _check_rows(node: Step, mask: State, query: State) -> None:
    """That an axis of the mask that holds tokens beside the last is that of the queries."""
    row = mask.from_end(2)
    if set(mask.tails) - {mask.from_end(1), row} or (row in mask.tails and not query.carries):
        raise Unprovable("its mask holds the tokens on other axes than its last two")


def _scores(node: Step, query: State, key: State, at: int) -> Range:
    """What a query and a key multiplied may be."""
    shape = node.shape(0)
    size = node.count(shape[-1])
    if at == 1:
        size /= max(1, int(node.attribute("q_num_heads", 1)))
    if math.isinf(size):
        return ANYTHING
    scale = float(node.attribute("scale", 0.0)) or 1 / math.sqrt(size)
    return within(abs(scale) * size * query.whole.most * key.whole.most)
