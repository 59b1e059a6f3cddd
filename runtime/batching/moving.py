"""Rules of operators that move, cut, join and repeat what they are given.

Sources: the operators' own texts in onnx/docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.runtime.batching.extents import ONE, ROWS, Size, plus, product
from archonnx.runtime.batching.nodes import Found, Node
from archonnx.runtime.batching.values import Numbers, Unprovable

FAR = 2**31 - 1  # what exporters write for "to the end", or more


def reshape(node: Node) -> Found:
    """A row stays in one piece where what stands before the axis of the rows is the same number of places as before;
    where it is less, the new axis holds all rows as many times over."""
    node.only_rows(0, 1)
    target = node.given(1)
    if target is None or target.numbers is None:
        raise Unprovable("the shape that it makes is not known before it runs")
    return regrouped(node, list(target.numbers.sizes), bool(node.attribute("allowzero", 0)))


def flatten(node: Node) -> Found:
    """To a matrix: the axes before `axis`, and those from it on."""
    node.row_axis()
    shape = node.shape(0)
    at = node.normal(node.attribute("axis", 1), len(shape))
    return regrouped(node, [product(shape[:at]).plain, product(shape[at:]).plain], True)


def regrouped(node: Node, target: list[Size], zero: bool) -> Found:
    """The rule of reshape. target: sizes, of which one may be -1, and 0 copies that of the input unless `zero`."""
    shape, axis = [size.plain for size in node.shape(0)], node.axis(0)
    sizes: list[Size | None] = []
    for place, size in enumerate(target):
        if size.known == 0 and not zero and place < len(shape):
            sizes.append(shape[place])
        elif size.known == -1:
            sizes.append(None)
        elif size.signed or size.known == 0:
            raise Unprovable("the shape that it makes is not known before it runs")
        else:
            sizes.append(size)
    open_places = [place for place, size in enumerate(sizes) if size is None]
    if len(open_places) > 1:
        raise Unprovable("the shape that it makes leaves several sizes open")
    rest = product([size for size in sizes if size is not None])
    whole = product(shape)
    if open_places:
        left = whole.over(rest)
        if left is None and not rest.batch:
            raise Unprovable(f"it makes pieces of {rest} of rows that have {whole}, which may be no whole number")
        sizes[open_places[0]] = left  # None: does not grow with the rows, as these are counted elsewhere
    holders = [place for place, size in enumerate(sizes) if size is not None and size.batch]
    if len(holders) != 1 or whole.names.count("") != 1:
        raise Unprovable("it leaves no axis that counts the rows")
    holder = holders[0]
    sizes[holder] = _ordered(sizes, holder, product(shape[:axis]) * node.shape(0)[axis].over_all)
    return Found(holder, sizes)


def _ordered(sizes: list[Size | None], holder: int, before: Size) -> Size:
    """The size of the new axis of the rows. before: how many times all rows were there, one after the other."""
    now = product([size for size in sizes[:holder] if size is not None])
    times, held = before.over(now), sizes[holder]
    if None in sizes[:holder] or times is None or held is None or held.over(times) is None:
        raise Unprovable("it puts places of several rows side by side")
    return (held.over(times) or held).times_over(times)


def transpose(node: Node) -> Found:
    axis, shape = node.row_axis(), node.shape(0)
    order = node.ints("perm", None, list(range(len(shape)))[::-1])
    return Found(order.index(axis), [shape[place] for place in order])


def squeeze(node: Node) -> Found:
    """Axes of one place leave. Without a list of them the rows' may leave too, where there is one row."""
    axis, shape = node.row_axis(), node.shape(0)
    if "axes" not in node.attributes and node.given(1) is None:
        raise Unprovable("it takes away all axes of one place, and so that of a single row")
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 1)]
    if axis in axes:
        raise Unprovable(f"it takes away axis {axis}, which holds the rows")
    return Found(axis - sum(each < axis for each in axes), [s for place, s in enumerate(shape) if place not in axes])


def unsqueeze(node: Node) -> Found:
    axis, shape = node.row_axis(), node.shape(0)
    given = node.ints("axes", 1)
    rank = len(shape) + len(given)
    axes = {node.normal(each, rank) for each in given}
    old = iter(range(len(shape)))
    places = [None if place in axes else next(old) for place in range(rank)]
    return Found(places.index(axis), [ONE if place is None else shape[place] for place in places])


def concat(node: Node) -> Found:
    """Along another axis than the rows', which all inputs have."""
    axes, shapes = set(), []
    for place, value in enumerate(node.inputs):
        if value is None or value.counts:
            raise Unprovable("it joins the number of rows to something")
        axes.add(value.axis)
        shapes.append(node.shape(place))
    axis = axes.pop()
    if axes or axis is None:
        raise Unprovable("one of its inputs holds no rows where others do, or on another axis")
    if len({shape[axis] for shape in shapes}) != 1:
        raise Unprovable("its inputs hold different numbers of places for a row")
    at = node.normal(node.attribute("axis", 1), len(shapes[0]))
    node.apart(at)
    total: Size | None = shapes[0][at]
    for shape in shapes[1:]:
        total = plus(total, shape[at]) if total is not None else None
    return Found(axis, [total if place == at else size for place, size in enumerate(shapes[0])])


def split(node: Node) -> list[Found]:
    axis, shape = node.row_axis(), node.shape(0)
    at = node.normal(node.attribute("axis", 0), len(shape))
    node.apart(at)
    sizes = split_sizes(node, shape[at])
    return [
        Found(axis, [(sizes[n] if sizes else None) if place == at else size for place, size in enumerate(shape)])
        for n in range(len(node.outputs))
    ]


def split_sizes(node: Node, size: Size) -> Sequence[Size] | None:
    """The sizes that a Split parts an axis into, None where they are not known: given, or all alike."""
    if "split" in node.attributes:
        return [Size(int(each)) for each in node.attribute("split")]
    given, count = node.given(1), len(node.outputs)
    if given is not None:
        numbers = given.numbers
        return numbers.sizes if numbers and len(numbers.sizes) == count else None
    equal = size.over(Size(count))
    return None if equal is None else [equal] * count


def cut(node: Node) -> Found:
    """Slice: the axis of the rows stays whole."""
    node.only_rows(0, 1, 2)
    axis, shape = node.axis(0), node.shape(0)
    starts, ends = numbers_given(node, "starts", 1), numbers_given(node, "ends", 2)
    axes = node.ints("axes", 3, list(range(len(starts))))
    steps = node.ints("steps", 4, [1] * len(starts))
    dims: list[Size | None] = list(shape)
    for start, end, at, step in zip(starts, ends, axes, steps, strict=True):
        place = node.normal(at, len(shape))
        whole = start.known == 0 and step == 1 and (end == shape[place].plain or (end.known or 0) >= FAR)
        if place == axis and not whole:
            raise Unprovable("it takes some of the rows")
        if place != axis and (start.batch or end.batch):
            raise Unprovable("it takes as many places as there are rows")
        if not whole:
            dims[place] = cut_length(shape[place], start, end, step)
    return Found(axis, dims)


def numbers_given(node: Node, name: str, place: int) -> Sequence[Size]:
    """Numbers that need not be known, but how many there are."""
    if name in node.attributes:
        return [Size(int(each)) for each in node.attribute(name)]
    value = node.input(place)
    if value.numbers is None:
        raise Unprovable(f"its {name} are not known before it runs")
    return value.numbers.sizes


def cut_length(size: Size, start: Size, end: Size, step: int) -> Size | None:
    known = (size.known, start.known, end.known)
    if size.known is None or start.known is None or end.known is None or None in known:
        return None
    return Size(len(range(size.known)[start.known : end.known : step]))


def gather(node: Node) -> Found:
    """Takes places of an axis that does not hold the rows, or, for each row, places of what is the same for all."""
    node.only_rows(0, 1)
    data, places = node.shape(0), node.shape(1)
    at = node.normal(node.attribute("axis", 0), len(data))
    if node.input(0).counts or node.input(1).counts:
        raise Unprovable("it computes with the number of rows")
    if node.input(1).rows:
        if node.input(0).rows:
            raise Unprovable("it takes places of rows by numbers that are the rows' own")
        return Found(at + node.axis(1), [*data[:at], *places, *data[at + 1 :]])
    axis = node.axis(0)
    if axis == at:
        raise Unprovable("it takes some of the rows")
    return Found(axis if axis < at else axis + len(places) - 1, [*data[:at], *places, *data[at + 1 :]])


def gather_elements(node: Node) -> Found:
    """Along one axis, by numbers that have the rows on the same axis as the data."""
    node.only_rows(0, 1)
    axis, data, places = node.axis(0), node.shape(0), node.shape(1)
    if node.axis(1) != axis or data[axis] != places[axis]:
        raise Unprovable("its inputs have their rows on different axes")
    node.apart(node.normal(node.attribute("axis", 0), len(data)))
    return Found(axis, places)


def gather_nd(node: Node) -> Found:
    """By numbers that are the rows' own: of what is the same for all, or of the same row, by `batch_dims`."""
    node.only_rows(0, 1)
    data, places = node.shape(0), node.shape(1)
    depth, shared = places[-1].known, int(node.attribute("batch_dims", 0))
    if depth is None or not node.input(1).rows or node.axis(1) == len(places) - 1:
        raise Unprovable("it takes places of rows by numbers that are not the rows' own")
    if node.input(0).rows:
        if node.axis(0) != node.axis(1) or node.axis(0) >= shared or node.extent(0) != node.extent(1):
            raise Unprovable("it takes places of several rows")
    elif shared > node.axis(1) or node.input(0).counts:
        raise Unprovable("it takes other places for each row, by where the row stands")
    return Found(node.axis(1), [*places[:-1], *data[shared + depth :]])


def scatter_elements(node: Node) -> Found:
    """Along one axis, with data, numbers and what is written all having the rows on another."""
    node.only_rows(0, 1, 2)
    axis, data = node.axis(0), node.shape(0)
    if {node.axis(1), node.axis(2)} != {axis} or {node.extent(1), node.extent(2)} != {data[axis]}:
        raise Unprovable("its inputs have their rows on different axes")
    node.apart(node.normal(node.attribute("axis", 0), len(data)))
    return Found(axis, data)


def pad(node: Node) -> Found:
    """Nothing is added before or after the rows; what is added elsewhere need not be known."""
    axis, shape = node.row_axis(), node.shape(0)
    sizes = numbers_given(node, "pads", 1)
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 3, list(range(len(shape))))]
    dims: list[Size | None] = list(shape)
    for place, (first, last) in zip(axes, zip(sizes[: len(axes)], sizes[len(axes) :], strict=True), strict=True):
        if place == axis and (first.known, last.known) != (0, 0):
            raise Unprovable("it may add places to the axis that holds the rows")
        both = plus(first, last)
        dims[place] = None if both is None or both.signed else plus(shape[place], both)
    return Found(axis, dims)


def expand(node: Node) -> Found:
    """To a shape: the rows stay where they are, or the same is laid down for each row."""
    node.only_rows(0, 1)
    value, shape, target = node.input(0), node.shape(0), node.input(1).numbers
    if value.counts:
        raise Unprovable("it computes with the number of rows")
    if target is None or any(size.signed for size in target.sizes):
        raise Unprovable("the shape that it makes is not known before it runs")
    sizes = target.sizes
    rank = max(len(shape), len(sizes))
    dims: list[Size | None] = []
    holders = set()
    for place in range(rank):
        own = shape[place - rank + len(shape)] if place >= rank - len(shape) else ONE
        wanted = sizes[place - rank + len(sizes)] if place >= rank - len(sizes) else ONE
        if own.batch or wanted.batch:
            if own.plain != wanted and ONE not in (own, wanted):
                raise Unprovable("an axis may have another number of places than there are rows")
            holders.add(place)
            dims.append(own if own.batch else wanted)
            continue
        both = {own, wanted} - {ONE}
        known = [size for size in both if size.known is not None]
        dims.append(ONE if not both else both.pop() if len(both) == 1 else known[0] if len(known) == 1 else None)
    if len(holders) != 1:
        raise Unprovable("the rows would lie on several axes")
    return Found(holders.pop(), dims)


def tile(node: Node) -> Found:
    """Repeats whole rows never; what is the same for all it may repeat once for each row."""
    node.only_rows(0, 1)
    value, shape, times = node.input(0), node.shape(0), node.input(1).numbers
    if times is None or value.counts or len(times.sizes) != len(shape):
        raise Unprovable("how often it repeats an axis is not known before it runs")
    if value.axis is not None and times.sizes[value.axis] != ONE:
        raise Unprovable("it repeats the axis that holds the rows")
    dims = [size * count for size, count in zip(shape, times.sizes, strict=True)]
    holders = [place for place, size in enumerate(dims) if size.batch]
    if len(holders) != 1:
        raise Unprovable("the rows would lie on several axes")
    return Found(holders[0], dims)


def filled(node: Node) -> Found:
    """ConstantOfShape: the same in every place."""
    numbers = node.input(0).numbers
    if numbers is None or any(size.signed for size in numbers.sizes):
        raise Unprovable("the shape that it makes is not known before it runs")
    holders = [place for place, size in enumerate(numbers.sizes) if size.batch]
    if len(holders) != 1 or numbers.sizes[holders[0]].names.count("") != 1:
        raise Unprovable("the rows would lie on several axes")
    return Found(holders[0], numbers.sizes)


def measured(node: Node) -> Found:
    """Shape of rows: their number, where it stands in it."""
    shape = node.shape(0)
    rank = len(shape)
    first, last = (node.attribute(name, default) for name, default in (("start", 0), ("end", rank)))
    kept = tuple(size.plain for size in shape)[
        max(0, first + rank if first < 0 else first) : max(0, last + rank if last < 0 else last)
    ]
    return Found(None, [Size(len(kept))], Numbers(kept))


def counted(node: Node) -> Found:
    """Size of rows: how many places they have."""
    return Found(None, [], Numbers((product(node.shape(0)).plain,), scalar=True))


def one_hot(node: Node) -> Found:
    axis, shape = node.row_axis(), node.shape(0)
    at = node.normal(node.attribute("axis", -1), len(shape) + 1)
    depth = node.input(1).numbers
    size = depth.sizes[0] if depth and len(depth.sizes) == 1 and not depth.sizes[0].signed else None
    return Found(axis if axis < at else axis + 1, [*shape[:at], size, *shape[at:]])


def resize(node: Node) -> Found:
    """The axis of the rows keeps its size: a scale of 1, or the same size."""
    node.only_rows(0, 3)
    axis, shape = node.axis(0), node.shape(0)
    mode = node.attribute("coordinate_transformation_mode", b"half_pixel")
    if mode in (b"tf_crop_and_resize", "tf_crop_and_resize"):
        raise Unprovable("it crops by a region of its own")
    policy = node.attribute("keep_aspect_ratio_policy", b"stretch")
    if policy not in (b"stretch", "stretch"):
        raise Unprovable("it scales all axes alike")
    rank = len(shape)
    axes = [node.normal(each, rank) for each in node.attribute("axes", list(range(rank)))]
    dims: list[Size | None] = [None if place in axes else size for place, size in enumerate(shape)]
    if axis not in axes:
        return Found(axis, dims)
    place = axes.index(axis)
    dims[axis] = shape[axis]
    sizes = node.given(3)
    if sizes is not None:
        if (
            sizes.numbers is None
            or len(sizes.numbers.sizes) <= place
            or sizes.numbers.sizes[place] != shape[axis].plain
        ):
            raise Unprovable("it may change the size of the axis that holds the rows")
        if any(size.batch for at, size in enumerate(sizes.numbers.sizes) if at != place):
            raise Unprovable("it makes as many places as there are rows")
        return Found(axis, dims)
    return _scaled(node, 2 if node.opset >= 11 else 1, place, Found(axis, dims))


def upsample(node: Node) -> Found:
    """Upsample, as Resize of old: scales are an attribute, or the second input."""
    axis, shape = node.row_axis(), node.shape(0)
    dims = [size if place == axis else None for place, size in enumerate(shape)]
    return _scaled(node, 1, axis, Found(axis, dims))


def _scaled(node: Node, place: int, axis: int, found: Found) -> Found:
    scales = node.attribute("scales")
    value = node.given(place)
    if scales is None and value is not None and value.constant is not None and value.constant.ndim == 1:
        scales = value.constant.tolist()
    if scales is None or len(scales) <= axis or scales[axis] != 1:
        raise Unprovable("it may change the size of the axis that holds the rows")
    return found


def turned(node: Node) -> Found:
    """ReverseSequence: the axis of its batch is that of the rows, whose lengths are the rows' own or all the same."""
    node.only_rows(0, 1)
    axis, shape = node.axis(0), node.shape(0)
    if node.attribute("batch_axis", 1) != axis or node.extent(0) != ROWS:
        raise Unprovable("its batch is not that of the rows")
    if node.axis(1) != 0:
        raise Unprovable("its lengths are not the rows' own")
    node.apart(node.attribute("time_axis", 0))
    return Found(axis, shape)
