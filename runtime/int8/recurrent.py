"""LSTMs in int8 without data: their weights are rounded ahead, what goes in as it comes (DynamicQuantizeLSTM, an
operator of onnxruntime's CPU provider).

Rounded plainly, the inputs of an LSTM and its kernel lose most. So both can be sums of two numbers of 8 bits, in one
product with more columns, where q is rounding to 8 bits and FINE a number:

    x @ W = [x, (x - q(x)) FINE, x / FINE] @ [q(W), W / FINE, (W - q(W)) FINE], but for what is lost of what is lost

The first part alone, two, or all three are taken. The recurrent product, which takes most of the time of a call as it
waits for its weights, stays plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.int8.saturating import largest_weight
from archonnx.runtime.modelfile import ModelFile, NodePlace
from archonnx.runtime.precision.deciding import LoweredNode, Lowering
from archonnx.runtime.precision.graphs import Graph, give_nodes, hoist_constants, read_graph

if TYPE_CHECKING:
    import numpy as np

FINE = 16.0  # mean error of 20 networks, in thousandths: 7.0 with 4, 5.4 with 8, 4.7 with 16, 5.7 with 32
PARTS = (1, 2, 3)
OPSET = 11  # of DynamicQuantizeLinear
_DOMAIN = "com.microsoft"
_OPERATOR = "LSTM"


@dataclass(frozen=True, slots=True)
class _Rounded:
    """numbers: int8 [D, columns, 4 H]; scales: float32 [D, 4 H], one for each gate's unit."""

    numbers: np.ndarray[Any, Any]
    scales: np.ndarray[Any, Any]


def lower_lstms(source: str | bytes, model: ModelFile, parts: int) -> tuple[Graph, Lowering]:
    """The model with its LSTMs in int8, and what became of each. parts: of PARTS, how finely inputs and kernels are
    rounded.

    Raises MachineError where there is none that can be lowered, OSError where external data cannot be read.
    """
    graph = read_graph(source, model.path)
    hoist_constants(graph)
    outer = graph.proto.graph
    given = {value.name for value in outer.input}
    held = {tensor.name: tensor for tensor in outer.initializer if tensor.name not in given}
    nodes: list[Any] = []
    told: list[LoweredNode] = []
    made: list[Any] = []
    left: set[str] = set()
    opset = next((each.version for each in graph.proto.opset_import if each.domain in ("", "ai.onnx")), 0)
    for node in outer.node:
        if node.op_type != _OPERATOR or node.domain not in ("", "ai.onnx"):
            nodes.append(node)
            continue
        why = f"its opset is {opset}, int8 of it takes {OPSET}" if opset < OPSET else _refusal(node, held)
        came = model.nodes.get(node.name, NodePlace(node.op_type))
        precision = "float32" if why else "int8"
        told.append(LoweredNode(node.name, _OPERATOR, came.layer, came.place, precision, None, why))  # type: ignore[arg-type]
        if why:
            nodes.append(node)
        else:
            nodes += _lowered(graph, node, held, parts, made)
            left |= set(node.input[1:3])
    if not any(node.precision == "int8" for node in told):
        each = "; ".join(f"{node.layer or node.name or _OPERATOR}: {node.why}" for node in told) or "it has none"
        raise MachineError(f"{model.path}: int8 without data is for LSTMs with constant weights: {each}")
    give_nodes(outer, nodes, left)
    outer.initializer.extend(made)
    if all(each.domain != _DOMAIN for each in graph.proto.opset_import):
        graph.proto.opset_import.add(domain=_DOMAIN, version=1)
    return graph, Lowering("int8", None, tuple(told))


def _refusal(node: Any, held: dict[str, Any]) -> str:
    """Why an LSTM stays in float32, "" where it need not."""
    from onnx import TensorProto

    for name, what in zip(node.input[1:3], ("kernel", "recurrent kernel"), strict=True):
        if name not in held:
            return f"its {what} is no constant"
        if held[name].data_type != TensorProto.FLOAT:
            return f"its {what} is {TensorProto.DataType.Name(held[name].data_type).lower()}, int8 is made of float"
    if any(attribute.name == "layout" and attribute.i for attribute in node.attribute):
        return "its batch comes first (layout 1), which onnxruntime has in float32 alone"
    return ""


def _lowered(graph: Graph, node: Any, held: dict[str, Any], parts: int, made: list[Any]) -> list[Any]:
    """The node in int8, after those that prepare its input. made: gets the new initializers."""
    import numpy as np
    from onnx import helper, numpy_helper

    stem = f"{next(name for name in node.output if name)}.int8"
    kernel, recurrent = (graph.array(held[name]) for name in node.input[1:3])

    def constant(name: str, array: np.ndarray[Any, Any]) -> str:
        made.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{stem}.{name}"))
        return f"{stem}.{name}"

    def weights(name: str, found: _Rounded) -> tuple[str, str, str]:
        zeros = np.zeros(found.scales.shape, np.int8)
        return (
            constant(name, found.numbers),
            constant(f"{name}_scale", found.scales),
            constant(f"{name}_zero_point", zeros),
        )

    before: list[Any] = []

    def add(operator: str, inputs: list[str], outputs: list[str], **settings: Any) -> str:
        outputs = [f"{stem}.{name}" for name in outputs]
        before.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **settings))
        return outputs[0]

    x = node.input[0]
    columns = [x]
    if parts >= 2:
        low = add("DynamicQuantizeLinear", [x], ["rounded", "scale", "zero_point"])
        back = add("DequantizeLinear", [low, f"{stem}.scale", f"{stem}.zero_point"], ["back"])
        lost = add("Sub", [x, back], ["lost"])
        columns.append(add("Mul", [lost, constant("fine", np.array(FINE, np.float32))], ["lost_fine"]))
    if parts >= 3:
        columns.append(add("Mul", [x, constant("coarse", np.array(1 / FINE, np.float32))], ["coarse_input"]))
    if len(columns) > 1:
        x = add("Concat", columns, ["columns"], axis=2)
    w, w_scale, w_zero = weights("kernel", rounded(kernel, parts))
    r, r_scale, r_zero = weights("recurrent_kernel", rounded(recurrent, 1))
    rest = [*node.input[3:8], *[""] * (8 - max(3, len(node.input)))]
    inputs = [x, w, r, *rest, w_scale, w_zero, r_scale, r_zero]
    last = helper.make_node("DynamicQuantizeLSTM", inputs, list(node.output), name=node.name, domain=_DOMAIN)
    last.attribute.extend(attribute for attribute in node.attribute if attribute.name != "layout")
    for each in (*before, last):
        each.metadata_props.extend(node.metadata_props)
    return [*before, last]


def rounded(matrix: np.ndarray[Any, Any], parts: int) -> _Rounded:
    """A kernel of an LSTM as int8. matrix: float32 [D, 4 H, K]; parts: of PARTS. The numbers are [D, parts * K, 4 H],
    the largest of each of the 4 H outputs being the largest that int8 takes."""
    import numpy as np

    most = largest_weight()
    scales = (np.abs(matrix).max(axis=2, keepdims=True) / most).astype(np.float32)
    scales[scales == 0] = 1.0

    def numbers(of: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = np.clip(np.rint(of / scales), -most, most).astype(np.int8)
        return found

    plain = numbers(matrix)
    columns = [plain]
    if parts >= 2:
        columns.append(numbers(matrix / np.float32(FINE)))
    if parts >= 3:
        columns.append(numbers((matrix - plain * scales) * np.float32(FINE)))
    return _Rounded(np.ascontiguousarray(np.concatenate(columns, axis=2).transpose(0, 2, 1)), scales[:, :, 0])
