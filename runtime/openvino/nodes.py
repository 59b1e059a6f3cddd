"""The nodes of a model with their attributes, read from the wire format: field numbers are those of onnx.proto."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.wire import BYTES, Field, Source, signed

_SHOWN = 3


@dataclass(slots=True)
class Node:
    """A node. attributes: those that are whole numbers, texts or lists of whole numbers; outer: whether it lies in the
    model's own graph, not in a branch, a loop or a function."""

    name: str = ""
    operator: str = ""
    domain: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, int | str | list[int]] = field(default_factory=dict)
    outer: bool = True

    @property
    def standard(self) -> bool:
        """Whether it is of ONNX's own operators, in the model's own graph."""
        return self.outer and self.domain in ("", "ai.onnx")

    def input(self, at: int) -> str:
        """The name of an input, "" where it is left out."""
        return self.inputs[at] if at < len(self.inputs) else ""


def read_nodes(source: str | bytes) -> list[Node]:
    """All nodes of a model, from a file or from bytes."""
    if isinstance(source, bytes):
        return _Reader(Source(source)).nodes()
    with open(source, "rb") as stream:
        return _Reader(Source(stream)).nodes()


def told(nodes: Sequence[Node], model: ModelFile) -> str:
    """Some of the nodes, with their places in the source: `nodes net/a at net.arch:3:5, net/b and 7 more`."""
    shown = []
    for node in nodes[:_SHOWN]:
        place = model.nodes[node.name].place if node.name in model.nodes else None
        name = node.name or f"that gives {next(filter(None, node.outputs), '?')}"
        shown.append(f"{name} at {place}" if place else name)
    more = f" and {len(nodes) - _SHOWN:,} more" if len(nodes) > _SHOWN else ""
    return f"node{'s' * (len(nodes) > 1)} {', '.join(shown)}{more}"


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source, self._found = source, list[Node]()
        self._pending: list[tuple[Field, bool]] = []  # graphs yet to walk, and whether each is the model's own

    def nodes(self) -> list[Node]:
        for f in self._source.fields():
            if f.number == 7:
                self._pending.append((f, True))
            elif f.number == 25:  # a function
                self._found += [self._node(g, False) for g in self._source.inside(f) if g.number == 7]
        while self._pending:
            graph, outer = self._pending.pop()
            self._found += [self._node(f, outer) for f in self._source.inside(graph) if f.number == 1]
        return self._found

    def _node(self, message: Field, outer: bool) -> Node:
        node, text = Node(outer=outer), self._source.text
        for f in self._source.inside(message):
            if f.number == 1:
                node.inputs.append(text(f))
            elif f.number == 2:
                node.outputs.append(text(f))
            elif f.number == 3:
                node.name = text(f)
            elif f.number == 4:
                node.operator = text(f)
            elif f.number == 5:
                self._attribute(f, node)
            elif f.number == 7:
                node.domain = text(f)
        return node

    def _attribute(self, message: Field, node: Node) -> None:
        name, numbers = "", list[int]()
        for f in self._source.inside(message):
            if f.number == 1:
                name = self._source.text(f)
            elif f.number == 3:
                node.attributes[name] = signed(f.value)
            elif f.number == 4:
                node.attributes[name] = self._source.read(f.start, f.stop).decode(errors="replace")
            elif f.number == 8 and f.type == BYTES:  # packed
                at = f.start
                while at < f.stop:
                    value, at = self._source.varint(at, f.stop)
                    numbers.append(signed(value))
            elif f.number == 8:
                numbers.append(signed(f.value))
            elif f.number in (6, 11):
                self._pending.append((f, False))
        if numbers:
            node.attributes[name] = numbers
