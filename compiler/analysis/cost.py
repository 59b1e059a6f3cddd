"""What a model costs: parameters and multiply-accumulates, exact, as dimensions over the model's symbols.

MACs are those of convolutions, dense layers and matrix products, which each layer's class counts; a FLOP count is
twice that. They are given for one sample: the symbol of the batch, the first axis of the first input, is 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, Weight
    from archonnx.contract.dims import Dim

STATISTICS = ("moving_mean", "moving_variance")  # what Keras counts as parameters and PyTorch does not


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of elements. `buffers` are those that are never trained whatever `trainable` says; `size` is in bytes."""

    trainable: int = 0
    non_trainable: int = 0
    buffers: int = 0
    trainable_size: int = 0
    non_trainable_size: int = 0

    @property
    def total(self) -> int:
        return self.trainable + self.non_trainable

    @property
    def size(self) -> int:
        return self.trainable_size + self.non_trainable_size

    def __add__(self, other: Parameters) -> Parameters:
        return Parameters(
            self.trainable + other.trainable,
            self.non_trainable + other.non_trainable,
            self.buffers + other.buffers,
            self.trainable_size + other.trainable_size,
            self.non_trainable_size + other.non_trainable_size,
        )


def count_parameters(weights: Iterable[Weight]) -> Parameters:
    """Sum up weights; each must come once."""
    from archonnx.contract.dtypes import DTYPES

    total = Parameters()
    for weight in weights:
        size = (weight.size * DTYPES[weight.dtype].bits + 7) // 8
        buffer = not weight.trainable and weight.path.rsplit("/", 1)[-1] in STATISTICS
        total += (
            Parameters(weight.size, 0, 0, size, 0)
            if weight.trainable
            else Parameters(0, weight.size, weight.size if buffer else 0, 0, size)
        )
    return total


def batch_symbol(graph: LayerGraph) -> str | None:
    """The symbol that is the first axis of the model's first input that has one, by custom the batch; None without."""
    for given in graph.inputs:
        shape = given.value.type.shape
        if shape and not isinstance(shape[0], int):
            names = shape[0].symbols()
            if len(names) == 1 and str(shape[0]) in names:
                return str(shape[0])
    return None


def node_macs(node: Node, bindings: Mapping[str, int]) -> Dim:
    """Multiply-accumulates of one application, with these symbols bound."""
    inputs = tuple(None if value is None else value.type for value in node.inputs)
    count = node.layer.macs(inputs, tuple(value.type for value in node.outputs))
    return bind(count, bindings)


def bind(dim: Dim, bindings: Mapping[str, int]) -> Dim:
    """The dimension with the symbols that are bound replaced."""
    return dim if isinstance(dim, int) else dim.substitute(bindings)


def total_macs(graph: LayerGraph, bindings: Mapping[str, int] | None = None) -> Dim:
    """Multiply-accumulates of one run over one sample; symbols other than the batch's stay unless they are bound."""
    bound = sample_bindings(graph, bindings)
    total: Dim = 0
    for node in graph.nodes:
        total = total + node_macs(node, bound)
    return total


def sample_bindings(graph: LayerGraph, bindings: Mapping[str, int] | None = None) -> dict[str, int]:
    """The bindings asked for, with the batch's symbol 1 unless they say otherwise."""
    batch = batch_symbol(graph)
    return {**({batch: 1} if batch else {}), **(bindings or {})}
