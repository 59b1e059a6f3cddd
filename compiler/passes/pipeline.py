"""The passes, in order. Each takes a graph and gives one that computes the same; none looks at what weights hold."""

from __future__ import annotations

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.fold_constants import fold_constants
from archonnx.compiler.passes.propagate_layout import propagate_layout
from archonnx.compiler.passes.remove_dead import remove_dead
from archonnx.compiler.passes.remove_expands import remove_expands
from archonnx.compiler.passes.remove_identities import remove_identities
from archonnx.compiler.passes.share_constants import share_constants
from archonnx.contract.dims import Facts


def run_passes(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """The graph after all passes, those of operators' bodies too. `facts` is what is known of its symbols."""
    return share_constants(_improve(graph, facts))


def _improve(graph: OperatorGraph, facts: Facts, *, layout: bool = True) -> OperatorGraph:
    graph = remove_dead(graph)  # nothing is worked on that goes anyway
    for operator in graph.operators:
        for name, body in operator.bodies.items():
            operator.attributes[name] = _improve(body, facts, layout=_tells_its_sizes(body))
    graph = fold_constants(graph, facts)  # literal axes, pads and shapes are what the layout pass can renumber
    graph = remove_identities(graph, facts)
    graph = remove_expands(graph, facts)  # before axes are moved: fewer values to move
    if layout:
        graph = propagate_layout(graph, facts)
    graph = fold_constants(graph, facts)  # sizes that the layout pass asked for anew
    graph = remove_identities(graph, facts)  # Reshapes that it left behind each other
    return remove_dead(graph)


def _tells_its_sizes(body: OperatorGraph) -> bool:
    """Whether the inputs of a body carry every symbol of its sizes: the layout pass may ask for any of them."""
    carried = {str(dim) for tensor in body.inputs for dim in tensor.shape}
    tensors = [tensor for operator in body.operators for tensor in operator.outputs]
    return all(dim.symbols() <= carried for t in tensors for dim in t.shape if not isinstance(dim, int))
