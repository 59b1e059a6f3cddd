"""Single cells of summary tables: layer names with their types, shapes, counts, connections."""

from __future__ import annotations

import re
from typing import NamedTuple

from archonnx.compiler.analysis.reference import Dimension

ELLIPSES = ("…", "...")
COUNT = re.compile(r"(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,30})(?:\.0+)?(?![\d.])")
WORDS_WITHOUT_SHAPE = ("multiple", "unused", "?", "--", "-", "")
# A shape begins with its brackets and a dimension, an empty tuple, or the key of a dictionary of shapes.
SHAPE_START = re.compile(
    r"(?<![\w(\[{])(?:multiple|unused)\b|(?<=\s)\?(?=\s|$)|(?:\{\s*'?\w[\w.]*'?:\s*)?[\[({]{0,7}[\[(](?:None\b|\d+[,)\]]|\))"
)
SHAPE_TOKEN = re.compile(r"\s*(?:None|No?n?(?=\s|\d|$)|\d{1,3}(?:,\d{3})+(?=\s)|\d+|[\[\](){},]|'?\w[\w.]*'?:)")


class Name(NamedTuple):
    """A cell `name (Type)`: what was printed of both, and which of them was cut."""

    name: str
    type: str
    name_cut: bool
    type_cut: bool


def parse_name(cell: str) -> Name | None:
    """`conv2d_5 (Conv2D)`; without its closing bracket it was cut, as it was where it ends in an ellipsis.

    None if empty.
    """
    text = cell.strip()
    if not text:
        return None
    opening = text.rfind("(")
    if opening < 0:
        return Name(_uncut(text), "", True, True)
    name, kind = text[:opening].strip(), text[opening + 1 :].strip()
    name_cut = name.endswith(ELLIPSES)
    closed = kind.endswith(")")
    kind = kind.removesuffix(")").strip()
    type_cut = not closed or kind.endswith(ELLIPSES)
    return Name(_uncut(name), _uncut(kind), name_cut, type_cut)


def _uncut(text: str) -> str:
    for mark in ELLIPSES:
        text = text.removesuffix(mark)
    return text.rstrip()


class Shapes(NamedTuple):
    """The shapes of a cell, and whether the last of them may go on past what was printed."""

    shapes: tuple[tuple[Dimension, ...], ...]
    cut: bool


def parse_shapes(cell: str) -> Shapes | None:
    """`(None, 64)`, `[(None, 5, 32), (None, 32)]`, `[1, 64, 7, 7]`, `multiple`; None where the cell is no shape.

    Of a shape that was cut the complete sizes stay: the last digits of a size may be missing.
    """
    text = cell.strip()
    if text in WORDS_WITHOUT_SHAPE:
        return Shapes((), False)
    cut = text.endswith(ELLIPSES)
    text = re.sub(r"(?<=[\s(\[,])No?n?$", "", _uncut(text))  # a None that was cut
    if not re.fullmatch(r"[\[({].*", text, re.DOTALL):
        return None
    text = re.sub(r"'?[A-Za-z_][\w.]*'?\s*:", "", text)  # the keys of a dictionary of shapes
    if re.sub(r"None|[\d\s,()\[\]{}]", "", text):
        return None
    if re.search(r"[\dNone]\s+[\dN]", text):
        return None  # two sizes without a comma
    found: list[tuple[Dimension, ...] | None] = []
    end = 0
    for match in re.finditer(r"[(\[]([^()\[\]{}]*)[)\]]", text):
        if match.group(1).strip(" ,") or match.group(0) == "()":
            found.append(_sizes(match.group(1).split(",")))
        end = match.end()
    rest = text[end:]
    opened = max(rest.rfind("("), rest.rfind("["))
    if opened >= 0:
        sizes = rest[opened + 1 :].split(",")[:-1]
        if any(size.strip() for size in sizes):
            found.append(_sizes(sizes))
    shapes = tuple(shape for shape in found if shape is not None)
    if len(shapes) < len(found):
        return None
    cut = cut or opened >= 0 or balance(text) > 0
    return Shapes(shapes, cut)


def _sizes(texts: list[str]) -> tuple[Dimension, ...] | None:
    """Sizes between commas, None among them; None for all where one is neither."""
    sizes = [size.strip() for size in texts if size.strip()]
    if not all(re.fullmatch(r"None|\d{1,30}", size) for size in sizes):
        return None
    return tuple(None if size == "None" else int(size) for size in sizes)


def parse_count(cell: str) -> int | None:
    """`7168`, `7,168`, `0 (unbuilt)`, `(9,408)` of a frozen layer; `--` is 0; None where it is no count."""
    text = cell.strip().removesuffix("(unbuilt)").strip()
    if text == "--":
        return 0
    match = COUNT.fullmatch(text.removeprefix("(").removesuffix(")"))
    return int(match.group().split(".")[0].replace(",", "")) if match else None


def balance(text: str) -> int:
    """How many brackets of `text` are still open."""
    return sum(map(text.count, "([{")) - sum(map(text.count, ")]}"))


def parse_connections(text: str) -> tuple[str, ...]:
    """`['tokens[0][0]', 'b[0][0]']`, `a[0][0], b[0][0]`, or `-` and `[]` where there is none."""
    text = text.strip()
    if text in ("", "-", "[]", "['']"):
        return ()
    if text.startswith("["):
        return tuple(re.sub(r"\s*\n\s*", "", piece) for piece in re.findall(r"'([^']*)'?", text) if piece.strip(" ,"))
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())
