"""The passes, in order. Each takes a graph and gives one that computes the same; none looks at what weights hold."""

from __future__ import annotations

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.fold_constants import fold_constants
from archonnx.compiler.passes.propagate_layout import propagate_layout
from archonnx.compiler.passes.remove_dead import remove_dead
from archonnx.compiler.passes.remove_identities import remove_identities
from archonnx.compiler.passes.share_constants import share_constants
from archonnx.contract.dims import Facts


def run_passes(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """The graph after all passes. `facts` is what is known of its symbols."""
    graph = remove_dead(graph)  # nothing is worked on that goes anyway
    graph = fold_constants(graph, facts)  # literal axes, pads and shapes are what the layout pass can renumber
    graph = remove_identities(graph, facts)
    graph = propagate_layout(graph, facts)
    graph = fold_constants(graph, facts)  # sizes that the layout pass asked for anew
    graph = remove_identities(graph, facts)  # Reshapes that it left behind each other
    graph = remove_dead(graph)
    return share_constants(graph)
