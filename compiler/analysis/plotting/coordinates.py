"""Where the vertices of ordered ranks stand along their ranks: long wires straight, the rest balanced.

U. Brandes and B. Köpf, Fast and simple horizontal coordinate assignment (2001): four extreme alignments, each compacted
by longest paths over the blocks of aligned vertices, then the mean of the two middle ones. Pins stand off the left end
of a vertex, so a block is aligned by its pins: each vertex keeps its own shift inside its block.
"""

from __future__ import annotations

from itertools import pairwise

from archonnx.compiler.analysis.plotting.layering import Layered, Segment, Vertex

APART = 30.0  # between two boxes
BESIDE = 16.0  # between a wire that passes and whatever stands beside it

# What a vertex is tied to on one side: (index of the neighbour, offset of its pin, offset of the own pin, the tie).
_Tie = tuple[int, float, float, int]


def place(graph: Layered) -> None:
    """Set `x` of every vertex, the smallest left end being 0."""
    vertices = [vertex for rank in graph.ranks for vertex in rank]
    if not vertices:
        return
    number = {id(vertex): i for i, vertex in enumerate(vertices)}
    ranks: list[list[int]] = []
    start = 0
    for rank in graph.ranks:
        ranks.append(list(range(start, start + len(rank))))
        start += len(rank)
    barred = _barred(graph, number)
    results: list[list[float]] = []
    for upward in (False, True):
        for leftward in (False, True):
            results.append(_extreme(graph, vertices, ranks, number, barred, upward, leftward))
    widths = [max(x + v.cross for x, v in zip(xs, vertices, strict=True)) - min(xs) for xs in results]
    narrowest = results[widths.index(min(widths))]
    low = min(narrowest)
    high = max(x + v.cross for x, v in zip(narrowest, vertices, strict=True))
    for which, xs in enumerate(results):
        if which % 2 == 0:
            move = low - min(xs)
        else:
            move = high - max(x + v.cross for x, v in zip(xs, vertices, strict=True))
        results[which] = [x + move for x in xs]
    for i, vertex in enumerate(vertices):
        middle = sorted(xs[i] for xs in results)[1:3]
        vertex.x = (middle[0] + middle[1]) / 2
    left = min(vertex.x for vertex in vertices)
    for vertex in vertices:
        vertex.x = round(vertex.x - left, 2)


def _apart(left: Vertex, right: Vertex) -> float:
    boxes = (left.element is not None) + (right.element is not None)
    return APART if boxes == 2 else BESIDE


def _passing(segment: Segment) -> bool:
    """Whether both ends are dummies: such a piece is kept straight before all others."""
    return not (segment.tail.element or segment.tail.port or segment.head.element or segment.head.port)


def _barred(graph: Layered, number: dict[int, int]) -> set[int]:
    """The segments, by their position in the list, that cross a passing one: they are never aligned."""
    by_rank: list[list[int]] = [[] for _ in graph.ranks]
    for i, segment in enumerate(graph.segments):
        by_rank[segment.tail.rank].append(i)
    barred: set[int] = set()
    for ids in by_rank:
        if not any(_passing(graph.segments[i]) for i in ids):
            continue
        ends = sorted((number[id(graph.segments[i].tail)], number[id(graph.segments[i].head)], i) for i in ids)
        # A segment crosses a passing one that starts left of it and ends right of it, or the other way round.
        for order, sign in ((ends, 1), ([(t, h, i) for t, h, i in reversed(ends)], -1)):
            reach: int | None = None
            waiting: int | None = None
            tail_before: int | None = None
            for tail, head, i in order:
                if tail != tail_before:
                    reach, tail_before = waiting if waiting is not None else reach, tail
                if reach is not None and sign * head < sign * reach and not _passing(graph.segments[i]):
                    barred.add(i)
                if _passing(graph.segments[i]) and (waiting is None or sign * head > sign * waiting):
                    waiting = head
    return barred


def _extreme(
    graph: Layered,
    vertices: list[Vertex],
    ranks: list[list[int]],
    number: dict[int, int],
    barred: set[int],
    upward: bool,
    leftward: bool,
) -> list[float]:
    """One of the four: aligned with the rank before or after, packed to the left or, mirrored, to the right."""

    def pin(vertex: Vertex, offset: float) -> float:
        return vertex.cross - offset if leftward else offset

    ties: list[list[_Tie]] = [[] for _ in vertices]
    for i, segment in enumerate(graph.segments):
        tail, head = number[id(segment.tail)], number[id(segment.head)]
        out, into = pin(segment.tail, segment.tail_offset), pin(segment.head, segment.head_offset)
        if upward:
            ties[tail].append((head, into, out, i))
        else:
            ties[head].append((tail, out, into, i))
    ordered = [list(reversed(rank)) if leftward else rank for rank in ranks]
    position = [0] * len(vertices)
    for rank in ordered:
        for at, i in enumerate(rank):
            position[i] = at
    root, shift = _align(ordered[::-1] if upward else ordered, ties, position, barred)
    xs = _compact(ordered, vertices, root, shift)
    return [-x - v.cross for x, v in zip(xs, vertices, strict=True)] if leftward else xs


def _align(
    ranks: list[list[int]], ties: list[list[_Tie]], position: list[int], barred: set[int]
) -> tuple[list[int], list[float]]:
    """Chain vertices to their median neighbours where that crosses no other chain: each one's root and shift."""
    root = list(range(len(ties)))
    shift = [0.0] * len(ties)
    for rank in ranks:
        reached = -1
        for vertex in rank:
            near = sorted(ties[vertex], key=lambda tie: (position[tie[0]], tie[1]))
            if not near:
                continue
            for middle in sorted({(len(near) - 1) // 2, len(near) // 2}):
                other, theirs, mine, tie = near[middle]
                if tie not in barred and position[other] > reached:
                    root[vertex] = root[other]
                    shift[vertex] = shift[other] + theirs - mine
                    reached = position[other]
                    break
    return root, shift


def _compact(ranks: list[list[int]], vertices: list[Vertex], root: list[int], shift: list[float]) -> list[float]:
    """Blocks as far left as they go, then each as far right as its right neighbours let it."""
    after: dict[int, list[tuple[int, float]]] = {r: [] for r in dict.fromkeys(root)}
    waiting = dict.fromkeys(after, 0)
    for rank in ranks:
        for left, right in pairwise(rank):
            gap = shift[left] + vertices[left].cross + _apart(vertices[left], vertices[right]) - shift[right]
            after[root[left]].append((root[right], gap))
            waiting[root[right]] += 1
    order = [block for block, count in waiting.items() if not count]
    at = dict.fromkeys(after, 0.0)
    for block in order:  # grows while it is read
        for right, gap in after[block]:
            at[right] = max(at[right], at[block] + gap)
            waiting[right] -= 1
            if not waiting[right]:
                order.append(right)
    for block in reversed(order):
        if after[block]:
            at[block] = max(at[block], min(at[right] - gap for right, gap in after[block]))
    return [at[root[i]] + shift[i] for i in range(len(root))]
