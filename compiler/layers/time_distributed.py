"""TimeDistributed: a layer or a block applied to each step of time by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.common import product, require_equal, require_least_rank
from archonnx.compiler.layers.domains import LayerOrBlock
from archonnx.compiler.layers.inner import lower_inner
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.graph import LayerGraph, Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


@dataclass(slots=True, eq=False)
class Distributed:
    """The layer inside, elaborated for one application.

    The graph's inputs are the application's first ones with batch and time as one axis, then the mask where it has axes
    past time; its outputs likewise. `captured` are values from outside that it reads, the application's last inputs.
    """

    graph: LayerGraph
    captured: tuple[Value, ...]
    kinds: tuple[TensorType | None, ...]
    results: tuple[TensorType, ...]

    @property
    def is_pointwise(self) -> bool:
        """Whether it is one layer from the one input to the one result, the same at each place of their axes."""
        graph = self.graph
        if len(graph.nodes) != 1 or not graph.nodes[0].layer.pointwise:
            return False
        (node,) = graph.nodes
        return node.inputs == (graph.inputs[0].value,) and node.outputs == tuple(o.value for o in graph.outputs)


class TimeDistributed(Layer):
    """Applies a layer, or a block, to each step of time: [batch, time, ...] to [batch, time, ...].

    Batch and time are one axis for the layer inside, which sees [batch * time, ...] and has one set of weights.
    """

    inputs = ("*inputs",)
    masking = "use"
    runs_layer = True
    layer = arg(LayerOrBlock(), doc="What is applied to each step: a layer, or a block with its arguments.")
    keras = "TimeDistributed"
    onnx = ("Reshape",)
    formula = "y[:, t] = layer(inputs[:, t]) for every step t"
    example = """input video: float32[N, 8, 32, 32, 3]
TimeDistributed(Conv2D(4, 3, activation="relu"))
TimeDistributed(GlobalAveragePooling2D())"""

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self.applications: dict[str, Distributed] = {}  # by the name of the node, filled by the elaborator
        self.applied: Distributed | None = None  # the one that is being applied

    def step_types(self, c: Context, types: Sequence[TensorType]) -> list[TensorType]:
        """What the layer inside sees of inputs of these types. E0302, E0308 and E0309 where it cannot."""
        first = types[0]
        for number, x in enumerate(types):
            require_least_rank(self, x, 3, input=number)
            for axis in (0, 1):
                require_equal(self, c.facts, first.shape[axis], x.shape[axis], types, input=number, axis=axis)
        merged = first.shape[0] * first.shape[1]
        return [TensorType(x.dtype, (merged, *x.shape[2:])) for x in types]

    def result_type(self, c: Context, first: TensorType, inside: TensorType) -> TensorType:
        """The type of a result that is `inside` for the layer inside. E0302 where it is not one for each step."""
        merged = first.shape[0] * first.shape[1]
        if not inside.shape or not (inside.shape[0] == merged or c.facts.equal(inside.shape[0], merged) is Verdict.YES):
            raise LayerError(
                "E0302",
                f"TimeDistributed needs a result for each step: a first axis of {merged}, batch times time, "
                f"and {self.layer} gives {inside}",
                argument="layer",
            )
        return TensorType(inside.dtype, (*first.shape[:2], *inside.shape[1:]))

    def infer(self, c: Context, *inputs: TensorType | None) -> tuple[TensorType, ...]:
        assert self.applied is not None
        return self.applied.results

    def merge_masks(self, masks: list[Value | None], apply: Callable[..., Value]) -> Value | None:
        """The steps that the mask leaves; of a mask with more axes those where it leaves anything."""
        mask = masks[0]
        if mask is None or mask.type.rank == 2:
            return mask
        return apply("any", mask, axis=tuple(range(2, mask.type.rank)))

    def macs(self, inputs: tuple[TensorType | None, ...], outputs: tuple[TensorType, ...]) -> Dim:
        inside = next(a for a in self.applications.values() if a.kinds == inputs)
        return inside.graph.macs()

    def lower(self, b: Builder, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        from archonnx.compiler.lowering.lower import lower_node

        assert b.node is not None
        node, origin = b.node, b.origin
        inside = self.applications[node.name]
        given = [t for t in inputs if t is not None]
        first, nodes = given[0], inside.graph.nodes
        if inside.is_pointwise:
            made = lower_inner(b, nodes[0].layer, first)  # batch and time need not become one axis
            return made if isinstance(made, tuple) else (made,)
        mask = b.mask(0)
        entering = [
            *given[: len(given) - len(inside.captured)],
            *([mask] if mask is not None and mask.rank > 2 else []),
        ]
        for received, tensor in zip(inside.graph.inputs, entering, strict=True):
            merged = product(tensor.shape[:2])
            b.tensors[id(received.value)] = b.reshape(tensor, (merged, *tensor.shape[2:]))
        for one in nodes:
            lower_node(one, b)
        b.node, b.origin = node, origin
        results = [b.tensor_of(output.value) for output in inside.graph.outputs]
        return tuple(b.reshape(t, (*first.shape[:2], *t.shape[1:])) for t in results)
