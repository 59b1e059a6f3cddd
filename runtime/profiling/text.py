"""A profile as text: the source with what each line took, or what is sorted by time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from archonnx.runtime.measuring.figures import digits, time_text
from archonnx.runtime.profiling.profile import Line, Profile, Sum, TimedNode, View, line_of, scope_of

_NARROW, _WIDTH = 40, 120  # columns of source that are kept, and of a page that nobody measured
_DEEP, _SMALL = 6, 0.01  # levels of scopes, and the share that one has to be shown
_BUSY = 1.3  # times as long: calls that differ so much were not alone
_FEW = 3  # lines without a time that are not worth leaving out
_STYLES = {"bold": "1", "dim": "2", "red": "1;31", "yellow": "33", "cyan": "36"}
# What is left out first where there is no room, by its column.
_EXPENDABLE = ("MACs", "x", "GFLOP/s", "inside", "bound")
_RIGHT = frozenset({"time", "inside", "share", "x", "MACs", "GFLOP/s", "line"})


@dataclass(frozen=True, slots=True)
class Row:
    """Cells by column, and how they look."""

    cells: dict[str, str]
    style: str = ""


def as_text(profile: Profile, view: View, width: int | None, color: bool, top: int) -> str:
    """The header, the table, and what is left to say."""
    sections: list[tuple[str, list[Row]]] = []
    if view == "line":
        lines = profile.lines()
        shown = [file for file in profile.sources if lines[file]]
        for file in shown:
            title = f"{file}:" if len(shown) > 1 else ""
            sections.append((title, _source_rows(lines[file], profile.sources[file])))
        sections.append(("", _rest_rows(profile)))
    else:
        rows = {"scope": _scope_rows, "node": _node_rows, "operator": _operator_rows}[view](profile)
        cut = [Row({"source": f"({len(rows) - top:,} more)"}, "dim")] if len(rows) > top else []
        sections += [("", [*rows[:top], *cut]), ("", _total_rows(profile))]
    table = _Table([row for _, rows in sections for row in rows], width or _WIDTH, color)
    parts = ["\n".join(heading(profile))]
    for number, (title, rows) in enumerate(sections):
        head = [] if number else [table.head()]
        parts.append("\n".join([*([title] if title else []), *head, *map(table.line, rows)]))
    return "\n\n".join(parts)


def heading(profile: Profile) -> list[str]:
    """What was measured, where, and whose times these are."""
    threads = f", {profile.threads} thread{'s' if profile.threads != 1 else ''}" if profile.threads else ""
    inputs = ", ".join(f"{name}: {type_}" for name, type_ in profile.inputs.items())
    ceilings = f"{profile.ceilings.compute / 1e9:,.0f} GFLOP/s, {profile.ceilings.memory / 1e9:,.1f} GB/s"
    lowered = f" in {profile.precision}" if profile.precision != "float32" else ""
    lines = [
        f"{profile.model} on {profile.device}{lowered}{threads}: {time_text(profile.seconds)} a call, at the median of "
        f"{profile.runs} run{'s' if profile.runs != 1 else ''}",
        f"inputs   {inputs or 'none'}",
        f"ceilings {ceilings}, measured here",
    ]
    if profile.plan is not None:
        lines.append(f"plan     {profile.plan}, by which calls run; its options are not those of the nodes' times")
    low, high = profile.spread
    busy = [] if profile.load is None else [f"{profile.load:.1f} processes wanted a core when it began"]
    if high > _BUSY * low:
        busy.append(f"half of the calls took from {time_text(low)} to {time_text(high)}")
    if busy:
        lines.append(f"busy     {', '.join(busy)}: what else ran here is in all times")
    if profile.borrowed:
        lines.append(
            f"times    of {profile.provider} in {profile.provider_precision}, where a run takes "
            f"{time_text(profile.total)}: what the session runs has no times for its parts"
        )
    else:
        lines.append(f"times    of {profile.provider}; {_overhead(profile)}")
    return lines


def _overhead(profile: Profile) -> str:
    ratio = profile.watched / profile.seconds if profile.seconds else 1.0
    if ratio < 1.005:
        return "to time each node cost nothing that could be measured"
    if ratio < 2:
        return f"to time each node made a call {ratio - 1:.0%} longer"
    return f"to time each node made a call {ratio:.1f} times as long: small nodes took less than is shown"


def library_of(node: TimedNode) -> str:
    """Who made a node that the model does not have."""
    return "onnxruntime" if node.provider.endswith("ExecutionProvider") else node.provider


def count_text(count: int | None) -> str:
    """A count in thousands, millions and so on: 1.45G; "?" where it is not known, nothing for 0."""
    if count is None:
        return "?"
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{digits(count / factor)}{unit}"
    return str(count) if count else ""


def _cells(one: Sum) -> dict[str, str]:
    gflops = one.gflops
    return {
        "time": time_text(one.seconds) if one.seconds else "",
        "share": f"{one.share:.1%}",
        "x": f"x{one.count}" if one.count > 1 else "",
        "MACs": count_text(one.macs),
        "GFLOP/s": digits(gflops) if gflops else "",
        "bound": str(one.bound or ""),
    }


def _heat(share: float) -> str:
    return "red" if share >= 0.2 else "yellow" if share >= 0.05 else "" if share >= 0.005 else "dim"


def _source_rows(lines: dict[int, Line], text: str) -> list[Row]:
    rows = []
    for number, source in _kept(lines, text):
        line = lines.get(number)
        cells = {"line": str(number), "source": source.expandtabs(4).rstrip()}
        if line is not None and (line.seconds or line.inside):
            inside = {"inside": time_text(line.inside)} if line.inside else {}
            rows.append(
                Row({**_cells(line), **inside, **cells}, _heat(line.share) if line.seconds > line.inside else "cyan")
            )
        else:
            rows.append(Row({**cells, "bound": line.note if line else ""}, "dim"))
    return rows


def _kept(lines: dict[int, Line], text: str) -> list[tuple[int, str]]:
    """The numbered lines of the models and blocks that took part; the others are one line of dots."""
    pieces: list[list[tuple[int, str]]] = []
    for number, source in enumerate(text.splitlines(), 1):
        if not pieces or (source[:1].strip() and source[0] not in ")]"):  # a declaration begins at the margin
            pieces.append([])
        pieces[-1].append((number, source))
    kept: list[tuple[int, str]] = []
    for used, group in groupby(pieces, lambda piece: any(number in lines for number, _ in piece)):
        found = [line for piece in group for line in piece]
        few = len(found) <= _FEW
        kept += found if used or few else [(found[0][0], f"... {len(found)} lines that took no part")]
    return kept


def _rest_rows(profile: Profile) -> list[Row]:
    """What stands at no line, and the total."""
    rows = []
    added: dict[str, list[TimedNode]] = {}
    for node in profile.elsewhere():
        at = line_of(node.place)
        what = "of no layer" if node.origin is not None else f"added by {library_of(node)}"
        what = f"in {at[0]}, which is not there" if at else f"{what}: {node.operator}"
        added.setdefault(what, []).append(node)
    for what, nodes in added.items():
        seconds = sum(node.seconds for node in nodes)
        one = Sum("", seconds, seconds / profile.total if profile.total else 0.0, len(nodes))
        rows.append(Row({**_cells(one), "MACs": "", "source": what}, _heat(one.share)))
    return [*rows, *_total_rows(profile)]


def _total_rows(profile: Profile) -> list[Row]:
    between = Sum("", profile.between, profile.between / profile.total if profile.total else 0.0, 1)
    whole = profile.whole
    whole.seconds, whole.share, whole.count = profile.total, 1.0, 1
    return [
        Row({**_cells(between), "source": "between the nodes"}, "dim"),
        Row({**_cells(whole), "source": "total"}, "bold"),
    ]


def _scope_rows(profile: Profile) -> list[Row]:
    """A tree, the branch with most time first; what has less than a hundredth is left out below the first level."""
    scopes = profile.scopes()
    children: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in scopes:
        children.setdefault(path[:-1], []).append(path)
    kinds: dict[tuple[str, ...], set[str]] = {}
    for node in profile.nodes:
        kinds.setdefault(scope_of(node), set()).add(node.operator)
    rows: list[Row] = []
    waiting = sorted(children.get((), []), key=lambda path: scopes[path].seconds)
    while waiting:
        path = waiting.pop()
        one = scopes[path]
        operators = ", ".join(sorted(kinds.get(path, ())))
        label = f"{'  ' * (len(path) - 1)}{path[-1]}{f' ({operators})' if operators else ''}"
        rows.append(Row({**_cells(one), "source": label}, _heat(one.share)))
        inner = [each for each in children.get(path, []) if scopes[each].share >= _SMALL and len(each) <= _DEEP]
        waiting += sorted(inner, key=lambda each: scopes[each].seconds)
    return rows


def _node_rows(profile: Profile) -> list[Row]:
    rows = []
    for node in sorted(profile.nodes, key=lambda node: -node.seconds):
        one = profile.one(node)
        one.count = node.calls
        where = f" at {node.place}" if node.place else ""
        label = f"{node.operator} {node.name}{where}" if node.name != node.operator else f"{node.operator}{where}"
        rows.append(Row({**_cells(one), "source": label}, _heat(one.share)))
    return rows


def _operator_rows(profile: Profile) -> list[Row]:
    return [Row({**_cells(one), "source": one.name}, _heat(one.share)) for one in profile.operators()]


class _Table:
    """Columns as wide as what they hold; where there is no room, columns go, and then the end of the last."""

    def __init__(self, rows: Sequence[Row], width: int, color: bool) -> None:
        columns = ("time", "inside", "share", "x", "MACs", "GFLOP/s", "bound", "line", "source")
        self._color = color
        self._used = [c for c in columns if c == "source" or any(row.cells.get(c) for row in rows)]
        self._sizes = {c: max(len(c), *(len(row.cells.get(c, "")) for row in rows)) for c in self._used}
        for column in _EXPENDABLE:
            if column in self._used and self._taken() + min(self._sizes["source"], _NARROW) > width:
                self._used.remove(column)
        self._room = max(8, width - self._taken())

    def _taken(self) -> int:
        return sum(self._sizes[column] + 2 for column in self._used if column != "source")

    def head(self) -> str:
        return self.line(Row({column: column for column in self._used if column != "source"}, "dim"))

    def line(self, row: Row) -> str:
        parts = []
        for column in self._used:
            text = row.cells.get(column, "")
            if column == "source":
                parts.append(text if len(text) <= self._room else text[: self._room - 3] + "...")
            else:
                size = self._sizes[column]
                parts.append(text.rjust(size) if column in _RIGHT else text.ljust(size))
        line = re.sub(r"[\x00-\x1f\x7f]", "?", "  ".join(parts).rstrip())
        return f"\x1b[{_STYLES[row.style]}m{line}\x1b[0m" if self._color and row.style and line else line
