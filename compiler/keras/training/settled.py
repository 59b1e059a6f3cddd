"""What a training cannot change: the part of a model that frozen layers end, whose results are the same in every epoch.

Numbers flow from the inputs through layers without weights and through frozen ones, up to the first layer that learns
or draws random numbers. Where that part gives each example the same whatever else is in its batch, its results may be
computed once and trained on in place of the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from archonnx.compiler.elaborate.references import Reference
from archonnx.compiler.functions.arithmetic import Binary
from archonnx.compiler.functions.base import Function
from archonnx.compiler.functions.creation import cast, constant
from archonnx.compiler.functions.joining import concat
from archonnx.compiler.functions.reductions import Reduction
from archonnx.compiler.functions.unary import Unary
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, Value

CHANGING = ("seed", "layer", "cell", "l1")  # arguments of layers that draw in training, hold others or add to the loss
LARGEST = 1 << 30  # bytes of results that are kept; beyond, they are computed in every epoch


def inside(path: str, scopes: Iterable[str]) -> bool:
    """Whether a layer is one of these, or stands in one of these scopes."""
    return any(path == scope or path.startswith(f"{scope.rstrip('/')}/") for scope in scopes)


def settled(graph: LayerGraph, scopes: Collection[str], trained: Collection[str], examples: int) -> list[Value] | None:
    """The values at the end of what a training cannot change; None where nothing is frozen that could be spared.

    scopes: the frozen ones, whose layers compute as at inference. trained: the outputs that have targets. examples: how
    many there are in all.
    """
    if not scopes or not all(_by_example(node) for node in graph.nodes):
        return None
    entering = {id(given.value) for given in graph.inputs}
    fixed, spared = set(entering), False
    for node in graph.nodes:
        depends = [value for value in node.inputs if value is not None]
        if depends and all(id(v) in fixed or _is_constant(v) for v in depends) and _is_still(node, scopes):
            fixed |= {id(value) for value in node.outputs}
            spared = spared or bool(node.layer.weights)
    outputs = [output.value for output in graph.outputs if output.name in trained]
    if not spared or any(id(value) in fixed for value in outputs):
        return None
    learned = [node for node in graph.nodes if not any(id(value) in fixed for value in node.outputs)]
    read = [value for node in learned for value in node.inputs if value is not None]
    ends = list({id(value): value for value in read if id(value) in fixed}.values())
    return ends if _are_kept(ends, graph, examples) else None


def _is_constant(value: Value) -> bool:
    return value.producer is not None and isinstance(value.producer.layer, constant)


def _is_still(node: Node, scopes: Collection[str]) -> bool:
    """Whether the layer does the same in every epoch."""
    if inside(node.path, scopes):
        return True
    return not node.layer.weights and not any(name in node.layer.declared for name in CHANGING)


def _by_example(node: Node) -> bool:
    """Whether what a layer gives an example depends on that example alone. Functions are trusted where it is plain."""
    layer = node.layer
    if isinstance(layer, Reference) or layer.arguments.get("stateful") or any(v.mask for v in node.outputs):
        return False
    if isinstance(layer, Function) and not isinstance(layer, (Reduction, concat)):
        return isinstance(layer, (Unary, Binary, cast, constant)) and not _broadcasts_examples(node)
    axes, x = layer.arguments.get("axis", 1), node.inputs[0] if node.inputs else None
    if axes is None or x is None:
        return False
    return all(axis % x.type.rank for axis in (axes if isinstance(axes, (list, tuple)) else (axes,)))


def _broadcasts_examples(node: Node) -> bool:
    """Whether tensors of different ranks meet: examples of the one may stand beside features of the other."""
    ranks = {value.type.rank for value in node.inputs if value is not None and not _is_constant(value)}
    return len(ranks) > 1


def _are_kept(ends: Collection[Value], graph: LayerGraph, examples: int) -> bool:
    """Whether the values have an example a row, known sizes, no mask, and are few enough to be kept."""
    batch = graph.inputs[0].value.type.shape[0]
    total = 0
    for value in ends:
        sizes = value.type.shape[1:]
        if not value.type.shape or value.type.shape[0] != batch or value.mask is not None:
            return False
        if value.producer is not None:  # an input is read from the data as ever
            known = [size for size in sizes if isinstance(size, int)]
            if len(known) != len(sizes):
                return False
            total += math.prod(known) * DTYPES[value.type.dtype].bits // 8
    return 0 < total * examples <= LARGEST
