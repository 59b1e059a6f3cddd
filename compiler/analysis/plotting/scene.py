"""What is drawn, in pixels: entries of shapes in the order of painting, each with its tooltip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
INK = "#0f172a"
MUTED = "#475569"
LINE = "#64748b"
PAPER = "#ffffff"


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = ""
    thickness: float = 1.0
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; `x` is its start, middle or end, `y` its baseline, `width` what it takes."""

    x: float
    y: float
    text: str
    size: float
    width: float
    bold: bool = False
    colour: str = INK
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True, slots=True)
class Path:
    """A line from `start` through pieces: an end point, or two control points and an end point of a cubic curve."""

    start: Point
    pieces: tuple[tuple[Point, ...], ...]
    colour: str = LINE
    thickness: float = 1.4


@dataclass(frozen=True, slots=True)
class Polygon:
    points: tuple[Point, ...]
    fill: str = LINE


Shape = Rect | Text | Path | Polygon


@dataclass(frozen=True, slots=True)
class Entry:
    shapes: tuple[Shape, ...]
    tooltip: str = ""


@dataclass(slots=True)
class Scene:
    """A drawing of `width` x `height` pixels on white paper."""

    title: str
    width: float
    height: float
    entries: list[Entry] = field(default_factory=list)
