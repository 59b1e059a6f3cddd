"""Making a picture small enough to be read: deep blocks as one box, repeated blocks drawn once.

1. With `fold=N` every block nested deeper than N is one box, and nothing else is changed.
2. Without it, a picture of more than MOST boxes has its repeated blocks drawn once (identical neighbours, each reading
   only the one before it and what all of them read), then rows of layers alike where a block holds more than MOST
   (rows.py), and then the deepest blocks folded until MOST boxes are left.
"""

from __future__ import annotations

from collections import Counter

from archonnx.compiler.analysis.plotting.elements import Box, Group, Picture, boxes, connect, groups
from archonnx.compiler.analysis.plotting.rows import merge_parallel, unwrap_rows, wrap_rows

MOST = 60


def fold(picture: Picture, depth: int | None) -> None:
    """Fold a picture in place and note what was done."""
    if depth is None:
        if _visible(picture.root, None) <= MOST:
            return
        if merge_repeats(picture.root):
            picture.notes.append("a block marked x N stands for N identical ones in a row")
        if _visible(picture.root, None) > MOST:
            _merge_layers(picture)
        depth = max(level for _, level in groups(picture.root))
        while depth > 0 and _visible(picture.root, depth) > MOST:
            depth -= 1
    elif depth < 0:
        raise ValueError(f"expected a fold of 0 or more, got {depth}")
    if collapse(picture.root, depth):
        deeper = f"blocks nested deeper than {depth} are" if depth else "blocks are"
        picture.notes.append(f"{deeper} drawn as one box (fold={depth + 1} opens one level more)")
    elif picture.notes:
        picture.notes.append(f"fold={max(level for _, level in groups(picture.root))} draws every one of them")


def _merge_layers(picture: Picture) -> None:
    """Draw layers alike once, in the groups that hold more than MOST."""
    said = [text for text, merged in (("side by side", merge_parallel(picture.root, MOST)),) if merged]
    if wrap_rows(picture.root, MOST):
        if merge_repeats(picture.root):
            said.insert(0, "in a row")
        unwrap_rows(picture.root)
    if said:
        said = ["in a row", *said] if picture.notes and "in a row" not in said else said
        picture.notes[:] = [f"what is marked x N stands for N identical ones {' or '.join(said)}"]


def _visible(root: Group, depth: int | None) -> int:
    """How many boxes there are when blocks deeper than `depth` are one box each."""
    return sum(
        isinstance(child, Box) or level == depth
        for group, level in groups(root)
        if depth is None or level <= depth
        for child in group.children
    )


def collapse(root: Group, depth: int) -> bool:
    """Replace the groups inside groups of this depth by boxes; whether there were any."""
    found = False
    for group, level in groups(root):
        if level == depth:
            for position, child in enumerate(group.children):
                if isinstance(child, Group):
                    group.children[position] = _boxed(child)
                    found = True
    return found


def _boxed(group: Group) -> Box:
    layers = list(boxes(group))
    weights: dict[int, int] = {}
    for box in layers:
        weights.update(box.weights)
    count = sum(weights.values())
    said = [f"{len(layers)} layers" if len(layers) != 1 else "1 layer"]
    said += [f"{count:,} parameters"] if count else []
    title = group.title + (f" x {group.repeats}" if group.repeats > 1 else "")
    each = " each" if group.repeats > 1 else ""
    details = (", ".join(said) + each,)
    tooltip = "\n".join([group.tooltip, *details])
    return Box("block", "folded block", title, group.name, details, tooltip, group.reads, group.gives, weights)


def merge_repeats(root: Group) -> bool:
    """Draw each run of identical neighbouring groups once; whether there was any."""
    total = Counter(wire for box in boxes(root) for wire in set(box.reads))
    instead: dict[int, int] = {}
    found = False
    pending = [root]
    while pending:
        group = pending.pop()
        kept: list[Box | Group] = []
        position = 0
        while position < len(group.children):
            child = group.children[position]
            run = _run(group.children, position, total) if isinstance(child, Group) else 1
            kept.append(child)
            if isinstance(child, Group) and run > 1:
                last = group.children[position + run - 1]
                assert isinstance(last, Group)
                instead.update(zip(_produced(last), _produced(child), strict=True))
                child.repeats = run
                child.tooltip += f"\nto {last.tooltip}"
                if last.name:
                    child.name = f"{child.name or child.title} to {last.name}"
                found = True
            position += run
        group.children = kept
        pending.extend(child for child in kept if isinstance(child, Group))
    for box in boxes(root):
        box.reads = [_follow(instead, wire) for wire in box.reads]
    connect(root)
    return found


def _follow(instead: dict[int, int], wire: int) -> int:
    while wire in instead:
        wire = instead[wire]
    return wire


def _run(children: list[Box | Group], start: int, total: Counter[int]) -> int:
    """How many groups from `start` on are instances of one block in a chain."""
    first = children[start]
    assert isinstance(first, Group)
    signature: tuple[object, ...] | None = None
    pattern: list[int | None] | None = None
    length = 1
    before = first
    while start + length < len(children):
        group = children[start + length]
        if not isinstance(group, Group) or group.title != first.title or len(group.reads) != len(first.reads):
            break
        signature = signature or _signature(first)
        if _signature(group) != signature:
            break
        links = _links(before, group, total)
        if links is None or (pattern is not None and links != pattern):
            break
        pattern, before, length = links, group, length + 1
    return length


def _links(before: Group, after: Group, total: Counter[int]) -> list[int | None] | None:
    """For each wire that `after` reads: which of `before`'s it is, None where both read it. None: there is another."""
    produced = {wire: number for number, wire in enumerate(_produced(before))}
    links: list[int | None] = []
    for mine, theirs in zip(after.reads, before.reads, strict=True):
        if mine == theirs:
            links.append(None)
        elif mine in produced:
            links.append(produced[mine])
        else:
            return None
    if all(link is None for link in links):
        return None  # side by side, not in a row
    inside = Counter(wire for group in (before, after) for box in boxes(group) for wire in set(box.reads))
    return links if all(inside[wire] == total[wire] for wire in before.gives) else None


def _produced(group: Group) -> list[int]:
    return [wire for box in boxes(group) for wire in box.gives]


def _signature(group: Group) -> tuple[object, ...]:
    """What a group does, its wires numbered from its own point of view."""
    local: dict[int, int] = {wire: -1 - number for number, wire in enumerate(group.reads)}
    for number, wire in enumerate(_produced(group)):
        local[wire] = number
    nesting = tuple((inner.title, depth, len(inner.children), inner.repeats) for inner, depth in groups(group))
    return (nesting, *((box.signature, tuple(local[wire] for wire in box.reads)) for box in boxes(group)))
