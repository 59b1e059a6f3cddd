"""Words of a picture: how wide they are, how they are wrapped and cut, and what a layer's arguments read like."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archonnx.compiler.graph import Node, TensorType

# Advance widths of Helvetica in thousandths of the size, from its AFM file, for the characters 32 to 126. Arial and
# Liberation Sans have the same; every text in the SVG states its width, so other fonts are fitted to it.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_BOLD = 1.07  # Helvetica-Bold against Helvetica, on names
ELLIPSIS = "…"


def width(text: str, size: float, bold: bool = False) -> float:
    """How wide a text is at a font size, in pixels."""
    total = 0
    for character in text:
        code = ord(character)
        if 32 <= code < 127:
            total += _WIDTHS[code - 32]
        elif unicodedata.east_asian_width(character) in "WF" or character == ELLIPSIS:
            total += 1000
        else:
            total += 0 if unicodedata.combining(character) else 600
    return total * size / 1000 * (_BOLD if bold else 1.0)


def shorten(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text, its middle cut out where it is wider than `room`: the ends of names are what tells them apart."""
    if width(text, size, bold) <= room:
        return text
    low, high = 0, len(text)
    while low < high:  # how many characters fit
        middle = (low + high + 1) // 2
        if width(_without_middle(text, middle), size, bold) <= room:
            low = middle
        else:
            high = middle - 1
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    head = kept // 2
    return text[:head] + ELLIPSIS + (text[len(text) - (kept - head) :] if kept else "")


def wrap(parts: list[str], size: float, room: float, lines: int) -> tuple[str, ...]:
    """Parts joined by commas into at most `lines` lines no wider than `room`; what does not fit gives way to dots."""
    rows: list[str] = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        piece = shorten(part if last else f"{part},", size, room)
        joined = f"{rows[-1]} {piece}" if rows else piece
        if rows and width(joined, size) <= room:
            rows[-1] = joined
        elif len(rows) < lines:
            rows.append(piece)
        else:
            kept = rows[-1].rstrip(",")
            while width(f"{kept}, {ELLIPSIS}", size) > room and ", " in kept:
                kept = kept.rpartition(", ")[0]
            rows[-1] = shorten(f"{kept}, {ELLIPSIS}", size, room)
            break
    return tuple(rows)


def clean(text: str) -> str:
    """The text on one line, with control characters and lone surrogates, which XML does not allow, made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def edge_label(tensor: TensorType) -> str:
    """`[N, 224, 224, 3]`, with the type before it where it is not float32."""
    text = str(tensor)
    return clean(text.removeprefix("float32") if tensor.dtype == "float32" else text)


def arguments(node: Node) -> list[str]:
    """A layer's arguments that say something: the required ones bare, the others where they differ from the default."""
    from archonnx.compiler.layers.base import REQUIRED

    bare: list[str] = []
    named: list[str] = []
    for name, value in node.layer.arguments.items():
        declared = node.layer.declared.get(name)
        default = REQUIRED if declared is None else declared.default
        if default is REQUIRED:
            bare.append(argument(value))
        elif not name.endswith(("initializer", "regularizer", "constraint")):
            assert declared is not None
            if argument(declared.domain.parse(default)) != argument(value) and argument(default) != argument(value):
                named.append(f"{name}={argument(value)}")
    return bare + named


def argument(value: Any, most: int = 60) -> str:
    """A value as its source would have it, cut where it is long."""
    from archonnx.compiler.layers.base import Layer

    if isinstance(value, Layer):
        text = value.type_name
    elif isinstance(value, tuple | list):
        shown = [argument(item, most) for item in value[: most // 3]]
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        inside = ", ".join(shown + [ELLIPSIS] * (len(value) > len(shown))) + comma
        text = f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    else:
        text = str(value)
    text = clean(text)
    return text if len(text) <= most else text[: most - 1] + ELLIPSIS
