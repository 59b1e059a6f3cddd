"""The passes, in order. Each takes a graph and gives one that computes the same; none looks at what weights hold.

level 0   none: each layer as it wrote itself, one to one
level 1   what a graph is rid of or moved: every layer's result is still computed
level 2   also what merges layers into others: results in between are computed no longer
"""

from __future__ import annotations

from archonnx.compiler.ir import OperatorGraph
from archonnx.compiler.passes.fold_batch_norm import fold_batch_norm
from archonnx.compiler.passes.fold_constants import fold_constants
from archonnx.compiler.passes.fuse_activations import fuse_activations
from archonnx.compiler.passes.fuse_normalizations import fuse_normalizations
from archonnx.compiler.passes.join_slices import join_slices
from archonnx.compiler.passes.merge_projections import merge_projections
from archonnx.compiler.passes.propagate_layout import propagate_layout
from archonnx.compiler.passes.remove_dead import remove_dead
from archonnx.compiler.passes.remove_expands import remove_expands
from archonnx.compiler.passes.remove_identities import remove_identities
from archonnx.compiler.passes.share_constants import share_constants
from archonnx.compiler.passes.share_operators import share_operators
from archonnx.contract.diagnostics import UsageError
from archonnx.contract.dims import Facts

LEVELS = (0, 1, 2)
DEFAULT_LEVEL = 2


def run_passes(graph: OperatorGraph, facts: Facts, level: int = DEFAULT_LEVEL) -> OperatorGraph:
    """The graph after the passes of a level, those of operators' bodies too. `facts` is what is known of its symbols.

    Errors: UsageError for what is no level.
    """
    if level not in LEVELS or isinstance(level, bool):
        raise UsageError(f"optimization is 0, 1 or 2, got {level!r}")
    return share_constants(_improve(graph, facts, level)) if level else graph


def _improve(
    graph: OperatorGraph, facts: Facts, level: int, *, layout: bool = True, inner: bool = False
) -> OperatorGraph:
    graph = remove_dead(graph)  # nothing is worked on that goes anyway
    for operator in graph.operators:
        for name, body in operator.bodies.items():
            better = _improve(body, facts, level, layout=_tells_its_sizes(body), inner=True)
            graph.changes += better.changes  # told of the model as a whole
            better.changes = []
            operator.attributes[name] = better
    graph = fold_constants(graph, facts)  # literal axes, pads and shapes are what the layout pass can renumber
    graph = remove_identities(graph, facts)
    if level > 1 and not inner:  # a body's weights may be read outside
        graph = fold_batch_norm(graph, facts)
    graph = remove_expands(graph, facts)  # before axes are moved: fewer values to move
    if level > 1:
        graph = share_operators(graph)  # before axes are moved, each use by itself
        graph = fuse_normalizations(fuse_activations(graph))
    if layout:
        graph = propagate_layout(graph, facts)
    graph = fold_constants(graph, facts)  # sizes that the layout pass asked for anew
    if level > 1:
        graph = join_slices(graph, facts)
    graph = remove_identities(graph, facts)  # Reshapes that it left behind each other
    if level > 1:
        graph = _merge(graph, facts)
    if level > 1 and not inner:
        graph = merge_projections(graph)
    return remove_dead(graph)


def _merge(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """The passes of level 2, over operators whose axes are settled."""
    return share_operators(graph)


def _tells_its_sizes(body: OperatorGraph) -> bool:
    """Whether the inputs of a body carry every symbol of its sizes: the layout pass may ask for any of them."""
    carried = {str(dim) for tensor in body.inputs for dim in tensor.shape}
    tensors = [tensor for operator in body.operators for tensor in operator.outputs]
    return all(dim.symbols() <= carried for t in tensors for dim in t.shape if not isinstance(dim, int))
