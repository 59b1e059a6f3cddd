"""Products with weights of 4 and 8 bits (MatMulNBits) in float32, where their file allows onnxruntime to round the
other factor to int8 too (`accuracy_level` 4).

1. Weights of 4 bits: the level becomes 1, float32. It was measured to take twice as long, and no more memory.
2. Weights of 8 bits: the matrix that they stand for takes their place, and a MatMul that of the product. With level 1
   a token took 13 times as long as in float32; so it takes as long as in float32, and as much memory.
3. What 2 does not know (groups in another order, weights that are no constants) becomes level 1 too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.runtime.precision.graphs import LIMIT, Graph, give_nodes, graphs_of

if TYPE_CHECKING:
    import numpy as np


def compute_exactly(graph: Graph) -> int:
    """Change the graph; gives how many products were changed. Raises OSError where external data cannot be read."""
    from onnx import numpy_helper

    changed = 0
    size = graph.proto.ByteSize()
    for each in graphs_of(graph.proto.graph):
        given = {value.name for value in each.input}
        held = {tensor.name: tensor for tensor in each.initializer if tensor.name not in given}
        nodes: list[Any] = []
        left: set[str] = set()
        for node in each.node:
            level = _level(node)
            if level is None or level.i <= 1:
                nodes.append(node)
                continue
            changed += 1
            settings = {a.name: a.i for a in node.attribute}
            wide = 4 * settings["K"] * settings["N"]
            if settings.get("bits", 4) != 8 or not _constant(node, held) or size + wide > LIMIT:
                level.i = 1
                nodes.append(node)
                continue
            size += wide
            name = f"{node.input[1]}.float32.{node.output[0]}"
            each.initializer.append(numpy_helper.from_array(_matrix(graph, node, held, settings), name))
            nodes += _product(node, name)
            left |= {name for name in node.input[1:4] if name}
        if left:
            give_nodes(each, nodes, left)
    return changed


def forbid_rounding(graph: Graph) -> None:
    """Set the level of all such products to 1, whatever that takes on the CPU."""
    for each in graphs_of(graph.proto.graph):
        for node in each.node:
            level = _level(node)
            if level is not None and level.i > 1:
                level.i = 1


def _level(node: Any) -> Any:
    if node.op_type != "MatMulNBits":
        return None
    return next((a for a in node.attribute if a.name == "accuracy_level"), None)


def _constant(node: Any, held: dict[str, Any]) -> bool:
    """Whether the numbers are known and lie in the order of the matrix, and are scaled in float32."""
    from onnx import TensorProto

    constants = [name for name in node.input[1:4] if name]
    ordered = len(node.input) < 5 or not node.input[4]
    plain = all(name in held for name in constants) and ordered
    return plain and held[node.input[2]].data_type == TensorProto.FLOAT and _whole(node, held)


def _whole(node: Any, held: dict[str, Any]) -> bool:
    """Whether zero points are bytes, as the weights are."""
    from onnx import TensorProto

    return len(node.input) < 4 or not node.input[3] or held[node.input[3]].data_type == TensorProto.UINT8


def _matrix(graph: Graph, node: Any, held: dict[str, Any], settings: dict[str, int]) -> np.ndarray[Any, Any]:
    """The float32 matrix [K, N] that 8 bits stand for: (quantized - zero point) * scale, 128 where there is none."""
    import numpy as np

    inner, outer, block = settings["K"], settings["N"], settings["block_size"]
    blocks = -(-inner // block)
    numbers = graph.array(held[node.input[1]]).reshape(outer, blocks, block).astype(np.float32)
    scales = graph.array(held[node.input[2]]).reshape(outer, blocks, 1)
    zeros: Any = np.float32(128)
    if len(node.input) > 3 and node.input[3]:
        zeros = graph.array(held[node.input[3]]).reshape(outer, blocks, 1).astype(np.float32)
    matrix = ((numbers - zeros) * scales).reshape(outer, blocks * block)[:, :inner]
    return np.ascontiguousarray(matrix.T)


def _product(node: Any, matrix: str) -> list[Any]:
    """The node as a MatMul, with the addition of a bias where it has one; names and notes stay on the first."""
    from onnx import helper

    bias = node.input[5] if len(node.input) > 5 else ""
    target = f"{node.output[0]}.product" if bias else node.output[0]
    product = helper.make_node("MatMul", [node.input[0], matrix], [target], name=node.name)
    product.metadata_props.extend(node.metadata_props)
    if not bias:
        return [product]
    return [product, helper.make_node("Add", [target, bias], [node.output[0]], name=f"{node.name}.bias")]
