"""What the left side of an assignment says of the results: how many, of which types, and which nobody wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archonnx.compiler.syntax import tree


@dataclass(frozen=True, slots=True)
class Wanted:
    """`count` is None where nothing is unpacked; `types` are those written beside the names, in order."""

    count: int | None = None
    types: tuple[tree.TypeExpr | None, ...] = ()
    dropped: frozenset[int] = frozenset()  # results that `_` takes

    @classmethod
    def by(cls, node: tree.Assign) -> Wanted:
        """What an assignment says."""
        if isinstance(node.target, tree.Name):
            return cls(None, (node.type,))
        items = node.target.items
        dropped = frozenset(i for i, item in enumerate(items) if isinstance(item, tree.Name) and item.id == "_")
        return cls(len(items), tuple(node.target.types), dropped)

    def type_of(self, index: int) -> tree.TypeExpr | None:
        return self.types[index] if index < len(self.types) else None


def announced(node: tree.Assign) -> Iterator[tuple[int, tree.TypeExpr]]:
    """The types that an assignment writes, with the position of their result; 0 where nothing is unpacked."""
    if isinstance(node.target, tree.Name):
        if node.type is not None:
            yield 0, node.type
        return
    for index, written in enumerate(node.target.types):
        if written is not None:
            yield index, written
