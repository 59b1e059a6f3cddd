"""What each kernel had to do: multiply-accumulates, and the bytes that it read and wrote, from the shapes of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.runtime.modelfile import Shape, Spec
from archonnx.runtime.profiling.events import Event
from archonnx.runtime.work import count_macs, macs_of

if TYPE_CHECKING:
    import numpy as np

# Bytes of an element, as onnxruntime calls the types; those of 4 bits are counted in onnx's numbers alone.
_BYTES = {
    **dict.fromkeys(("float", "int32", "uint32"), 4),
    **dict.fromkeys(("double", "int64", "uint64", "complex64"), 8),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("bool", "int8", "uint8", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"), 1),
}
# What only says anew how many axes a value has leaves it where it is; what picks rows reads no more than those.
_STILL = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape", "Size"})
_PICKS = frozenset({"Gather", "GatherND", "GatherElements", "Slice"})


def own_macs(model: Any, specs: Sequence[Spec], feeds: Mapping[str, np.ndarray[Any, Any]]) -> list[int | None]:
    """MACs of each node of a ModelProto for these inputs; its nodes' names are replaced by numbers."""
    for place, node in enumerate(model.graph.node):
        node.name = str(place)
    sizes: dict[str, int] = {}
    for spec in specs:
        array = feeds.get(spec.name)
        shape: Shape = spec.shape or ()
        for axis, size in enumerate(shape):
            if not isinstance(size, int) and array is not None and hasattr(array, "shape"):
                sizes.setdefault(size or f"{spec.name}.{axis}", array.shape[axis])
    found = count_macs(model.SerializeToString(), sizes)
    return [found.get(str(place)) for place in range(len(model.graph.node))]


class Values:
    """Shapes and bytes of the values of a run, filled as its events are read in order."""

    def __init__(self, graph: Any, feeds: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self._shapes: dict[str, tuple[int | None, ...]] = {}
        self._bytes: dict[str, int] = {}
        for name, array in feeds.items():
            if hasattr(array, "nbytes"):
                self._shapes[name], self._bytes[name] = tuple(array.shape), array.nbytes
        self.weights(graph)

    def weights(self, graph: Any) -> None:
        """Take in the initializers of a graph and of those inside of its nodes."""
        from archonnx.contract.dtypes import BY_ONNX, DTYPES

        for tensor in graph.initializer:
            self._shapes[tensor.name] = tuple(tensor.dims)
            if tensor.data_type in BY_ONNX:
                bits = DTYPES[BY_ONNX[tensor.data_type].name].bits
                self._bytes[tensor.name] = math.ceil(math.prod(tensor.dims) * bits / 8)
        for node in graph.node:
            for inner in graphs_of(node):
                self.weights(inner)

    def ran(self, node: Any, event: Event) -> tuple[int | None, int | None]:
        """MACs and bytes of a node that ran, whose outputs are known from then on; None for what cannot be told."""
        names = [name for name in node.output if name]
        if event.outputs is not None and len(event.outputs) == len(names):
            for name, (dtype, shape) in zip(names, event.outputs, strict=True):
                self._shapes[name] = shape
                if dtype in _BYTES:
                    self._bytes[name] = _BYTES[dtype] * math.prod(shape)
        return macs_of(node, self._shapes), self._moved(node, names, event)

    def _moved(self, node: Any, outputs: list[str], event: Event) -> int | None:
        if node.op_type in _STILL:
            return 0
        inputs = [name for name in node.input if name]
        known = all(name in self._bytes for name in [*inputs, *outputs])
        if not known or any(True for _ in graphs_of(node)):
            return event.moved
        written = sum(self._bytes[name] for name in outputs)
        if node.op_type in _PICKS:
            return 2 * written + sum(self._bytes[name] for name in inputs[1:])
        return written + sum(self._bytes[name] for name in inputs)


def graphs_of(node: Any) -> list[Any]:
    """The branches and bodies of a NodeProto."""
    return [g for a in node.attribute for g in [*a.graphs, *([a.g] if a.HasField("g") else [])]]
