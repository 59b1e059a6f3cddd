"""Names of layers in their scopes: `name=`, else the name assigned to, else Keras' snake_case, then `_1`, `_2`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archonnx.compiler.syntax import tree


class Scope:
    """A scope of layer names. `path` is "" for the model, `stage_2/bottleneck` for a block inside."""

    __slots__ = ("path", "blocks", "_counters", "_taken", "_reserved")

    def __init__(self, path: str, blocks: tuple[str, ...], reserved: frozenset[str]) -> None:
        self.path = path
        self.blocks = blocks  # constructors of the enclosing blocks, one a part of `path`
        self._reserved = reserved
        self._counters: dict[str, int] = {}
        self._taken: set[str] = set()

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def restart(self) -> None:
        """Begin naming anew: a block that is applied again gives its layers the same names."""
        self._counters.clear()
        self._taken.clear()

    def claim(self, name: str) -> bool:
        """Take a name that was given; False where the scope has it already."""
        if name in self._taken:
            return False
        self._taken.add(name)
        return True

    def automatic(self, base: str, *, hinted: bool = False) -> str:
        """A free name from `base`: itself, then `_1`, `_2`, skipping names that the body gives somewhere."""
        count = self._counters.get(base, 0)
        while True:
            name = base if count == 0 else f"{base}_{count}"
            count += 1
            if name not in self._taken and (hinted or name not in self._reserved):
                break
        self._counters[base] = count
        self._taken.add(name)
        return name


def given_names(body: Iterable[tree.Statement]) -> frozenset[str]:
    """The names that a body gives outright: every literal `name="..."`, and names that a bare call is assigned to."""
    found: set[str] = set()
    for node in walk(list(body)):
        if isinstance(node, tree.Argument):
            if node.name == "name" and isinstance(node.value, tree.Literal):
                found.add(str(node.value.value))
        elif isinstance(node, tree.Assign) and isinstance(node.target, tree.Name) and isinstance(node.value, tree.Call):
            found.add(node.target.id)
    return frozenset(found)


def walk(node: object) -> Iterator[tree.Node]:
    """Every node of the syntax tree below a node or a list of nodes, itself included."""
    stack: list[object] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, tree.Node):
            yield top
            for slot in _slots(type(top)):
                below = getattr(top, slot)
                if below and not isinstance(below, _LEAVES):
                    stack.append(below)
        elif isinstance(top, (list, tuple)):
            stack.extend(top)


def names_in(node: tree.Node) -> set[str]:
    """Every name that is read or written anywhere in a node."""
    return {n.id for n in walk(node) if isinstance(n, tree.Name)}


def names_in_all(nodes: Iterable[tree.Node]) -> set[str]:
    """Every name that is read or written anywhere in some nodes."""
    return {name for node in nodes for name in names_in(node)}


_LEAVES = (str, int, float)  # what most fields hold, and no node
_SLOTS: dict[type, tuple[str, ...]] = {}


def _slots(cls: type) -> tuple[str, ...]:
    """The fields of a node class that can hold other nodes."""
    known = _SLOTS.get(cls)
    if known is None:
        known = tuple(s for c in cls.__mro__ for s in getattr(c, "__slots__", ()) if s not in ("place", "name_place"))
        _SLOTS[cls] = known
    return known
