"""Rules of operators that work place by place, that multiply matrices, and that work along axes.

Sources: the operators' own texts in onnx/docs/Operators.md, and onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.runtime.batching.extents import ONE, Size
from archonnx.runtime.batching.nodes import Found, Node, Rule
from archonnx.runtime.batching.values import Unprovable, Value


def broadcast(values: Sequence[Value | None]) -> Found:
    """The shape of what is computed place by place of several, as numpy broadcasts them, with the rows where they are
    in all that have them."""
    given = [value for value in values if value is not None]
    if any(value.counts for value in given):
        raise Unprovable("it computes with the number of rows")
    if any(value.shape is None for value in given):
        raise Unprovable("the rank of an input is not known")
    shapes = [value.shape or () for value in given]
    rank = max(map(len, shapes))
    ends = {len(shape) - value.axis for value, shape in zip(given, shapes, strict=True) if value.axis is not None}
    if len(ends) > 1:
        raise Unprovable("its inputs have their rows on different axes")
    axis = rank - ends.pop()
    dims: list[Size | None] = []
    for place in range(rank):
        sizes = []
        for value, shape in zip(given, shapes, strict=True):
            at = place - rank + len(shape)
            if at < 0:
                continue
            if place == axis and value.axis is None and shape[at] != ONE:
                raise Unprovable("an input that holds no rows may have more than one place along their axis")
            sizes.append(shape[at])
        dims.append(_joint(sizes, place == axis))
    return Found(axis, dims)


def _joint(sizes: list[Size], batch: bool) -> Size | None:
    """The size of an axis that has these in the inputs."""
    wide = {size for size in sizes if size != ONE}
    if not wide:
        return ONE
    if len(wide) == 1:
        return wide.pop()
    if batch:
        raise Unprovable("its inputs hold different numbers of places for a row")
    known = {size for size in wide if size.known is not None}
    return known.pop() if len(known) == 1 else None


def elementwise(node: Node) -> Found | list[Found]:
    """Each place of an output follows from the same place of the inputs."""
    return broadcast(node.inputs)


def scalars_after(count: int) -> Rule:
    """As elementwise, of the first inputs alone: the others are for all places and rows."""

    def rule(node: Node) -> Found:
        node.only_rows(*range(count))
        return broadcast(node.inputs[:count])

    return rule


def cast_like(node: Node) -> Found:
    """The type of the second input, and nothing else of it."""
    value = node.input(0)
    if value.counts:
        raise Unprovable("it computes with the number of rows")
    return Found(value.axis, value.shape)


def matmul(node: Node, a: int = 0, b: int = 1) -> Found:
    """numpy's matmul: rows anywhere but on the axis that is summed over."""
    node.only_rows(a, b)
    return multiplied(node.input(a), node.input(b), node.shape(a), node.shape(b))


def multiplied(left: Value, right: Value, a: tuple[Size, ...], b: tuple[Size, ...]) -> Found:
    if len(a) < 2 or len(b) < 2:
        if left.axis is None or left.axis == len(a) - 1 or len(a) < 2 or right.axis is not None:
            raise Unprovable("it sums over the rows, or may")
        return Found(left.axis, a[:-1])
    if left.axis == len(a) - 1 or right.axis == len(b) - 2:
        raise Unprovable("it sums over the axis that holds the rows")
    ends = (a[-2], b[-1])
    outer = [Value(a[:-2], _outer(left, len(a))), Value(b[:-2], _outer(right, len(b)))]
    rank = max(len(a), len(b))
    inner = {len(a) - 2: left.axis} if left.axis == len(a) - 2 else {}
    if inner or right.axis == len(b) - 1:
        if (left.axis is not None) and (right.axis is not None):
            raise Unprovable("it multiplies rows by rows")
        shapes = [value.shape or () for value in outer]
        dims: list[Size | None] = [
            _joint([s[at] for s in shapes if (at := place - rank + 2 + len(s)) >= 0], False)
            for place in range(rank - 2)
        ]
        return Found(rank - 2 if inner else rank - 1, [*dims, *ends])
    found = broadcast(outer)
    assert found.axis is not None
    assert found.dims is not None
    return Found(found.axis, [*found.dims, *ends])


def _outer(value: Value, rank: int) -> int | None:
    return value.axis if value.axis is not None and value.axis < rank - 2 else None


def gemm(node: Node) -> Found:
    """alpha * A B + beta * C, each of A and B perhaps transposed."""
    parts = []
    for place, name in enumerate(("transA", "transB")):
        value, shape = node.input(place), node.shape(place)
        if len(shape) != 2:
            raise Unprovable("its factors are no matrices")
        if node.attribute(name, 0):
            value = Value(shape[::-1], None if value.axis is None else 1 - value.axis)
        parts.append(value)
    if not any(part.rows for part in parts):
        raise Unprovable("what it adds holds rows, and its factors do not")
    found = multiplied(parts[0], parts[1], parts[0].shape or (), parts[1].shape or ())
    added = node.given(2)
    if added is None:
        return found
    dims = tuple(size for size in found.dims or () if size is not None)
    return broadcast([Value(dims, found.axis), added])


def fused_matmul(node: Node) -> Found:
    """com.microsoft's FusedMatMul: transA and transB change the last two axes; the batch's own, transBatchA, is not
    taken."""
    if node.attribute("transBatchA", 0) or node.attribute("transBatchB", 0):
        raise Unprovable("it moves the axes of a batch of matrices")
    parts = []
    for place, name in enumerate(("transA", "transB")):
        value, shape = node.input(place), node.shape(place)
        if node.attribute(name, 0) and len(shape) > 1:
            moved = {len(shape) - 1: len(shape) - 2, len(shape) - 2: len(shape) - 1}
            axis = None if value.axis is None else moved.get(value.axis, value.axis)
            value = Value((*shape[:-2], shape[-1], shape[-2]), axis)
        parts.append(value)
    return multiplied(parts[0], parts[1], parts[0].shape or (), parts[1].shape or ())


def few_bits(node: Node) -> Found:
    """com.microsoft's MatMulNBits: the last axis is summed over, `N` of the weights come in its place."""
    axis = node.row_axis()
    shape = node.shape(0)
    node.apart(len(shape) - 1)
    return Found(axis, [*shape[:-1], Size(int(node.attribute("N")))])


def einsum(node: Node) -> Found:
    """The letter of the rows is the same wherever rows are, and stands in the result."""
    equation = node.attribute("equation", b"")
    text = (equation.decode() if isinstance(equation, bytes) else str(equation)).replace(" ", "")
    terms, arrow, result = text.partition("->")
    if not arrow or "." in text:
        raise Unprovable("its equation leaves axes unnamed")
    sizes: dict[str, Size | None] = {}
    letters = set()
    for place, term in enumerate(terms.split(",")):
        shape, axis = node.shape(place), node.input(place).axis
        if len(shape) != len(term) or len(set(term)) != len(term):
            raise Unprovable("its equation takes a diagonal")
        for letter, size in zip(term, shape, strict=True):
            before = sizes.setdefault(letter, size)
            if before == size:
                continue
            if size.batch or (before is not None and before.batch):
                raise Unprovable("an input that holds no rows may have more than one place along their axis")
            sizes[letter] = None
        if axis is not None:
            letters.add(term[axis])
        if node.input(place).counts:
            raise Unprovable("it computes with the number of rows")
    if len(letters) != 1:
        raise Unprovable("its inputs have their rows on different axes")
    letter = letters.pop()
    if letter not in result:
        raise Unprovable("it sums over the axis that holds the rows")
    return Found(result.index(letter), [sizes[each] for each in result])


def reduction(node: Node) -> Found:
    """Over axes that do not hold the rows; they leave, or stay with one place."""
    axis, shape = node.row_axis(), node.shape(0)
    axes = node.ints("axes", 1, [])
    if not axes:
        if node.attribute("noop_with_empty_axes", 0):
            return Found(axis, shape)
        raise Unprovable("it reduces all axes to one number")
    return _without(node, [node.normal(each, len(shape)) for each in axes], bool(node.attribute("keepdims", 1)))


def _without(node: Node, axes: list[int], keep: bool) -> Found:
    axis, shape = node.axis(0), node.shape(0)
    if axis in axes:
        raise Unprovable(f"it reduces axis {axis}, which holds the rows")
    dims = [ONE if place in axes else size for place, size in enumerate(shape) if keep or place not in axes]
    return Found(axis if keep else axis - sum(each < axis for each in axes), dims)


def best(node: Node) -> Found:
    """ArgMax and ArgMin."""
    node.row_axis()
    return _without(node, [node.normal(node.attribute("axis", 0), node.rank(0))], bool(node.attribute("keepdims", 1)))


def along(default: int, *, flat: int = 0) -> Rule:
    """Works along one axis, by default `default`; before opset `flat` along that and all after it."""

    def rule(node: Node) -> Found:
        axis, rank = node.row_axis(), node.rank(0)
        old = node.opset < flat
        at = node.normal(node.attribute("axis", 1 if old else default), rank)
        if axis == at or (old and axis > at):
            raise Unprovable(f"it works along axis {axis}, which holds the rows")
        return Found(axis, node.shape(0))

    return rule


def from_axis(default: int) -> Rule:
    """Works along an axis and all after it: the normalisations of layers. Their other results keep the axes before."""

    def rule(node: Node) -> list[Found]:
        axis, shape = node.row_axis(), node.shape(0)
        at = node.normal(node.attribute("axis", default), len(shape))
        if axis >= at:
            raise Unprovable(f"it works along axis {axis}, which holds the rows")
        small = [size if place < at else ONE for place, size in enumerate(shape)]
        return [Found(axis, shape), Found(axis, small), Found(axis, small)]

    return rule


def all_axes(name: str, default: list[int]) -> Rule:
    """Works along the axes of an attribute."""

    def rule(node: Node) -> Found:
        axis, rank = node.row_axis(), node.rank(0)
        if axis in [node.normal(each, rank) for each in node.ints(name, None, default)]:
            raise Unprovable(f"it works along axis {axis}, which holds the rows")
        return Found(axis, node.shape(0))

    return rule


def cumulative(node: Node) -> Found:
    """CumSum: its axis is its second input."""
    axis, rank = node.row_axis(), node.rank(0)
    node.apart(node.normal(node.ints("axis", 1)[0], rank))
    return Found(axis, node.shape(0))


def top(node: Node) -> list[Found]:
    """TopK: along one axis, of which K places stay."""
    axis, shape = node.row_axis(), node.shape(0)
    at = node.normal(node.attribute("axis", -1), len(shape))
    node.apart(at)
    found = Found(axis, [None if place == at else size for place, size in enumerate(shape)])
    return [found, found]


def triangle(node: Node) -> Found:
    """Trilu: works on the last two axes."""
    axis, rank = node.row_axis(), node.rank(0)
    if axis >= rank - 2:
        raise Unprovable(f"it works along axis {axis}, which holds the rows")
    return Found(axis, node.shape(0))


def quantize(node: Node) -> Found:
    """QuantizeLinear and DequantizeLinear: scales for the whole, or along an axis that does not hold the rows."""
    axis, rank = node.row_axis(), node.rank(0)
    scale = node.shape(1)
    if len(scale) > 1 or node.attribute("block_size", 0):
        raise Unprovable("it has a scale for each block")
    if scale not in ((), (ONE,)):
        node.apart(node.normal(node.attribute("axis", 1), rank))
    return Found(axis, node.shape(0))


def quantized_matmul(node: Node) -> Found:
    """QLinearMatMul: a, scale, zero, b, scale, zero, scale, zero; the scales of the rows' factor are for the whole."""
    node.only_rows(0, 3)
    for place in (1, 2, 4, 5, 6, 7):
        shape = node.shape(place)
        if shape not in ((), (ONE,)) and (place < 3 or place > 5 or node.input(3).rows):
            raise Unprovable("it has a scale for each row of a matrix")
    return matmul(node, 0, 3)


def integer_matmul(node: Node) -> Found:
    """MatMulInteger: a, b, zero of a, zero of b; the zero of a for the whole."""
    zero = node.given(2)
    if zero is not None and zero.shape not in ((), (ONE,)):
        raise Unprovable("it has a zero point for each row of a matrix")
    other = node.given(3)
    if other is not None and other.shape not in ((), (ONE,)) and node.input(1).rows:
        raise Unprovable("it has a zero point for each column of a matrix")
    return matmul(node)
