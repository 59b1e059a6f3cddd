"""A scene as SVG: one file that needs no other, text as text, the same bytes for the same scene."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from archonnx.compiler.analysis.plotting.scene import Path, Polygon, Rect, Scene, Shape, Text

_FONTS = "Helvetica, Arial, 'Liberation Sans', 'Nimbus Sans', sans-serif"


def render(scene: Scene) -> Iterator[str]:
    """The document in pieces. Every text states its width, so that no font makes it run out of its box."""
    width, height = _number(scene.width), _number(scene.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONTS}" role="img">\n<title>{escape(scene.title)}</title>\n'
    )
    for entry in scene.entries:
        shapes = "".join(map(_shape, entry.shapes))
        yield f"<g><title>{escape(entry.tooltip)}</title>{shapes}</g>\n" if entry.tooltip else f"{shapes}\n"
    yield "</svg>\n"


def _number(value: float) -> str:
    """At most two decimals, and no more than are needed."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _shape(shape: Shape) -> str:
    if isinstance(shape, Rect):
        text = (
            f'<rect x="{_number(shape.x)}" y="{_number(shape.y)}" width="{_number(shape.width)}" '
            f'height="{_number(shape.height)}" fill="{shape.fill}"'
        )
        text += f' rx="{_number(shape.radius)}"' if shape.radius else ""
        text += f' stroke="{shape.stroke}" stroke-width="{_number(shape.thickness)}"' if shape.stroke else ""
        return f"{text}/>"
    if isinstance(shape, Text):
        text = f'<text x="{_number(shape.x)}" y="{_number(shape.y)}" font-size="{_number(shape.size)}"'
        text += f' fill="{shape.colour}"'
        text += ' font-weight="bold"' if shape.bold else ""
        text += f' text-anchor="{shape.anchor}"' if shape.anchor != "start" else ""
        if len(shape.text) > 1:
            text += f' textLength="{_number(shape.width)}" lengthAdjust="spacingAndGlyphs"'
        return f"{text}>{escape(shape.text)}</text>"
    if isinstance(shape, Polygon):
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
        return f'<polygon points={quoteattr(points)} fill="{shape.fill}"/>'
    return f'<path d="{_path(shape)}" fill="none" stroke="{shape.colour}" stroke-width="{_number(shape.thickness)}"/>'


def _path(path: Path) -> str:
    parts = [f"M{_number(path.start[0])} {_number(path.start[1])}"]
    for piece in path.pieces:
        points = " ".join(f"{_number(x)} {_number(y)}" for x, y in piece)
        parts.append(f"{'C' if len(piece) == 3 else 'L'}{points}")
    return "".join(parts)
