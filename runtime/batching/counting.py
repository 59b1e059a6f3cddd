"""What small values of whole numbers hold, as far as it follows from sizes: the shapes that exporters compute."""

from __future__ import annotations

import operator
from collections.abc import Callable

from archonnx.runtime.batching.extents import Size, computed, minus, plus, product
from archonnx.runtime.batching.nodes import Node
from archonnx.runtime.batching.values import MOST, Numbers, Value, unknown

Pair = Callable[[Size, Size], "Size | None"]


def numbers_of(node: Node) -> Numbers | None:
    """What the first output holds, of inputs none of which holds rows; None where that is not known."""
    rule = _RULES.get(node.operator)
    return rule(node) if rule is not None else None


def held(value: Value | None, name: str) -> Numbers | None:
    """What an input holds. Where only its length is known, names that stand for what is the same for all."""
    if value is None or not (value.same or value.counts):
        return None
    if value.numbers is not None:
        return value.numbers
    shape = value.shape
    if shape is None or len(shape) > 1:
        return None
    count = shape[0].known if shape else 1
    if count is None or count > MOST:
        return None
    return Numbers(tuple(unknown(f"~{name}", place) for place in range(count)), not shape)


def _input(node: Node, place: int) -> Numbers | None:
    value = node.given(place)
    return value.numbers if value is not None and not value.rows else None


def _pairs(pair: Pair) -> Callable[[Node], Numbers | None]:
    def rule(node: Node) -> Numbers | None:
        a, b = _input(node, 0), _input(node, 1)
        if a is None or b is None:
            return None
        count = max(len(a.sizes), len(b.sizes))
        if {len(a.sizes), len(b.sizes)} - {1, count}:
            return None
        left, right = (each.sizes * (count if len(each.sizes) == 1 else 1) for each in (a, b))
        found = [pair(x, y) for x, y in zip(left, right, strict=True)]
        known = tuple(size for size in found if size is not None)
        return Numbers(known, a.scalar and b.scalar) if len(known) == count else None

    return rule


def _quotient(a: Size, b: Size) -> Size | None:
    if a.known is not None and b.known:
        quotient = abs(a.known) // abs(b.known)  # towards zero
        return Size(quotient if (a.known < 0) == (b.known < 0) else -quotient)
    return a.over(b) if a.over(b) is not None else computed("Div", a, b)


def _compared(compare: Callable[[int, int], bool], name: str) -> Pair:
    def pair(a: Size, b: Size) -> Size | None:
        if a.known is not None and b.known is not None:
            return Size(int(compare(a.known, b.known)))
        if name == "Equal":
            for one, other in ((a, b), (b, a)):  # a size is never less than nothing
                if one.known is not None and one.known < 0 and not other.signed:
                    return Size(0)
        return computed(name, a, b)

    return pair


def _picked(pick: Callable[[int, int], int], name: str) -> Pair:
    def pair(a: Size, b: Size) -> Size | None:
        if a.known is not None and b.known is not None:
            return Size(pick(a.known, b.known))
        return a if a == b else computed(name, a, b)

    return pair


def _either(node: Node) -> Numbers | None:
    """Where: of each place one or the other, where the condition is known."""
    which, a, b = _input(node, 0), _input(node, 1), _input(node, 2)
    if which is None or which.known is None or a is None or b is None:
        return None
    count = max(len(each.sizes) for each in (which, a, b))
    if any(len(each.sizes) not in (1, count) for each in (which, a, b)):
        return None
    tests, left, right = (each.sizes * (count if len(each.sizes) == 1 else 1) for each in (which, a, b))
    sizes = tuple(x if test.known else y for test, x, y in zip(tests, left, right, strict=True))
    return Numbers(sizes, which.scalar and a.scalar and b.scalar)


def _kept(node: Node) -> Numbers | None:
    """The same numbers, the type perhaps another; what is computed of fractions is not followed."""
    from onnx import TensorProto

    if node.operator == "Cast" and node.attribute("to") not in (TensorProto.INT64, TensorProto.INT32):
        return None
    return _input(node, 0)


def _listed(node: Node) -> Numbers | None:
    """Unsqueeze, Squeeze and Reshape of one number, or of a list to a list."""
    found = _input(node, 0)
    if found is None:
        return None
    if node.operator == "Unsqueeze":
        return Numbers(found.sizes) if found.scalar else None
    if node.operator == "Squeeze":
        return Numbers(found.sizes, True) if len(found.sizes) == 1 else found
    target = _input(node, 1)
    if target is None or target.known is None or len(target.known) > 1:
        return None
    if not target.known:
        return Numbers(found.sizes, True)
    return Numbers(found.sizes) if target.known[0] in (-1, len(found.sizes)) else None


def _taken(node: Node) -> Numbers | None:
    data, places = _input(node, 0), _input(node, 1)
    if data is None or data.scalar or places is None or places.known is None:
        return None
    if any(not -len(data.sizes) <= place < len(data.sizes) for place in places.known):
        return None
    return Numbers(tuple(data.sizes[place] for place in places.known), places.scalar)


def _cut(node: Node) -> Numbers | None:
    data = _input(node, 0)
    if data is None or data.scalar:
        return None
    parts = []
    for place, name in enumerate(("starts", "ends", "axes", "steps"), 1):
        given = node.attribute(name)
        found = _input(node, place)
        known = list(given) if given is not None else found.known if found is not None else None
        if known is None and node.given(place) is None and name in ("axes", "steps"):
            known = [1] if name == "steps" else [0]
        if known is None or len(known) != 1:
            return None
        parts.append(int(known[0]))
    start, end, axis, step = parts
    if axis not in (0, -1) or not step:
        return None
    if step < 0 and end < -len(data.sizes):  # to the very front
        return Numbers(data.sizes[start::step])
    return Numbers(data.sizes[start:end:step])


def _joined(node: Node) -> Numbers | None:
    sizes: list[Size] = []
    for place in range(len(node.inputs)):
        found = held(node.given(place), f"{node.label}/{place}")
        if found is None or found.scalar:
            return None
        sizes += found.sizes
    return Numbers(tuple(sizes)) if len(sizes) <= MOST else None


def _shape(node: Node) -> Numbers | None:
    value = node.input(0)
    if value.shape is None:
        return None
    rank = len(value.shape)
    first, last = (int(node.attribute(name, default)) for name, default in (("start", 0), ("end", rank)))
    first, last = (max(0, each + rank if each < 0 else each) for each in (first, last))
    return Numbers(value.shape[first:last]) if rank <= MOST else None


def _size(node: Node) -> Numbers | None:
    shape = node.input(0).shape
    return None if shape is None else Numbers((product(shape),), scalar=True)


def _product(node: Node) -> Numbers | None:
    found = _input(node, 0)
    if found is None:
        return None
    total = product(found.sizes)
    return Numbers((total,), not node.attribute("keepdims", 1)) if not found.scalar else found


def _repeated(node: Node) -> Numbers | None:
    """ConstantOfShape of a short list."""
    count = _input(node, 0)
    if count is None or count.known is None or len(count.known) > 1:
        return None
    value = node.attribute("value")
    if value is not None:
        from onnx import numpy_helper

        array = numpy_helper.to_array(value)
        if array.dtype.kind not in "iub":
            return None
    number = 0 if value is None else int(array.reshape(-1)[0])
    length = count.known[0] if count.known else 1
    return Numbers((Size(number),) * length, not count.known) if 0 <= length <= MOST else None


def _turned(node: Node) -> Numbers | None:
    found = _input(node, 0)
    return found and Numbers(tuple(Size(-s.number, s.names) for s in found.sizes), found.scalar)


_RULES: dict[str, Callable[[Node], Numbers | None]] = {
    "Shape": _shape,
    "Size": _size,
    "Identity": _kept,
    "Cast": _kept,
    "Unsqueeze": _listed,
    "Squeeze": _listed,
    "Reshape": _listed,
    "Gather": _taken,
    "Slice": _cut,
    "Concat": _joined,
    "ReduceProd": _product,
    "ConstantOfShape": _repeated,
    "Where": _either,
    "Neg": _turned,
    "Add": _pairs(plus),
    "Sub": _pairs(minus),
    "Mul": _pairs(lambda a, b: a * b),
    "Div": _pairs(_quotient),
    "Min": _pairs(_picked(min, "Min")),
    "Max": _pairs(_picked(max, "Max")),
    "Equal": _pairs(_compared(operator.eq, "Equal")),
    "Less": _pairs(_compared(operator.lt, "Less")),
    "Greater": _pairs(_compared(operator.gt, "Greater")),
}
