"""Rules of operators that work along axes: along the tokens too, where what lies behind the mask adds nothing.

Sources: the operators' own texts in onnx/docs/Operators.md, and onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from archonnx.runtime.batching.extents import ONE, Size, product
from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding import ranges as rg
from archonnx.runtime.padding.ranges import ANYTHING, Range, within
from archonnx.runtime.padding.states import PLAIN, Made, Origin, Rule, State, Step, same, spread

GAP = 128.0  # what is so far below the largest of a row has a softmax of 0: exp(-104) is 0 in float32
_GAP_DOUBLE = 1000.0  # and exp(-746) in float64
_DOUBLE = 11
_LEAST, _LEAST_HALF = 1e-30, 1e-7  # what is added to a variance; less may be 0, and 0 be divided by it


def check_hidden(state: State, axis: int, what: str) -> None:
    """That a softmax along an axis of tokens gives 0 behind the mask, and that no row is hidden as a whole: the first
    token, which every call shows, is far above all that is hidden."""
    if state.grain(axis) != PLAIN:
        raise Unprovable("it works along the tokens and along something else at once")
    hidden, shown = state.tails[axis], state.fronts[axis]
    if hidden.nan or shown.nan or math.isinf(shown.low):
        raise Unprovable(
            f"it works along the tokens, and {what} may be infinite, or no number, as far as the graph tells"
        )
    room = (_GAP_DOUBLE if state.dtype == _DOUBLE else GAP) + 0.25 * (
        min(abs(hidden.high), rg.SAFE) + min(abs(shown.low), rg.SAFE)
    )
    if hidden.low >= shown.low and hidden.high >= shown.high:
        raise Unprovable("it works along the tokens, and no mask hides those that are added")
    if hidden.high > shown.low - room:
        why = f"a hidden one may be as high as {hidden.high:.3g}, and one that counts as low as {shown.low:.3g}"
        raise Unprovable(f"it works along the tokens: {why}, as far as the graph tells")


def softmax(*, flat: int = 13, logarithm: bool = False) -> Rule:
    """Along one axis, by default the last; before opset `flat` along that and all after it."""

    def rule(node: Step) -> Made:
        state, rank = node.state(0), node.rank(0)
        old = node.opset < flat
        at = node.normal(int(node.attribute("axis", 1 if old else -1)), rank)
        if old and at != rank - 1:
            node.apart(*range(at, rank))
        hidden = at in state.tails
        if hidden:
            check_hidden(state, at, "a score")
        every = Range(-math.inf, 0.0) if logarithm else rg.EITHER

        def function(x: Range) -> Range:
            empty = x.low == -math.inf and not hidden
            return Range(every.low, every.high, x.nan or x.high == math.inf or empty)

        made = spread([state], [{axis: axis for axis in state.tails}], function, node.shape(0))
        if hidden and not logarithm:
            made.tails[at] = rg.ZERO
        return made

    return rule


def along(default: int, function: Callable[[Range], Range]) -> Rule:
    """Along one axis that holds no tokens."""

    def rule(node: Step) -> Made:
        state, rank = node.state(0), node.rank(0)
        node.apart(node.normal(int(node.attribute("axis", default)), rank))
        return spread([state], [{axis: axis for axis in state.tails}], function, node.shape(0))

    return rule


def normalized(node: Step) -> list[Made]:
    """Along an axis and all after it, none of which holds tokens: no place is above the root of their number, times
    the scale, plus the bias."""
    state, shape = node.state(0), node.shape(0)
    node.fixed(1, 2)
    at = node.normal(int(node.attribute("axis", -1)), len(shape))
    node.apart(*range(at, len(shape)))
    count = node.count(product(list(shape[at:])))
    scale, bias = node.maybe(1), node.maybe(2)

    def function(x: Range) -> Range:
        return _normalized(node, x, count, scale, bias)

    links = [{axis: axis for axis in state.tails}]
    small = [size if place < at else ONE for place, size in enumerate(shape)]
    others = [spread([state], links, lambda x: ANYTHING, small) for _ in node.outputs[1:]]
    return [spread([state], links, function, shape), *others]


def _normalized(node: Step, x: Range, count: float, scale: State | None, bias: State | None) -> Range:
    tiny = float(node.attribute("epsilon", 1e-5)) < (_LEAST_HALF if node.state(0).dtype == rg.FLOAT16 else _LEAST)
    if not x.sure or x.most > math.sqrt(rg.SAFE) or math.isinf(count) or tiny:
        return ANYTHING
    found = within(math.sqrt(count))
    found = found if scale is None else rg.multiply(found, scale.whole)
    return found if bias is None else rg.add(found, bias.whole)


def skip_normalized(centred: bool) -> Rule:
    """com.microsoft's, of a sum: input, skip, scale, bias where it is centred, bias of the sum; the last output is the
    sum."""

    def rule(node: Step) -> list[Made]:
        first, second, shape = node.state(0), node.state(1), node.shape(0)
        bias, more = (node.maybe(3), node.maybe(4)) if centred else (None, node.maybe(3))
        node.fixed(2, 3, 4)
        if second.shape != first.shape or set(first.tails) != set(second.tails):
            raise Unprovable("its inputs do not hold the tokens alike")
        node.apart(len(shape) - 1)
        scale, count = node.maybe(2), node.count(shape[-1])

        def total(x: Range, y: Range) -> Range:
            found = rg.add(x, y)
            return found if more is None else rg.add(found, more.whole)

        def function(x: Range, y: Range) -> Range:
            return _normalized(node, total(x, y), count, scale, bias)

        links = [{axis: axis for axis in first.tails}] * 2
        made = [spread([first, second], links, function, shape)]
        small = [*shape[:-1], ONE]
        made += [spread([first, second], links, lambda x, y: ANYTHING, small) for _ in node.outputs[1:3]]
        made += [spread([first, second], links, total, shape) for _ in node.outputs[3:]]
        return made

    return rule


def normalize_batch(node: Step) -> Made:
    """BatchNormalization, where it is not training: a scale and a shift for each channel."""
    node.fixed(1, 2, 3, 4)
    if node.attribute("training_mode", 0) or sum(bool(name) for name in node.outputs) > 1 or node.opset < 9:
        raise Unprovable("it is training: it takes the mean of the tokens")
    node.apart(1)
    state = node.state(0)
    return spread([state], [{axis: axis for axis in state.tails}], lambda x: ANYTHING, node.shape(0))


def cumulative(node: Step) -> Made:
    """CumSum: what stands before a token follows from the tokens before."""
    node.fixed(1)
    state, shape = node.state(0), node.shape(0)
    at = node.normal(node.ints("axis", 1)[0], len(shape))
    if at in state.tails and (node.attribute("reverse", 0) or state.grain(at) != PLAIN):
        raise Unprovable("it sums the tokens from their end")
    count = node.count(shape[at])

    def function(x: Range) -> Range:
        return Range(min(0.0, _times(x.low, count)), max(0.0, _times(x.high, count)), x.nan or math.isinf(x.most))

    made = spread([state], [{axis: axis for axis in state.tails}], function, shape)
    if at in state.tails:  # behind the mask stands the sum of all that came before
        made.tails[at] = made.whole
        made.fronts[at] = rg.ZERO if node.attribute("exclusive", 0) else state.fronts[at]
    return made


def _times(number: float, count: float) -> float:
    return number * count if number else 0.0


def reduction(node: Step) -> Made:
    """Over axes of tokens only where what is hidden adds nothing to the sum, or is not the largest."""
    state, shape = node.state(0), node.shape(0)
    node.fixed(1)
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 1, [])]
    if not axes:
        if node.attribute("noop_with_empty_axes", 0):
            return spread([state], [{axis: axis for axis in state.tails}], same, shape)
        axes = list(range(len(shape)))
    for axis in axes:
        if axis in state.tails:
            _check_reduced(node.operator, state, axis)
    keep = bool(node.attribute("keepdims", 1))
    left = [place for place in range(len(shape)) if keep or place not in axes]
    dims = [ONE if place in axes else shape[place] for place in left]
    link = {new: old for new, old in enumerate(left) if old in state.tails and old not in axes}
    sizes = [shape[axis] for axis in axes]
    made = spread([state], [link], _reduced(node, sizes), dims)
    shown = [state.fronts[axis] for axis in axes if axis in state.tails]
    if (
        node.operator == "ReduceSum"
        and len(shown) == 1
        and state.whole.low >= 0
        and not state.whole.nan
        and len(axes) == 1
    ):
        made.whole = Range(max(made.whole.low, shown[0].low), made.whole.high, made.whole.nan)
    if node.operator == "ReduceMean" and keep and state.origin is not None and state.origin.kind == "square":
        count = node.count(product(sizes))
        made.origin = None if math.isinf(count) else Origin("mean", state.origin.base, count)
    return made


def _check_reduced(operator: str, state: State, axis: int) -> None:
    """That a reduction over an axis of tokens gives the same with those behind the mask."""
    hidden, shown = state.tails[axis], state.fronts[axis]
    if operator in ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        if hidden.only != 0:
            raise Unprovable(f"it sums over axis {axis}, which holds the tokens, and those behind the mask are not 0")
        return
    if operator == "ReduceLogSumExp":
        check_hidden(state, axis, "a score")
        return
    if operator == "ReduceMax" and rg.not_above(hidden, shown):
        return
    if operator == "ReduceMin" and rg.not_above(shown, hidden):
        return
    what = {"ReduceMean": "takes the mean", "ReduceMax": "takes the largest", "ReduceMin": "takes the least"}
    raise Unprovable(f"it {what.get(operator, 'computes')} over axis {axis}, which holds the tokens")


def _reduced(node: Step, sizes: list[Size]) -> Callable[[Range], Range]:
    count = node.count(product(sizes))

    def function(x: Range) -> Range:
        if node.operator in ("ReduceMean", "ReduceMax", "ReduceMin"):
            return x
        if not x.sure:
            return ANYTHING
        if node.operator == "ReduceSum":
            return Range(min(_times(x.low, count), x.low), max(_times(x.high, count), x.high))
        if node.operator == "ReduceL1":
            return Range(0.0, _times(x.most, count))
        if node.operator == "ReduceL2":
            return Range(0.0, x.most * math.sqrt(count) if x.most else 0.0)
        if node.operator == "ReduceSumSquare":
            return Range(0.0, _times(x.most * x.most, count))
        return ANYTHING

    return function
