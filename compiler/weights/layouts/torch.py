"""PyTorch's layout: the names of a module's state dictionary, `weight (out, in)`, kernels with the channels first.

A layer without a counterpart in PyTorch keeps its weights as they are, under the same names with dots for slashes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.weights.layouts.base import ByExchange, Exchange, Turned
from archonnx.compiler.weights.layouts.torch_attention import attention_exchanges
from archonnx.compiler.weights.layouts.torch_recurrent import cell_exchanges, recurrent_exchanges

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.recipe import Recipe

Shapes = Mapping[str, tuple[int, ...]]


def dense(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.Linear: weight (out, in)."""
    return [Turned("kernel", shapes["kernel"], "weight", perm=(1, 0)), *renamed(shapes, bias="bias")]


def einsum_dense(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.Linear over the axes that are summed over and those that are new, each made one."""
    equation = layer._parsed()
    if equation.shared or equation.summed or not equation.contracted or not equation.new:
        return []
    order = [equation.kernel.index(a) for a in (*equation.new, *equation.contracted)]
    sizes = [shapes["kernel"][axis] for axis in order]
    made = math.prod(sizes[: len(equation.new)])
    flat = (made, math.prod(sizes[len(equation.new) :]))
    found: list[Exchange] = [Turned("kernel", shapes["kernel"], "weight", perm=order, flat=flat)]
    if "bias" in shapes and [a for a in equation.result if a in layer.bias_axes] == equation.new:
        found.append(Turned("bias", shapes["bias"], "bias", flat=(made,)))
    return found


def convolution(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.Conv1d, 2d, 3d: weight (filters, channels / groups, ...); of a transposed one (channels, filters, ...).

    Keras' kernels are (..., channels, filters), and of transposed convolutions (..., filters, channels).
    """
    return [Turned("kernel", shapes["kernel"], "weight", perm=_channels_first(shapes["kernel"])), *_bias(shapes)]


def depthwise(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.Conv1d or 2d with a group for each channel: weight (channels * multiplier, 1, ...)."""
    return [_each_channel("kernel", shapes["kernel"], "weight"), *_bias(shapes)]


def separable(layer: Any, shapes: Shapes) -> list[Exchange]:
    """Two modules, `depthwise` and `pointwise`, of which the second has the bias."""
    second = shapes["pointwise_kernel"]
    return [
        _each_channel("depthwise_kernel", shapes["depthwise_kernel"], "depthwise.weight"),
        Turned("pointwise_kernel", second, "pointwise.weight", perm=_channels_first(second)),
        *renamed(shapes, bias="pointwise.bias"),
    ]


def embedding(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.Embedding; the way back of ReversibleEmbedding is an nn.Linear, `reverse`, where it has its own kernel."""
    found: list[Exchange] = [*renamed(shapes, embeddings="weight")]
    if "reverse_embeddings" in shapes:
        found.append(Turned("reverse_embeddings", shapes["reverse_embeddings"], "reverse.weight", perm=(1, 0)))
    return found


def normalization(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.LayerNorm, GroupNorm, InstanceNorm2d, RMSNorm."""
    return renamed(shapes, gamma="weight", scale="weight", beta="bias")


class _Counted(Turned):
    """Batch norm's running variance, behind which PyTorch counts the batches that it has seen."""

    def __init__(self, ours: str, shape: tuple[int, ...], theirs: str) -> None:
        super().__init__(ours, shape, theirs)
        self.theirs = {theirs: True, COUNT: False}

    def read(self, theirs: Mapping[str, Recipe]) -> dict[str, Recipe]:
        return {self.ours[0]: self._ours(theirs["running_var"], "running_var")}

    def write(self, ours: Mapping[str, Recipe]) -> dict[str, Recipe]:
        from archonnx.compiler.weights.sources import Constant

        return {"running_var": ours[self.ours[0]], COUNT: Constant(0, "int64")}


COUNT = "num_batches_tracked"


def batch_normalization(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.BatchNorm1d, 2d, 3d."""
    return [
        *renamed(shapes, gamma="weight", beta="bias", moving_mean="running_mean"),
        _Counted("moving_variance", shapes["moving_variance"], "running_var"),
    ]


def prelu(layer: Any, shapes: Shapes) -> list[Exchange]:
    """nn.PReLU where alpha is one number or one a channel."""
    alpha = shapes["alpha"]
    along_one = sum(extent != 1 for extent in alpha) <= 1
    return [Turned("alpha", alpha, "weight", flat=(math.prod(alpha),) if along_one else None)]


def renamed(shapes: Shapes, **names: str) -> list[Exchange]:
    """Weights that only have another name, where the layer has them."""
    return [Turned(ours, shapes[ours], theirs) for ours, theirs in names.items() if ours in shapes]


def _bias(shapes: Shapes) -> list[Exchange]:
    return renamed(shapes, bias="bias")


def _channels_first(kernel: Sequence[int]) -> tuple[int, ...]:
    """The last two axes in front, the last one first."""
    rank = len(kernel) - 2
    return (rank + 1, rank, *range(rank))


def _each_channel(ours: str, kernel: tuple[int, ...], theirs: str) -> Turned:
    """A kernel (..., channels, multiplier) as (channels * multiplier, 1, ...)."""
    rank = len(kernel) - 2
    flat = (kernel[-2] * kernel[-1], 1, *kernel[:-2])
    return Turned(ours, kernel, theirs, perm=(rank, rank + 1, *range(rank)), flat=flat)


# By the layers' class; a subclass has what the first of its bases has.
FAMILIES: dict[str, Callable[[Any, Shapes], list[Exchange]]] = {
    "Dense": dense,
    "EinsumDense": einsum_dense,
    "_Conv": convolution,
    "_ConvTranspose": convolution,
    "_DepthwiseConv": depthwise,
    "_SeparableConv": separable,
    "Embedding": embedding,
    "PositionEmbedding": embedding,
    "RelativePositionBias": embedding,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": normalization,
    "_OfGroups": normalization,
    "RMSNormalization": normalization,
    "PReLU": prelu,
    "GatedCell": cell_exchanges,
    "ProjectedAttention": attention_exchanges,
}


class TorchLayout(ByExchange):
    """PyTorch's state dictionaries."""

    name = "torch"

    def exchanges(self, layer: Layer) -> list[Exchange]:
        shapes = {name: tuple(weight.shape) for name, weight in layer.weights.items()}
        found = recurrent_exchanges(layer)
        if found is None:
            family = next((FAMILIES[base.__name__] for base in type(layer).__mro__ if base.__name__ in FAMILIES), None)
            found = list(family(layer, shapes)) if family is not None and shapes else list(self._inside(layer))
        told = {name for exchange in found for name in exchange.ours}
        return [*found, *(Turned(n, s, n.replace("/", ".")) for n, s in shapes.items() if n not in told)]

    def _inside(self, layer: Layer) -> Iterator[Exchange]:
        """Those of the layers inside; a single layer inside has no name of its own in PyTorch."""
        from archonnx.compiler.weights.layouts.nested import Nested, layers_inside

        names = {id(weight): name for name, weight in layer.weights.items()}
        inside = [one for one in layers_inside(layer) if one.weights]
        for one in inside:
            ours = {name: names[id(weight)] for name, weight in one.weights.items() if id(weight) in names}
            if len(ours) != len(one.weights):
                continue
            first, full = next(iter(ours.items()))
            exchanges = self.exchanges(one)
            own = layer.weights.keys() - ours.values()
            alone = len(inside) == 1 and own.isdisjoint(name for exchange in exchanges for name in exchange.theirs)
            below = "" if alone else full[: len(full) - len(first)].replace("/", ".")
            yield from (Nested(exchange, ours, below) for exchange in exchanges)


LAYOUT = TorchLayout()


def module_name(path: str) -> str:
    """The module that stands for a layer or a block of that path."""
    return path.replace("/", ".").replace("#", "_")
