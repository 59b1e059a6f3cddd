"""What the passes did to a graph, one line each, at the layer whose operators changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archonnx.compiler.ir import Operator, OperatorGraph
    from archonnx.contract.diagnostics import Place


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a pass did: `rule` is the pass' name, `what` a line such as "BatchNormalization into Conv"."""

    rule: str
    what: str
    layer: str
    place: Place | None


def note(graph: OperatorGraph, rule: str, what: str, operator: Operator) -> None:
    """Keep that a pass changed this operator."""
    graph.changes.append(Change(rule, what, operator.layer, operator.place))
