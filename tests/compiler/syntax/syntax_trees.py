"""Trees as plain data, to be compared: places left out, on request also what the formatter takes away."""

from __future__ import annotations

from pathlib import Path

from archonnx.compiler.syntax import tree
from archonnx.compiler.syntax.parser import parse

DOCUMENT = (Path(__file__).parents[3] / "docs" / "language.md").read_text(encoding="utf-8")
_PREFIXES = ("layers", "keras.layers", "tf.keras.layers")


def plain(node: object) -> object:
    """A node as nested tuples of its type and fields, without places; constructors without `layers.` before them."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    function = node.function if isinstance(node, tree.Call) else None
    if isinstance(node, tree.Call) and isinstance(function, tree.Attribute) and _dotted(function.value) in _PREFIXES:
        return ("Call", ("Name", plain(function.name)), plain(node.arguments))
    if isinstance(node, tree.Node):
        fields = [name for name in type(node).__dataclass_fields__ if name not in ("place", "name_place", "path_place")]
        if isinstance(node, tree.File):
            fields = ["declarations"]
        return (type(node).__name__, *(plain(getattr(node, name)) for name in fields))
    return (type(node).__name__, node)


def _dotted(node: object) -> str:
    if isinstance(node, tree.Attribute):
        return f"{_dotted(node.value)}.{node.name}"
    return node.id if isinstance(node, tree.Name) else "?"


def read(text: str) -> tree.File:
    """The tree of a text that has no errors."""
    file, found = parse(text, "test.arch")
    assert found == []
    return file


def value_of(expression: str) -> object:
    """The plain tree of an expression, read where a constant has it."""
    (constant,) = read(f"c = {expression}").declarations
    assert isinstance(constant, tree.Assign)
    return plain(constant.value)


def codes_of(text: str) -> list[tuple[str, int]]:
    """The errors of a text: code and line."""
    return [(d.code, d.place.line if d.place else 0) for d in parse(text, "test.arch")[1]]
