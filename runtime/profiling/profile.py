"""What a profile tells: the nodes that ran, each with its time, its work and where it comes from; and sums of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from archonnx.contract.diagnostics import UsageError
from archonnx.runtime.arrays import describe
from archonnx.runtime.profiling.ceilings import Ceilings

Kind = Literal["compute", "memory", "overhead"]
View = Literal["line", "scope", "node", "operator"]
VIEWS: tuple[View, ...] = ("line", "scope", "node", "operator")
LEAST = 0.1  # of a ceiling: what reaches less is bound by neither
_APPLIED = re.compile(r"applied at (.+?):(\d+):\d+(?: \(|$)")


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the model that another one did the work of, or that did not run: its operator, and where it is from."""

    name: str
    operator: str
    layer: str | None
    place: str | None


@dataclass(frozen=True, slots=True)
class TimedNode:
    """A node as onnxruntime ran it.

    operator: onnxruntime's; origin: the model's node that it does most of the work of, with its layer, place and trail,
    None and () for one that onnxruntime added; seconds: of one run of the model, at the median, in all of its `calls`;
    macs, moved: multiply-accumulates and bytes of one run, None where shapes do not tell; parts: the model's other
    nodes that it does the work of.
    """

    name: str
    operator: str
    provider: str
    origin: str | None
    layer: str | None
    place: str | None
    trail: tuple[str, ...]
    seconds: float
    calls: int
    macs: int | None
    moved: int | None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What keeps nodes from being faster: the kind, and the share of that ceiling that they reach, 0 to 1 or a little
    more. "overhead": they reach less than a tenth of either, so neither explains their time."""

    kind: Kind
    share: float

    def __str__(self) -> str:
        return self.kind if self.kind == "overhead" else f"{self.kind} {self.share:.0%}"


@dataclass(slots=True)
class Sum:
    """Nodes taken together. name: what they have in common; seconds: theirs; share: of the whole run; count: how many
    layers of the model, or nodes where it has none; macs: None where those of one are not known."""

    name: str
    seconds: float = 0.0
    share: float = 0.0
    count: int = 0
    macs: int | None = 0
    bound: Bound | None = None

    @property
    def gflops(self) -> float | None:
        """Billions of operations a second, a multiplication and a sum being two; None where there are none."""
        return 2 * self.macs / self.seconds / 1e9 if self.macs and self.seconds else None


@dataclass(slots=True)
class Line(Sum):
    """A line of a source text. seconds: of the layers that stand in it; inside: of the blocks that are applied in it,
    which count at their own lines too; count: layers that the line made, or times that it applied a block; share, macs
    and bound: of both together. note: where its layers have no time of their own."""

    file: str = ""
    number: int = 0
    inside: float = 0.0
    note: str = ""

    @property
    def gflops(self) -> float | None:
        seconds = self.seconds + self.inside
        return 2 * self.macs / seconds / 1e9 if self.macs and seconds else None


AnySum = TypeVar("AnySum", bound=Sum)


@dataclass
class Profile:
    """Where the time of one model goes, for inputs of one size on one machine.

    model: its name; device, precision, threads: of the session; provider, provider_precision: whose kernels the nodes'
    times are of, which are others than the session's where `borrowed`; inputs: name -> type; runs: how many were
    watched; seconds: of a call of the session, at the median, half of which lay in the `spread`; watched: the same
    where each node was timed; nodes: in the order in which they ran; between: seconds of a run in which none did;
    apart: the model's nodes that did not run, each with what became of it; timeline: of one run, in which each call of
    a node, by its number, began and for how long it ran, seconds; plan: the path of the one that the session runs by,
    None where there is none; load: processes that wanted a core when it began, where there were fewer cores; sources:
    texts by their names, as places have them; unsourced: why they are not there, or not all.
    """

    model: str
    device: str
    precision: str
    threads: int | None
    provider: str
    provider_precision: str
    borrowed: bool
    inputs: dict[str, str]
    runs: int
    seconds: float
    spread: tuple[float, float]
    watched: float
    nodes: tuple[TimedNode, ...]
    between: float
    ceilings: Ceilings
    apart: tuple[tuple[Part, str], ...] = ()
    timeline: tuple[tuple[int, float, float], ...] = ()
    plan: str | None = None
    load: float | None = None
    sources: dict[str, str] = field(default_factory=dict)
    unsourced: str | None = None

    @cached_property
    def total(self) -> float:
        """Seconds of all nodes, and between them."""
        return sum(node.seconds for node in self.nodes) + self.between

    @property
    def whole(self) -> Sum:
        """All nodes together."""
        return self._sum(Sum("total"), self.nodes)

    def lines(self) -> dict[str, dict[int, Line]]:
        """File -> number of a line -> what it took; of the sources that are there. The layers' times of all lines,
        those of `elsewhere` and `between` are the total."""
        own: dict[tuple[str, int], list[TimedNode]] = {}
        inside: dict[tuple[str, int], dict[int, TimedNode]] = {}
        applied: dict[tuple[str, int], set[tuple[str, ...]]] = {}
        for number, node in enumerate(self.nodes):
            at = line_of(node.place)
            if at is not None:
                own.setdefault(at, []).append(node)
            for depth, frame in enumerate(node.trail):
                found = _APPLIED.search(frame)
                if found is not None:
                    outer = (found[1], int(found[2]))
                    inside.setdefault(outer, {})[number] = node
                    applied.setdefault(outer, set()).add(node.trail[depth:])
        notes = self._notes()
        lines: dict[str, dict[int, Line]] = {name: {} for name in self.sources}
        for at in {*own, *inside, *notes}:
            if at[0] not in lines:
                continue
            mine, others = own.get(at, []), list(inside.get(at, {}).values())
            line = Line("", file=at[0], number=at[1])
            self._sum(line, {id(node): node for node in [*mine, *others]}.values())
            line.seconds, line.inside = (sum(node.seconds for node in nodes) for nodes in (mine, others))
            line.count = len({node.layer for node in mine}) if mine else len(applied.get(at, ()))
            line.note = "" if mine or others else notes[at]
            lines[at[0]][at[1]] = line
        return {name: dict(sorted(numbered.items())) for name, numbered in lines.items()}

    def elsewhere(self) -> list[TimedNode]:
        """The nodes that stand at no line of the sources: those that onnxruntime added, for the most part."""
        return [n for n in self.nodes if (at := line_of(n.place)) is None or at[0] not in self.sources]

    def scopes(self) -> dict[tuple[str, ...], Sum]:
        """The tree of the nodes' names, or of their layers': ("encoder", "layer_1") -> all that is in it."""
        found: dict[tuple[str, ...], list[TimedNode]] = {}
        for node in self.nodes:
            path = scope_of(node)
            for depth in range(1, len(path) + 1):
                found.setdefault(path[:depth], []).append(node)
        return {path: self._sum(Sum(path[-1]), nodes) for path, nodes in found.items()}

    def operators(self) -> list[Sum]:
        """Sums by operator, the one with most time first."""
        found: dict[str, list[TimedNode]] = {}
        for node in self.nodes:
            found.setdefault(node.operator, []).append(node)
        sums = [self._sum(Sum(name), nodes) for name, nodes in found.items()]
        for each in sums:
            each.count = len(found[each.name])
        return sorted(sums, key=lambda each: (-each.seconds, each.name))

    def one(self, node: TimedNode) -> Sum:
        """A node alone, as a sum."""
        return self._sum(Sum(node.name or node.operator), [node])

    def _sum(self, into: AnySum, nodes: Iterable[TimedNode]) -> AnySum:
        listed = list(nodes)
        into.seconds = sum(node.seconds for node in listed)
        into.share = into.seconds / self.total if self.total else 0.0
        into.count = len({node.layer or node.name for node in listed})
        counted = [node.macs for node in listed]
        into.macs = None if None in counted else sum(macs or 0 for macs in counted)
        into.bound = bound_of(listed, self.ceilings)
        return into

    def _notes(self) -> dict[tuple[str, int], str]:
        """Line -> why no time stands there, for lines all of whose nodes went elsewhere."""
        found: dict[tuple[str, int], set[str]] = {}
        for node in self.nodes:
            host = line_of(node.place)
            for part in node.parts:
                at = line_of(part.place)
                if at is not None and at != host:
                    where = "" if host is None else str(host[1]) if host[0] == at[0] else f"{host[0]}:{host[1]}"
                    found.setdefault(at, set()).add(f"in {where}" if where else "fused")
        for part, why in self.apart:
            at = line_of(part.place)
            if at is not None:
                found.setdefault(at, set()).add(why)
        return {at: _joined(whys) for at, whys in found.items()}

    def text(self, by: View | None = None, *, width: int | None = None, color: bool = False, top: int = 40) -> str:
        """The profile to read. by: "line" of the source, where it is there, "scope" of names, "node" or "operator";
        width: columns at most; top: rows of what is sorted by time. Raises UsageError for another view."""
        from archonnx.runtime.profiling.text import as_text

        return as_text(self, self.view(by), width, color, top)

    def view(self, by: str | None) -> View:
        """The view that is asked for, or the one that suits. Raises UsageError for one that is not there."""
        if by is None:
            return "line" if self.sources else "scope"
        found = next((view for view in VIEWS if view == by), None)
        if found is None:
            raise UsageError(f"a profile is shown by {', '.join(VIEWS)}, received {by!r}")
        if found == "line" and not self.sources:
            raise UsageError(f"there are no lines to show: {self.unsourced or 'the model has no source'}")
        return found

    def json(self) -> dict[str, Any]:
        """The profile as data that json.dumps takes."""
        from archonnx.runtime.profiling.document import document

        return document(self)

    def html(self) -> str:
        """The profile as a page of one file, which needs nothing else."""
        from archonnx.runtime.profiling.page import page

        return page(self)

    def chrome(self) -> dict[str, Any]:
        """One run as trace events, which chrome://tracing and Perfetto show."""
        from archonnx.runtime.profiling.trace import trace

        return trace(self)

    def __str__(self) -> str:
        return self.text()


def bound_of(nodes: Iterable[TimedNode], ceilings: Ceilings) -> Bound | None:
    """What bounds nodes, taken together: each needs at least the larger of its times at the two ceilings. None where
    they took no time, or nothing is known of their work."""
    seconds, least = 0.0, {"compute": 0.0, "memory": 0.0}
    for node in nodes:
        if node.moved is None and not node.macs:
            continue
        compute, memory = ceilings.least(node.macs or 0, node.moved or 0)
        least["compute" if compute > memory else "memory"] += max(compute, memory)
        seconds += node.seconds
    if not seconds:
        return None
    share = sum(least.values()) / seconds
    if share < LEAST:
        return Bound("overhead", share)
    return Bound("compute" if least["compute"] > least["memory"] else "memory", share)


def line_of(place: str | None) -> tuple[str, int] | None:
    """File and line of a place, `file:line:column`; None for what is none."""
    parts = (place or "").rsplit(":", 2)
    return (parts[0], int(parts[1])) if len(parts) == 3 and parts[1].isdecimal() else None


def scope_of(node: TimedNode) -> tuple[str, ...]:
    """The names that a node lies in, from the outermost, its own last: those of its layer, else those in its name."""
    if node.layer:
        return tuple(node.layer.split("/"))
    parts = tuple(part for part in (node.origin or node.name).split("/") if part)
    return parts or (node.operator,)


def _joined(whys: Iterable[str]) -> str:
    lines = sorted({why for why in whys if why.startswith("in ")}, key=lambda why: (len(why), why))
    others = sorted({why for why in whys if not why.startswith("in ")})
    shown = [f"in {', '.join(why.removeprefix('in ') for why in lines[:2])}{', ...' if len(lines) > 2 else ''}"]
    return "; ".join([*(shown if lines else []), *others])


def typed(feeds: Mapping[str, Any]) -> dict[str, str]:
    """Name -> type, as the language writes it, of a call's inputs."""
    return {name: describe(array) if hasattr(array, "dtype") else type(array).__name__ for name, array in feeds.items()}
