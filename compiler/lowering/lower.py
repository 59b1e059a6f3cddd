"""From the layer graph to the operator graph: each layer lowers itself, in the graph's order, through one Builder."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping

from archonnx._version import __version__
from archonnx.compiler.analysis.tokens import token_inputs
from archonnx.compiler.collecting import resting
from archonnx.compiler.graph import LayerGraph, Node, Value
from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.plugins import Guard, broken, kind
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.emitter import Origin
from archonnx.compiler.lowering.halved import check_precision, halved
from archonnx.compiler.lowering.naming import assign_names
from archonnx.compiler.lowering.opsets import checked_opset
from archonnx.compiler.lowering.quantized import check_blocks, quantized, said_of
from archonnx.contract import metadata
from archonnx.contract.diagnostics import ArchonnxError, CompileError, Diagnostic
from archonnx.contract.dims import Facts


class LoweringError(ArchonnxError):
    """A layer whose lowering does not give what its shape rule promises: a mistake in the layer's class."""

    def __init__(self, node: Node, message: str) -> None:
        self.node = node
        where = f"{node.place}: " if node.place is not None else ""
        super().__init__(f"{where}{node.type_name} ({node.name}): {message}; this is a mistake in the layer's class")


@resting()
def lower(
    graph: LayerGraph,
    *,
    opset: int | None = None,
    optimization: int = 2,
    sources: Mapping[str, str] | None = None,
    weight_bits: int | None = None,
    block_size: int = 32,
    precision: str = "float32",
) -> OperatorGraph:
    """The model as ONNX operators.

    `opset` is a version of ONNX's operator set, by default the one that measured best (docs/opset.md); `optimization` 0
    leaves the graph as the layers wrote it, 1 and 2 are levels of passes/pipeline.py; `sources` are texts by file name,
    for diagnostics; `weight_bits` 4 or 8 quantizes matrices, `block_size` numbers together; `precision` is what large
    float32 weights are stored in. Errors: UsageError for an opset, level, bits or precision out of range, and where
    nothing can be quantized; CompileError where a layer has no form in that operator set or no input tells a size;
    LoweringError for a layer that breaks its promise.
    """
    check_blocks(weight_bits, block_size)
    check_precision(precision)
    facts = graph.facts if graph.facts is not None else Facts()
    result = OperatorGraph(graph.name, checked_opset(opset), documentation=graph.documentation or "")
    builder = Builder(result, facts)
    builder.sources = sources
    results = {value.name for node in graph.nodes for value in node.outputs}
    for given in graph.inputs:
        # An input may have a layer's name, which then means the layer's result.
        meant = given.value.name if given.value.name not in results else None
        tensor = Tensor(given.name, given.value.type, stands_for=meant)
        builder.tensors[id(given.value)] = tensor
        builder.carry(tensor, is_input=True)
        result.inputs.append(tensor)
    for node in graph.nodes:
        lower_node(node, builder)
    result.outputs = [(output.name, builder.tensor_of(output.value)) for output in graph.outputs]
    from archonnx.compiler.passes.pipeline import run_passes

    result = run_passes(result, facts, optimization)
    if weight_bits is not None:
        result = quantized(result, weight_bits, block_size)
    result.measured = _symbols(v for n in graph.nodes for v in n.outputs) - _symbols(g.value for g in graph.inputs)
    names = assign_names(result)
    states = {names[i]: output.state for i, output in enumerate(graph.outputs) if output.state is not None}
    result.metadata = _metadata(graph, states)
    result.metadata[metadata.OPTIMIZATION] = str(optimization)
    if result.quantization is not None:
        result.metadata[metadata.QUANTIZED] = said_of(result.quantization)
    if precision != "float32":
        result = halved(result, precision)
    return result


def _symbols(values: Iterable[Value]) -> frozenset[str]:
    """The symbols of the sizes of these."""
    return frozenset(s for v in values for size in v.type.shape if not isinstance(size, int) for s in size.symbols())


def lower_node(node: Node, builder: Builder) -> None:
    """Add the operators of one application, and note which tensors hold its results."""
    builder.node, builder.origin = node, Origin.of_node(node)
    inputs = [None if value is None else builder.tensor_of(value) for value in node.inputs]
    try:
        with Guard(node.layer, "the rule lower"):
            lowered = node.layer.lower(builder, *inputs)
        _check_tensors(node, lowered)
    except LayerError as error:
        raise _at(node, error, builder) from error
    tensors = (lowered,) if isinstance(lowered, Tensor) else tuple(lowered)
    if len(tensors) != len(node.outputs):
        what = f"its lowering gives {len(tensors)} results, its shape rule {len(node.outputs)}"
        raise _broken(node, what, builder)
    for value, tensor in zip(node.outputs, tensors, strict=True):
        _hold(node, value, tensor, builder)
    builder.node, builder.origin = None, Origin()


def _at(node: Node, error: LayerError, builder: Builder) -> CompileError:
    """The error of a layer's rule, at the line of its application."""
    found = Diagnostic(error.code, error.message, node.place, error.label, trail=node.trail, help=error.help)
    return CompileError([found], builder.sources)


def _broken(node: Node, what: str, builder: Builder) -> ArchonnxError:
    """A lowering that does not fit its shape rule: a mistake in the library, or in the package that it is of."""
    if node.layer.package is None:
        return LoweringError(node, what)
    return _at(node, broken(node.layer, what), builder)


def _check_tensors(node: Node, lowered: object) -> None:
    """E0924 unless the lowering of a package's layer gave tensors."""
    if node.layer.package is None:
        return
    for one in lowered if isinstance(lowered, tuple | list) else (lowered,):
        if not isinstance(one, Tensor):
            raise broken(node.layer, f"its rule lower gives {kind(one)}, not a tensor")


def _hold(node: Node, value: Value, tensor: Tensor, builder: Builder) -> None:
    """Note that the tensor holds the value, once it is sure that it can."""
    if tensor.dtype != value.type.dtype or not builder.same_shape(tensor.shape, value.type.shape):
        raise _broken(node, f"its lowering gives {tensor.type}, its shape rule {value.type}", builder)
    builder.tensors[id(value)] = tensor
    if tensor.stands_for is None and tensor.producer is not None:
        tensor.stands_for, tensor.type = value.name, value.type
        builder.carry(tensor)


def _metadata(graph: LayerGraph, states: dict[str, str]) -> dict[str, str]:
    """What the file says of itself (contract/metadata.py). The writer adds what it knows of the weights."""
    said = {metadata.VERSION: __version__, metadata.MODEL: graph.name}
    if graph.place is not None:
        said[metadata.SOURCE] = graph.place.file
    if graph.arguments:
        said[metadata.ARGUMENTS] = _json(graph.arguments)
    if graph.requirements:
        said[metadata.REQUIRES] = _json(
            [{"condition": str(r.condition), "message": r.message, "place": str(r.place)} for r in graph.requirements]
        )
    optional = [given.name for given in graph.inputs if given.optional]
    if optional:
        said[metadata.OPTIONAL] = _json(optional)
    if states:
        said[metadata.STATES] = _json(states)
    tokens = token_inputs(graph)
    if tokens:
        said[metadata.TOKENS] = _json({name: {"size": t.size, "masked": t.masked} for name, t in tokens.items()})
    for name, asset in graph.assets.items():
        try:
            text = asset.data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        plain = text.encode("utf-8") == asset.data and not text.startswith(metadata.BASE64)
        said[metadata.ASSET + name] = text if plain else metadata.BASE64 + base64.b64encode(asset.data).decode("ascii")
    return said


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
