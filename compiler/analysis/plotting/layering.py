"""One level of a picture as a layered graph: ranks, long edges cut into pieces, and the order within each rank.

The framework is that of Sugiyama, Tagawa and Toda (1981): longest-path ranks, dummy vertices where an edge passes a
rank, and sweeps that sort each rank by the mean position of its neighbours. All edges of one wire share their dummies.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from archonnx.compiler.analysis.plotting.elements import Box, Group

SWEEPS = 8
EFFORT = 400_000  # sweeps stop when this many segments have been looked at


@dataclass(slots=True, eq=False)
class Vertex:
    """A box or group, a port of the group around it, or a dummy, which takes `cross` along its rank and `main` across.

    `pins_in` are the wires read with the offset of each pin along the rank; `pins_out` maps a wire to its pin's offset.
    `stub` is the room for the labels where its wires leave.
    """

    cross: float
    main: float
    element: Box | Group | None = None
    port: str = ""  # "in", "out": where a wire enters or leaves the group that is laid out
    fixed: bool = False  # the pins stand where the group's own layout has put them
    pins_in: list[tuple[int, float]] = field(default_factory=list)
    pins_out: dict[int, float] = field(default_factory=dict)
    stub: float = 0.0
    rank: int = 0
    x: float = 0.0  # along the rank
    y: float = 0.0


@dataclass(slots=True, eq=False)
class Segment:
    """A piece of a wire between neighbouring ranks. `slot` numbers the pin of `head` that it ends at."""

    wire: int
    tail: Vertex
    head: Vertex
    slot: int

    @property
    def tail_offset(self) -> float:
        return self.tail.pins_out[self.wire]

    @property
    def head_offset(self) -> float:
        return self.head.pins_in[self.slot][1]


@dataclass(slots=True, eq=False)
class Layered:
    """The ranks in order, each in its order along the rank, and the segments between them."""

    ranks: list[list[Vertex]]
    segments: list[Segment]


def layered(vertices: list[Vertex]) -> Layered:
    """Rank vertices, which come with every wire produced before it is read, cut long edges, and order the ranks."""
    _rank(vertices)
    graph = _cut(vertices)
    _order(graph)
    return graph


def _rank(vertices: list[Vertex]) -> None:
    made: dict[int, Vertex] = {}
    for vertex in vertices:
        below = [made[wire].rank + 1 for wire, _ in vertex.pins_in]
        vertex.rank = max(below, default=0 if vertex.port == "in" else 1)
        made.update(dict.fromkeys(vertex.pins_out, vertex))
    last = max((vertex.rank for vertex in vertices), default=0)
    for vertex in vertices:
        if vertex.port == "out":
            vertex.rank = last = max(last, *(made[wire].rank + 1 for wire, _ in vertex.pins_in))
    for vertex in vertices:
        if vertex.port == "out":
            vertex.rank = last
    # What reads nothing here, an input of the model above all, stands just before its first reader.
    first: dict[int, int] = {}
    for vertex in vertices:
        for wire, _ in vertex.pins_in:
            first[wire] = min(first.get(wire, last), vertex.rank)
    for vertex in vertices:
        if not vertex.pins_in and not vertex.port:
            vertex.rank = min((first[wire] for wire in vertex.pins_out if wire in first), default=1) - 1


def _cut(vertices: list[Vertex]) -> Layered:
    lowest = min((vertex.rank for vertex in vertices), default=0)
    for vertex in vertices:
        vertex.rank -= lowest
    ranks: list[list[Vertex]] = [[] for _ in range(max((v.rank for v in vertices), default=-1) + 1)]
    segments: list[Segment] = []
    made: dict[int, Vertex] = {}
    chains: dict[int, list[Vertex]] = {}  # wire -> where it may be tapped: its producer, then a dummy a rank
    for vertex in vertices:
        ranks[vertex.rank].append(vertex)
        for slot, (wire, _) in enumerate(vertex.pins_in):
            chain = chains.setdefault(wire, [made[wire]])
            while chain[-1].rank < vertex.rank - 1:
                dummy = Vertex(0.0, 0.0, pins_in=[(wire, 0.0)], pins_out={wire: 0.0}, rank=chain[-1].rank + 1)
                ranks[dummy.rank].append(dummy)
                segments.append(Segment(wire, chain[-1], dummy, 0))
                chain.append(dummy)
            segments.append(Segment(wire, chain[vertex.rank - 1 - chain[0].rank], vertex, slot))
        made.update(dict.fromkeys(vertex.pins_out, vertex))
    return Layered(ranks, segments)


def _order(graph: Layered) -> None:
    """Sort the ranks by the mean position of the neighbours, down and up in turn, and keep what crosses least."""
    position = {id(v): float(i) for rank in graph.ranks for i, v in enumerate(rank)}
    above: dict[int, list[Segment]] = {}
    below: dict[int, list[Segment]] = {}
    by_rank: list[list[Segment]] = [[] for _ in graph.ranks]
    for segment in graph.segments:
        above.setdefault(id(segment.head), []).append(segment)
        below.setdefault(id(segment.tail), []).append(segment)
        by_rank[segment.tail.rank].append(segment)
    best = _crossings(by_rank, position)
    kept = [list(rank) for rank in graph.ranks]
    for sweep in range(min(SWEEPS, EFFORT // (len(graph.segments) + 1))):
        if best == 0:
            break
        down = sweep % 2 == 0
        for rank in graph.ranks if down else reversed(graph.ranks):
            means: dict[int, float] = {}
            for vertex in rank:
                near = above.get(id(vertex), []) if down else below.get(id(vertex), [])
                ends = [_tail_at(s, position) if down else _head_at(s, position) for s in near]
                means[id(vertex)] = sum(ends) / len(ends) if ends else position[id(vertex)]
            rank.sort(key=lambda v: (means[id(v)], position[id(v)]))
            position.update((id(v), float(i)) for i, v in enumerate(rank))
        crossings = _crossings(by_rank, position)
        if crossings < best:
            best, kept = crossings, [list(rank) for rank in graph.ranks]
    graph.ranks[:] = kept
    position = {id(v): float(i) for rank in graph.ranks for i, v in enumerate(rank)}
    for rank in graph.ranks:
        for vertex in rank:
            _place_pins(vertex, sorted(above.get(id(vertex), []), key=lambda s: _tail_at(s, position)))


def _place_pins(vertex: Vertex, segments: list[Segment]) -> None:
    """Spread the pins that a box reads at, in the order in which their wires arrive."""
    if vertex.element is None or vertex.fixed:
        return
    for number, segment in enumerate(segments):
        share = (number + 1) / (len(segments) + 1)
        # Pins gather round the middle: an arrow into a corner looks like one that misses.
        vertex.pins_in[segment.slot] = (segment.wire, vertex.cross * (0.5 + (share - 0.5) * 0.8))


def _tail_at(segment: Segment, position: dict[int, float]) -> float:
    tail = segment.tail
    return position[id(tail)] + (0.9 * tail.pins_out[segment.wire] / tail.cross if tail.cross else 0.0)


def _head_at(segment: Segment, position: dict[int, float]) -> float:
    head = segment.head
    inside = 0.9 * segment.head_offset / head.cross if head.cross and head.fixed else 0.0
    return position[id(head)] + inside


def _crossings(by_rank: list[list[Segment]], position: dict[int, float]) -> int:
    """How many pairs of segments cross. O(n log n) but for the insertions, which move memory only."""
    count = 0
    for segments in by_rank:
        if len(segments) < 2:
            continue
        ends = sorted((_tail_at(s, position), _head_at(s, position)) for s in segments)
        seen: list[float] = []
        for _, head in ends:
            # Those that came before from further left and end further right.
            count += len(seen) - bisect_left(seen, head + 1e-9)
            insort(seen, head)
    return count
