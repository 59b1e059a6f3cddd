"""The body of an operator that holds a graph: a builder of its own, inside the builder of the graph around it.

A body reads nothing from outside but constants. What else it needs is handed in as one more input: `handed` pairs the
tensor outside with the body's input, for whoever emits the operator to pass along.
"""

from __future__ import annotations

from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder


class Body(Builder):
    """Builds a body. Weights are the outer graph's tensors, so that each is written once."""

    def __init__(self, outer: Builder, name: str) -> None:
        super().__init__(OperatorGraph(name, outer.opset), outer.facts)
        self.outer = outer
        self.origin = outer.origin
        self.sources = outer.sources
        self.handed: list[tuple[Tensor, Tensor]] = []
        self._weights = outer._weights

    def receive(self, name: str, kind: TensorType) -> Tensor:
        """A tensor that stands for an input of the body; the caller decides about the order of inputs."""
        tensor = Tensor(f"{self.outer.origin.prefix}{name}", kind)
        self.carry(tensor, is_input=True)
        return tensor

    def hand_in(self, tensor: Tensor) -> Tensor:
        """A tensor of the outer graph, inside."""
        if tensor.recipe is not None:
            return Tensor(tensor.name, tensor.type, recipe=tensor.recipe) if tensor.stays_inside else tensor
        for outside, inside in self.handed:
            if outside is tensor:
                return inside
        inside = self.receive(tensor.name.rpartition("/")[2], tensor.type)
        self.handed.append((tensor, inside))
        return inside

    def _symbol(self, name: str) -> Tensor:
        """A size that no tensor inside carries is computed outside and handed in."""
        return super()._symbol(name) if name in self.carriers else self.hand_in(self.outer._symbol(name))
