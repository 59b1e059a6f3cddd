"""Numbers of places that are counted over all rows laid flat, and what they are used for: to find a row's own token.

Some exports look a mask up at `row * tokens + token`. With more tokens that is another number, of the same place.
"""

from __future__ import annotations

from collections.abc import Callable

from archonnx.runtime.batching.extents import ONE
from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding.ranges import ANYTHING
from archonnx.runtime.padding.states import PLAIN, TOKENS, Made, State, Step, joint, spread

_WHOLE = (6, 7)  # onnx's numbers of int32 and int64
_SAME_NUMBERS = frozenset("Cast Expand Identity Reshape Squeeze Transpose Unsqueeze".split())
_WHY = "it computes with the number of tokens"


def counts_on(node: Step, made: Made) -> bool:
    """Whether an output holds the number of its token along its only axis of tokens: a Range, in whatever shape."""
    if len(made.tails) != 1 or made.grains:
        return False
    if node.operator == "Range":
        return True
    if node.operator == "Cast" and node.attribute("to") not in _WHOLE:
        return False
    return node.operator in _SAME_NUMBERS and node.state(0).steps


def is_level(node: Step, made: Made) -> bool:
    """Whether an output is the same all along its only axis of tokens: laid down there, in whatever shape."""
    if len(made.tails) != 1:
        return False
    if node.operator == "Expand" and not node.state(0).carries:
        return True
    return node.operator in _SAME_NUMBERS and node.state(0).level


def columns_of(node: Step) -> tuple[str, ...]:
    """What is joined along the last axis, where each part has one place there: "steps", "level", or nothing known."""
    if node.operator != "Concat" or int(node.attribute("axis", 1)) not in (-1, node.rank(0) - 1):
        return ()
    parts = node.states()
    if any(part.shape is None or part.shape[-1] != ONE for part in parts):
        return ()
    return tuple("steps" if part.steps else "level" if part.level else "" for part in parts)


def gather_nd(node: Step) -> Made:
    """Tokens by their row and their own number."""
    data, places, shape, wanted = node.state(0), node.state(1), node.shape(0), node.shape(1)
    depth = len(places.columns)
    if not depth or node.attribute("batch_dims", 0) or len(places.tails) != 1 or wanted[-1].known != depth:
        raise Unprovable("it takes places by numbers that are not known before it runs")
    column = next(iter(places.tails))
    indexed = [axis for axis in data.tails if axis < depth]
    wrong = [axis for axis, kind in enumerate(places.columns) if kind != ("steps" if axis in indexed else "level")]
    if len(indexed) != 1 or wrong or data.grain(indexed[0]) != PLAIN:
        raise Unprovable("it takes places of tokens by numbers that are not the tokens' own")
    shift = len(wanted) - 1 - depth
    link = {axis + shift: axis for axis in data.tails if axis >= depth}
    return spread([data], [link | {column: indexed[0]}], lambda a: a, [*wanted[:-1], *shape[depth:]])


def begins_flat(node: Step) -> bool:
    """Whether places counted over all rows begin here: whole numbers times the number of tokens."""
    return node.operator == "Mul" and _factors(node) is not None


def of_flat(node: Step) -> Made:
    """What a node makes of such numbers. Raises Unprovable for any use but to find a row's own token."""
    rule = _RULES.get(node.operator)
    if rule is None:
        raise Unprovable(_WHY)
    return rule(node)


def _factors(node: Step) -> State | None:
    """What is multiplied by the number of tokens."""
    if len(node.inputs) != 2:
        return None
    for one, other in ((0, 1), (1, 0)):
        times, rows = node.state(one), node.state(other)
        numbers = times.numbers.sizes if times.numbers else ()
        if numbers == (TOKENS,) and not (rows.carries or rows.counts) and rows.whole.low >= 0 and not rows.whole.nan:
            return rows if rows.dtype in _WHOLE else None
    return None


def _multiplied(node: Step) -> Made:
    """The first place of each row: nothing else of it is the same in both runs."""
    if any(state.flat for state in node.states()):
        raise Unprovable(_WHY)
    _, dims = joint(node, node.states())
    return Made(dims, ANYTHING, flat=True)


def _added(node: Step) -> Made:
    """The place of each token."""
    for one, other in ((0, 1), (1, 0)):
        rows, steps = node.state(one), node.state(other)
        if rows.flat and not rows.carries and steps.steps:
            links, dims = joint(node, [rows, steps])
            made = spread([rows, steps], links, lambda a, b: ANYTHING, dims)
            made.flat = True
            return made
    raise Unprovable(_WHY)


def _looked_up(node: Step) -> Made:
    """Gather: each place is that of one token, by its row and its own number."""
    data, places = node.state(0), node.state(1)
    shape, wanted = node.shape(0), node.shape(1)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    if data.flat or at not in data.tails or data.grain(at).inner != ONE or len(places.tails) != 1:
        raise Unprovable(_WHY)
    column = next(iter(places.tails))
    shift = len(wanted) - 1
    link = {axis if axis < at else axis + shift: axis for axis in data.tails if axis != at}
    made = spread([data], [link | {at + column: at}], lambda a: a, [*shape[:at], *wanted, *shape[at + 1 :]])
    made.grains = {axis: grain for axis, grain in made.grains.items() if axis != at + column and grain != PLAIN}
    return made


_RULES: dict[str, Callable[[Step], Made]] = {"Add": _added, "Gather": _looked_up, "Mul": _multiplied}
