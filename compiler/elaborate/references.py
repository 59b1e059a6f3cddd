"""A weight as a tensor: what `weight scale: [D] = "ones"` and `embed.embeddings` stand for in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType, Weight
from archonnx.compiler.layers.base import Layer

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class Reference(Layer):
    """A weight's value. It has no inputs, and is not shown."""

    inputs = ()
    hidden = True
    masking = "drop"
    abstract = True

    def __init__(self, weight: Weight) -> None:
        super().__init__({})
        self.weights = {"value": weight}

    @property
    def type_name(self) -> str:
        return "weight"

    def infer(self, c: Context, *inputs: Any) -> TensorType:
        weight = self.weights["value"]
        return TensorType(weight.dtype, weight.shape)

    def lower(self, b: Builder, *inputs: Any) -> Tensor:
        return b.weight("value")
