"""A model as a ModelProto whose large weights stay in their file, and back to what onnxruntime loads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError

if TYPE_CHECKING:
    import numpy as np

LIMIT = (1 << 31) - 1  # bytes of one message of protobuf


@dataclass(slots=True)
class Graph:
    """A model to be changed. proto: a ModelProto; folder: where its external data lie, "" where it has none; path:
    what messages call it."""

    proto: Any
    folder: str
    path: str

    def array(self, tensor: Any) -> np.ndarray[Any, Any]:
        """What an initializer holds, wherever it lies. Raises MachineError where it cannot be read."""
        from onnx import external_data_helper, numpy_helper

        if external_data_helper.uses_external_data(tensor):
            copy = type(tensor)()
            copy.CopyFrom(tensor)
            external_data_helper.load_external_data_for_tensor(copy, self.folder)
            tensor = copy
        found: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
        return found

    def data(self) -> bytes:
        """The model as bytes, whose external data are looked for in `folder`. Raises MachineError past 2 GB."""
        if self.proto.ByteSize() > LIMIT:
            raise MachineError(f"{self.path}: changed, it takes more than the 2 GB that a model in memory may have")
        found: bytes = self.proto.SerializeToString()
        return found


def read_graph(source: str | bytes, path: str) -> Graph:
    """A model to be changed; its external data stay where they are. Raises OSError."""
    import onnx

    if isinstance(source, bytes):
        return Graph(onnx.load_from_string(source), "", path)
    return Graph(onnx.load(source, load_external_data=False), os.path.dirname(os.path.abspath(source)), path)


def graphs_of(graph: Any) -> Iterator[Any]:
    """A GraphProto and all inside of its nodes, outermost first."""
    pending = [graph]
    while pending:
        each = pending.pop()
        yield each
        for node in each.node:
            for attribute in node.attribute:
                pending += [attribute.g] if attribute.HasField("g") else []
                pending += attribute.graphs


def hoist_constants(graph: Graph) -> None:
    """Make initializers of the Constant nodes of the outermost graph that hold a float32 tensor, as others' files have
    them."""
    outer = graph.proto.graph
    places = []
    for place, node in enumerate(outer.node):
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            value = next((a.t for a in node.attribute if a.name == "value" and a.t.data_type == 1), None)
            if value is not None and not any(each.name == node.output[0] for each in outer.output):
                outer.initializer.append(value)
                outer.initializer[-1].name = node.output[0]
                places.append(place)
    for place in reversed(places):
        del outer.node[place]
