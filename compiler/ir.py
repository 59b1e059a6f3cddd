"""The operator graph: ONNX operators over tensors with types, and weights as recipes, evaluated only while writing.

    Tensor       a value: name, dtype, exact shape; `recipe` where it is a constant or a weight
    Operator     one ONNX node, with the place in the source that it came from
    Recipe       how the bytes of a constant come about: a source, then transpose, reshape, cast, slice, concatenate

What a graph looks like never depends on the values of its weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType

if TYPE_CHECKING:
    from archonnx.compiler.passes.changes import Change
    from archonnx.compiler.passes.quantize_weights import Quantization
    from archonnx.compiler.passes.store_in_half import Halving
    from archonnx.compiler.recipes import Recipe
    from archonnx.contract.diagnostics import Frame, Place
    from archonnx.contract.dims import Dim


INNER_LITERAL = 1024  # elements of a literal that a body holds itself


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

    @property
    def stays_inside(self) -> bool:
        """Whether a body that uses this constant holds it itself: a small literal, which inference reads there."""
        recipe = self.recipe
        return recipe is not None and self.dtype != "string" and recipe.size <= INNER_LITERAL and recipe.is_literal


@dataclass(frozen=True, slots=True)
class Merged:
    """An operator of another layer that a pass made part of this one: its type, that layer's path and place."""

    type: str
    layer: str
    place: Place | None


@dataclass(slots=True, eq=False)
class Operator:
    """One ONNX node.

    Attributes are int, float, str, bytes, lists of them, numpy arrays for tensors, onnx's message for a
    sparse one, or an OperatorGraph: a body, which reads nothing from outside but constants.
    """

    type: str
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    attributes: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    name: str = ""
    layer: str = ""  # the layer's path, `stage_1/bottleneck/conv2d`
    place: Place | None = None
    trail: tuple[Frame, ...] = ()
    merged: tuple[Merged, ...] = ()  # what it does beside its own
    omissible: frozenset[int] = frozenset()  # results that have no name where nothing reads them

    @property
    def bodies(self) -> dict[str, OperatorGraph]:
        """The attributes that are graphs."""
        return {n: v for n, v in self.attributes.items() if isinstance(v, OperatorGraph)}


@dataclass(slots=True, eq=False)
class OperatorGraph:
    """A model, or the body of an operator, in an order in which every tensor is produced before it is used."""

    name: str
    opset: int
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[tuple[str, Tensor]] = field(default_factory=list)  # name in the file, tensor
    operators: list[Operator] = field(default_factory=list)
    domains: dict[str, int] = field(default_factory=dict)  # versions of the domains other than ONNX's own
    measured: frozenset[str] = frozenset()  # symbols of sizes that depend on data: no input's shape tells them
    documentation: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)  # what it was lowered with, as CompiledModel.lower takes it
    changes: list[Change] = field(default_factory=list)  # what passes did to it, in order
    quantization: Quantization | None = None  # what became of its matrices, where they were to be quantized
    halving: Halving | None = None  # what became of its weights, where they were to be stored in half

    def constants(self) -> Iterator[Tensor]:
        """Every constant that this graph holds, once, in order of first use: its own, and what bodies read of it."""
        yield from _once(self._constants_read(inside=False))

    def literals(self) -> Iterator[Tensor]:
        """The constants that this graph, a body, holds itself, once, in order of first use."""
        yield from _once(t for o in self.operators for t in o.inputs if t is not None and t.stays_inside)

    def everywhere(self) -> Iterator[Operator]:
        """Every operator, those of a body before the one that it belongs to."""
        for operator in self.operators:
            for body in operator.bodies.values():
                yield from body.everywhere()
            yield operator

    def _constants_read(self, inside: bool) -> Iterator[Tensor]:
        for operator in self.operators:
            for tensor in operator.inputs:
                if tensor is not None and tensor.recipe is not None and not (inside and tensor.stays_inside):
                    yield tensor
            for body in operator.bodies.values():
                yield from body._constants_read(inside=True)
        for _, tensor in self.outputs:
            if tensor.recipe is not None:
                yield tensor


def _once(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    seen: set[int] = set()
    for tensor in tensors:
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor
