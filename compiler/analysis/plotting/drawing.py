"""From a picture to a scene: sizes of boxes, layout of every group from the inside out, then everything in pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from archonnx.compiler.analysis.plotting.elements import Box, Group, Picture, boxes, groups
from archonnx.compiler.analysis.plotting.families import FAMILIES
from archonnx.compiler.analysis.plotting.layering import Vertex
from archonnx.compiler.analysis.plotting.levels import ARROW, Frame, Level, Route, lay_out
from archonnx.compiler.analysis.plotting.scene import (
    INK,
    LINE,
    MUTED,
    PAPER,
    Entry,
    Path,
    Point,
    Polygon,
    Rect,
    Scene,
    Shape,
    Text,
)
from archonnx.compiler.analysis.plotting.texts import shorten, width
from archonnx.compiler.analysis.plotting.tree import DETAIL_SIZE

Direction = Literal["down", "right"]
TITLE_SIZE = 13.0
NAME_SIZE = 10.5
LABEL_SIZE = 10.5
HEADING_SIZE = 18.0
MARGIN = 24.0
INSET = 10.0  # from a box's border to its text
PAD = 14.0  # from a group's border to what it holds
BAND = 26.0  # a group's title
TINTS = (PAPER, "#f6f8fb", "#eaeff6")  # of groups, by depth; then the last two in turn


@dataclass(slots=True)
class _Canvas:
    picture: Picture
    direction: Direction
    read: set[int] = field(default_factory=set)
    frames: list[Entry] = field(default_factory=list)
    lines: list[Entry] = field(default_factory=list)
    labels: list[Entry] = field(default_factory=list)
    cards: list[Entry] = field(default_factory=list)

    def turn(self, u: float, v: float) -> Point:
        return (u, v) if self.direction == "down" else (v, u)


def draw(picture: Picture, direction: Direction) -> Scene:
    """Lay a picture out and draw it."""
    canvas = _Canvas(picture, direction, {wire for box in boxes(picture.root) for wire in box.reads})
    levels: dict[int, Level] = {}
    nested = groups(picture.root)
    for group, depth in reversed(nested):
        vertices = [
            _box_vertex(canvas, child) if isinstance(child, Box) else _group_vertex(child, levels[id(child)])
            for child in group.children
        ]
        levels[id(group)] = lay_out(group, vertices, _frame(canvas, group, depth))
    places: dict[int, Point] = {id(picture.root): (0.0, 0.0)}
    for group, depth in nested:
        _paint(canvas, group, depth, levels[id(group)], places)
    across, high = canvas.turn(levels[id(picture.root)].cross, levels[id(picture.root)].main)
    return _compose(canvas, across, high)


def _titles(group: Group) -> tuple[str, float, str, float]:
    """A group's title and name as they fit, each with its width."""
    title = shorten(group.title + (f" x {group.repeats}" if group.repeats > 1 else ""), 12.0, 220.0, bold=True)
    name = shorten(group.name, NAME_SIZE, 150.0)
    return title, width(title, 12.0, bold=True), name, width(name, NAME_SIZE)


def _frame(canvas: _Canvas, group: Group, depth: int) -> Frame:
    if depth == 0:
        return Frame(0.0, 0.0, 0.0, 0.0)
    if canvas.direction == "right":
        return Frame(PAD, PAD, BAND, PAD)
    _, long, name, beside = _titles(group)
    # The name may stand right of a wire that comes in, the title may not.
    return Frame(BAND, PAD, PAD, PAD, long + (10.0 + beside if name else 0.0) + 2 * PAD + 8.0, long + 2 * PAD)


def _size(box: Box) -> tuple[float, float, str, str]:
    """Width and height of a box, and its title and name as they fit."""
    title = shorten(box.title, TITLE_SIZE, 190.0, bold=True)
    name = shorten(box.name, NAME_SIZE, 130.0)
    room = width(title, TITLE_SIZE, bold=True) + (10.0 + width(name, NAME_SIZE) if name else 0.0)
    room = max([room, *(width(line, DETAIL_SIZE) for line in box.details)])
    return max(110.0, room + 2 * INSET), 28.0 + 14.0 * len(box.details), title, name


def _box_vertex(canvas: _Canvas, box: Box) -> Vertex:
    across, high, _, _ = _size(box)
    gives = [wire for wire in box.gives if wire in canvas.read]
    room = [width(canvas.picture.wires[wire].label, LABEL_SIZE) + 12.0 for wire in gives]
    if canvas.direction == "down":
        cross, main, stub = max([across, sum(room)]), high, 20.0 if gives else 0.0
    else:
        cross, main, stub = max(high, 18.0 * len(gives)), across, max(room, default=0.0)
    if canvas.direction == "down" and len(gives) > 1:
        starts = [sum(room[:i]) for i in range(len(gives))]
        spare = (cross - sum(room)) / len(gives)
        pins = {w: starts[i] + room[i] / 2 + spare * (i + 0.5) for i, w in enumerate(gives)}
    else:
        pins = {wire: cross * (i + 0.5) / len(gives) for i, wire in enumerate(gives)}
    return Vertex(cross, main, box, pins_in=[(wire, cross / 2) for wire in box.reads], pins_out=pins, stub=stub)


def _group_vertex(group: Group, level: Level) -> Vertex:
    pins = [(wire, level.pins_in[wire]) for wire in group.reads]
    # The wires of a group are labelled inside it; outside they only need room to turn.
    return Vertex(level.cross, level.main, group, "", True, pins, dict(level.pins_out), 6.0)


def _tint(depth: int) -> str:
    return TINTS[0] if depth == 0 else TINTS[1 + (depth - 1) % 2]


def _paint(canvas: _Canvas, group: Group, depth: int, level: Level, places: dict[int, Point]) -> None:
    """Draw a group's own shapes, and set the places of the groups in it."""
    u0, v0 = places[id(group)]
    if depth:
        canvas.frames.append(_framed(canvas, group, depth, level, u0, v0))
    for element, u, v, cross, main in level.elements:
        if isinstance(element, Group):
            places[id(element)] = (u0 + u, v0 + v)
        else:
            x, y = canvas.turn(u0 + u, v0 + v)
            across, high = canvas.turn(cross, main)
            canvas.cards.append(_card(element, x, y, across, high))
    for route in level.routes:
        canvas.lines.append(_line(canvas, route, u0, v0))
    for wire, u, v in level.labels:
        text = canvas.picture.wires[wire].label
        long = width(text, LABEL_SIZE)
        if canvas.direction == "down":
            x, y = u0 + u, v0 + v + 14.0
        else:
            x, y = v0 + v + 4.0 + long / 2, u0 + u + 3.7
        back = Rect(x - long / 2 - 3, y - 10.0, long + 6, 13.0, _tint(depth))
        label = Text(x, y, text, LABEL_SIZE, long, colour=MUTED, anchor="middle")
        canvas.labels.append(Entry((back, label), canvas.picture.wires[wire].tooltip))


def _framed(canvas: _Canvas, group: Group, depth: int, level: Level, u0: float, v0: float) -> Entry:
    x, y = canvas.turn(u0, v0)
    across, high = canvas.turn(level.cross, level.main)
    title, long, name, beside = _titles(group)
    shapes: list[Shape] = []
    for layer in range(min(group.repeats, 3) - 1, 0, -1):  # a stack of cards: more of the same lie under it
        shapes.append(Rect(x + 4 * layer, y + 4 * layer, across, high, _tint(depth), "#94a3b8", 1.0, 8.0))
    shapes.append(Rect(x, y, across, high, _tint(depth), "#94a3b8", 1.0, 8.0))
    shapes.append(Text(x + PAD - 2, y + 17.0, title, 12.0, long, True, "#334155"))
    if name:
        start, room = x + PAD + 6.0 + long, 8.0
        if canvas.direction == "down":
            for pin in sorted(level.pins_in.values()):  # past the wires that would run through it
                if u0 + pin + room > start and u0 + pin - room < start + beside:
                    start = u0 + pin + room
        if start + beside <= x + across - 6.0:
            shapes.append(Text(start, y + 17.0, name, NAME_SIZE, beside, False, MUTED))
    return Entry(tuple(shapes), group.tooltip)


def _card(box: Box, x: float, y: float, across: float, high: float) -> Entry:
    colours = FAMILIES[box.family]
    _, _, title, name = _size(box)
    port = box.kind in ("input", "output")
    ink, muted = ("#ffffff", "#cbd5e1") if port else (INK, MUTED)
    shapes: list[Shape] = []
    if box.kind == "block":
        shapes.append(Rect(x + 3, y + 3, across, high, colours.fill, colours.border, 1.0, 6.0))
    radius = high / 2 if port and not box.details else 6.0
    shapes.append(Rect(x, y, across, high, colours.fill, colours.border, 1.2, min(radius, 14.0)))
    top = y + (high - 28.0 - 14.0 * len(box.details)) / 2
    room = width(title, TITLE_SIZE, True) + (10.0 + width(name, NAME_SIZE) if name else 0.0)
    start = x + (across - room) / 2
    shapes.append(Text(start, top + 18.5, title, TITLE_SIZE, width(title, TITLE_SIZE, True), True, ink))
    if name:
        shapes.append(Text(start + room, top + 18.5, name, NAME_SIZE, width(name, NAME_SIZE), False, muted, "end"))
    for number, line in enumerate(box.details):
        at = top + 33.0 + 14.0 * number
        shapes.append(Text(x + across / 2, at, line, DETAIL_SIZE, width(line, DETAIL_SIZE), False, INK, "middle"))
    return Entry(tuple(shapes), box.tooltip)


def _line(canvas: _Canvas, route: Route, u0: float, v0: float) -> Entry:
    pieces = [tuple(canvas.turn(u0 + u, v0 + v) for u, v in piece) for piece in route.pieces]
    shapes: list[Shape] = []
    x, y = pieces[-1][-1]
    if route.arrow:
        half = ARROW * 0.45
        if canvas.direction == "down":
            pieces[-1] = (*pieces[-1][:-1], (x, y - ARROW + 1))
            shapes.append(Polygon(((x, y), (x - half, y - ARROW), (x + half, y - ARROW))))
        else:
            pieces[-1] = (*pieces[-1][:-1], (x - ARROW + 1, y))
            shapes.append(Polygon(((x, y), (x - ARROW, y - half), (x - ARROW, y + half))))
    shapes.insert(0, Path(pieces[0][0], tuple(pieces[1:]), LINE))
    return Entry(tuple(shapes), canvas.picture.wires[route.wire].tooltip)


def _compose(canvas: _Canvas, across: float, high: float) -> Scene:
    """Heading, picture and legend on one sheet."""
    picture = canvas.picture
    heading = shorten(picture.title, HEADING_SIZE, 600.0, bold=True)
    keys = _legend(canvas, max(across, 460.0))
    wide = max([across, width(heading, HEADING_SIZE, True), *(x for row in keys for _, x, _ in row)])
    wide = max([wide, 420.0, *(width(note, 11.0) for note in picture.notes if width(note, 11.0) < 900)])
    top = MARGIN + 26.0 + 18.0 * len(picture.notes) + 14.0
    scene = Scene(picture.title, wide + 2 * MARGIN, top + high + 28.0 + 22.0 * len(keys) + MARGIN - 8.0)
    shapes: list[Shape] = [Rect(0, 0, scene.width, scene.height, PAPER)]
    scene.entries.append(Entry(tuple(shapes)))
    scene.entries.append(
        Entry((Text(MARGIN, MARGIN + 16, heading, HEADING_SIZE, width(heading, HEADING_SIZE, True), True),))
    )
    for number, note in enumerate(picture.notes):
        y = MARGIN + 38.0 + 18.0 * number
        scene.entries.append(Entry((Text(MARGIN, y, note, 11.0, width(note, 11.0), colour=MUTED),)))
    left = MARGIN + (wide - across) / 2
    for part in (canvas.frames, canvas.lines, canvas.labels, canvas.cards):
        scene.entries += [_moved(entry, left, top) for entry in part]
    y = top + high + 28.0
    for row in keys:
        for name, end, room in row:
            x = MARGIN + end - room
            swatch = Rect(x, y, 14, 14, FAMILIES[name].fill, FAMILIES[name].border, 1.2, 3.0)
            scene.entries.append(Entry((swatch, Text(x + 20, y + 11, name, 11.0, width(name, 11.0), colour=MUTED))))
        y += 22.0
    return scene


def _legend(canvas: _Canvas, room: float) -> list[list[tuple[str, float, float]]]:
    """Rows of (family, where it ends, what it takes) for the families in the picture."""
    used = {box.family for box in boxes(canvas.picture.root)}
    rows: list[list[tuple[str, float, float]]] = []
    end = 0.0
    for name in FAMILIES:
        if name not in used:
            continue
        takes = width(name, 11.0) + 20.0
        if rows and end + 22.0 + takes <= room:
            end += 22.0 + takes
            rows[-1].append((name, end, takes))
        else:
            end = takes
            rows.append([(name, end, takes)])
    return rows


def _moved(entry: Entry, dx: float, dy: float) -> Entry:
    """The entry somewhere else."""
    shapes: list[Shape] = []
    for shape in entry.shapes:
        if isinstance(shape, Rect | Text):
            shapes.append(replace(shape, x=shape.x + dx, y=shape.y + dy))
        elif isinstance(shape, Path):
            start = (shape.start[0] + dx, shape.start[1] + dy)
            pieces = tuple(tuple((x + dx, y + dy) for x, y in piece) for piece in shape.pieces)
            shapes.append(replace(shape, start=start, pieces=pieces))
        else:
            shapes.append(replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points)))
    return Entry(tuple(shapes), entry.tooltip)
