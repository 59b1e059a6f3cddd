"""What each layer of a graph costs the device that it is on, and what crosses each place where the graph may be cut.

A value lives from the layer that makes it (an input: from the first that reads it) to the last that reads it, and is on
every device in between, which hands it on. What is computed of weights alone is made anew where it is needed. The old
and the next value of a state are both held while a call runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from archonnx.compiler.sharding.partition import Item
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, TensorType, Value, Weight

Precision = Literal["float32", "float16", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "bfloat16")


@dataclass(slots=True)
class Costs:
    """items: one a layer, in order; lives: id -> a value, the layer that makes it, the last that reads it; readers:
    id -> the layers that read it; states: for each the first and the last layer that its old and its next value need;
    joined: for each layer whether it stays on the device of the one before it."""

    items: list[Item]
    lives: dict[int, tuple[Value, int, int]]
    readers: dict[int, list[int]]
    states: list[tuple[int, int]]
    joined: list[bool] = field(default_factory=list)

    def crossing(self, place: int) -> list[Value]:
        """The values that cross a cut before the layer `place`, in the order in which they are made."""
        found = [(made, value) for value, made, last in self.lives.values() if made < place <= last]
        return [value for _, value in sorted(found, key=lambda each: each[0])]


def reads(node: Node) -> list[Value]:
    """What a layer reads: its inputs, and the masks that came with them."""
    given = [value for value in node.inputs if value is not None]
    return given + [value.mask for value in given if value.mask is not None]


class Sizes:
    """Bytes of values and weights, with every symbol a number, and floats in the precision asked for."""

    def __init__(self, bindings: Mapping[str, int], precision: Precision = "float32") -> None:
        if precision not in PRECISIONS:
            raise UsageError(f"precision {precision!r}: it is one of {', '.join(PRECISIONS)}")
        self.bindings, self.precision = dict(bindings), precision
        self._known: dict[TensorType, int] = {}

    def bits(self, dtype: str) -> int:
        """Of an element; strings count as eight bytes each."""
        from archonnx.contract.dtypes import DTYPES

        return DTYPES[self.dtype(dtype)].bits or 64

    def dtype(self, dtype: str) -> str:
        """What a dtype of the source becomes."""
        return self.precision if dtype == "float32" else dtype

    def shape(self, kind: TensorType) -> tuple[int, ...]:
        """The sizes. Raises UsageError for a symbol that is no number."""
        return tuple(size if isinstance(size, int) else self._number(size) for size in kind.shape)

    def value(self, kind: TensorType) -> int:
        """Bytes of one tensor. Raises UsageError as `shape`."""
        found = self._known.get(kind)
        if found is None:
            count = self.bits(kind.dtype)
            for size in self.shape(kind):
                count *= size
            found = self._known[kind] = -(-count // 8)
        return found

    def weight(self, weight: Weight) -> int:
        """Bytes of a weight."""
        return -(-weight.size * self.bits(weight.dtype) // 8)

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one application."""
        inputs = tuple(None if value is None else value.type for value in node.inputs)
        count = node.layer.macs(inputs, tuple(value.type for value in node.outputs))
        return count if isinstance(count, int) else self._number(count)

    def _number(self, size: object) -> int:
        missing = sorted(size.symbols() - self.bindings.keys())  # type: ignore[attr-defined]
        if missing:
            raise UsageError(f"how large {missing[0]} is decides what a device holds: --bind {missing[0]}=128, say")
        return int(size.evaluate(self.bindings))  # type: ignore[attr-defined]


def count_costs(graph: LayerGraph, sizes: Sizes) -> Costs:
    """The costs of a graph's layers. Raises UsageError for a symbol that is no number."""
    lives = _lives(graph)
    held, states = _states(graph, sizes)
    count = len(graph.nodes)
    change = [0] * (count + 1)  # of the bytes alive, from each layer to the next
    cross = [0] * (count + 1)  # the same of what crosses the place before a layer
    inputs = {id(given.value) for given in graph.inputs}
    for key, (value, made, last) in lives.items():
        size = sizes.value(value.type)
        change[made] += size
        change[last + 1] -= size
        if key not in inputs and last > made:
            cross[made + 1] += size
            cross[last + 1] -= size
    items, live, crossing = [], 0, 0
    for place, node in enumerate(graph.nodes):
        live += change[place]
        crossing += cross[place]
        weights = tuple({id(w): (id(w), sizes.weight(w)) for w in node.layer.weights.values()}.values())
        items.append(Item(weights, held[place], live, sizes.macs(node), crossing))
    for key in inputs:  # each device is given its own
        lives.pop(key, None)
    return Costs(items, lives, _readers(graph), states)


def _readers(graph: LayerGraph) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place, node in enumerate(graph.nodes):
        for value in reads(node):
            found.setdefault(id(value), []).append(place)
    return found


def _lives(graph: LayerGraph) -> dict[int, tuple[Value, int, int]]:
    """Of values that depend on an input, states left out: the layer that makes each, and the last that reads it."""
    next_values = {id(output.value) for output in graph.outputs if output.state is not None}
    kept = {output.state for output in graph.outputs if output.state is not None}
    varying = {id(given.value) for given in graph.inputs}
    old = {id(given.value) for given in graph.inputs if given.name in kept}
    lives: dict[int, tuple[Value, int, int]] = {}
    made: dict[int, int] = {}
    for place, node in enumerate(graph.nodes):
        read = reads(node)
        depends = False
        for value in read:
            key = id(value)
            if key not in varying:
                continue
            depends = True
            if key not in old:
                lives[key] = (value, made.setdefault(key, place), place)
        if not depends:
            continue
        for value in node.outputs:
            varying.add(id(value))
            made[id(value)] = place
            if id(value) not in next_values:
                lives[id(value)] = (value, place, place)
    return {key: each for key, each in lives.items() if key not in next_values}


def _states(graph: LayerGraph, sizes: Sizes) -> tuple[list[int], list[tuple[int, int]]]:
    """Bytes of states held by each layer, and from where to where each state needs its layers together."""
    held = [0] * len(graph.nodes)
    spans: list[tuple[int, int]] = []
    readers = _readers(graph)
    made = {id(value): place for place, node in enumerate(graph.nodes) for value in node.outputs}
    inputs = {given.name: given.value for given in graph.inputs}
    for output in graph.outputs:
        if output.state is None or not graph.nodes:
            continue
        old = inputs[output.state]
        places = [*readers.get(id(old), ()), *readers.get(id(output.value), ())]
        home = made.get(id(output.value), places[0] if places else 0)
        held[home] += sizes.value(old.type) + sizes.value(output.value.type)
        spans.append((min([home, *places]), max([home, *places])))
    return held, spans


def join(count: int, spans: Iterable[tuple[int, int]]) -> list[bool]:
    """For each of so many layers, whether it stays with the one before it."""
    change = [0] * (count + 2)
    for first, last in spans:
        change[first + 1] += 1
        change[last + 1] -= 1
    found, depth = [], 0
    for place in range(count):
        depth += change[place]
        found.append(depth > 0)
    return found


def merged(items: list[Item], joined: list[bool]) -> tuple[list[Item], list[int]]:
    """The items that stay together as one each, and the first layer of each."""
    groups: list[list[Item]] = []
    begins: list[int] = []
    for place, (item, stays) in enumerate(zip(items, joined, strict=True)):
        if stays and groups:
            groups[-1].append(item)
        else:
            groups.append([item])
            begins.append(place)
    return [_one(group) for group in groups], begins


def _one(group: list[Item]) -> Item:
    if len(group) == 1:
        return group[0]
    weights = {key: (key, size) for item in group for key, size in item.weights}
    return Item(
        tuple(weights.values()),
        sum(item.held for item in group),
        max(item.live for item in group),
        sum(item.work for item in group),
        group[0].traffic,
    )
