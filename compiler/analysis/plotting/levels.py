"""Laying out the inside of one group: its boxes and groups in ranks, its wires as routes, long chains in columns.

Everything here is along two axes: u along the ranks, v across them, in the direction of the flow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import log, sqrt

from archonnx.compiler.analysis.plotting.columns import breaks_of
from archonnx.compiler.analysis.plotting.coordinates import place
from archonnx.compiler.analysis.plotting.elements import Box, Group
from archonnx.compiler.analysis.plotting.layering import Layered, Segment, Vertex, layered
from archonnx.compiler.analysis.plotting.scene import Point

ARROW = 8.0
LANE = 14.0  # from a column's end to the line that leads to the next one
GUTTER = 52.0  # between two columns
LONG = 1500.0  # a level longer than this is wrapped into columns where it can be
WORTH = 0.7  # what is left of the length where wrapping is worth the lines that lead back
STRAIGHT = 0.75  # lines that lean less than this many pixels are drawn upright


@dataclass(frozen=True, slots=True)
class Frame:
    """Room around the inside of a group: before and after it along the flow, at its sides, and the least extents."""

    before: float
    after: float
    start: float
    end: float
    least: float = 0.0
    title: float = 0.0  # along the ranks, what the title takes of the border where wires enter


@dataclass(slots=True)
class Route:
    """A line: corners where `curved` is False, else points with upright tangents in pairs of (leaving, arriving)."""

    wire: int
    pieces: list[tuple[Point, ...]]
    arrow: bool


@dataclass(slots=True)
class Level:
    """A laid out group: extents, where its elements and pins are, and the routes and labels inside it."""

    cross: float = 0.0
    main: float = 0.0
    elements: list[tuple[Box | Group, float, float, float, float]] = field(default_factory=list)  # u, v, cross, main
    routes: list[Route] = field(default_factory=list)
    labels: list[tuple[int, float, float]] = field(default_factory=list)  # wire, u and v of the pin that it leaves
    pins_in: dict[int, float] = field(default_factory=dict)
    pins_out: dict[int, float] = field(default_factory=dict)


def lay_out(group: Group, vertices: list[Vertex], frame: Frame) -> Level:
    """The inside of a group from the vertices of its children, in their order."""
    entering = [Vertex(0.0, 0.0, port="in", pins_out={wire: 0.0}) for wire in group.reads]
    leaving = [Vertex(0.0, 0.0, port="out", pins_in=[(wire, 0.0)]) for wire in group.gives]
    graph = layered([*entering, *vertices, *leaving])
    place(graph)
    level = Level()
    gaps = _gaps(graph)
    columns = _columns(graph, gaps)
    _stack(graph, gaps, columns, frame, level)
    for vertex in entering:
        level.pins_in[next(iter(vertex.pins_out))] = vertex.x
    for vertex in leaving:
        level.pins_out[vertex.pins_in[0][0]] = vertex.x
    for vertex in vertices:
        assert vertex.element is not None
        level.elements.append((vertex.element, vertex.x, vertex.y, vertex.cross, vertex.main))
    read = {segment.wire for segment in graph.segments}
    for vertex in vertices:
        if not vertex.fixed:
            bottom = vertex.y + vertex.main
            level.labels += [(w, vertex.x + at, bottom) for w, at in vertex.pins_out.items() if w in read]
    return level


def _gaps(graph: Layered) -> list[tuple[float, float]]:
    """For each rank the room after it: for labels, and for lines that lean or arrive."""
    lean = [0.0] * len(graph.ranks)
    for s in graph.segments:
        rank = s.tail.rank
        lean[rank] = max(lean[rank], abs(s.tail.x + s.tail_offset - s.head.x - s.head_offset))
    gaps = []
    for number in range(len(graph.ranks)):
        stub = max((v.stub for v in graph.ranks[number]), default=0.0)
        straight = 2.0 if any(v.port for v in graph.ranks[number]) else 8.0
        bend = straight if lean[number] < STRAIGHT else min(18.0 + 0.14 * lean[number], 80.0)
        if number + 1 < len(graph.ranks) and not any(v.port == "out" for v in graph.ranks[number + 1]):
            bend += ARROW
        gaps.append((stub, bend))
    return gaps


def _slab(rank: list[Vertex]) -> float:
    """How much of v a rank takes: that of ports is the border of the group."""
    if any(v.port == "in" for v in rank) or any(v.port == "out" for v in rank):
        return 0.0
    return max((v.main for v in rank), default=0.0)


def _columns(graph: Layered, gaps: list[tuple[float, float]]) -> list[int]:
    """The ranks that start a column: only ranks that a single line leads to, and never the ports."""
    extents = [_slab(rank) + stub + bend for rank, (stub, bend) in zip(graph.ranks, gaps, strict=True)]
    length = sum(extents)
    if length <= LONG:
        return [0]
    width = max(v.x + v.cross for rank in graph.ranks for v in rank) + GUTTER
    lines = [0] * len(graph.ranks)
    for segment in graph.segments:
        lines[segment.tail.rank] += 1
    may = [
        rank
        for rank in range(1, len(graph.ranks))
        if lines[rank - 1] == 1 and not any(v.port for v in (*graph.ranks[rank - 1], *graph.ranks[rank]))
    ]
    # As many columns as bring the whole nearest to a square.
    middle = round(sqrt(length / width))
    best: tuple[float, list[int]] | None = None
    for count in range(max(1, middle - 2), middle + 3):
        breaks = breaks_of(extents, may, count)
        bounds = [0, *breaks, len(extents)]
        tall = max(sum(extents[start:end]) for start, end in pairwise(bounds))
        off = abs(log(tall / (width * (len(breaks) + 1))))
        if best is None or off < best[0]:
            best = (off, breaks)
    assert best is not None
    bounds = [0, *best[1], len(extents)]
    tall = max(sum(extents[start:end]) for start, end in pairwise(bounds))
    return bounds[:-1] if tall <= WORTH * length else [0]


def _stack(graph: Layered, gaps: list[tuple[float, float]], columns: list[int], frame: Frame, level: Level) -> None:
    """Give every vertex its final place, column by column, and make the routes."""
    ports = [v for rank in graph.ranks for v in rank if v.port == "in"]
    # The title stands left of the first wire that comes in: both sides make room for it.
    deficit = max(0.0, frame.title - min((frame.start + v.x for v in ports), default=frame.title))
    left = frame.start + deficit
    bounds = [*columns, len(graph.ranks)]
    tops: list[float] = [0.0] * len(graph.ranks)
    slabs = [_slab(rank) for rank in graph.ranks]
    # For each break: v of the lane after its column, u of the gutter, v of the lane before the next column.
    lanes: list[tuple[float, float, float]] = []
    lowest = 0.0
    for number, (first, last) in enumerate(pairwise(bounds)):
        inside = [v for rank in graph.ranks[first:last] for v in rank]
        edge = min((v.x for v in inside), default=0.0)
        v = frame.before + (LANE + 8.0 if number else 0.0)
        for rank in range(first, last):
            if rank and rank == first and graph.ranks[rank - 1]:
                v += ARROW
            tops[rank] = v
            v += slabs[rank] + (gaps[rank][0] + gaps[rank][1] if rank < last - 1 else 0.0)
        for vertex in inside:
            vertex.x += left - (edge if len(columns) > 1 else 0.0)
        right = max((vertex.x + vertex.cross for vertex in inside), default=left)
        if last < len(graph.ranks):
            v += gaps[last - 1][0] + LANE
            lanes.append((v, right + GUTTER / 2, frame.before + 8.0))
            left = right + GUTTER
        lowest = max(lowest, v)
        level.cross = max(level.cross, right + frame.end + deficit)
    if level.cross < frame.least:
        move = (frame.least - level.cross) / 2
        for vertex in (v for rank in graph.ranks for v in rank):
            vertex.x += move
        lanes = [(after, u + move, before) for after, u, before in lanes]
        level.cross = frame.least
    level.main = lowest + frame.after
    for number, vertices in enumerate(graph.ranks):
        for vertex in vertices:
            if vertex.element is not None:
                vertex.y = tops[number] + (slabs[number] - vertex.main) / 2
            elif vertex.port == "out":
                vertex.y = level.main
            elif vertex.port != "in":
                vertex.y, vertex.main = tops[number], slabs[number]
    _routes(graph, gaps, tops, slabs, dict(zip(columns[1:], lanes, strict=True)), level)


def _routes(
    graph: Layered,
    gaps: list[tuple[float, float]],
    tops: list[float],
    slabs: list[float],
    lanes: dict[int, tuple[float, float, float]],
    level: Level,
) -> None:
    """One route a reader; the pieces through dummies are drawn once, with the reader that is furthest."""
    ended: dict[int, Route] = {}  # the wire's route that ends at a dummy
    ends: list[Segment] = []
    for segment in graph.segments:
        if segment.head.element is None and not segment.head.port:
            route = ended.setdefault(id(segment.tail), Route(segment.wire, _leave(segment), False))
            _lead(route, segment, gaps, tops, slabs, lanes)
            ended[id(segment.head)] = ended.pop(id(segment.tail))
        else:
            ends.append(segment)
    for segment in ends:
        going_on = ended.pop(id(segment.tail), None)
        route = going_on or Route(segment.wire, _leave(segment), True)
        _lead(route, segment, gaps, tops, slabs, lanes)
        route.arrow = isinstance(segment.head.element, Box)
        level.routes.append(route)
    level.routes.extend(ended.values())


def _leave(segment: Segment) -> list[tuple[Point, ...]]:
    tail = segment.tail
    return [((tail.x + segment.tail_offset, tail.y + tail.main),)]


def _lead(
    route: Route,
    segment: Segment,
    gaps: list[tuple[float, float]],
    tops: list[float],
    slabs: list[float],
    lanes: dict[int, tuple[float, float, float]],
) -> None:
    """Lead a route over the gap that a segment crosses, to its head, and through it where it is a dummy."""
    tail, head = segment.tail, segment.head
    u, target = tail.x + segment.tail_offset, head.x + segment.head_offset
    if head.rank in lanes:
        after, gutter, before = lanes[head.rank]
        route.pieces += _rounded([(u, after), (gutter, after), (gutter, before), (target, before), (target, head.y)], u)
    else:
        leave = tops[tail.rank] + slabs[tail.rank] + gaps[tail.rank][0]
        arrive = tops[head.rank] - (0.0 if head.port else ARROW)
        if abs(u - target) < STRAIGHT:
            route.pieces.append(((u, head.y),))
        else:
            middle = (leave + arrive) / 2
            route.pieces += [((u, leave),), ((u, middle), (target, middle), (target, arrive)), ((target, head.y),)]
    if head.element is None and not head.port and head.main:
        route.pieces.append(((target, head.y + head.main),))


def _rounded(corners: list[Point], u: float, radius: float = 8.0) -> list[tuple[Point, ...]]:
    """Lines through corners, each rounded as far as the shorter of its sides allows."""
    pieces: list[tuple[Point, ...]] = []
    before: Point = (u, corners[0][1] - 2 * radius)
    for corner, after in pairwise(corners):
        near = _towards(corner, before, radius)
        far = _towards(corner, after, radius)
        pieces += [(near,), (corner, corner, far)]
        before = corner
    return [*pieces, (corners[-1],)]


def _towards(start: Point, end: Point, distance: float) -> Point:
    length = abs(end[0] - start[0]) + abs(end[1] - start[1])  # the sides are upright or level
    share = min(distance, length / 2) / length if length else 0.0
    return (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
