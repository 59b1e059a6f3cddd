"""A model of ONNX that another tool wrote as an operator graph: what the output needs, in an order of its own.

1. Nodes are put in the order in which the outputs ask for them, so that it depends on what is computed alone.
2. Equal constants and equal nodes become one, Identity none.
3. Types are what onnx infers from our inputs; an unknown size is a symbol that no input tells.
4. Names are given anew, by layer where the node's name tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import Node, TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.contract.dims import symbol
from archonnx.contract.dtypes import BY_ONNX

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

    from archonnx.compiler.recipes import Recipe
    from archonnx.contract.dims import Dim

DRAWING = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
KEPT_ELEMENTS = 1024  # constants up to this size are shown to inference, for the shapes in them
Owner = Callable[[str], "Node | None"]  # the node of the layer graph that a node of theirs comes from, by its name
Recipes = Callable[["TensorProto", Sequence[Node]], "Recipe"]  # a constant, and the layers that read it


@dataclass(slots=True)
class Port:
    """An input or output: their name, ours, and our type."""

    theirs: str
    name: str
    type: TensorType


def read(
    model: ModelProto, inputs: Sequence[Port], outputs: Sequence[Port], owner: Owner, recipes: Recipes
) -> OperatorGraph:
    """The graph of a message, its inputs and outputs ours."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    graph = OperatorGraph(model.graph.name, versions[""])
    reader = _Reader(_types(model, inputs), owner, recipes, graph)
    scope = _Scope(reader, model.graph, None)
    for port in inputs:
        tensor = scope.tensors[port.theirs] = Tensor(port.name, port.type)
        graph.inputs.append(tensor)
    for port in outputs:
        held = scope.tensor(port.theirs)
        # A result under two names needs two tensors: naming puts an Identity between.
        if held.producer is not None and not any(t is held for _, t in graph.outputs):
            held.type = port.type
        graph.outputs.append((port.name, held))
    graph.operators = scope.operators
    used = {operator.domain for operator in graph.everywhere()}
    graph.domains = {domain: version for domain, version in versions.items() if domain and domain in used}
    graph.measured = frozenset(reader.unknown)
    return graph


@dataclass(slots=True)
class _Reader:
    types: Mapping[str, ValueInfoProto]
    owner: Owner
    recipes: Recipes
    graph: OperatorGraph
    unknown: list[str] = field(default_factory=list)

    def type_of(self, name: str, declared: ValueInfoProto | None = None) -> TensorType:
        """What is known of a tensor's type; a symbol for each size that is not."""
        value = self.types.get(name) or declared
        if value is None:
            return TensorType("float32", ())
        kind = value.type.tensor_type
        dtype = BY_ONNX[kind.elem_type].name if kind.elem_type in BY_ONNX else "float32"
        return TensorType(dtype, tuple(self._size(d) for d in kind.shape.dim))

    def _size(self, dim: Any) -> Dim:
        if dim.HasField("dim_value"):
            return int(dim.dim_value)
        name = f"unknown_{len(self.unknown)}"
        self.unknown.append(name)
        return symbol(name, 0)


class _Scope:
    """One graph on its way, the model's or a body's; names that it does not give are looked for in the one around."""

    def __init__(self, reader: _Reader, proto: GraphProto, outer: _Scope | None) -> None:
        self.reader, self.proto, self.outer = reader, proto, outer
        self.tensors: dict[str, Tensor] = {}
        self.operators: list[Operator] = []
        self.constants: dict[str, TensorProto] = {one.name: one for one in proto.initializer}
        self.producers = {name: node for node in proto.node for name in node.output if name}
        self.same: dict[Hashable, Operator] = {}  # operators by what they compute
        self.literals: dict[Hashable, Tensor] = {}  # constants by what they hold
        self.consumers: dict[str, list[str]] = {}
        for node in proto.node:
            for name in (*node.input, *_free(node)):
                self.consumers.setdefault(name, []).append(node.name)

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; what it is computed from comes before it."""
        found = self._given(name)
        if found is not None:
            return found
        waiting: list[tuple[NodeProto, bool]] = [(self.producers[name], False)]
        while waiting:
            node, ready = waiting.pop()
            if any(name in self.tensors for name in node.output if name):
                continue
            if ready:
                self._add(node)
                continue
            waiting.append((node, True))
            needed = [n for n in (*node.input, *_free(node)) if n and n in self.producers and n not in self.tensors]
            waiting += [(self.producers[n], False) for n in reversed(needed)]
        return self.tensors[name]

    def _given(self, name: str) -> Tensor | None:
        """The tensor where it needs no operator of this graph: made already, constant, or from outside."""
        if name in self.tensors:
            return self.tensors[name]
        if name in self.producers:
            return None
        proto = self._constant(name)
        if proto is None:
            assert self.outer is not None, f"nothing gives {name!r}"
            return self.outer.tensor(name)
        at_root = self._root()
        layers = [n for n in map(self.reader.owner, at_root.readers(name)) if n is not None]
        recipe = self.reader.recipes(proto, layers)
        tensor = Tensor(name, TensorType(recipe.dtype, tuple(recipe.shape)), recipe=recipe)
        # A small literal stands in each graph that reads it; all else once, in the model's.
        home = self if tensor.stays_inside else at_root
        tensor = home.literals.setdefault(recipe.key(), tensor)
        return home.tensors.setdefault(name, tensor)

    def _constant(self, name: str) -> TensorProto | None:
        if name in self.constants:
            return self.constants[name]
        if self.outer is None or name in self.outer.producers:
            return None
        return self.outer._constant(name)

    def _root(self) -> _Scope:
        return self if self.outer is None else self.outer._root()

    def readers(self, name: str) -> list[str]:
        """The names of the nodes that read a tensor."""
        return self.consumers.get(name, [])

    def _add(self, node: NodeProto) -> None:
        inputs = [self.tensor(n) if n else None for n in node.input]
        if node.op_type == "Identity" and not node.domain:
            assert inputs[0] is not None
            self.tensors[node.output[0]] = inputs[0]
            return
        key = _key(node, inputs)
        found = self.same.get(key) if key is not None else None
        if found is None:
            found = self._operator(node, inputs)
            self.operators.append(found)
            if key is not None:
                self.same[key] = found
        for name, tensor in zip(node.output, found.outputs, strict=True):
            if name:
                self.tensors[name] = tensor

    def _operator(self, node: NodeProto, inputs: list[Tensor | None]) -> Operator:
        owner = self.reader.owner(node.name)
        layer = owner.path if owner is not None else ""
        operator = Operator(node.op_type, inputs, [], domain=node.domain, layer=layer)
        operator.name = f"{layer}/{node.op_type}" if layer else node.op_type
        if owner is not None:
            operator.place, operator.trail = owner.place, owner.trail
        operator.attributes = {a.name: self._attribute(a, operator.name) for a in node.attribute}
        operator.omissible = frozenset(i for i, name in enumerate(node.output) if not name)
        operator.outputs = [Tensor(name, self.reader.type_of(name), operator) for name in node.output]
        return operator

    def _attribute(self, proto: Any, name: str) -> Any:
        from onnx import AttributeProto, helper, numpy_helper

        if proto.type == AttributeProto.GRAPH:
            return self._body(proto.g, f"{name}.{proto.name}")
        if proto.type == AttributeProto.TENSOR:
            return numpy_helper.to_array(proto.t)
        value = helper.get_attribute_value(proto)
        return (
            list(value) if proto.type in (AttributeProto.INTS, AttributeProto.FLOATS, AttributeProto.STRINGS) else value
        )

    def _body(self, proto: GraphProto, name: str) -> OperatorGraph:
        body = OperatorGraph(name, self.reader.graph.opset)
        scope = _Scope(self.reader, proto, self)
        for number, given in enumerate(proto.input):
            kind = self.reader.type_of(given.name, given)
            tensor = scope.tensors[given.name] = Tensor(f"{name}.input_{number}", kind)
            body.inputs.append(tensor)
        body.outputs = [(f"{name}.output_{i}", scope.tensor(given.name)) for i, given in enumerate(proto.output)]
        body.operators = scope.operators
        return body


def _key(node: NodeProto, inputs: Sequence[Tensor | None]) -> Hashable:
    """The same for two nodes that compute the same; None for what holds bodies or draws."""
    if node.op_type in DRAWING or any(a.HasField("g") for a in node.attribute):
        return None
    attributes = tuple(sorted(a.SerializeToString(deterministic=True) for a in node.attribute))
    named = tuple(bool(name) for name in node.output)
    return node.op_type, node.domain, tuple(id(t) if t is not None else None for t in inputs), attributes, named


def _free(node: NodeProto) -> list[str]:
    """The names that a node's bodies read from outside, in order of use."""
    found: dict[str, None] = {}
    for attribute in node.attribute:
        if attribute.HasField("g"):
            found.update(dict.fromkeys(_read_outside(attribute.g)))
    return list(found)


def _read_outside(proto: GraphProto) -> Iterator[str]:
    own = (
        {v.name for v in proto.input} | {i.name for i in proto.initializer} | {n for o in proto.node for n in o.output}
    )
    for node in proto.node:
        yield from (n for n in (*node.input, *_free(node)) if n and n not in own)
    yield from (v.name for v in proto.output if v.name not in own)


def _types(model: ModelProto, inputs: Sequence[Port]) -> dict[str, ValueInfoProto]:
    """What onnx infers of every tensor from our types of the inputs, as far as it can."""
    import onnx
    from onnx import shape_inference

    from archonnx.compiler.writer import fill_value

    bare = onnx.ModelProto()
    bare.opset_import.extend(model.opset_import)
    bare.ir_version = model.ir_version
    bare.graph.name = model.graph.name
    bare.graph.node.extend(model.graph.node)
    bare.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in model.graph.output)
    for port in inputs:
        fill_value(bare.graph.input.add(), port.theirs, port.type)
    for initializer in model.graph.initializer:
        size = 1
        for extent in initializer.dims:
            size *= extent
        if size <= KEPT_ELEMENTS:
            bare.graph.initializer.add().CopyFrom(initializer)
        else:
            dtype = BY_ONNX[initializer.data_type].name
            fill_value(bare.graph.input.add(), initializer.name, TensorType(dtype, tuple(initializer.dims)))
    inferred = shape_inference.infer_shapes(bare, strict_mode=False, data_prop=True)
    return {value.name: value for value in _all_values(inferred.graph)}


def _all_values(proto: GraphProto) -> Iterator[ValueInfoProto]:
    for node in proto.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_values(attribute.g)
    yield from proto.value_info
    yield from (value for value in proto.output if value.type.tensor_type.elem_type)
