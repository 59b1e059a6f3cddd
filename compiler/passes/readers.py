"""Who reads what in a graph, of the operators that an output needs: those that nobody needs do not count."""

from __future__ import annotations

from collections import defaultdict

from archonnx.compiler.ir import OperatorGraph, Tensor

OUTPUT = -1  # stands for an output of the graph, as a reader


class Readers:
    """Found in one go; a pass that changes who reads what asks anew.

    live: the ids of the operators that an output needs.
    """

    def __init__(self, graph: OperatorGraph) -> None:
        self.graph = graph
        self.live: set[int] = set()
        self._readers: dict[int, list[int]] = defaultdict(list)
        for _, tensor in graph.outputs:
            self._readers[id(tensor)].append(OUTPUT)
        for operator in reversed(graph.operators):
            if any(id(tensor) in self._readers for tensor in operator.outputs):
                self.live.add(id(operator))
                for read in operator.inputs:
                    if read is not None:
                        self._readers[id(read)].append(id(operator))

    def read(self, tensor: Tensor) -> bool:
        """Whether anything needs it."""
        return id(tensor) in self._readers

    def only(self, tensor: Tensor) -> bool:
        """Whether one operator alone reads it, once, and it is no output."""
        found = self._readers.get(id(tensor), [])
        return len(found) == 1 and found[0] != OUTPUT

    def of_weights(self) -> dict[int, set[int]]:
        """The ids of the operators that read each weight, by the weight's id, whatever form of it; bodies' too."""
        found: dict[int, set[int]] = defaultdict(set)
        for operator in self.graph.operators:
            if id(operator) in self.live:
                self._enter(found, operator.inputs, id(operator))
        for operator in self.graph.everywhere():
            for body in operator.bodies.values():
                for inner in body.operators:
                    self._enter(found, inner.inputs, id(inner))
                self._enter(found, [tensor for _, tensor in body.outputs], OUTPUT)
        self._enter(found, [tensor for _, tensor in self.graph.outputs], OUTPUT)
        return found

    @staticmethod
    def _enter(found: dict[int, set[int]], tensors: list[Tensor | None] | list[Tensor], reader: int) -> None:
        for tensor in tensors:
            if tensor is not None and tensor.recipe is not None:
                for weight in tensor.recipe.weights():
                    found[id(weight)].add(reader)
