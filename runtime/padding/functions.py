"""Operators that work place by place: what each makes of ranges. Those that are not here may make anything.

Sources: the operators' own texts in onnx/docs/Operators.md, and onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from archonnx.runtime.batching.table import PLACE_BY_PLACE
from archonnx.runtime.padding import ranges as rg
from archonnx.runtime.padding.ranges import ANYTHING, EITHER, ONE_ALONE, ZERO, Function, Range
from archonnx.runtime.padding.states import Made, Origin, Step, joint, spread

Maker = Callable[[Step], Function]
_WHOLE = frozenset({2, 3, 4, 5, 6, 7, 9, 12, 13})  # onnx's numbers of whole numbers and booleans


def elementwise(node: Step) -> Made:
    """Each place of the output follows from the same place of the inputs."""
    states = node.states()
    links, dims = joint(node, states)
    maker = _MAKERS.get(node.operator)
    made = spread(states, links, _anything if maker is None else maker(node), dims)
    made.origin = _origin(node)
    return _normalized(node, made)


def cast_like(node: Step) -> Made:
    """The type of the second input, and nothing else of it."""
    state = node.state(0)
    return spread([state], [{axis: axis for axis in state.tails}], _cast(node), node.shape(0))


def _anything(*_: Range) -> Range:
    return ANYTHING


def _plain(function: Function) -> Maker:
    return lambda node: function


def _whole(node: Step) -> bool:
    return all(state.dtype in _WHOLE for state in node.states())


def _several(function: Callable[[Range, Range], Range]) -> Maker:
    return lambda node: lambda *given: reduce(function, given)


def _summed(function: Callable[[Range, Range, bool], Range]) -> Maker:
    return lambda node: lambda *given: reduce(lambda a, b: function(a, b, _whole(node)), given)


def _compared(function: Callable[[Range, Range, bool], Range]) -> Maker:
    return lambda node: lambda a, b: function(a, b, _whole(node))


def _swapped(function: Callable[[Range, Range, bool], Range]) -> Maker:
    return lambda node: lambda a, b: function(b, a, _whole(node))


def _multiply(node: Step) -> Function:
    if node.inputs[0] is node.inputs[1]:
        return lambda a, b: rg.square(a)
    return rg.multiply


def _divide(node: Step) -> Function:
    return rg.quotient if _whole(node) else rg.divide


def _power(node: Step) -> Function:
    """Of exponents that exporters write; of others anything may come."""
    exponent = node.state(1).constant
    number = None if exponent is None or exponent.size != 1 else float(exponent.reshape(-1)[0])
    if number == 1:
        return lambda a, b: a
    if number == 2:
        return lambda a, b: rg.square(a)
    if number == 3:
        return lambda a, b: rg.multiply(rg.square(a), a) if a.low >= 0 else _cube(a)
    if number == 0.5:
        return lambda a, b: rg.root(a)
    if number == -0.5:
        return lambda a, b: rg.divide(ONE_ALONE, rg.root(a))
    return _anything


def _cube(a: Range) -> Range:
    return Range(a.low * a.low * a.low, a.high * a.high * a.high, a.nan)


def _cast(node: Step) -> Function:
    """To a type that holds all that may come: `typed` sees to what does not fit floats."""
    into = node.maybe(1)
    to = int(node.attribute("to", 0) if node.operator == "Cast" else into.dtype if into else 0)

    def found(a: Range) -> Range:
        if to == rg.BOOL:
            if a.nan:
                return EITHER
            return ZERO if a.only == 0 else EITHER if a.holds(0) else ONE_ALONE
        if to in _WHOLE:
            every = rg.every(to)
            cut = a if a.nan or math.isinf(a.most) or _whole(node) else rg.stepped(math.trunc, a)
            return cut if not a.nan and every.low <= cut.low and cut.high < every.high else every
        return a

    return found


def _clip(node: Step) -> Function:
    low, high = node.attribute("min"), node.attribute("max")

    def found(a: Range, *_: Range) -> Range:
        least, most = node.maybe(1), node.maybe(2)
        if least is not None or low is not None:
            a = rg.largest(a, least.whole if least is not None else Range(low, low))
        if most is not None or high is not None:
            a = rg.least(a, most.whole if most is not None else Range(high, high))
        return a

    return found


def clip(node: Step) -> Made:
    node.fixed(1, 2)
    state = node.state(0)
    return spread([state], [{axis: axis for axis in state.tails}], _clip(node), node.shape(0))


def dropout(node: Step) -> list[Made]:
    """Where it is not training; what it kept is everything."""
    from archonnx.runtime.batching.examples import keeps

    keeps(node)
    state = node.state(0)
    links = [{axis: axis for axis in state.tails}]
    kept = spread([state], links, lambda a: ONE_ALONE, node.shape(0))
    return [spread([state], links, lambda a: a, node.shape(0)), kept]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _softplus(x: float) -> float:
    return math.log1p(math.exp(x)) if x < 700 else x


def _rounding(function: Callable[[float], int]) -> Function:
    return lambda a: rg.stepped(function, a)


def _leaky(node: Step) -> Function:
    default = {"LeakyRelu": 0.01, "Elu": 1.0, "Celu": 1.0}[node.operator]
    return rg.shrinking if 0 <= float(node.attribute("alpha", default)) <= 1 else _anything


def _absolute(a: Range) -> Range:
    return Range(0.0 if a.holds(0) else min(abs(a.low), abs(a.high)), a.most, a.nan)


def _not(a: Range) -> Range:
    return Range(1 - a.high, 1 - a.low)


def _xor(a: Range, b: Range) -> Range:
    if a.only is None or b.only is None:
        return EITHER
    return ZERO if a.only == b.only else ONE_ALONE


def _no_number(a: Range) -> Range:
    return EITHER if a.nan else ZERO


def _infinite(a: Range) -> Range:
    return EITHER if a.nan or math.isinf(a.most) else ZERO


def _limited(least: float, most: float) -> Function:
    """Of a function that stays between two numbers: sines."""
    return lambda a: Range(least, most, a.nan or math.isinf(a.most))


_MAKERS: dict[str, Maker] = {
    "Abs": _plain(_absolute),
    "Add": _summed(rg.add),
    "And": _several(rg.least),
    "Cast": _cast,
    "Ceil": _plain(_rounding(math.ceil)),
    "Celu": _leaky,
    "Cos": _plain(_limited(-1, 1)),
    "Div": _divide,
    "Elu": _leaky,
    "Equal": _compared(rg.equal),
    "Erf": _plain(rg.rising(math.erf)),
    "Exp": _plain(rg.exponential),
    "Floor": _plain(_rounding(math.floor)),
    "Gelu": _plain(rg.shrinking),
    "Greater": _swapped(rg.less),
    "GreaterOrEqual": _swapped(rg.less_or_equal),
    "HardSigmoid": _plain(lambda a: Range(0, 1, a.nan)),
    "HardSwish": _plain(rg.shrinking),
    "Identity": _plain(lambda a: a),
    "IsInf": _plain(_infinite),
    "IsNaN": _plain(_no_number),
    "LeakyRelu": _leaky,
    "Less": _compared(rg.less),
    "LessOrEqual": _compared(rg.less_or_equal),
    "Log": _plain(rg.logarithm),
    "Max": _several(rg.largest),
    "Min": _several(rg.least),
    "Mish": _plain(rg.shrinking),
    "Mul": _multiply,
    "Neg": _plain(rg.negate),
    "Not": _plain(_not),
    "Or": _several(rg.largest),
    "Pow": _power,
    "QuickGelu": _plain(rg.shrinking),
    "Reciprocal": _plain(lambda a: rg.divide(ONE_ALONE, a)),
    "Relu": _plain(rg.rising(lambda x: max(x, 0.0))),
    "Round": _plain(_rounding(round)),
    "Sigmoid": _plain(rg.rising(_sigmoid)),
    "Sign": _plain(rg.rising(lambda x: float((x > 0) - (x < 0)))),
    "Sin": _plain(_limited(-1, 1)),
    "Softplus": _plain(rg.rising(_softplus)),
    "Softsign": _plain(rg.shrinking),
    "Sqrt": _plain(rg.root),
    "Sub": _summed(rg.subtract),
    "Sum": _summed(rg.add),
    "Swish": _plain(rg.shrinking),
    "Tanh": _plain(rg.rising(math.tanh)),
    "Where": _plain(rg.choose),
    "Xor": _plain(_xor),
}

PLACES = frozenset(PLACE_BY_PLACE) - {"BitShift"}


def _origin(node: Step) -> Origin | None:
    """What is remembered of squares, to see that a value is divided by the root of the mean of its own."""
    first = node.maybe(0)
    if first is None:
        return None
    if node.operator == "Pow" and (held := node.state(1).constant) is not None and held.size == 1:
        exponent = float(held.reshape(-1)[0])
        if exponent == 2:
            return Origin("square", first.label)
        if exponent == 0.5:
            return _followed(first, "mean", "root")
        if exponent == -0.5:
            return _followed(first, "mean", "inverse")
    if node.operator == "Mul" and node.inputs[0] is node.inputs[1]:
        return Origin("square", first.label)
    if node.operator == "Add":
        for one, other in ((first, node.state(1)), (node.state(1), first)):
            if one.origin is not None and one.origin.kind == "mean" and other.whole.low >= 0 and not other.whole.nan:
                return one.origin
    if node.operator == "Sqrt":
        return _followed(first, "mean", "root")
    if node.operator == "Reciprocal":
        return _followed(first, "root", "inverse")
    if node.operator == "Div" and first.whole.only == 1:
        return _followed(node.state(1), "root", "inverse")
    return None


def _followed(state: object, kind: str, by: str) -> Origin | None:
    origin = getattr(state, "origin", None)
    return Origin(by, origin.base, origin.count) if origin is not None and origin.kind == kind else None


def _normalized(node: Step, made: Made) -> Made:
    """A value divided by the root of the mean of its squares: no place of it is above the root of their number."""
    if node.operator not in ("Div", "Mul"):
        return made
    kind = "root" if node.operator == "Div" else "inverse"
    for one, other in ((0, 1), (1, 0)) if node.operator == "Mul" else ((0, 1),):
        value, by = node.state(one), node.state(other).origin
        if by is not None and by.kind == kind and by.base == value.label and value.whole.sure:
            most = math.sqrt(by.count)

            def bounded(found: Range, most: float = most) -> Range:
                return Range(max(found.low, -most), min(found.high, most), found.nan)

            made.whole = bounded(made.whole)
            made.tails = {axis: bounded(found) for axis, found in made.tails.items()}
            made.fronts = {axis: bounded(found) for axis, found in made.fronts.items()}
    return made
