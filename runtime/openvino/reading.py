"""A model as OpenVINO's library reads it, and refusals of what it would not compute as the model says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import ArchonnxError, MachineError
from archonnx.runtime.errors import ModelFileError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.library import core, library_errors
from archonnx.runtime.translate import clean
from archonnx.runtime.wire import Source

if TYPE_CHECKING:
    import numpy as np

_CARRIED = frozenset("float32 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())
_UNKNOWN = re.compile(r"No conversion rule found for operations: ([^\n]*)")
# Whole numbers of few bits wrap round in ONNX; OpenVINO computes them in more, and takes the nearest that there is.
_ARITHMETIC = frozenset("Add Subtract Multiply Divide Negative Abs Power ReduceSum ReduceProd CumSum".split())
_NARROW = frozenset({"i8", "u8", "i16", "u16", "i4", "u4"})
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node outside of branches and loops. outputs: the names of its values."""

    name: str
    operator: str
    outputs: tuple[str, ...]


def graph_nodes(source: str | bytes) -> list[GraphNode]:
    """The nodes of a model's own graph but constants, from a file or from bytes. Field numbers are onnx.proto's."""
    if isinstance(source, bytes):
        return _nodes(Source(source))
    with open(source, "rb") as stream:
        return _nodes(Source(stream))


def _nodes(source: Source) -> list[GraphNode]:
    found = []
    for graph in (f for f in source.fields() if f.number == 7):
        for node in (f for f in source.inside(graph) if f.number == 1):
            name, operator, outputs = "", "", []
            for f in source.inside(node):
                if f.number == 2:
                    outputs.append(source.text(f))
                elif f.number == 3:
                    name = source.text(f)
                elif f.number == 4:
                    operator = source.text(f)
            if operator != "Constant":
                found.append(GraphNode(name, operator, tuple(outputs)))
    return found


def read_graph(source: str | bytes, model: ModelFile, nodes: Sequence[GraphNode]) -> Any:
    """The model as an openvino.Model, its inputs in the file's order.

    Raises MachineError for what OpenVINO does not know or would compute otherwise, ModelFileError where it cannot read
    the model.
    """
    for kind, specs in (("input", model.inputs), ("output", model.outputs)):
        odd = next((spec for spec in specs if spec.dtype not in _CARRIED), None)
        if odd is not None:
            reason = f"{kind} {odd.name} is {odd.type}, which OpenVINO does not carry"
            raise MachineError(f'{model.path}: {reason}; use device="cpu" for it')
    try:
        graph = core().read_model(source)
    except library_errors() as error:
        raise _unread(model, nodes, error) from error
    for op in graph.get_ops():
        if op.get_type_name() in _ARITHMETIC and op.get_output_element_type(0).get_type_name() in _NARROW:
            type_ = op.get_output_element_type(0).to_dtype().name
            reason = f"it computes in {type_}, whose ends OpenVINO does not go round"
            raise MachineError(f'{model.path}: {reason} ({op.get_friendly_name()}); use device="cpu" for it')
    return graph


def _unread(model: ModelFile, nodes: Sequence[GraphNode], error: Exception) -> ArchonnxError:
    import openvino

    version = openvino.__version__.split("-")[0]
    match = _UNKNOWN.search(str(error))
    if match is None:
        return ModelFileError(model.path, f"OpenVINO {version} cannot read it: {clean(str(error))}")
    told = []
    for text in match[1].split(", "):
        operator = re.sub(r"-\d+$", "", text.strip())
        told.append(f"{operator}{_of(operator.rpartition('.')[2], model, nodes)}")
    those = f"operator{'s' * (len(told) > 1)} {', '.join(told)}"
    return MachineError(f'{model.path}: OpenVINO {version} does not know the {those}; use device="cpu" for it')


def _of(operator: str, model: ModelFile, nodes: Sequence[GraphNode]) -> str:
    """The nodes of an operator in brackets, those of branches and loops too, with their places in the source."""
    names = [node.name or f"that gives {node.outputs[0]}" for node in nodes if node.operator == operator]
    names += [name for name, place in model.nodes.items() if place.operator == operator and name not in names]
    shown = []
    for name in names[:_SHOWN]:
        place = model.nodes[name].place if name in model.nodes else None
        shown.append(f"{name} at {place}" if place else name)
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f" (node{'s' * (len(names) > 1)} {', '.join(shown)}{more})" if shown else ""


def open_defaults(graph: Any, model: ModelFile) -> dict[str, np.ndarray[Any, Any]]:
    """Make inputs of the constants that a call may replace, and give their values: OpenVINO reads an input that has an
    initializer as a constant. Those are not found whose value it has used already."""
    from openvino import op

    wanted = {spec.name for spec in model.inputs if spec.optional and spec.name in model.initializers}
    found: dict[str, np.ndarray[Any, Any]] = {}
    made = []
    for each in graph.get_ops() if wanted else ():
        name = each.get_friendly_name()
        if name in wanted and each.get_type_name() == "Constant":
            parameter = op.Parameter(each.get_element_type(), each.get_output_partial_shape(0))
            parameter.set_friendly_name(name)
            found[name] = each.get_data().copy()
            each.output(0).replace(parameter.output(0))
            made.append(parameter)
    if made:
        graph.add_parameters(made)
        graph.validate_nodes_and_infer_types()
    return found
