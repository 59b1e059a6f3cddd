"""A float32 model of which some nodes take what the quantized one gives them: what each costs alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from archonnx.runtime.int8.preparing import Prepared
from archonnx.runtime.precision.graphs import give_nodes

_PREFIX = "archonnx.alone."
_LARGE = 1 << 16  # bytes of a constant that is worth sharing


def share_constants(prepared: Prepared) -> tuple[Prepared, dict[str, Any]]:
    """The same model without the numbers of its large constants, and those by name, as onnxruntime's values: many
    sessions that differ in a node or two need not each copy and read them."""
    import onnx
    import onnxruntime
    from onnx import numpy_helper

    made = type(prepared.proto)()
    made.CopyFrom(prepared.proto)
    given = {value.name for value in made.graph.input}
    shared: dict[str, Any] = {}
    for tensor in made.graph.initializer:
        if tensor.ByteSize() < _LARGE or tensor.name in given:
            continue
        shared[tensor.name] = onnxruntime.OrtValue.ortvalue_from_numpy(numpy_helper.to_array(tensor))
        stub = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
        stub.data_location = onnx.TensorProto.EXTERNAL
        stub.external_data.add(key="location", value="shared")
        tensor.CopyFrom(stub)
    return replace(prepared, proto=made), shared


def mix(prepared: Prepared, quantized: Any, names: Collection[str]) -> Any:
    """The ModelProto of float32 whose nodes of these names multiply what was rounded to int8: their inputs, their
    weights and their biases come through the same QuantizeLinear and DequantizeLinear as in the quantized model. It
    has the constants alone that it reads."""
    made = type(prepared.proto)()
    made.CopyFrom(prepared.proto)
    makers = {output: node for node in quantized.graph.node for output in node.output}
    theirs = {node.name: node for node in quantized.graph.node}
    constants = {tensor.name: tensor for tensor in quantized.graph.initializer}
    taken: set[str] = set()
    nodes: list[Any] = []

    def constant(name: str) -> str:
        if name not in taken:
            taken.add(name)
            made.graph.initializer.append(constants[name])
            made.graph.initializer[-1].name = _PREFIX + name
        return _PREFIX + name

    def add(like: Any, first: str, output: str) -> str:
        node = type(like)()
        node.CopyFrom(like)
        node.name = node.output[0] = output
        node.input[0] = first
        for at in range(1, len(node.input)):
            if node.input[at]:
                node.input[at] = constant(node.input[at])
        nodes.append(node)
        return output

    for node in made.graph.node:
        other = theirs.get(node.name)
        if node.name in names and other is not None:
            for at, name in enumerate(other.input):
                back = makers.get(name)
                if back is None or back.op_type != "DequantizeLinear":
                    continue
                stem = f"{_PREFIX}{node.name}.{at}"
                if back.input[0] in constants:
                    node.input[at] = add(back, constant(back.input[0]), f"{stem}.back")
                elif makers[back.input[0]].op_type == "QuantizeLinear":
                    low = add(makers[back.input[0]], node.input[at], f"{stem}.low")
                    node.input[at] = add(back, low, f"{stem}.back")
        nodes.append(node)
    give_nodes(made.graph, nodes, {tensor.name for tensor in made.graph.initializer})
    imported = {each.domain for each in made.opset_import}
    made.opset_import.extend(each for each in quantized.opset_import if each.domain not in imported)
    return made
