"""Rules of operators that move, cut, join and repeat what they are given.

Sources: the operators' own texts in onnx/docs/Operators.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from archonnx.runtime.batching.extents import ONE, Size, plus, product
from archonnx.runtime.batching.moving import FAR, cut_length, numbers_given, split_sizes
from archonnx.runtime.batching.values import Unprovable
from archonnx.runtime.padding.ranges import ANYTHING, Range, hull
from archonnx.runtime.padding.states import PLAIN, TOKENS, Grain, Made, State, Step, joint, moved, same, spread


def identity(node: Step) -> Made:
    state = node.state(0)
    return moved(state, {axis: axis for axis in state.tails}, state.shape)


def transpose(node: Step) -> Made:
    state, shape = node.state(0), node.shape(0)
    order = node.ints("perm", None, list(range(len(shape)))[::-1])
    return moved(state, dict(enumerate(order)), [shape[place] for place in order])


def squeeze(node: Step) -> Made:
    state, shape = node.state(0), node.shape(0)
    if "axes" not in node.attributes and node.given(1) is None:
        raise Unprovable("it takes away all axes of one place, and so that of a single token")
    axes = {node.normal(each, len(shape)) for each in node.ints("axes", 1)}
    left = [place for place in range(len(shape)) if place not in axes]
    return moved(state, dict(enumerate(left)), [shape[place] for place in left])


def unsqueeze(node: Step) -> Made:
    state, shape = node.state(0), node.shape(0)
    given = node.ints("axes", 1)
    rank = len(shape) + len(given)
    axes = {node.normal(each, rank) for each in given}
    old = iter(range(len(shape)))
    places = {place: next(old) for place in range(rank) if place not in axes}
    return moved(state, places, [shape[places[place]] if place in places else ONE for place in range(rank)])


def reshape(node: Step) -> Made:
    """All places of a token stay as far from those of the next as they were; what lies between may be regrouped."""
    target = node.state(1).numbers
    if target is None:
        raise Unprovable("the shape that it makes is not known before it runs")
    return _regrouped(node, list(target.sizes), bool(node.attribute("allowzero", 0)))


def flatten(node: Step) -> Made:
    """To a matrix: the axes before `axis`, and those from it on."""
    shape = node.shape(0)
    at = node.normal(node.attribute("axis", 1), len(shape))
    return _regrouped(node, [product(shape[:at]), product(shape[at:])], True)


def _regrouped(node: Step, target: list[Size], zero: bool) -> Made:
    """The rule of reshape. target: sizes, of which one may be -1, and 0 copies that of the input unless `zero`."""
    state, shape = node.state(0), node.shape(0)
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
    whole, rest = product(shape), product([size for size in sizes if size is not None])
    if sizes.count(None) > 1:
        raise Unprovable("the shape that it makes leaves several sizes open")
    if None in sizes:
        sizes[sizes.index(None)] = whole.over(rest)
        if None in sizes:
            raise Unprovable("the shape that it makes is not known before it runs")
    known = [size for size in sizes if size is not None]
    if product(known) != whole:
        raise Unprovable("it may make a shape of another number of places")
    return _parted(state, shape, known)


def _parted(state: State, shape: Sequence[Size], sizes: list[Size]) -> Made:
    """Where the axes of tokens are after a reshape, one for each before, in the same order."""
    old = sorted(state.tails)
    new = [place for place, size in enumerate(sizes) if size.batch]
    if len(old) != len(new):
        raise Unprovable("it lays axes of tokens together, or tokens beside their features")
    between = _between(shape, [(axis, state.grain(axis)) for axis in old])
    grains: dict[int, Grain] = {}
    left, done = ONE, 0
    for place, gap in zip(new, between, strict=False):
        before = left * product(sizes[done:place])
        size = sizes[place].over(TOKENS)
        outer = gap.over(before)
        inner = None if size is None or outer is None else size.over(outer)
        if outer is None or inner is None:
            raise Unprovable("it puts places of several tokens side by side")
        grains[place] = Grain(outer, inner)
        left, done = inner, place + 1
    made = spread([state], [dict(zip(new, old, strict=True))], same, sizes)
    made.grains = {place: grain for place, grain in grains.items() if grain != PLAIN}
    return made


def _between(shape: Sequence[Size], held: Sequence[tuple[int, Grain]]) -> list[Size]:
    """How many places lie before the first axis of tokens, and between each and the next."""
    found, left, done = [], ONE, 0
    for axis, grain in held:
        found.append(left * product(list(shape[done:axis])) * grain.outer)
        left, done = grain.inner, axis + 1
    return found


def concat(node: Step) -> Made:
    """Along another axis than the tokens', which all inputs have."""
    states = node.states()
    shapes = [node.shape(place) for place in range(len(states))]
    axes = {frozenset(state.tails) for state in states}
    at = node.normal(int(node.attribute("axis", 1)), len(shapes[0]))
    held = {axis for each in axes for axis in each}
    if at in held:
        raise Unprovable(f"it joins something to axis {at}, which holds the tokens")
    if len(axes) > 1:
        raise Unprovable("one of its inputs holds no tokens where others do")
    total: Size | None = shapes[0][at]
    for shape in shapes[1:]:
        total = plus(total, shape[at]) if total is not None else None
    links = [{axis: axis for axis in held} for _ in states]
    return spread(states, links, lambda *every: hull(every), [*shapes[0][:at], total, *shapes[0][at + 1 :]])


def split(node: Step) -> list[Made]:
    state, shape = node.state(0), node.shape(0)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    node.apart(at)
    node.fixed(1)
    sizes = split_sizes(node, shape[at])
    return [
        moved(state, dict(enumerate(range(len(shape)))), [*shape[:at], sizes[n] if sizes else None, *shape[at + 1 :]])
        for n in range(len(node.outputs))
    ]


def cut(node: Step) -> Made:
    """Slice: all tokens, or so many of the first; of an axis that holds none, as many places as there are tokens."""
    state, shape = node.state(0), node.shape(0)
    starts, ends = numbers_given(node, "starts", 1), numbers_given(node, "ends", 2)
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 3, list(range(len(starts))))]
    steps = node.ints("steps", 4, [1] * len(starts))
    dims: list[Size | None] = list(shape)
    kept, begun = dict(enumerate(range(len(shape)))), {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if start.known == 0 and step == 1 and (end == shape[axis] or (end.known or 0) >= FAR):
            continue
        if axis in state.tails:
            dims[axis] = _first(node, state, axis, (start, end, step))
            del kept[axis]
        elif start.batch or end.batch:
            if start.known != 0 or step != 1 or end != TOKENS:
                raise Unprovable(
                    "the places that it takes depend on the number of tokens otherwise than from the first"
                )
            if node.most > node.count(shape[axis]):
                size = shape[axis].known
                raise Unprovable(_few(node, size))
            dims[axis] = TOKENS
            begun[axis] = axis
        else:
            dims[axis] = cut_length(shape[axis], start, end, step)
    made = spread([state], [{new: old for new, old in kept.items() if old in state.tails}], same, dims)
    for axis in begun:
        made.tails[axis], made.fronts[axis] = state.whole, _beginning(state, axis)
        made.elements = state.array  # it begins with these places
    return made


def _few(node: Step, size: int | None) -> str:
    """Why a table is too short for the largest bucket."""
    there = "perhaps fewer" if size is None else str(size)
    return f"a bucket of {node.most} takes a place for each token, of {there} there are"


def _first(node: Step, state: State, axis: int, bounds: tuple[Size, Size, int]) -> Size:
    """How many of the first tokens a slice takes, all of which every call must have."""
    start, end, step = (bounds[0].known, bounds[1].known, bounds[2])
    known = start is not None and end is not None and 0 <= start < end <= node.most
    if state.grain(axis) != PLAIN or step != 1 or start is None or end is None or not known:
        raise Unprovable(
            f"it takes some of the tokens on axis {axis}, counted from their end or not known before it runs"
        )
    node.least.append(end)
    return Size(end - start)


def _beginning(state: State, axis: int) -> Range:
    """The range of a constant's places at the front of an axis."""
    array = state.array()
    if array is None or array.dtype.kind not in "fiub" or not array.size:
        return state.whole
    front = array.take(0, axis)
    return Range(float(front.min()), float(front.max())) if front.dtype.kind != "f" else state.whole


def gather(node: Step) -> Made:
    """Places by number: of a table that is the same for all, for each token; or of tokens, so many of the first."""
    data, places = node.state(0), node.state(1)
    shape, wanted = node.shape(0), node.shape(1)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    dims = [*shape[:at], *wanted, *shape[at + 1 :]]
    if at in data.tails:
        known = places.constant
        far = known is None or known.min(initial=0) < 0 or known.max(initial=0) >= node.most
        if known is None or far or data.grain(at) != PLAIN:
            raise Unprovable(
                f"it takes tokens of axis {at} by numbers that count from the end, or that are not known before"
            )
        node.least.append(int(known.max(initial=0)) + 1)
    elif places.carries:
        _check_places(node, places, shape[at])
    shift = len(wanted) - 1
    own = {axis if axis < at else axis + shift: axis for axis in data.tails if axis != at}
    theirs = {at + axis: axis for axis in places.tails}
    return spread([data, places], [own, theirs], lambda a, b: a, dims)


def _check_places(node: Step, places: State, size: Size) -> None:
    """That the numbers behind the mask are of places that there are."""
    if size.known is None:
        raise Unprovable("how many places there are to take is not known before it runs")
    for found in places.tails.values():
        if found.nan or found.low < -size.known or found.high > size.known - 1:
            raise Unprovable(f"behind the mask it may take a place that is not one of {size.known}")


def gather_elements(node: Step) -> Made:
    """Places of a table that is the same for all, by numbers that are the tokens' own."""
    data, places, shape = node.state(0), node.state(1), node.shape(0)
    at = node.normal(int(node.attribute("axis", 0)), len(shape))
    if data.carries or len(shape) != node.rank(1):
        raise Unprovable("it takes places of tokens by numbers that are not known before it runs")
    _check_places(node, places, shape[at])
    for axis in places.tails:
        if axis != at and node.most > (shape[axis].known or 0):
            raise Unprovable(_few(node, shape[axis].known))
    return spread([places, data], [{axis: axis for axis in places.tails}, {}], lambda a, b: b, node.shape(1))


def expand(node: Step) -> Made:
    """To a shape: the same is laid down for each token, or tokens stay where they are."""
    state, target = node.state(0), node.state(1).numbers
    if target is None or any(size.signed for size in target.sizes):
        raise Unprovable("the shape that it makes is not known before it runs")
    wide = State(target.sizes, tails={n: state.whole for n, size in enumerate(target.sizes) if size.batch})
    if any(target.sizes[axis] != TOKENS for axis in wide.tails):
        raise Unprovable("it makes several places for each token")
    links, dims = joint(node, [state, wide])
    return spread([state, wide], links, lambda a, b: a, dims)


def tile(node: Step) -> Made:
    """Repeats other axes than the tokens'; an axis of one place once for each token."""
    state, shape, times = node.state(0), node.shape(0), node.state(1).numbers
    if times is None or len(times.sizes) != len(shape) or any(size.signed for size in times.sizes):
        raise Unprovable("how often it repeats an axis is not known before it runs")
    new = {}
    for axis, (size, count) in enumerate(zip(shape, times.sizes, strict=True)):
        if axis in state.tails and count != ONE:
            raise Unprovable(f"it repeats axis {axis}, which holds the tokens")
        if count.batch:
            if size != ONE or count != TOKENS:
                raise Unprovable("it makes several places for each token")
            new[axis] = axis
    dims = [size * count for size, count in zip(shape, times.sizes, strict=True)]
    made = moved(state, {axis: axis for axis in state.tails}, dims)
    for axis in new:
        made.tails[axis] = made.fronts[axis] = state.whole
    return made


def filled(node: Step) -> Made:
    """ConstantOfShape: the same in every place."""
    from onnx import numpy_helper

    numbers = node.state(0).numbers
    if numbers is None or any(size.signed for size in numbers.sizes):
        raise Unprovable("the shape that it makes is not known before it runs")
    value = node.attribute("value")
    number = 0.0 if value is None else float(numpy_helper.to_array(value).reshape(-1)[0])
    held = {axis: Range(number, number) for axis, size in enumerate(numbers.sizes) if size.batch}
    if any(numbers.sizes[axis] != TOKENS for axis in held):
        raise Unprovable("it makes several places for each token")
    return Made(numbers.sizes, Range(number, number), dict(held), dict(held))


def counted(node: Step) -> Made:
    """Range: one number after the other, as many as there are tokens."""
    start, limit, step = (value.numbers.sizes if value and value.numbers else () for value in node.inputs)
    if not any(size.batch for size in (*start, *limit, *step)):
        known = start[0].known if start else None
        upward = known is not None and known >= 0 and bool(step) and (step[0].known or 0) > 0
        plain = known == 0 and step == (ONE,) and len(limit) == 1 and not limit[0].signed
        return Made([limit[0] if plain else None], Range(float(known or 0), 2.0**53) if upward else ANYTHING)
    if start != (Size(0),) or limit != (TOKENS,) or step != (ONE,):
        raise Unprovable("it counts the tokens otherwise than from 0, one by one")
    last = float(node.most - 1)
    return Made([TOKENS], Range(0, last), {0: Range(min(1.0, last), last)}, {0: Range(0, 0)})


def triangle(node: Step) -> Made:
    """Trilu: zeros above a diagonal, or below it."""
    state, shape = node.state(0), node.shape(0)
    node.fixed(1)
    offset = node.maybe(1)
    known = 0 if offset is None else offset.whole.only
    upper = bool(node.attribute("upper", 1))
    zeroed = hull([state.whole, Range(0, 0)])
    made = spread([state], [{axis: axis for axis in state.tails}], lambda a: hull([a, Range(0, 0)]), shape)
    made.whole = zeroed
    column = len(shape) - 1
    if not upper and known is not None and known >= 0 and column in state.tails:
        made.fronts[column] = state.fronts[column]  # the first column lies below every diagonal
    return made


def pad(node: Step) -> Made:
    """Nothing is added before or after the tokens."""
    state, shape = node.state(0), node.shape(0)
    sizes = numbers_given(node, "pads", 1)
    axes = [node.normal(each, len(shape)) for each in node.ints("axes", 3, list(range(len(shape))))]
    node.fixed(2, 3)
    dims: list[Size | None] = list(shape)
    for axis, first, last in zip(axes, sizes[: len(axes)], sizes[len(axes) :], strict=True):
        if (first.known, last.known) == (0, 0):
            continue
        node.apart(axis)
        if first.batch or last.batch:
            raise Unprovable("it adds as many places as there are tokens")
        dims[axis] = None
    value = node.maybe(2)
    filling = Range(0, 0) if value is None else value.whole
    return spread([state], [{axis: axis for axis in state.tails}], lambda a: hull([a, filling]), dims)
