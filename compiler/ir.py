"""The operator graph: ONNX operators over tensors with types, and weights as recipes, evaluated only while writing.

    Tensor       a value: name, dtype, exact shape; `recipe` where it is a constant or a weight
    Operator     one ONNX node, with the place in the source that it came from
    Recipe       how the bytes of a constant come about: a source, then transpose, reshape, cast, slice, concatenate

What a graph looks like never depends on the values of its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType

if TYPE_CHECKING:
    from archonnx.compiler.recipes import Recipe
    from archonnx.contract.diagnostics import Frame, Place
    from archonnx.contract.dims import Dim


@dataclass(slots=True, eq=False)
class Tensor:
    """A value of the operator graph.

    `stands_for` is the name of the layer graph's value that this tensor holds, and `permutation` how its axes are
    ordered there: axis i of this tensor is axis permutation[i] of that value (None: the same order).
    """

    name: str
    type: TensorType
    producer: Operator | None = None
    recipe: Recipe | None = None
    stands_for: str | None = None
    permutation: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    @property
    def is_constant(self) -> bool:
        return self.recipe is not None


@dataclass(slots=True, eq=False)
class Operator:
    """One ONNX node. Attributes are int, float, str, bytes, lists of them, or numpy arrays for tensors."""

    type: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    attributes: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    name: str = ""
    layer: str = ""  # the layer's path, `stage_1/bottleneck/conv2d`
    place: Place | None = None
    trail: tuple[Frame, ...] = ()


@dataclass(slots=True, eq=False)
class OperatorGraph:
    """A model as operators, in an order in which every tensor is produced before it is used."""

    name: str
    opset: int
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[tuple[str, Tensor]] = field(default_factory=list)  # name in the file, tensor
    operators: list[Operator] = field(default_factory=list)
    domains: dict[str, int] = field(default_factory=dict)  # versions of the domains other than ONNX's own
    documentation: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    def constants(self) -> Iterator[Tensor]:
        """Every constant that an operator or output uses, once, in order of first use."""
        seen: set[int] = set()
        for operator in self.operators:
            for tensor in operator.inputs:
                if tensor is not None and tensor.recipe is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor
        for _, tensor in self.outputs:
            if tensor.recipe is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor
