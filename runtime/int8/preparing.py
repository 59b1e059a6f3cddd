"""A model made ready to be quantized: constants and normalizations folded into its products, its nodes named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.precision.graphs import LIMIT, read_graph
from archonnx.runtime.translate import load_error, ort_errors

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

PRODUCTS = ("Conv", "Gemm", "MatMul")  # what int8 makes faster
# What follows products in int8, where all that goes into it is in int8 already: a change of type costs more.
_FOLLOWING = frozenset(
    "Add AveragePool Clip Concat Flatten GlobalAveragePool LeakyRelu MaxPool Pad Relu Reshape Resize Slice Split "
    "Squeeze Transpose Unsqueeze".split()
)
# What moves numbers alone, and may stand before a product.
_MOVING = frozenset("Flatten Pad Reshape Squeeze Transpose Unsqueeze".split())
OPSET = 13  # the first with a scale for each channel
_CONVERTED = 17


@dataclass(slots=True)
class Prepared:
    """proto: the ModelProto, float32, without external data; path: the same as a file; products: the nodes that are
    quantized by their weights, in order; following: those that pass int8 on; left: product -> why it stays float32."""

    proto: Any
    path: Path
    products: list[str]
    following: list[str]
    left: dict[str, str]

    def without(self, names: Collection[str]) -> Prepared:
        """The same, these products staying float32, and what passed on their int8 too."""
        products = [name for name in self.products if name not in names]
        return replace(self, products=products, following=_following(self.proto, products))

    def feeding(self, names: Collection[str]) -> set[str]:
        """The products that make for these alone what they take: it would be rounded on the way otherwise."""
        nodes = {node.name: node for node in self.proto.graph.node}
        makers = {name: node.name for node in nodes.values() for name in node.output}
        takers: dict[str, list[str]] = {}
        for node in nodes.values():
            for name in node.input:
                takers.setdefault(name, []).append(node.name)
        found: set[str] = set()
        for name in names:
            taken = nodes[name].input[0]
            while len(takers[taken]) == 1 and taken in makers:
                maker = makers[taken]
                if maker in self.products:
                    found.add(maker)
                if maker not in self.following:
                    break
                taken = nodes[maker].input[0]
        return found - set(names)


def prepare(source: str | bytes, model: ModelFile, folder: Path) -> Prepared:
    """Fold what can be folded, and find what can be quantized. folder: an empty one, where it writes.

    Raises MachineError where nothing can be quantized, ModelFileError, OSError.
    """
    import onnx

    if any(_quantized(place.operator) for place in model.nodes.values()) or model.rounding:
        raise MachineError(f'{model.path}: it is quantized already; load it without precision="int8"')
    size = len(source) if isinstance(source, bytes) else _size(Path(source), model)
    if size > LIMIT:
        raise MachineError(f"{model.path}: int8 is made of models of up to 2 GB, this has {size / 1e9:.1f} GB")
    opset = model.opsets.get("", 0)
    if opset < OPSET:
        source = _converted(source, model, opset)
    elif model.external and isinstance(source, str):
        source = onnx.load(source).SerializeToString()  # what is folded would still point beside the old file
    path = folder / "float.onnx"
    _fold(source, model, path)
    proto = onnx.load(str(path))
    names = {node.name for node in proto.graph.node if node.name}
    for place, node in enumerate(proto.graph.node):
        if not node.name:
            name = f"{node.op_type}_{place}"
            while name in names:
                name += "_"
            node.name = name
            names.add(name)
    products, left = _products(proto)
    if not products:
        said = "; ".join(f"{name}: {why}" for name, why in left.items()) or "it has none"
        raise MachineError(f"{model.path}: int8 is for products with constant factors ({', '.join(PRODUCTS)}): {said}")
    _give_biases(proto, products)
    onnx.save(proto, str(path))
    return Prepared(proto, path, products, _following(proto, products), left)


def _quantized(operator: str) -> bool:
    return operator in ("QuantizeLinear", "DequantizeLinear") or operator.startswith("QLinear")


def _converted(source: str | bytes, model: ModelFile, opset: int) -> bytes:
    """The same model in an opset that has a scale for each channel. Raises MachineError."""
    import onnx
    from onnx import external_data_helper, version_converter

    graph = read_graph(source, model.path)
    if graph.folder:
        external_data_helper.load_external_data_for_model(graph.proto, graph.folder)
    inputs = {value.name for value in graph.proto.graph.input}
    if graph.proto.ir_version < 4:  # initializers must be inputs there, and the converter loses those that are not
        from onnx import helper

        for tensor in graph.proto.graph.initializer:
            if tensor.name not in inputs:
                value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                graph.proto.graph.input.append(value)
    try:
        converted = version_converter.convert_version(graph.proto, _CONVERTED)
        onnx.checker.check_model(converted)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        reason = " ".join(str(error).split())
        raise MachineError(
            f"{model.path}: int8 needs opset {OPSET} or later, this is {opset}, and onnx cannot convert it: {reason}"
        ) from error
    made: bytes = converted.SerializeToString()
    return made


def _fold(source: str | bytes, model: ModelFile, path: Path) -> None:
    """Write the model with constants folded, by onnxruntime, in operators of ONNX alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    try:
        onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except ort_errors() as error:
        raise load_error(model, error, "cpu") from error


def _size(path: Path, model: ModelFile) -> int:
    return path.stat().st_size + sum((path.parent / name).stat().st_size for name in model.external)


def _products(proto: Any) -> tuple[list[str], dict[str, str]]:
    """The nodes with a constant float32 factor, and why others are none."""
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    already = {node.output[0] for node in proto.graph.node if node.op_type == "DequantizeLinear"}
    products: list[str] = []
    left: dict[str, str] = {}
    for node in proto.graph.node:
        if node.op_type not in PRODUCTS or node.domain not in ("", "ai.onnx"):
            continue
        tensor = constants.get(node.input[1])
        if node.input[1] in already:
            left[node.name] = "it is quantized already"
        elif tensor is None:
            left[node.name] = "its second factor is no constant"
        elif tensor.data_type != 1:
            left[node.name] = "its factor is not float32"
        elif node.op_type == "MatMul" and len(tensor.dims) != 2:
            left[node.name] = f"its factor has {len(tensor.dims)} axes"
        elif node.input[0] in constants:
            left[node.name] = "its first factor is a constant too"
        else:
            products.append(node.name)
    return products, left


def _give_biases(proto: Any, products: Sequence[str]) -> None:
    """A bias of zeros for each convolution without one: there is something that can be corrected then."""
    import numpy as np
    from onnx import numpy_helper

    sizes = {tensor.name: tensor.dims[0] for tensor in proto.graph.initializer if tensor.dims}
    for node in proto.graph.node:
        if node.name in products and node.op_type == "Conv" and len(node.input) < 3:
            name = f"archonnx.bias.{node.name}"
            proto.graph.initializer.append(numpy_helper.from_array(np.zeros(sizes[node.input[1]], np.float32), name))
            node.input.append(name)


def _following(proto: Any, products: Sequence[str]) -> list[str]:
    """Nodes that take int8 from products and pass it on, and those that only move numbers before one."""
    nodes = list(proto.graph.node)
    constants = {tensor.name for tensor in proto.graph.initializer}
    chosen = set(products)
    # A product with a matrix gives float32: what is added to it, or makes a softmax of it, needs more than 8 bits.
    given = {name for node in nodes if node.name in chosen and node.op_type == "Conv" for name in node.output}
    found: list[str] = []
    for node in nodes:  # they stand in the order in which they run
        if node.op_type in _FOLLOWING and _taken(node, constants) and _taken(node, constants) <= given:
            found.append(node.name)
            given.update(node.output)
    takers: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    outputs = {value.name for value in proto.graph.output}
    for node in reversed(nodes):
        if node.op_type in _MOVING and node.name not in found and node.output[0] not in outputs:
            after = takers.get(node.output[0], [])
            if after and all(each.name in chosen and each.input[0] == node.output[0] for each in after):
                chosen.add(node.name)
                found.append(node.name)
    return found


def _taken(node: Any, constants: Collection[str]) -> set[str]:
    """What a node takes that is computed, sizes and other parameters aside."""
    several = node.op_type in ("Add", "Concat")
    names = node.input if several else node.input[:1]
    if several and any(name in constants for name in names):
        return set()  # a constant of its own scale: float32 is no slower there
    return {name for name in names if name}
