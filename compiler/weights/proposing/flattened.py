"""Dense layers after a Flatten of pictures: tools with the channels first flatten them in another order than we do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Node, Value

Shape = tuple[int, ...]


def flattened(graph: LayerGraph, scope: str = "") -> dict[str, Shape]:
    """By the path of a dense layer below the scope, what was flattened for it, (rows, columns, channels).

    Only where the order tells: several places and several channels.
    """
    prefix = f"{scope}/" if scope else ""
    found: dict[str, Shape] = {}
    for node in graph.nodes:
        if node.type_name == "Dense" and node.path.startswith(prefix) and node.inputs and node.inputs[0] is not None:
            shape = _before(node.inputs[0])
            if shape is not None and shape[-1] > 1 and any(extent > 1 for extent in shape[:-1]):
                found[node.path[len(prefix) :]] = shape
    return found


def _before(value: Value) -> Shape | None:
    """What a value was before it was flattened, without the batch; None where it was not."""
    while (node := value.producer) is not None:
        if len(node.inputs) != 1 or node.inputs[0] is None or node.layer.weights:
            return None
        value = node.inputs[0]
        if _flattens(node):
            extents = value.type.shape[1:]
            return tuple(e for e in extents if isinstance(e, int)) if all(isinstance(e, int) for e in extents) else None
        if value.type.shape != node.outputs[0].type.shape:
            return None
    return None


def _flattens(node: Node) -> bool:
    before = node.inputs[0]
    assert before is not None
    if node.type_name not in ("Flatten", "Reshape") or before.type.rank < 3 or node.outputs[0].type.rank != 2:
        return False
    return node.layer.arguments.get("data_format") != "channels_first"
