"""Graphs inside of nodes: branches, and the body of a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from archonnx.runtime.batching.extents import Size
from archonnx.runtime.batching.nodes import Found
from archonnx.runtime.batching.values import NOWHERE, Unprovable, Value, unknown

Scope = dict[str, Value]
_COUNT = Size(1, ("~rounds",))  # how many rounds a loop goes, which nobody knows before
_ROUNDS = 3  # walks through a body: each takes for open what the one before found to change


class Walk(Protocol):
    """What walks a graph. path: of the graph inside of nodes that it is in; two of them may call their values alike."""

    path: str

    def graph(self, graph: Any, scope: Scope) -> None: ...

    def initializer(self, tensor: Any) -> Value: ...

    def value(self, name: str, axis: int | None, found: Found) -> Value: ...


@contextmanager
def _inside(walk: Walk, name: str) -> Iterator[None]:
    outer, walk.path = walk.path, f"{walk.path}{name}/"
    try:
        yield
    finally:
        walk.path = outer


def _ends(walk: Walk, graph: Any, scope: Scope) -> list[Value]:
    """The outputs of a graph inside of a node, none of them mixed. Raises Unprovable."""
    inner = dict(scope)
    for each in graph.initializer:
        inner[each.name] = walk.initializer(each)
    walk.graph(graph, inner)
    ends = [inner.get(output.name, NOWHERE) for output in graph.output]
    for value in ends:
        if value.blame is not None:
            raise Unprovable(f"{value.blame.operator or 'a node'} in it: {value.blame.why}")
        if value.stride is not None:
            raise Unprovable("it gives a row's own number")
    return ends


def _alike(one: Value, other: Value) -> bool:
    """Whether as much is known of two values, and the same."""
    a, b = one.constant, other.constant
    if a is None or b is None:
        return a is b and one == other
    return one == other and a.dtype == b.dtype and a.tolist() == b.tolist()


def branches(walk: Walk, proto: Any, test: Value, scope: Scope) -> list[Value]:
    """If, on what is the same for all: both branches have their rows on the same axis, or one is never taken."""
    graphs = {each.name: each.g for each in proto.attribute}
    taken = test.numbers.known if test.numbers else None
    names = ["then_branch" if taken[0] else "else_branch"] if taken else ["then_branch", "else_branch"]
    ends = []
    for name in names:
        with _inside(walk, f"{proto.output[0]}/{name}"):
            ends.append(_ends(walk, graphs[name], scope))
    found = []
    for output, values in zip(proto.output, zip(*ends, strict=True), strict=True):
        first = values[0]
        if len(values) == 1 or _alike(first, values[1]):
            found.append(first)
            continue
        if any(value.counts for value in values):
            raise Unprovable("a branch of it gives the number of rows")
        if len({value.axis for value in values}) > 1 or len({len(v.shape or ()) for v in values if v.rows}) > 1:
            raise Unprovable("its branches have the rows on different axes")
        if first.axis is None:
            found.append(walk.value(output, None, Found(None, None)))
            continue
        a, b = first.shape or (), values[1].shape or ()
        if a[first.axis] != b[first.axis]:
            raise Unprovable("its branches hold different numbers of places for a row")
        dims = [x if x == y else None for x, y in zip(a, b, strict=True)]
        found.append(walk.value(output, first.axis, Found(first.axis, dims)))
    return found


def loop(walk: Walk, proto: Any, inputs: Sequence[Value | None], scope: Scope) -> list[Value]:
    """Loop, for a number of rounds that is the same for all: what is carried from round to round has its rows on the
    same axis before and after each; what is collected has them one axis later."""
    count, going, *carried = [*inputs, None, None] if len(inputs) < 2 else inputs
    if any(value is not None and not value.same for value in (count, going)):
        raise Unprovable("how many rounds it goes depends on the batch")
    if any(value is None or value.counts or value.stride is not None for value in carried):
        raise Unprovable("it carries the number of rows from round to round")
    body = next(each.g for each in proto.attribute if each.name == "body")
    path = f"{proto.output[0] or proto.name}/body"
    # A value that is carried changes: of what it holds before the first round, only where it has rows is kept.
    states = [Value(value.shape, value.axis) for value in carried if value is not None]
    for _ in range(_ROUNDS):
        inner = dict(scope)
        names = [each.name for each in body.input]
        inner |= dict(zip(names, [Value(()), Value(()), *states], strict=True))
        with _inside(walk, path):
            ends = _ends(walk, body, inner)
        if not ends[0].same:
            raise Unprovable("how many rounds it goes depends on the batch")
        after = ends[1 : len(states) + 1]
        wider = [
            _both(before, value, f"{walk.path}{path}/{name}")
            for before, value, name in zip(states, after, names[2:], strict=True)
        ]
        if wider == states:
            break
        states = wider
    else:
        raise Unprovable("the sizes of what it carries from round to round are not followed")
    results = [*states, *(_collected(value) for value in ends[len(states) + 1 :])]
    inside = f"{walk.path}{path}/"
    return [
        walk.value(name, value.axis, Found(value.axis, _outside(value.shape, inside)))
        for name, value in zip(proto.output, results, strict=True)
    ]


def _both(before: Value, after: Value, name: str) -> Value:
    """What holds of a carried value before a round and after it."""
    if after.counts or before.axis != after.axis:
        raise Unprovable("what it carries from round to round does not keep its rows on one axis")
    a, b = before.shape, after.shape
    if a is None or b is None or len(a) != len(b):
        if before.rows:
            raise Unprovable("what it carries from round to round does not keep its rows on one axis")
        return Value(None)
    if before.axis is not None and a[before.axis] != b[before.axis]:
        raise Unprovable("what it carries holds different numbers of places for a row from round to round")
    dims = [x if x == y else unknown(name, place) for place, (x, y) in enumerate(zip(a, b, strict=True))]
    return Value(tuple(dims), before.axis)


def _collected(value: Value) -> Value:
    """What a loop collects of a value: one of each round, on a new first axis."""
    if value.counts:
        raise Unprovable("it collects the number of rows")
    shape = None if value.shape is None else (_COUNT, *value.shape)
    return Value(shape, None if value.axis is None else value.axis + 1)


def _outside(shape: Sequence[Size] | None, inside: str) -> list[Size | None] | None:
    """Sizes without those that have a name inside of the loop alone, where they may change from round to round."""
    if shape is None:
        return None
    return [None if size is _COUNT or any(inside in name for name in size.names) else size for size in shape]
