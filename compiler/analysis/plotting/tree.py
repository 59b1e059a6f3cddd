"""A layer graph as a picture without coordinates: a box an application, a group a block's application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.analysis.plotting.elements import Box, Group, Picture, Wire, connect
from archonnx.compiler.analysis.plotting.families import family
from archonnx.compiler.analysis.plotting.texts import argument, arguments, clean, edge_label, wrap

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, Value
    from archonnx.contract.diagnostics import Frame

DETAIL_SIZE = 10.5
DETAIL_ROOM = 190.0


def build(graph: LayerGraph) -> Picture:
    """The picture of a graph. Hidden layers are left out; what they read, their readers read."""
    picture = Picture(clean(graph.name), Group(clean(graph.name)), [])
    sources: dict[int, tuple[int, ...]] = {}  # value -> the wires that stand for it
    for given in graph.inputs:
        box = Box("input", "input or output", clean(given.name), given.value.type.dtype)
        box.tooltip = _lines(f"input {given.name}: {given.value.type}", given.place or given.value.place)
        box.gives = [_wire(picture, given.value, sources)]
        picture.root.children.append(box)
    _layers(graph, picture, sources)
    for output in graph.outputs:
        state = f", the next {clean(output.state)}" if output.state else ""
        box = Box("output", "input or output", clean(output.name), output.value.type.dtype + state)
        box.tooltip = _lines(f"output {output.name}: {output.value.type}{state}", output.place)
        box.reads = list(sources[id(output.value)])
        picture.root.children.append(box)
    connect(picture.root)
    return picture


def _wire(picture: Picture, value: Value, sources: dict[int, tuple[int, ...]]) -> int:
    number = len(picture.wires)
    picture.wires.append(Wire(edge_label(value.type), clean(f"{value.name}: {value.type}")))
    sources[id(value)] = (number,)
    return number


def _layers(graph: LayerGraph, picture: Picture, sources: dict[int, tuple[int, ...]]) -> None:
    """Append the layers, each under the applications in its trail.

    A group is a run of neighbours in the graph's order, which makes the graph of groups free of cycles.
    """
    given = {id(output.value) for output in graph.outputs}
    uses: dict[int, int] = {}
    for node in graph.nodes:
        uses[id(node.layer)] = uses.get(id(node.layer), 0) + 1
    seen: dict[int, int] = {}
    unseen: dict[int, str] = {}  # results of hidden layers -> what made them
    open_groups: list[tuple[Frame, Group]] = []
    for node in graph.nodes:
        read = [wire for value in node.inputs if value is not None for wire in sources[id(value)]]
        if node.layer.hidden and not any(id(value) in given for value in node.outputs):
            sources.update((id(value), tuple(read)) for value in node.outputs)
            unseen.update((id(value), f"{value.index} of {_signature(node)}") for value in node.outputs)
            continue
        trail = node.trail[::-1]
        shared = 0
        while shared < min(len(trail), len(open_groups)) and open_groups[shared][0] is trail[shared]:
            shared += 1
        del open_groups[shared:]
        parts = node.path.split("/")
        for level in range(shared, len(trail)):
            parent = open_groups[-1][1] if open_groups else picture.root
            group = _group(trail[level], parts, level, len(trail))
            parent.children.append(group)
            open_groups.append((trail[level], group))
        parent = open_groups[-1][1] if open_groups else picture.root
        use = seen[id(node.layer)] = seen.get(id(node.layer), 0) + 1
        box = _box(node, use, uses[id(node.layer)])
        box.reads = read
        box.gives = [_wire(picture, value, sources) for value in node.outputs]
        hidden = [unseen.get(id(value), "") for value in node.inputs]
        box.signature = f"{_signature(node)}{hidden}" + (f" of {node.path}" if uses[id(node.layer)] > 1 else "")
        parent.children.append(box)


def _group(frame: Frame, parts: list[str], level: int, depth: int) -> Group:
    # A layer made outside the block that applies it has a path of its own, which names no group.
    path = "/".join(parts[: level + 1]) if len(parts) == depth + 1 else ""
    name = path.rpartition("/")[2]
    turns = ", ".join(f"{variable} = {value}" for variable, value in frame.bindings)
    tooltip = _lines(f"{frame.name}{f' {path}' if path else ''}{f' ({turns})' if turns else ''}", frame.place)
    return Group(clean(frame.name), clean(name) if name != frame.name else "", tooltip)


def _box(node: Node, use: int, uses: int) -> Box:
    """The box of one application; `use` of `uses` of its layer."""
    weights = node.layer.weights
    shared = [f"shared, use {use} of {uses}"] if uses > 1 else []
    details = wrap(arguments(node), DETAIL_SIZE, DETAIL_ROOM, 2) + tuple(shared)
    name = node.path.rpartition("/")[2]
    own = clean(name) if name != node.type_name else ""
    box = Box("layer", family(node.layer), clean(node.type_name), own, details)
    box.weights = {id(weight): weight.size for weight in weights.values()}
    results = ", ".join(str(value.type) for value in node.results)
    count = sum(box.weights.values())
    lines = [f"{node.type_name} {node.name}", f"gives {results}"]
    lines += [f"{count:,} parameters"] if count else []
    box.tooltip = _lines(*lines, *shared, node.place)
    return box


def _signature(node: Node) -> str:
    """Equal where two applications do the same to tensors of the same types."""
    weights = "; ".join(f"{w.dtype}{w.shape}{w.trainable}{w.initializer!r}" for w in node.layer.weights.values())
    settings = "; ".join(f"{name}={argument(value, 10_000)}" for name, value in node.layer.arguments.items())
    types = ", ".join(str(value.type) for value in node.results)
    return f"{type(node.layer).__module__}.{node.type_name}({settings})[{weights}] -> {types}"


def _lines(*parts: object) -> str:
    return "\n".join(clean(str(part)) for part in parts if part is not None)
