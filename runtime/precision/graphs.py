"""A model as a ModelProto whose large weights stay in their file, and back to what onnxruntime loads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        """What an initializer holds, wherever it lies. Raises OSError where that cannot be read."""
        from onnx import external_data_helper, numpy_helper

        if external_data_helper.uses_external_data(tensor):
            copy = type(tensor)()
            copy.CopyFrom(tensor)
            external_data_helper.load_external_data_for_tensor(copy, self.folder)
            tensor = copy
        found: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
        return found

    @contextmanager
    def loadable(self) -> Iterator[tuple[str | bytes, str]]:
        """What onnxruntime loads: bytes, and the folder of their external data; or, past the 2 GB that a message may
        have, the path of a file that is there as long as the context is. Raises OSError."""
        if self.proto.ByteSize() <= LIMIT:
            yield self.proto.SerializeToString(), self.folder
            return
        with tempfile.TemporaryDirectory(prefix="archonnx-", ignore_cleanup_errors=True) as folder:
            path = os.path.join(folder, "model.onnx")
            save(self, path)
            yield path, ""


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a model with all its weights, large ones into a file beside it. Raises OSError."""
    import onnx
    from onnx import external_data_helper

    whole = type(graph.proto)()
    whole.CopyFrom(graph.proto)
    for each in graphs_of(whole.graph):
        for tensor in each.initializer:
            if external_data_helper.uses_external_data(tensor):
                external_data_helper.load_external_data_for_tensor(tensor, graph.folder)
                del tensor.external_data[:]
                tensor.data_location = onnx.TensorProto.DEFAULT
    onnx.save(whole, path, save_as_external_data=True, location="weights.data", size_threshold=1024)


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


def give_nodes(graph: Any, nodes: Sequence[Any], left: set[str]) -> None:
    """Give a GraphProto these nodes, and take out the initializers of `left` that nothing reads any more."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]  # of a field that is about to empty
    del graph.node[:]
    graph.node.extend(copies)
    read = {name for each in graphs_of(graph) for node in each.node for name in node.input}
    read |= {value.name for value in graph.output}
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name in left - read:
            del graph.initializer[place]
