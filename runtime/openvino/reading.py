"""A model as OpenVINO's library reads it, and refusals of what it would not compute as the model says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.contract.diagnostics import MachineError
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.library import core, library_errors, version
from archonnx.runtime.openvino.nodes import Node, told
from archonnx.runtime.openvino.sequences import keep_transposes
from archonnx.runtime.openvino.unchanged import drop_casts
from archonnx.runtime.translate import clean

if TYPE_CHECKING:
    import numpy as np

_CARRIED = frozenset("float32 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())
_FAILED = re.compile(r"^-- ([\w.]+?)-\d+ with a message:\n(.*?)(?=^-- |\Z)", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"<Node\(\w+\): ([^>]*)>")
_UNKNOWN = re.compile(r"No conversion rule found for operations: ([^\n]*)")
# Whole numbers of few bits wrap round in ONNX; OpenVINO computes them in more, and takes the nearest that there is.
_ARITHMETIC = frozenset("Add Subtract Multiply Divide Negative Abs Power ReduceSum ReduceProd CumSum".split())
# Whole numbers are computed in 32 bits, and constants cut to them, which is as well where they are bounds of a Slice.
_CUT = frozenset("Add Subtract Multiply Divide Mod FloorMod Power".split())
_WIDE = frozenset({"i64", "u32", "u64"})
_LEAST, _MOST = -(2**31), 2**31 - 1
_NARROW = frozenset({"i8", "u8", "i16", "u16", "i4", "u4"})


def read_graph(source: str | bytes, model: ModelFile, nodes: Sequence[Node]) -> Any:
    """The model as an openvino.Model, its inputs in the file's order.

    Raises MachineError for what OpenVINO does not know, cannot read or would compute otherwise.
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
        if op.get_type_name() == "TopK":
            if op.get_attributes()["sort"] == "none":  # any order will do, and this one may be stable
                op.set_attribute("sort", "value")
            op.set_attribute("stable", True)  # of equal values the first, as ONNX says
        if op.get_type_name() in _ARITHMETIC and op.get_output_element_type(0).get_type_name() in _NARROW:
            type_ = op.get_output_element_type(0).to_dtype().name
            reason = f"it computes in {type_}, whose ends OpenVINO does not go round"
            raise MachineError(f'{model.path}: {reason} ({_told(op, nodes, model)}); use device="cpu" for it')
        if op.get_type_name() in _CUT and (wide := _wide(op)) is not None:
            reason = f"it computes with the constant {wide:,}, which OpenVINO cuts to 32 bits"
            raise MachineError(f'{model.path}: {reason} ({_told(op, nodes, model)}); use device="cpu" for it')
    keep_transposes(graph)
    drop_casts(graph)
    return graph


def _told(op: Any, nodes: Sequence[Node], model: ModelFile) -> str:
    """The node that OpenVINO made an operator of, which it calls as what that gives."""
    name = op.get_friendly_name()
    made = [node for node in nodes if name in node.outputs or name == node.name]
    return told(made[:1], model) if made else str(name)


def _wide(op: Any) -> int | None:
    """A whole number of more than 32 bits, with its sign, among an operator's constants; None without such."""
    for at in range(op.get_input_size()):
        constant = op.input_value(at).get_node()
        if constant.get_type_name() != "Constant" or constant.get_element_type().get_type_name() not in _WIDE:
            continue
        data = constant.get_data()
        for found in (int(data.max()), int(data.min())) if data.size else ():
            if found < _LEAST or found > _MOST:
                return found
    return None


def _unread(model: ModelFile, nodes: Sequence[Node], error: Exception) -> MachineError:
    """What to raise where OpenVINO does not read a model, that onnxruntime may."""
    what = _unknown(str(error), model, nodes) or _unconverted(str(error), model, nodes)
    what = what or f"cannot read it: {clean(str(error))}"
    return MachineError(f'{model.path}: OpenVINO {version()} {what}; use device="cpu" for it')


def _unknown(text: str, model: ModelFile, nodes: Sequence[Node]) -> str | None:
    """The operators that it has no rule for, with their nodes."""
    match = _UNKNOWN.search(text)
    if match is None:
        return None
    names = []
    for each in match[1].split(", "):
        operator = re.sub(r"-\d+$", "", each.strip())
        lack = [node for node in nodes if node.operator == operator.rpartition(".")[2]]
        names.append(f"{operator} ({told(lack, model)})" if lack else operator)
    return f"does not know the operator{'s' * (len(names) > 1)} {', '.join(names)}"


def _unconverted(text: str, model: ModelFile, nodes: Sequence[Node]) -> str | None:
    """The nodes that its rules do not take, each with the last line of what it says."""
    known = {name: node for node in nodes for name in (*node.outputs, node.name)}
    found = []
    for match in _FAILED.finditer(text.partition("Summary:")[0]):
        lines = [line.strip() for line in match[2].splitlines() if line.strip()]
        output = _OUTPUT.search(match[2])
        node = known.get(output[1]) if output else None
        where = f" ({told([node], model)})" if node else ""
        found.append(f"{match[1]}{where}: {clean(lines[-1])}" if lines else f"{match[1]}{where}")
    return f"does not take {'; '.join(found)}" if found else None


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


def places(graph: Any, model: ModelFile, nodes: Sequence[Node]) -> dict[str, int]:
    """Input -> its place among those of an openvino.Model, which leaves out inputs that nothing is computed of.

    Raises MachineError where it leaves out one that a node looks at, such as the peepholes of an LSTM.
    """
    found: dict[str, int] = {}
    free = []
    for at, each in enumerate(graph.inputs):
        names = {each.get_node().get_friendly_name(), *each.names}
        name = next((spec.name for spec in model.inputs if spec.name in names), None)
        if name is None:
            free.append(at)
        else:
            found[name] = at
    lost = [spec.name for spec in model.inputs if spec.name not in found and spec.name not in model.initializers]
    users = {name: [node for node in nodes if _looks_at(node, name)] for name in lost}
    lost = [name for name in lost if users[name]]
    if len(free) == len(lost):  # OpenVINO calls an input as the value that it becomes unchanged
        return found | dict(zip(lost, free, strict=True))
    reason = "OpenVINO asks for inputs that it does not have"
    if lost:
        reason = f"OpenVINO does not look at the input {lost[0]} ({told(users[lost[0]], model)})"
    raise MachineError(f'{model.path}: {reason}; use device="cpu" for it')


def _looks_at(node: Node, name: str) -> bool:
    """Whether a node computes with a value: CastLike asks for the type of its second alone."""
    return name in (node.inputs[:1] if node.operator == "CastLike" else node.inputs)
