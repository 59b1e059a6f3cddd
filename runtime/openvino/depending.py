"""What OpenVINO computes otherwise than ONNX says by the operator set, the axes or the constants of a model.

Found by running operators of opsets 7 to 21 on OpenVINO 2026.4 and on onnxruntime's CPU provider, with open sizes and
fixed ones (tests/runtime/openvino/test_depending.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from archonnx.runtime.modelfile import ModelFile
from archonnx.runtime.openvino.nodes import Node
from archonnx.runtime.skeleton import skeleton

_ALIKE = frozenset("Add Sub Mul Div Pow Where Max Min Sum".split())
_AS_FIRST = frozenset(
    "Abs AveragePool BatchNormalization Cast Clip Concat Conv Dropout Elu Erf Exp Gelu GlobalAveragePool HardSigmoid "
    "HardSwish Identity LayerNormalization LeakyRelu LogSoftmax MaxPool Neg Pad Reciprocal Relu Sigmoid Slice Softmax "
    "Softplus Split Sqrt Tanh".split()
)


class Surroundings:
    """A model around its nodes, as far as it is known before it runs. Inside of branches and loops nothing is."""

    def __init__(self, source: str | bytes, model: ModelFile, nodes: Sequence[Node]) -> None:
        self._source, self._model, self._nodes = source, model, nodes
        self.opset = model.opsets.get("", 1)

    @cached_property
    def _graph(self) -> Any:
        import onnx

        proto = onnx.load_from_string(skeleton(self._source))
        try:
            return onnx.shape_inference.infer_shapes(proto).graph
        except onnx.shape_inference.InferenceError:
            return proto.graph

    @cached_property
    def _shapes(self) -> dict[str, list[int]]:
        found = {each.name: list(each.dims) for each in self._graph.initializer}
        for value in [*self._graph.input, *self._graph.value_info, *self._graph.output]:
            tensor = value.type.tensor_type
            if tensor.HasField("shape"):
                found[value.name] = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
        return found

    def shape(self, node: Node, at: int) -> list[int] | None:
        """The sizes of an input, -1 for an open one; None where not even the rank is known."""
        return self._shapes.get(node.input(at)) if node.outer else None

    @cached_property
    def _ranks(self) -> dict[str, int]:
        """How many axes values have: as onnx infers, and on from there where it knows a shape no more."""
        found = {name: len(shape) for name, shape in self._shapes.items()}
        for node in self._nodes:
            if node.outer and (rank := self._rank_of(node, [found.get(name) for name in node.inputs])) is not None:
                for output in node.outputs:
                    found.setdefault(output, rank)
        return found

    def _rank_of(self, node: Node, ranks: Sequence[int | None]) -> int | None:
        known = [rank for rank in ranks if rank is not None]
        perm, target = node.attributes.get("perm"), self._shapes.get(node.input(1))
        if node.operator == "Transpose" and isinstance(perm, list):
            return len(perm)
        if node.operator == "Reshape" and target is not None and len(target) == 1 and target[0] >= 0:
            return target[0]
        if not known or len(known) < len(ranks):
            return known[0] if ranks and ranks[0] is not None and node.operator in _AS_FIRST else None
        if node.operator in _ALIKE or (node.operator == "MatMul" and min(known) > 1):
            return max(known)
        axes = node.attributes.get("axes")
        if node.operator in ("Squeeze", "Unsqueeze"):
            more = len(axes) if isinstance(axes, list) else 0
            return known[0] + (more if node.operator == "Unsqueeze" else -more) if more else None
        kept = node.operator.startswith("Reduce") and node.attributes.get("keepdims", 1)
        return known[0] if kept or node.operator in _AS_FIRST else None

    def rank(self, node: Node, at: int) -> int | None:
        """How many axes an input has, where that is known."""
        return self._ranks.get(node.input(at)) if node.outer else None

    def fixed(self, name: str) -> bool:
        """Whether a value is a constant of the file."""
        made = {output for node in self._nodes if node.operator == "Constant" for output in node.outputs}
        return name in made | self._model.initializers

    def number(self, name: str) -> int | None:
        """What a constant of one element holds; None where it is no constant, or its data lies elsewhere."""
        from onnx import TensorProto, numpy_helper

        tensors = {each.name: each for each in self._graph.initializer if each.name in self._model.initializers}
        for node in self._graph.node:
            if node.op_type == "Constant" and node.output[0] == name and node.attribute[0].name == "value":
                tensors[name] = node.attribute[0].t
        found = tensors.get(name)
        if found is None or found.data_location == TensorProto.EXTERNAL:
            return None
        array = numpy_helper.to_array(found)
        return int(array.reshape(-1)[0]) if array.size == 1 else None


def _softmax(node: Node, around: Surroundings) -> str | None:
    """In these two sets it works along the axis and all behind it; OpenVINO along the axis alone."""
    if around.opset not in (11, 12):
        return None
    shape, axis = around.shape(node, 0), int(str(node.attributes.get("axis", 1)))
    if axis in (-1, (around.rank(node, 0) or 0) - 1):
        return None
    if shape is not None and all(size == 1 for size in shape[axis:][1:]):
        return None
    return f"opset {around.opset} along more axes than the last"


def _reduced(node: Node, around: Surroundings) -> str | None:
    if 13 <= around.opset < 18 and "axes" in node.attributes:
        return f"opset {around.opset} over some axes"
    return None if node.operator == "ReduceLogSumExp" else _unreduced(node, around)


def _unreduced(node: Node, around: Surroundings) -> str | None:
    """Where nothing is reduced, OpenVINO gives the input as it is, without its absolute value or its logarithm."""
    return "noop_with_empty_axes=1" if node.attributes.get("noop_with_empty_axes", 0) and not node.input(1) else None


def _slopes(node: Node, around: Surroundings) -> str | None:
    """Slopes of one axis belong to the last one; OpenVINO takes them for those of the channels."""
    slopes = around.shape(node, 1)
    if slopes is not None and (len(slopes) != 1 or slopes == [1]):
        return None
    return None if around.rank(node, 0) == 2 else "slopes along the last axis"


def _loop(node: Node, around: Surroundings) -> str | None:
    """Where no round is run, what it collects is left as the run before had it."""
    if not any(node.outputs[max(0, len(node.inputs) - 2) :]):
        return None
    rounds, test = node.input(0), node.input(1)
    if rounds and (around.number(rounds) or 0) >= 1 and (not test or around.number(test) == 1):
        return None
    return "results that it collects, and perhaps no rounds"


def _tile(node: Node, around: Surroundings) -> str | None:
    """OpenVINO leaves the result as its memory was."""
    if around.fixed(node.input(1)):
        return None
    return "counts that are computed and 4 axes or more" if (around.rank(node, 0) or 4) >= 4 else None


def _dft(node: Node, around: Surroundings) -> str | None:
    """The axis is an attribute up to opset 19, which OpenVINO counts from the end without the last one, and an input
    after that, which it does not look at."""
    if around.opset < 20:
        axis = node.attributes.get("axis", 1)
        return f"axis={axis}" if isinstance(axis, int) and axis < 0 else None
    named = around.number(node.input(2)) if node.input(2) else -2
    rank = around.rank(node, 0) or 0
    return None if named is not None and named in (1, 1 - rank) else "another axis than 1"


def _drawn(node: Node, around: Surroundings) -> str | None:
    """OpenVINO leaves the result as its memory was where exponentials of the scores overflow."""
    return "scores that it may overflow on"


DEPENDING: dict[str, Callable[[Node, Surroundings], str | None]] = {
    "DFT": _dft,
    "Loop": _loop,
    "Multinomial": _drawn,
    "PRelu": _slopes,
    "ReduceL1": _reduced,
    "ReduceL2": _unreduced,
    "ReduceLogSum": _reduced,
    "ReduceLogSumExp": _reduced,
    "Softmax": _softmax,
    "Tile": _tile,
}
