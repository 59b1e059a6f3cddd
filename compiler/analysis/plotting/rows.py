"""Rows of the same layers: a loop without a block, a thousand lines alike. Each is drawn once, with a count.

A row is wrapped in groups, one a turn, which `merge_repeats` joins where each turn reads only the one before it; those
that it does not join are unwrapped. Layers alike side by side, of the same inputs and readers, are one box.
"""

from __future__ import annotations

from itertools import count

from archonnx.compiler.analysis.plotting.elements import Box, Group, boxes, connect, groups

LONGEST = 64  # elements of one turn
FEWEST = 4  # side by side: two branches alike are a shape that people draw


def merge_parallel(root: Group, most: int) -> bool:
    """Make one box of boxes alike side by side, where a group holds more than `most`; whether there were any."""
    readers: dict[int, list[int]] = {}
    for box in boxes(root):
        for wire in dict.fromkeys(box.reads):
            readers.setdefault(wire, []).append(id(box))
    gone: set[int] = set()
    for group, _ in groups(root):
        if len(group.children) <= most:
            continue
        kept: list[Box | Group] = []
        first: tuple[object, ...] | None = None
        run: list[Box] = []
        for child in [*group.children, None]:
            same = _place(child, readers) if isinstance(child, Box) else None
            if same is not None and same == first and isinstance(child, Box):
                run.append(child)
                continue
            if len(run) >= FEWEST:
                _say(run[0], len(run), run[-1], " side by side")
                gone.update(wire for box in run[1:] for wire in box.gives)
                del run[1:]
            kept.extend(run)
            first, run = same, [child] if isinstance(child, Box) else []
            kept.extend([child] if isinstance(child, Group) else [])
        group.children = kept
    for box in boxes(root):
        box.reads = [wire for wire in box.reads if wire not in gone]
    if gone:
        connect(root)
    return bool(gone)


def _place(box: Box, readers: dict[int, list[int]]) -> tuple[object, ...] | None:
    """What is equal for boxes that do the same to the same, for the same readers."""
    if not box.signature or not box.gives:
        return None
    return box.signature, tuple(box.reads), tuple(tuple(readers.get(wire, ())) for wire in box.gives)


def _say(box: Box | Group, turns: int, last: Box | Group, how: str = "") -> None:
    """Let the first of a row say how long it is and where it ends."""
    box.title += f" x {turns:,}{how}"
    box.tooltip += f"\nto {last.tooltip}"
    box.name = f"{box.name} to {last.name}" if last.name else box.name


def wrap_rows(root: Group, most: int) -> bool:
    """Wrap the turns of rows in groups of their own, where a group holds more than `most`; whether there was any."""
    numbers: dict[object, int] = {}
    unique = count(-1, -1)
    found = False
    for group, _ in groups(root):
        if len(group.children) <= most:
            continue
        tokens = [
            numbers.setdefault(key, len(numbers)) if (key := _alike(child)) is not None else next(unique)
            for child in group.children
        ]
        kept: list[Box | Group] = []
        position = 0
        while position < len(tokens):
            period, turns = _row(tokens, position)
            if turns == 1 or _gives_way(tokens, position, period * turns):
                kept.append(group.children[position])
                position += 1
                continue
            for start in range(position, position + period * turns, period):
                kept.append(_turn(group.children[start : start + period]))
            position += period * turns
            found = True
        group.children = kept
    if found:
        connect(root)
    return found


def _turn(children: list[Box | Group]) -> Group:
    first, last = children[0], children[-1]
    title = first.title if first is last else f"{first.title} to {last.title}"
    return Group(title, first.name, first.tooltip, children, row=True)


def unwrap_rows(root: Group) -> None:
    """Take away the groups of rows that were not joined, and those of one box, which says itself how many it is."""
    for group, _ in reversed(groups(root)):
        kept: list[Box | Group] = []
        for child in group.children:
            if isinstance(child, Group) and child.row and (child.repeats == 1 or len(child.children) == 1):
                if child.repeats > 1:
                    only = child.children[0]
                    only.title, only.name = f"{only.title} x {child.repeats:,}", child.name
                    only.tooltip = child.tooltip
                kept.extend(child.children)
            else:
                kept.append(child)
        group.children = kept
    connect(root)


def _alike(child: Box | Group) -> object:
    """What is equal for elements that may be turns of one row; None: nothing is like it."""
    if isinstance(child, Box):
        return child.signature or None
    inner = tuple((group.title, depth, len(group.children), group.repeats) for group, depth in groups(child))
    signatures = tuple(box.signature for box in boxes(child))
    return (inner, signatures) if all(signatures) else None


def _row(tokens: list[int], start: int) -> tuple[int, int]:
    """(elements of a turn, turns) of the row that begins here with the shortest turn; (1, 1) where none does."""
    first = tokens[start]
    for period in range(1, min(LONGEST, (len(tokens) - start) // 2) + 1):
        if tokens[start + period] != first:
            continue
        turn = tokens[start : start + period]
        turns = 1
        while tokens[start + turns * period : start + (turns + 1) * period] == turn:
            turns += 1
        if turns > 1:
            return period, turns
    return 1, 1


def _gives_way(tokens: list[int], start: int, length: int) -> bool:
    """Whether a far longer row begins inside this short one: Dense, then (Dense, add, ReLU) a thousand times."""
    if length > 2 * LONGEST:
        return False
    inside = (_row(tokens, position) for position in range(start + 1, start + length))
    return any(turns > 1 and period * turns > 4 * length for period, turns in inside)
