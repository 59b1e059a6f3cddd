"""Inputs that are numbers of tokens: those whose every element a table is looked up with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Input, LayerGraph, Node, Value

# Functions and layers whose results hold every element of their inputs, as they are.
_CARRYING = frozenset(
    "reshape transpose squeeze expand_dims moveaxis swapaxes concat concatenate stack flip roll tile repeat "
    "broadcast_to Reshape Permute Flatten RepeatVector Identity Concatenate".split()
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What tables say of an input: its numbers are 0 to `size - 1`; `masked`: 0 fills sequences up, and is not seen."""

    size: int
    masked: bool = False


def token_inputs(graph: LayerGraph) -> dict[str, Tokens]:
    """The inputs whose elements all are places in a table (Embedding, ReversibleEmbedding), with the smallest size."""
    found = ((given.name, _tokens(graph, given)) for given in graph.inputs)
    return {name: tokens for name, tokens in found if tokens is not None}


def _tokens(graph: LayerGraph, given: Input) -> Tokens | None:
    if DTYPES[given.value.type.dtype].kind not in ("int", "uint"):
        return None
    tables = list(_tables(graph, given.value))
    if not tables:
        return None
    arguments = [node.layer.arguments for node in tables]
    size = min(int(each["input_dim"]) for each in arguments)
    return Tokens(size, all(bool(each.get("mask_zero")) for each in arguments))


def _tables(graph: LayerGraph, value: Value) -> Iterator[Node]:
    """The tables that are looked up with a value, or with what holds all of its elements."""
    carried = [value]
    for node in graph.nodes:
        reads = [any(read is each for each in carried) for read in node.inputs]
        if not any(reads):
            continue
        if node.type_name in ("Embedding", "ReversibleEmbedding") and reads[0] and not _backwards(node):
            yield node
        elif node.type_name in _CARRYING or (node.type_name == "cast" and _widens(node)):
            carried.extend(node.outputs)


def _backwards(node: Node) -> bool:
    """Whether a table is multiplied with: what came in are vectors, and what comes out scores of its rows."""
    given = node.inputs[0]
    return given is not None and given.type.rank == node.outputs[0].type.rank


def _widens(node: Node) -> bool:
    return node.outputs[0].type.dtype in ("int32", "int64")
