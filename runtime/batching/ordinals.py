"""Numbers of places that are computed of a row's own number, and what they are used for: to find that row again.

Some exports look a mask up in all rows laid flat, at `row * steps + step`. In a part the rows have other numbers, and
are found all the same, so long as nothing else is done with these numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from archonnx.runtime.batching import moving
from archonnx.runtime.batching.extents import BATCH, ONE, ROWS, Size
from archonnx.runtime.batching.nodes import Found, Node
from archonnx.runtime.batching.spreading import broadcast
from archonnx.runtime.batching.values import Unprovable, Value

_WHOLE = (6, 7)  # onnx's numbers of int32 and int64
_SAME_NUMBERS = frozenset("Cast Expand Identity Reshape Squeeze Transpose Unsqueeze".split())


def counts_rows(node: Node) -> bool:
    """Whether a Range gives each row its number: from 0 to the number of rows, one by one."""
    if node.operator != "Range" or len(node.inputs) != 3:
        return False
    start, limit, step = (value.numbers.sizes if value and value.numbers else () for value in node.inputs)
    return (start, limit, step) == ((Size(0),), (ROWS,), (ONE,))


def below(node: Node) -> Size | None:
    """What all numbers of an output that is the same for all stay below, none of them being less than nothing."""
    if node.operator == "Range":
        start, _, step = (value.numbers.known if value and value.numbers else None for value in node.inputs)
        numbers = node.input(1).numbers
        if start == [0] and step == [1] and numbers is not None and not numbers.sizes[0].signed:
            return numbers.sizes[0]
        return None
    if node.operator == "Cast" and node.attribute("to") not in _WHOLE:
        return None
    return node.input(0).below if node.operator in _SAME_NUMBERS and node.inputs else None


def of_ordinals(node: Node) -> tuple[Found, Size | None, Size | None]:
    """What a node makes of numbers of places: what is known of its output, and where these are numbers of places
    again, how far those of neighbouring rows lie apart, and what is added to them stays below.

    Raises Unprovable for any other use of them.
    """
    rule = _RULES.get(node.operator)
    if rule is None:
        raise Unprovable("it computes with a row's own number")
    return rule(node)


Result = tuple[Found, "Size | None", "Size | None"]


def _kept(node: Node) -> Result:
    """The same numbers in another shape."""
    value = node.input(0)
    node.only_rows(0)
    if node.operator in ("Cast", "Identity"):
        if node.operator == "Cast" and node.attribute("to") not in _WHOLE:
            raise Unprovable("it computes with a row's own number")
        return Found(value.axis, value.shape), value.stride, value.below
    return moving.unsqueeze(node), value.stride, value.below


def _shape(node: Node) -> Result:
    return moving.measured(node), None, None


def _two(node: Node) -> tuple[Value, Value]:
    """The numbers of places, and what is the same for all."""
    for one, other in ((0, 1), (1, 0)):
        if node.input(one).stride is not None and node.input(other).same:
            return node.input(one), node.input(other)
    raise Unprovable("it computes with a row's own number")


def _multiplied(node: Node) -> Result:
    places, times = _two(node)
    sizes = times.numbers.sizes if times.numbers else ()
    if len(sizes) != 1 or sizes[0].signed or places.below != ONE or places.stride is None:
        raise Unprovable("it computes with a row's own number")
    return broadcast(node.inputs), places.stride * sizes[0], ONE


def _added(node: Node) -> Result:
    places, step = _two(node)
    if places.below != ONE or step.below is None:
        raise Unprovable("it computes with a row's own number")
    return broadcast(node.inputs), places.stride, step.below


def _looked_up(node: Node) -> Result:
    """Gather, of places that each lie in the row whose number they were computed of."""
    data, places = node.input(0), node.input(1)
    shape = node.shape(0)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    if places.stride is None or data.stride is not None or data.axis is None or data.axis != at:
        raise Unprovable("it computes with a row's own number")
    held = shape[at].over(ROWS)
    within = places.below in (ONE, held)
    if held is None or held != places.stride or BATCH in held.names or not within or shape[at].over_all != ONE:
        raise Unprovable("it may find places of other rows")
    return Found(at + node.axis(1), [*shape[:at], *node.shape(1), *shape[at + 1 :]]), None, None


_RULES: dict[str, Callable[[Node], Result]] = {
    "Add": _added,
    "Cast": _kept,
    "Gather": _looked_up,
    "Identity": _kept,
    "Mul": _multiplied,
    "Shape": _shape,
    "Unsqueeze": _kept,
}
