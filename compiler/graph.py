"""The layer graph: what a model is once its file is elaborated. Typed values, applied layers, weights, source places.

LayerGraph.nodes      applied layers in an order in which every value is produced before it is used
Node.layer            the layer with its arguments (layers.base.Layer); one layer may be applied by several nodes
Layer.weights         local name -> Weight, filled when the layer is first applied; shared by all its applications
Value.type            dtype and exact shape; a dimension is an int or a contract.dims expression over symbols
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archonnx.contract.diagnostics import Frame, Place

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Layer
    from archonnx.compiler.weights.initializers import Initializer
    from archonnx.contract.dims import Condition, Dim, Facts


@dataclass(frozen=True, slots=True)
class TensorType:
    """`float32[N, 224, 224, 3]`. `dtype` is a name of contract.dtypes.DTYPES."""

    dtype: str
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(slots=True, eq=False, repr=False)
class Value:
    """A tensor of the layer graph: an input of the model (`producer` None) or result `index` of a node."""

    type: TensorType
    producer: Node | None
    index: int
    name: str  # the input's name, or the producer's unique name, with `:index` for a later result
    mask: Value | None = None  # Keras' mask, a bool tensor, where one travels with this value
    place: Place | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {self.type}>"


@dataclass(slots=True, eq=False, repr=False)
class Weight:
    """A weight or buffer. `path` is `scope/layer/name`: the name of its initializer in the ONNX file."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    initializer: Initializer
    trainable: bool
    place: Place

    def __repr__(self) -> str:
        return f"<{self.path}: {self.dtype}{list(self.shape)}>"

    @property
    def size(self) -> int:
        """The number of elements."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One application of a layer.

    `path` is the layer's (`stage_1/bottleneck/conv2d`); `use` counts its applications from 0, and `name`, which is
    unique in the graph, is the path, with `#use` from the second application on.
    """

    path: str
    use: int
    layer: Layer
    inputs: tuple[Value | None, ...]  # None: an optional input left out
    outputs: tuple[Value, ...] = ()
    place: Place | None = None
    trail: tuple[Frame, ...] = ()
    block_trail: tuple[str, ...] = ()  # constructor of each enclosing block, outermost first, one a scope of `path`

    def __repr__(self) -> str:
        return f"<{self.name}: {self.type_name} of {list(self.inputs)} -> {list(self.outputs)}>"

    @property
    def name(self) -> str:
        return self.path if self.use == 0 else f"{self.path}#{self.use}"

    @property
    def type_name(self) -> str:
        """The constructor's name, `Conv2D`, as summaries print it."""
        return self.layer.type_name

    @property
    def results(self) -> tuple[Value, ...]:
        """The outputs that the language gives names to: without the mask of a layer that makes one."""
        return self.outputs[:-1] if self.layer.makes_mask and len(self.outputs) > 1 else self.outputs


@dataclass(slots=True, eq=False, repr=False)
class Input:
    """An input of the model. `family` is `past` and `position` its number for `input past[n]`."""

    name: str
    value: Value
    optional: bool = False
    family: str | None = None
    place: Place | None = None

    def __repr__(self) -> str:
        return f"<input {self.name}: {self.value.type}>"


@dataclass(slots=True, eq=False, repr=False)
class Output:
    """An output. `state` names the input whose next value it is."""

    name: str
    value: Value
    state: str | None = None
    family: str | None = None
    place: Place | None = None

    def __repr__(self) -> str:
        return f"<output {self.name}: {self.value.type}>"


@dataclass(frozen=True, slots=True)
class Requirement:
    """A `require` over symbols that could not be decided while elaborating: the runtime checks it on every call."""

    condition: Condition
    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Asset:
    """`asset labels = "imagenet.txt"`: the file's bytes, which travel in the artifact."""

    name: str
    file: str
    data: bytes
    place: Place | None = None


@dataclass(slots=True, eq=False, repr=False)
class LayerGraph:
    """A model, elaborated. `arguments`: its parameters' values as text; `left_out`: the layers that no output needs."""

    name: str
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    assets: dict[str, Asset] = field(default_factory=dict)
    facts: Facts = None  # type: ignore[assignment]  # set by the elaborator: what `require` made known of the symbols
    documentation: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    left_out: list[Node] = field(default_factory=list)
    place: Place | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {self.inputs} -> {self.outputs}, {len(self.nodes)} nodes>"

    def weights(self) -> Iterator[Weight]:
        """Every weight once, in the order of first application."""
        seen: set[int] = set()
        for node in self.nodes:
            for weight in node.layer.weights.values():
                if id(weight) not in seen:
                    seen.add(id(weight))
                    yield weight

    def macs(self) -> Dim:
        """The multiply-accumulates of one run of every node, over the symbols."""
        total: Dim = 0
        for node in self.nodes:
            kinds = tuple(None if value is None else value.type for value in node.inputs)
            total = total + node.layer.macs(kinds, tuple(value.type for value in node.outputs))
        return total
