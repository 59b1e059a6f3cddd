"""How much memory the activations of a run need at their peak, counted by liveness over the order of the layers.

A value lives from the layer that makes it to the last that reads it; inputs from the start, outputs to the end.
Weights are not activations, nor is what is computed of them alone. Sharing of buffers in place is not assumed: the
figure bounds what an executor needs that runs layer by layer and frees what nobody reads any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archonnx.compiler.analysis.cost import bind, sample_bindings

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, TensorType


def value_bytes(tensor: TensorType, bindings: Mapping[str, int]) -> int | None:
    """Bytes of one tensor; None where a size stays symbolic or the elements have no fixed size (strings)."""
    from archonnx.contract.dtypes import DTYPES

    bits = DTYPES[tensor.dtype].bits
    for extent in tensor.shape:
        known = bind(extent, bindings)
        if not isinstance(known, int):
            return None
        bits *= known
    return (bits + 7) // 8 if DTYPES[tensor.dtype].bits else None


def activation_peak_bytes(graph: LayerGraph, bindings: Mapping[str, int] | None = None) -> int | None:
    """The peak in bytes for one sample, or for the bindings given; None where a size stays symbolic."""
    bound = sample_bindings(graph, bindings)
    end = len(graph.nodes)
    last: dict[int, int] = {}  # id of a value -> the number of the last node that reads it
    for number, node in enumerate(graph.nodes):
        for value in node.inputs:
            if value is not None:
                last[id(value)] = number
    for output in graph.outputs:
        last[id(output.value)] = end

    varying: set[int] = set()  # values that depend on an input: the others are computed of weights alone
    sizes: dict[int, int] = {}
    live = 0
    for given in graph.inputs:
        size = value_bytes(given.value.type, bound)
        if size is None:
            return None
        sizes[id(given.value)] = size
        varying.add(id(given.value))
        live += size
    peak = live
    for number, node in enumerate(graph.nodes):
        read = {id(value) for value in node.inputs if value is not None}
        if not read & varying:
            continue
        for value in node.outputs:
            size = value_bytes(value.type, bound)
            if size is None:
                return None
            sizes[id(value)] = size
            varying.add(id(value))
            live += size
        peak = max(peak, live)
        ended = read | {id(value) for value in node.outputs}
        live -= sum(sizes.pop(key) for key in ended if key in sizes and last.get(key, number) <= number)
    return peak
