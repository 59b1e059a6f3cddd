"""A graph in float32 made one whose nodes, but those that are kept, compute in half precision.

1. A value keeps its name where it is float32; its half has that name and the type's behind it. Inputs, outputs and what
   branches and loops read stay float32. A node that gives no floats reads what is there.
2. A node that is lowered reads halves and gives halves; a Cast stands before the first that reads the other type, one
   for all of them. Constants are converted once, and dropped where no one reads them in float32 any more.
3. `emulate` rounds to half and back instead: what is computed is what a machine with wide sums would compute, on any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archonnx.runtime.precision.graphs import Graph, graphs_of
from archonnx.runtime.precision.operators import FLOAT, Floats

ONNX = {"float16": 10, "bfloat16": 16}


def lower(graph: Graph, floats: Mapping[int, Floats], to: str, emulate: bool = False) -> None:
    """Change the graph. floats: by the places of the outermost graph's nodes, those that become half, and what of
    each. Raises OSError where external data cannot be read."""
    writer = _Writer(graph, to, emulate)
    for place, node in enumerate(graph.proto.graph.node):
        if place in floats and (floats[place].outputs or writer.there(node, floats[place])):
            writer.lowered(node, floats[place])
        else:
            writer.kept(node)
    writer.finish()


class _Writer:
    def __init__(self, graph: Graph, to: str, emulate: bool) -> None:
        self.graph, self.to, self.emulate = graph, to, emulate
        self.proto = graph.proto.graph
        given = {value.name for value in self.proto.input}
        self.constants = {tensor.name: tensor for tensor in self.proto.initializer if tensor.name not in given}
        self.nodes: list[Any] = []
        self.added: list[Any] = []
        self.halves: dict[str, str] = {}
        self.owed: set[str] = set()  # float32 values that are there as halves alone so far

    def there(self, node: Any, floats: Floats) -> bool:
        """Whether all that a node reads is there as halves."""
        return all(node.input[at] in self.halves or node.input[at] in self.constants for at in floats.inputs)

    def half(self, name: str) -> str:
        """The name of a value's half, which is made where it is not there."""
        if name not in self.halves:
            self.halves[name] = target = f"{name}.{self.to}"
            if name in self.constants:
                self.added.append(self._converted(self.constants[name], target))
            else:
                self._cast(name, target)
        return self.halves[name]

    def whole(self, name: str) -> None:
        """Make the float32 value of a name, where there is its half alone."""
        if name in self.owed:
            from onnx import helper

            self.owed.discard(name)
            half = self.halves[name]
            if self.emulate:
                self.nodes.append(helper.make_node("Identity", [half], [name], name=f"{name}.whole"))
            else:
                self.nodes.append(helper.make_node("Cast", [half], [name], name=f"{name}.whole", to=FLOAT))

    def kept(self, node: Any) -> None:
        inside = [each for a in node.attribute for each in ([a.g] if a.HasField("g") else []) + list(a.graphs)]
        names = [*node.input, *(n for g in inside for each in graphs_of(g) for n in _read(each))]
        for name in names:
            self.whole(name)
        self.nodes.append(_copy(node))

    def lowered(self, node: Any, floats: Floats) -> None:
        made = _copy(node)
        for place, name in enumerate(node.input):
            if place in floats.inputs:
                made.input[place] = self.half(name)
            else:
                self.whole(name)
        raw = []
        for place in floats.outputs:
            name = node.output[place]
            self.halves[name] = f"{name}.{self.to}"
            self.owed.add(name)
            made.output[place] = f"{name}.raw" if self.emulate else self.halves[name]
            raw.append(name)
        self.nodes.append(made)
        for name in raw if self.emulate else ():
            self._cast(f"{name}.raw", self.halves[name])

    def finish(self) -> None:
        for value in self.proto.output:
            self.whole(value.name)
        made = {name for node in self.nodes for name in node.output}
        read = {name for node in self.nodes for name in _names(node)} | {value.name for value in self.proto.output}
        infos = [_copy(value) for value in self.proto.value_info if value.name in made]
        for field, values in ((self.proto.node, self.nodes), (self.proto.value_info, infos)):
            del field[:]
            field.extend(values)
        for place in reversed(range(len(self.proto.initializer))):
            name = self.proto.initializer[place].name
            if name in self.constants and name in self.halves and name not in read:
                del self.proto.initializer[place]
        self.proto.initializer.extend(self.added)

    def _cast(self, name: str, target: str) -> None:
        from onnx import helper

        if not self.emulate:
            self.nodes.append(helper.make_node("Cast", [name], [target], name=target, to=ONNX[self.to]))
            return
        low = f"{target}.low"
        self.nodes.append(helper.make_node("Cast", [name], [low], name=low, to=ONNX[self.to]))
        self.nodes.append(helper.make_node("Cast", [low], [target], name=target, to=FLOAT))

    def _converted(self, tensor: Any, target: str) -> Any:
        return rounded(self.graph, tensor, target, self.to, self.emulate)


def rounded(graph: Graph, tensor: Any, target: str, to: str, emulate: bool) -> Any:
    """An initializer rounded to half, under another name; as float32 again where that is emulated. Raises OSError."""
    import ml_dtypes
    import numpy as np
    from onnx import numpy_helper

    array = graph.array(tensor)
    with np.errstate(over="ignore"):
        half = array.astype(np.float16 if to == "float16" else ml_dtypes.bfloat16)
    return numpy_helper.from_array(half.astype(np.float32) if emulate else half, target)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _read(graph: Any) -> list[str]:
    """What a graph's nodes and outputs read; names of its own among them do no harm."""
    return [name for node in graph.node for name in node.input] + [value.name for value in graph.output]


def _names(node: Any) -> list[str]:
    inside = [each for a in node.attribute for each in ([a.g] if a.HasField("g") else []) + list(a.graphs)]
    return [*node.input, *(name for g in inside for each in graphs_of(g) for name in _read(each))]
