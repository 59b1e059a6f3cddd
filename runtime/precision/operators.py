"""What the operators of a graph take and give in float32, and which of them could do so in half precision: by the
schemas that onnx ships, and a short list for onnxruntime's own operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archonnx.runtime.skeleton import skeleton

FLOAT, BYTES = 1, 2  # TensorProto.FLOAT, UINT8
MICROSOFT = "com.microsoft"
# Operators of onnxruntime's own whose CUDA kernels take float16 for all that is float32: inputs and the first output.
OWN_HALF = frozenset(
    "Gelu FastGelu BiasGelu QuickGelu FusedMatMul SkipLayerNormalization SkipSimplifiedLayerNormalization "
    "MatMulNBits".split()
)
# What they give is decided by an attribute, or by what lies inside of them.
SET_ELSEWHERE = frozenset(
    "Cast CastLike Constant ConstantOfShape EyeLike RandomNormal RandomUniform RandomNormalLike RandomUniformLike "
    "Multinomial Bernoulli If Loop Scan SequenceMap Optional SequenceEmpty".split()
)
NO_HALF = frozenset({"MeanVarianceNormalization"})  # onnxruntime makes operators of it that are of float32


@dataclass(frozen=True, slots=True)
class Floats:
    """The places of a node's inputs and outputs that become half when it does. Where no output does, as with
    comparisons, the node computes in whatever its inputs are there in."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def element_types(source: str | bytes) -> dict[str, int]:
    """The element type of each value of the outermost graph, as far as it can be inferred: onnx's numbers.

    Raises OSError.
    """
    import onnx

    proto = onnx.load_from_string(skeleton(source))
    while True:
        inferred = onnx.shape_inference.infer_shapes(proto)
        graph = inferred.graph
        types = {tensor.name: tensor.data_type for tensor in graph.initializer}
        types |= {tensor.values.name: tensor.values.data_type for tensor in graph.sparse_initializer}
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.HasField("tensor_type"):
                types[value.name] = value.type.tensor_type.elem_type
        added = False
        for node in graph.node:  # inference stops at what onnx does not know
            if node.domain == MICROSOFT and node.op_type in OWN_HALF and node.output[0] not in types:
                kind = types.get(node.input[0])
                if kind:
                    proto.graph.value_info.append(onnx.helper.make_tensor_value_info(node.output[0], kind, None))
                    added = True
        if not added:
            return types


def floats_of(node: Any, types: Mapping[str, int], opset: int, to: str) -> Floats | None:
    """What becomes half where the node computes in `to`, "float16" or "bfloat16"; None where it cannot."""
    if node.domain == MICROSOFT:
        return _own(node, types) if to == "float16" and node.op_type in OWN_HALF else None
    if node.domain not in ("", "ai.onnx") or node.op_type in SET_ELSEWHERE | NO_HALF:
        return None
    import onnx

    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None
    allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
    inputs = _variables(schema.inputs, node.input)
    outputs = _variables(schema.outputs, node.output)
    able = set()
    for variable in set(inputs) & allowed.keys():  # others are types, which stay
        those = [name for name, each in zip(node.input, inputs, strict=True) if each == variable and name]
        if f"tensor({to})" in allowed[variable] and those and all(types.get(name) == FLOAT for name in those):
            able.add(variable)
    bound = {each for name, each in zip(node.input, inputs, strict=True) if name}
    loose = {each for name, each in zip(node.output, outputs, strict=True) if name} - bound
    if any(f"tensor({to})" in allowed.get(each, ()) for each in loose):
        return None  # what the output is then, the operator's own rules say
    places = tuple(place for place, each in enumerate(inputs) if each in able and node.input[place])
    given = tuple(place for place, each in enumerate(outputs) if each in able and node.output[place])
    return Floats(places, given) if places else None


def _own(node: Any, types: Mapping[str, int]) -> Floats | None:
    floats = tuple(place for place, name in enumerate(node.input) if name and types.get(name) == FLOAT)
    whole = all(types.get(name) in (FLOAT, BYTES) for name in node.input if name)
    alone = sum(bool(name) for name in node.output) == 1
    return Floats(floats, (0,)) if whole and alone else None


def _variables(formal: Any, actual: Any) -> list[str]:
    """The type variable of each actual parameter; the last formal one may stand for several."""
    return [formal[min(place, len(formal) - 1)].type_str if len(formal) else "" for place in range(len(actual))]
