"""What a picture is made of before it has coordinates: boxes in nested groups, joined by wires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["layer", "block", "input", "output", "reference"]


@dataclass(frozen=True, slots=True)
class Wire:
    """A tensor: the text on its edges, its shape, and what a pointer resting on them is told."""

    label: str
    tooltip: str


@dataclass(slots=True, eq=False)
class Box:
    """A layer, a folded block, an input or an output. `reads` and `gives` number wires, `reads` once an input.

    `weights` maps each weight (by identity) to its number of elements, so that sums count shared ones once. `signature`
    is equal for boxes that do the same to tensors of the same types.
    """

    kind: Kind
    family: str
    title: str
    name: str = ""
    details: tuple[str, ...] = ()
    tooltip: str = ""
    reads: list[int] = field(default_factory=list)
    gives: list[int] = field(default_factory=list)
    weights: dict[int, int] = field(default_factory=dict)
    signature: str = ""


@dataclass(slots=True, eq=False)
class Group:
    """An applied block. `reads` come from outside it, `gives` are read outside it; `repeats` instances in a row.

    `row`: no block, but one turn of layers that stand alike in a row.
    """

    title: str
    name: str = ""
    tooltip: str = ""
    children: list[Box | Group] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    gives: list[int] = field(default_factory=list)
    repeats: int = 1
    row: bool = False


@dataclass(slots=True)
class Picture:
    """A whole picture: `root` is the model itself; `notes` say what was left out of it."""

    title: str
    root: Group
    wires: list[Wire]
    notes: list[str] = field(default_factory=list)


def boxes(group: Group) -> Iterator[Box]:
    """Every box of a group, however deep, in order."""
    stack: list[Box | Group] = [group]
    while stack:
        element = stack.pop()
        if isinstance(element, Box):
            yield element
        else:
            stack.extend(reversed(element.children))


def groups(root: Group) -> list[tuple[Group, int]]:
    """Every group with its depth (the root's is 0), each after the group that holds it."""
    found = [(root, 0)]
    for group, depth in found:  # grows while it is read
        found.extend((child, depth + 1) for child in group.children if isinstance(child, Group))
    return found


def connect(root: Group) -> None:
    """Set `reads` and `gives` of every group from those of the boxes."""
    total = Counter(wire for box in boxes(root) for wire in set(box.reads))
    inside: dict[int, tuple[Counter[int], dict[int, None]]] = {}
    for group, _ in reversed(groups(root)):
        read: Counter[int] = Counter()
        produced: dict[int, None] = {}
        for child in group.children:
            if isinstance(child, Box):
                read.update(dict.fromkeys(child.reads, 1))
                produced.update(dict.fromkeys(child.gives))
            else:
                deeper = inside.pop(id(child))
                read.update(deeper[0])
                produced.update(deeper[1])
        group.reads = [wire for wire in read if wire not in produced]
        group.gives = [wire for wire in produced if read[wire] < total[wire]]
        inside[id(group)] = (read, produced)
