"""Cutting the longest wires of very large pictures, as circuit diagrams do: a box at the reader names the source.

A wire takes room in every rank that it passes, so a picture of n layers with wires of length n would take n * n.
"""

from __future__ import annotations

from archonnx.compiler.analysis.plotting.elements import Box, Group, Picture, boxes, connect, groups

MOST = 40_000  # ranks passed by wires, in one group


def cut_longest(picture: Picture) -> None:
    """Replace wires by references, the longest first, until those of every group pass at most MOST ranks."""
    cut = 0
    makers = {wire: box for box in boxes(picture.root) for wire in box.gives}
    for group, _ in groups(picture.root):
        chosen = _too_long(group)
        if chosen:
            cut += _refer(picture, group, chosen, makers)
    if cut:
        picture.notes.append(f"{cut} long lines are cut: a box beside the reader names the layer that they come from")
        connect(picture.root)


def _too_long(group: Group) -> set[int]:
    """The wires to cut. A wire's span is from its maker to its last reader, in the order of the group's children."""
    start = dict.fromkeys(group.reads, 0)
    span: dict[int, int] = {}
    for number, child in enumerate(group.children):
        for wire in child.reads:
            span[wire] = number - start[wire]
        start.update(dict.fromkeys(child.gives, number))
    total = sum(span.values())
    chosen: set[int] = set()
    for wire in sorted(span, key=lambda w: (-span[w], w)):
        if total <= MOST:
            break
        chosen.add(wire)
        total -= span[wire]
    return chosen


def _refer(picture: Picture, group: Group, chosen: set[int], makers: dict[int, Box]) -> int:
    """Put references before each child that reads chosen wires, but for the maker's neighbour; how many there are."""
    children: list[Box | Group] = []
    count = 0
    before: set[int] = set()
    for child in group.children:
        copies: dict[int, int] = {}
        for wire in child.reads:
            if wire in chosen and wire not in before and wire not in copies:
                maker = makers[wire]
                copies[wire] = len(picture.wires)
                picture.wires.append(picture.wires[wire])
                reference = Box("reference", "drawn elsewhere", f"from {maker.name or maker.title}")
                reference.tooltip = f"drawn elsewhere:\n{maker.tooltip}"
                reference.gives = [copies[wire]]
                children.append(reference)
        for box in [child] if isinstance(child, Box) else boxes(child) if copies else ():
            box.reads = [copies.get(read, read) for read in box.reads]
        count += len(copies)
        before = set(child.gives)
        children.append(child)
    group.children = children
    return count
