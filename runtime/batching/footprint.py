"""The memory that one run of a model takes beside its weights: what its nodes give, from when it is made until it was
last read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archonnx.contract.dtypes import BY_ONNX
from archonnx.runtime.work import evaluated

# What gives back its input in another shape: onnxruntime makes no new array.
_VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"})
# What writes over an input that nobody reads after it, or becomes part of the node before it.
_IN_PLACE = frozenset(
    "Add BatchNormalization Clip Div Elu Erf Gelu HardSigmoid HardSwish LeakyRelu Mul Neg Pow PRelu Relu Sigmoid "
    "Softmax Softplus Sqrt Sub Tanh".split()
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of runs of any number of rows. fixed, row: bytes at the fullest moment, and how many more each row takes;
    widest: the elements a row has in the largest tensor; unknown: the values whose size onnx does not infer."""

    fixed: int
    row: int
    widest: int
    unknown: int

    def bytes(self, rows: int) -> int:
        """What a run of so many rows takes."""
        return self.fixed + rows * self.row


@dataclass(frozen=True, slots=True)
class _Moment:
    peak: int
    widest: int
    unknown: int


def footprint(model: bytes, sizes: Mapping[str, int], rows: Sequence[str]) -> Footprint:
    """How much memory runs take whose inputs have these sizes.

    model: a ModelProto, with or without weights; sizes: of its inputs' symbols, and as `x.0` of axes without a name;
    rows: those of them that stand for the rows, whose number does not matter.
    """
    few, more = (_moment(model, {**sizes, **dict.fromkeys(rows, count)}) for count in (1, 9))
    row = max(0, -(-(more.peak - few.peak) // 8))
    return Footprint(max(0, few.peak - row), row, -(-more.widest // 9), more.unknown)


def _moment(model: bytes, sizes: Mapping[str, int]) -> _Moment:
    """The fullest moment of a run with these sizes."""
    graph = _sized(model, sizes)
    sizes_of, unknown = _bytes(graph)
    last: dict[str, int] = {}
    for number, node in enumerate(graph.node):
        last |= dict.fromkeys(node.input, number)
    for output in graph.output:
        last[output.name] = len(graph.node)
    held = {value.name for value in [*graph.input, *graph.initializer]}
    owner: dict[str, str] = {}  # a value -> the one whose memory it has
    for number, node in enumerate(graph.node):
        first = owner.get(node.input[0], node.input[0]) if node.input else ""
        if first not in sizes_of or not node.output or node.output[0] not in sizes_of:
            continue
        done = last.get(first) == number and first not in held and sizes_of[first] == sizes_of[node.output[0]]
        if node.op_type in _VIEWS or (node.op_type in _IN_PLACE and done):
            owner[node.output[0]] = first
            last[first] = max(last.get(first, number), last.get(node.output[0], number))
    ends: dict[int, list[str]] = {}
    for name, number in last.items():
        ends.setdefault(number, []).append(name)
    live, peak, alive = 0, 0, set()
    for number, node in enumerate(graph.node):
        for name in node.output:
            if name in sizes_of and name not in owner and name not in held:
                live += sizes_of[name]
                alive.add(name)
                if name not in last:
                    ends.setdefault(number, []).append(name)
        peak = max(peak, live)
        for name in ends.get(number, ()):
            if name in alive:
                alive.remove(name)
                live -= sizes_of[name]
    widest = max(_elements(graph).values(), default=0)
    return _Moment(peak, widest, unknown)


def _sized(model: bytes, sizes: Mapping[str, int]) -> Any:
    """The graph with the shapes that onnx infers for these sizes."""
    import onnx

    proto = onnx.load_from_string(model)
    held = {each.name for each in proto.graph.initializer}
    for value in proto.graph.input:
        if value.name in held or not value.type.HasField("tensor_type"):
            continue
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value < 0:
                name = dim.dim_param or f"{value.name}.{axis}"
                # An axis may have a name that counts for nothing: then it goes by where it stands.
                size = sizes.get(f"{value.name}.{axis}", sizes.get(name) or evaluated(name, sizes))
                dim.dim_value = 1 if size is None else size
    declared = {}
    for value in [*proto.graph.value_info, *proto.graph.output]:
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"):
            found = [
                dim.dim_value if dim.HasField("dim_value") else evaluated(dim.dim_param, sizes)
                for dim in value.type.tensor_type.shape.dim
            ]
            if None not in found:
                declared[value.name] = (value.type.tensor_type.elem_type, found)
    del proto.graph.value_info[:]
    for output in proto.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    except onnx.shape_inference.InferenceError:
        graph = proto.graph
    known = {value.name for value in graph.value_info if _elements_of(value) is not None}
    for name, (kind, dims) in declared.items():  # of operators that onnx does not know
        if name not in known:
            graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind, dims))
    return graph


def _elements_of(value: Any) -> int | None:
    """How many elements a value has, None where its shape is not known."""
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    if any(not dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return math.prod(int(dim.dim_value) for dim in tensor.shape.dim)


def _elements(graph: Any) -> dict[str, int]:
    found = {value.name: _elements_of(value) for value in [*graph.input, *graph.output, *graph.value_info]}
    return {name: count for name, count in found.items() if count is not None}


def _bytes(graph: Any) -> tuple[dict[str, int], int]:
    """Bytes by value, and how many values of nodes have no known shape."""
    counts = _elements(graph)
    kinds = {v.name: v.type.tensor_type.elem_type for v in [*graph.input, *graph.output, *graph.value_info]}
    found = {
        name: -(-count * BY_ONNX[kinds[name]].bits // 8) for name, count in counts.items() if kinds[name] in BY_ONNX
    }
    made = [name for node in graph.node for name in node.output if name]
    return found, sum(name not in counts for name in made)
