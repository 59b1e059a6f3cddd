"""Outputs that are inputs as they came, where OpenVINO 2026.4 mixes up the arrays of the two.

- An input that is an output: the two have one tensor, so that an array that is laid down to write into is read from.
- A Cast of an input to the type that it has, as an output: later runs write into the arrays of earlier ones, the
  caller's inputs among them.

The library is given the second in the form of the first, and no array for either; of the plug-in's models, which nobody
can change, the second are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archonnx.contract.diagnostics import MachineError
from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.nodes import Node, told

_CASTS = frozenset({"Convert", "ConvertLike"})


def drop_casts(graph: Any) -> None:
    """Take the casts that change no type out of an openvino.Model."""
    changed = False
    for op in graph.get_ordered_ops():
        before = op.input_value(0) if op.get_type_name() in _CASTS else None
        if before is not None and before.get_element_type() == op.get_output_element_type(0):
            names = op.output(0).get_names()
            op.output(0).replace(before)
            before.add_names(names)
            changed = True
    if changed:
        graph.validate_nodes_and_infer_types()


def passed_on(graph: Any) -> set[int]:
    """The places of outputs that are inputs as they came."""
    results = enumerate(graph.get_results())
    return {at for at, each in results if each.input_value(0).get_node().get_type_name() == "Parameter"}


def check_casts(model: ModelFile, nodes: Sequence[Node]) -> None:
    """Refuse a model that gives an input cast to its own type, or what may be that. Raises MachineError."""
    given = {spec.name for spec in model.outputs}
    types = {spec.name: spec.dtype for spec in model.inputs}
    casts: dict[str, list[Node]] = {}
    for node in nodes:
        name = node.input(0)
        if name not in types or not node.standard or not node.outputs or not _same_type(node, types):
            continue
        made = node.outputs[0]
        types[made] = types[name]
        casts[made] = [*casts.get(name, ()), *([] if node.operator == "Identity" else [node])]
        if made in given and node.operator != "Identity":
            what = f"{casts[made][-1].operator} of an input to the type that it has ({told(casts[made], model)})"
            reason = f"OpenVINO's plug-in does not keep apart the arrays of: {what}"
            raise MachineError(f'{model.path}: {reason}; use device="cpu" for it')


def _same_type(node: Node, types: dict[str, str]) -> bool:
    if node.operator == "Identity":
        return True
    if node.operator == "CastLike":  # whose second may be a constant, of a type that is not read here
        return types.get(node.input(1), types[node.input(0)]) == types[node.input(0)]
    to = node.attributes.get("to")
    return (
        node.operator == "Cast" and isinstance(to, int) and to in BY_ONNX and BY_ONNX[to].name == types[node.input(0)]
    )
