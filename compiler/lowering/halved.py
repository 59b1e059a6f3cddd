"""Lowering to weights that are stored in half: what is asked for is checked, and what was done is said in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.contract import metadata
from archonnx.contract.diagnostics import UsageError

if TYPE_CHECKING:
    from archonnx.compiler.ir import OperatorGraph

PRECISIONS = ("float32", "float16", "bfloat16")


def check_precision(precision: str) -> None:
    """UsageError unless weights are stored so."""
    if precision not in PRECISIONS:
        raise UsageError(f'precision is "float32", "float16" or "bfloat16", got {precision!r}')


def halved(graph: OperatorGraph, precision: str) -> OperatorGraph:
    """The graph, named, with its large weights in half; where it has none, it is as it was."""
    from archonnx.compiler.passes.store_in_half import store_in_half

    graph = store_in_half(graph, precision)
    assert graph.halving is not None
    if graph.halving.stored:
        graph.metadata[metadata.STORED] = precision
    return graph
