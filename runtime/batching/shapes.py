"""The shapes of values that are the same for all rows, where onnx infers less: a table of positions that is cut to the
length of a text still has one place along its first axis."""

from __future__ import annotations

from collections.abc import Callable

from archonnx.runtime.batching.extents import ONE, Size, plus
from archonnx.runtime.batching.moving import split_sizes
from archonnx.runtime.batching.nodes import Dims, Node
from archonnx.runtime.batching.table import PLACE_BY_PLACE
from archonnx.runtime.batching.values import Unprovable


def same_shapes(node: Node) -> list[Dims | None]:
    """The shapes of the outputs of a node that rows do not go into; None where one is not told here."""
    unknown: list[Dims | None] = [None] * len(node.outputs)
    if node.operator == "Split":
        try:
            return _parts(node)
        except Unprovable:
            return unknown
    return [_first(node), *unknown[1:]]


def _first(node: Node) -> Dims | None:
    rule = _RULES.get(node.operator, _broadcast if node.operator in PLACE_BY_PLACE else None)
    if rule is None:
        return None
    try:
        return rule(node)
    except Unprovable:  # a rank or a list of axes is not known
        return None


def _broadcast(node: Node) -> Dims | None:
    shapes = [node.shape(place) for place, value in enumerate(node.inputs) if value is not None]
    rank = max(map(len, shapes), default=0)
    dims: list[Size | None] = []
    for place in range(rank):
        sizes = {shape[at] for shape in shapes if (at := place - rank + len(shape)) >= 0} - {ONE}
        known = [size for size in sizes if size.known is not None]
        dims.append(ONE if not sizes else sizes.pop() if len(sizes) == 1 else known[0] if len(known) == 1 else None)
    return dims


def _parts(node: Node) -> list[Dims | None]:
    shape = node.shape(0)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    sizes = split_sizes(node, shape[at])
    return [
        [(sizes[number] if sizes else None) if place == at else size for place, size in enumerate(shape)]
        for number in range(len(node.outputs))
    ]


def _squeezed(node: Node) -> Dims | None:
    shape = node.shape(0)
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 1)]
    return [size for place, size in enumerate(shape) if place not in axes]


def _cut(node: Node) -> Dims | None:
    dims: list[Size | None] = list(node.shape(0))
    count = len(node.attribute("starts", ())) or node.shape(1)[0].known
    if count is None:
        return None
    for axis in node.ints("axes", 3, list(range(count))):
        dims[axis] = None
    return dims


def _gathered(node: Node) -> Dims | None:
    data = node.shape(0)
    at = node.normal(int(node.attribute("axis", 0)), len(data))
    return [*data[:at], *node.shape(1), *data[at + 1 :]]


def _unsqueezed(node: Node) -> Dims | None:
    shape, given = node.shape(0), node.ints("axes", 1)
    rank = len(shape) + len(given)
    axes = {node.normal(each, rank) for each in given}
    old = iter(shape)
    return [ONE if place in axes else next(old) for place in range(rank)]


def _turned(node: Node) -> Dims | None:
    shape = node.shape(0)
    return [shape[place] for place in node.ints("perm", None, list(range(len(shape)))[::-1])]


def _joined(node: Node) -> Dims | None:
    shapes = [node.shape(place) for place in range(len(node.inputs))]
    at = node.normal(int(node.attribute("axis", 1)), len(shapes[0]))
    total: Size | None = shapes[0][at]
    for shape in shapes[1:]:
        total = plus(total, shape[at]) if total is not None else None
    first = shapes[0]
    return [total if place == at else size for place, size in enumerate(first)]


def _made(node: Node, place: int) -> Dims | None:
    numbers = node.input(place).numbers
    if numbers is None or any(size.signed or size.known == 0 for size in numbers.sizes):
        return None
    return numbers.sizes


def _expanded(node: Node) -> Dims | None:
    """Where the shape that is asked for is all that there is: what it is laid over has one place or as many."""
    target = _made(node, 1)
    return target if target is not None and len(target) >= node.rank(0) and all(_wide(node, target)) else None


def _wide(node: Node, target: Dims) -> list[bool]:
    own = node.shape(0)
    return [size in (ONE, wanted) for size, wanted in zip(own[::-1], list(target)[::-1], strict=False)]


_RULES: dict[str, Callable[[Node], Dims | None]] = {
    "Slice": _cut,
    "Gather": _gathered,
    "GatherElements": lambda node: node.shape(1),
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    "Transpose": _turned,
    "Concat": _joined,
    "ConstantOfShape": lambda node: _made(node, 0),
    "Reshape": lambda node: _made(node, 1),
    "Expand": _expanded,
}
