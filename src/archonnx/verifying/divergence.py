"""Where two sides part: the first layer, in the order of the graph, whose result differs, and its line.

Every layer before it agrees, in another branch too, so that the layer named is a cause and none of its followers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from archonnx.contract.diagnostics import Diagnostic
from archonnx.verifying.agreement import Difference, compare
from archonnx.verifying.sides import FailedError, Ours, Side

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archonnx.compiler.graph import LayerGraph, Node

    Array: TypeAlias = NDArray[Any]
    Values: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first layer that differs. `before`: the largest error of what comes before it; `unseen`: layers before it
    whose results one of the sides does not have; `why`: what the search itself shows of the cause."""

    node: Node
    difference: Difference
    before: float
    unseen: tuple[str, ...] = ()
    why: str = ""

    def diagnostic(self, side: Side, reference: Side, tolerance: float) -> Diagnostic:
        """E1055, at the layer's line."""
        node = self.node
        far = self.difference.said or f"error {self.difference.error:.2g}, tolerance {tolerance:.2g}"
        message = f"{node.name}: {side.title} and {reference.title} part at this {node.type_name}: {far}"
        notes = [f"all results before it agree within {self.before:.1g}" if self.before else "all before it is equal"]
        if self.unseen:
            some = ", ".join(self.unseen[:3]) + (f" and {len(self.unseen) - 3} more" if len(self.unseen) > 3 else "")
            notes.append(f"what {some} give is not to be seen on both sides")
        if self.why:
            notes.append(self.why)
        label = "the first layer whose result differs"
        return Diagnostic("E1055", message, node.place, label, trail=node.trail, help="; ".join(notes))


def first(graph: LayerGraph, found: Values, reference: Values, tolerance: float, why: str = "") -> Divergence | None:
    """The first node whose result differs; None where all that both sides have agree."""
    worst = 0.0
    unseen: list[str] = []
    for node in graph.nodes:
        seen = False
        for value in node.outputs:
            if value.name not in found or value.name not in reference:
                continue
            seen = True
            difference = compare(found[value.name], reference[value.name])
            if difference.error > tolerance:
                return Divergence(node, difference, worst, tuple(unseen), why)
            worst = max(worst, difference.error)
        if not seen and not node.layer.hidden:
            unseen.append(node.name)
    return None


def locate(graph: LayerGraph, side: Side, reference: Side, feeds: Values, tolerance: float) -> Divergence | str:
    """Where a side parts from its reference on an input, or why that cannot be told, in one line."""
    try:
        expected = reference.values(feeds)
        if isinstance(side, Ours):
            plain = first(graph, side.values(feeds, passes=False), expected, tolerance)
            if plain is not None:
                return plain
            why = "the operators that the layer itself gives agree: a pass of archonnx changed what they compute"
            found = first(graph, side.values(feeds), expected, tolerance, why)
        else:
            found = first(graph, side.values(feeds), expected, tolerance)
    except FailedError as failure:
        return f"no layer can be named: {failure}"
    if found is not None:
        return found
    return (
        "every layer's result agrees once it is an output itself: the difference comes of what is fused between them, "
        f"by onnxruntime or by what wrote {side.title}"
    )
