"""A scene as PNG: the same shapes, painted by Pillow in bands, with the typeface that comes with Pillow."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import chain
from math import sqrt
from typing import TYPE_CHECKING, Any

from archonnx.compiler.analysis.plotting.scene import Path, Point, Polygon, Rect, Scene, Shape, Text
from archonnx.contract.diagnostics import MachineError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

SCALE = 2.0  # pixels of the image for one of the scene: sharp on today's screens
MOST_PIXELS = 60_000_000
LONGEST_SIDE = 30_000
BAND = 512  # rows painted at a time: lines and corners are painted larger and made smaller, to be smooth
SMOOTH = 2
# Where the typeface lacks a character, such as Greek or Chinese in a name, the machine's own fonts are asked.
_OTHER_FONTS = ("DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "arialuni.ttf", "segoeui.ttf")

Progress = Callable[[int, int], None]


def scale_of(scene: Scene) -> float:
    """Pixels of the image for one of the scene: as many as the bounds of an image leave."""
    fits = sqrt(MOST_PIXELS / (scene.width * scene.height))
    return min(SCALE, fits, LONGEST_SIDE / scene.width, LONGEST_SIDE / scene.height)


def render(scene: Scene, progress: Progress | None = None) -> Image:
    """The image. `progress` is called with the bands painted and all of them."""
    from PIL import Image, features

    if not features.check("freetype2"):
        raise MachineError(
            "PNG pictures need Pillow with FreeType, and this Pillow was built without it: write .svg, or install "
            "Pillow from its wheel with pip install --force-reinstall --only-binary pillow pillow"
        )
    scale = scale_of(scene)
    width, height = max(1, round(scene.width * scale)), max(1, round(scene.height * scale))
    image = Image.new("RGB", (width, height), "white")
    count = -(-height // BAND)
    bands: list[list[Shape]] = [[] for _ in range(count)]
    for entry in scene.entries:
        for shape in entry.shapes:
            top, bottom = _reach(shape)
            first, last = int((top - 3) * scale) // BAND, int((bottom + 3) * scale) // BAND
            for band in range(max(0, first), min(count - 1, last) + 1):
                bands[band].append(shape)
    for number, shapes in enumerate(bands):
        top = number * BAND
        image.paste(_band(shapes, width, min(BAND, height - top), top, scale), (0, top))
        if progress is not None:
            progress(number + 1, count)
    return image


def _reach(shape: Shape) -> tuple[float, float]:
    """The first and last row of a shape."""
    if isinstance(shape, Rect):
        return shape.y, shape.y + shape.height
    if isinstance(shape, Text):
        return shape.y - shape.size, shape.y + shape.size * 0.4
    points = shape.points if isinstance(shape, Polygon) else (shape.start, *chain.from_iterable(shape.pieces))
    rows = [y for _, y in points]
    return min(rows), max(rows)


def _band(shapes: list[Shape], width: int, height: int, top: int, scale: float) -> Image:
    """One band: runs of shapes at SMOOTH times the size, made smaller, then the texts over them."""
    from PIL import Image, ImageDraw

    large = Image.new("RGB", (width * SMOOTH, height * SMOOTH), "white")
    pen = ImageDraw.Draw(large)
    factor = scale * SMOOTH
    for shape in shapes:
        if not isinstance(shape, Text):
            _paint(pen, shape, factor, top * SMOOTH)
    small = large.reduce(SMOOTH)
    writer = ImageDraw.Draw(small)
    for shape in shapes:
        if isinstance(shape, Text):
            _write(writer, shape, scale, top)
    return small


def _paint(pen: Any, shape: Rect | Path | Polygon, factor: float, top: int) -> None:
    if isinstance(shape, Rect):
        box = (
            shape.x * factor,
            shape.y * factor - top,
            (shape.x + shape.width) * factor,
            (shape.y + shape.height) * factor - top,
        )
        line = max(1, round(shape.thickness * factor)) if shape.stroke else 0
        pen.rounded_rectangle(box, shape.radius * factor, shape.fill, shape.stroke or None, line)
    elif isinstance(shape, Polygon):
        pen.polygon([(x * factor, y * factor - top) for x, y in shape.points], shape.fill)
    else:
        points = [(x * factor, y * factor - top) for x, y in _flat(shape)]
        pen.line(points, shape.colour, max(1, round(shape.thickness * factor)), joint="curve")


def _flat(path: Path) -> list[Point]:
    """The path as straight pieces, 32 a curve."""
    points = [path.start]
    for piece in path.pieces:
        if len(piece) == 1:
            points.append(piece[0])
            continue
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points[-1], *piece
        for step in range(1, 33):
            t = step / 32
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return points


def _write(writer: Any, text: Text, scale: float, top: int) -> None:
    """A text, its size brought down where the typeface is wider than the text's room."""
    size = text.size * scale
    font = _font(text.text, round(size, 2))
    room = text.width * scale
    wide = font.getlength(text.text)
    if wide > room > 0:
        font = _font(text.text, round(size * room / wide, 2))
        wide = font.getlength(text.text)
    shift = {"start": 0.0, "middle": wide / 2, "end": wide}[text.anchor]
    weight = size * 0.022 if text.bold else 0.0  # the typeface has one weight
    place = (text.x * scale - shift, text.y * scale - top)
    writer.text(place, text.text, text.colour, font, anchor="ls", stroke_width=weight, stroke_fill=text.colour)


def _font(text: str, size: float) -> FreeTypeFont:
    """The first of the typefaces that has the most of a text's characters."""
    fonts = _fonts(size)
    if all(" " <= character <= "~" for character in text):
        return fonts[0]
    return max(fonts, key=lambda font: sum(_has(font, character) for character in text))


@cache
def _fonts(size: float) -> tuple[FreeTypeFont, ...]:
    from PIL import ImageFont

    first = ImageFont.load_default(size)
    assert isinstance(first, ImageFont.FreeTypeFont)
    found = [first]
    for name in _OTHER_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue  # not on this machine
    return tuple(found)


@cache
def _has(font: FreeTypeFont, character: str) -> bool:
    if " " <= character <= "~":
        return True
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def save(scene: Scene, stream: Any, progress: Progress | None = None) -> None:
    """Write the image to an open file."""
    scale = scale_of(scene)
    image = render(scene, progress)
    image.save(stream, format="PNG", dpi=(96 * scale, 96 * scale))
