"""The operator graph as ONNX messages without the weights' bytes: what the gate checks and saving streams around."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from archonnx._version import __version__
from archonnx.compiler.collecting import resting
from archonnx.contract import metadata
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
    from archonnx.compiler.recipes import Recipe

STRETCH = 10_000  # nodes or types that are turned into bytes at a time


@dataclass(slots=True)
class Initializer:
    """A constant of the graph: its message without data, and the recipe of the data."""

    tensor: Tensor
    recipe: Recipe
    proto: TensorProto


@dataclass(slots=True)
class Skeleton:
    """A model without data: `model` without its graph, `graph` without its `initializers`, in order of first use."""

    model: ModelProto
    graph: GraphProto
    initializers: list[Initializer]

    def whole(self) -> ModelProto:
        """One message, its initializers as they stand: small graphs' data would be missing from it."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        model.graph.CopyFrom(self.graph)
        model.graph.initializer.extend(i.proto for i in self.initializers)
        return model

    def is_in(self, model: ModelProto) -> bool:
        """Whether a model holds these very messages; part by part, as a copy of them takes memory for each layer."""
        graph = model.graph
        names = {field.name for held in (graph, self.graph) for field, _ in held.ListFields()} - {"initializer"}
        meant = [*self.graph.initializer, *(initializer.proto for initializer in self.initializers)]
        if len(graph.initializer) != len(meant):
            return False
        if any(one != other for one, other in zip(graph.initializer, meant, strict=True)):
            return False
        if any(getattr(graph, name) != getattr(self.graph, name) for name in names):
            return False
        rest = type(model)()
        for field, value in model.ListFields():
            if isinstance(value, int | str):
                setattr(rest, field.name, value)
            elif field.name != "graph":
                getattr(rest, field.name).extend(value)
        return rest == self.model


def serialized(message: GraphProto, names: Sequence[str]) -> bytes:
    """Some fields of a message, in the order given, as bytes; of long ones a stretch is copied at a time."""
    out = bytearray()
    for name in names:
        field = getattr(message, name)
        if isinstance(field, str):
            part = type(message)()
            setattr(part, name, field)
            out += part.SerializeToString(deterministic=True)
            continue
        for start in range(0, len(field), STRETCH):
            part = type(message)()
            getattr(part, name).extend(field[start : start + STRETCH])
            out += part.SerializeToString(deterministic=True)
    return bytes(out)


@resting()
def build(graph: OperatorGraph, props: Mapping[str, str]) -> Skeleton:
    """The messages of a graph. `props` are metadata that go over the graph's own; keys are written in order."""
    import onnx
    from onnx import helper

    from archonnx.compiler.recipes import Evaluation

    model = onnx.ModelProto()
    imports = [("", graph.opset), *sorted(graph.domains.items())]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in imports)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    model.producer_name, model.producer_version = "archonnx", __version__
    if graph.documentation:
        model.doc_string = graph.documentation
    merged = {**graph.metadata, **props}
    for key in sorted(merged):
        model.metadata_props.add(key=key, value=merged[key])

    proto = onnx.GraphProto(name=graph.name)
    _NodeWriter(graph.opset, graph.domains).fill_graph(proto, graph)
    initializers = []
    for tensor in graph.constants():
        assert tensor.recipe is not None
        header = onnx.TensorProto(dims=tensor.recipe.shape, data_type=DTYPES[tensor.dtype].onnx, name=tensor.name)
        if tensor.dtype == "string":
            header.string_data.extend(_encoded(s) for s in tensor.recipe.whole(Evaluation(0)).reshape(-1))
        initializers.append(Initializer(tensor, tensor.recipe, header))
    return Skeleton(model, proto, initializers)


def fill_value(proto: ValueInfoProto, name: str, of: TensorType) -> None:
    """Name and type of a value; a size that is not known becomes a dim_param with its text."""
    proto.name = name
    tensor_type = proto.type.tensor_type
    tensor_type.elem_type = DTYPES[of.dtype].onnx
    shape = tensor_type.shape
    shape.SetInParent()  # a scalar has a shape too, an empty one
    for dim in of.shape:
        if isinstance(dim, int):
            shape.dim.add(dim_value=dim)
        else:
            shape.dim.add(dim_param=str(dim))


class _NodeWriter:
    """Fills nodes; remembers the attributes' types of each operator, which decide where a Python value does not."""

    def __init__(self, opset: int, domains: Mapping[str, int]) -> None:
        self.versions = {"": opset, **domains}
        self._types: dict[tuple[str, str], dict[str, int]] = {}

    def fill_graph(self, proto: GraphProto, graph: OperatorGraph) -> None:
        """Operators, inputs, outputs, and the types of all else."""
        outputs = {id(tensor) for _, tensor in graph.outputs}
        for operator in graph.operators:
            self.fill(proto.node.add(), operator)
            for tensor in operator.outputs:
                if id(tensor) not in outputs and tensor.name:
                    fill_value(proto.value_info.add(), tensor.name, tensor.type)
        for tensor in graph.inputs:
            fill_value(proto.input.add(), tensor.name, tensor.type)
        for name, tensor in graph.outputs:
            fill_value(proto.output.add(), name, tensor.type)

    def fill_body(self, proto: AttributeProto, name: str, body: OperatorGraph) -> None:
        """A graph as an attribute. Its small literals stand in it with their data, weights in the model's graph."""
        from onnx import AttributeProto as A

        from archonnx.compiler.recipes import Evaluation

        proto.name, proto.type, proto.g.name = name, A.GRAPH, body.name
        self.fill_graph(proto.g, body)
        for tensor in body.literals():
            assert tensor.recipe is not None
            data = b"".join(map(bytes, tensor.recipe.iter_bytes(Evaluation(0))))
            onnx_type = DTYPES[tensor.dtype].onnx
            proto.g.initializer.add(name=tensor.name, dims=tensor.recipe.shape, data_type=onnx_type, raw_data=data)

    def fill(self, node: NodeProto, operator: Operator) -> None:
        node.op_type, node.name = operator.type, operator.name
        if operator.domain:
            node.domain = operator.domain
        node.input.extend("" if t is None else t.name for t in operator.inputs)
        node.output.extend(t.name for t in operator.outputs)
        while len(node.output) > 1 and not node.output[-1]:
            node.output.pop()
        types = self._attribute_types(operator)
        bodies = operator.bodies
        for name in sorted(operator.attributes):
            if name in bodies:
                self.fill_body(node.attribute.add(), name, bodies[name])
                continue
            fill_attribute(node.attribute.add(), name, operator.attributes[name], types.get(name, 0))
        if operator.layer:
            node.metadata_props.add(key=metadata.LAYER, value=operator.layer)
        if operator.place is not None:
            node.metadata_props.add(key=metadata.PLACE, value=str(operator.place))
        if operator.trail:
            trail = json.dumps([str(frame) for frame in operator.trail], ensure_ascii=False)
            node.metadata_props.add(key=metadata.TRAIL, value=trail)
        if operator.merged:
            others = [[one.type, one.layer, "" if one.place is None else str(one.place)] for one in operator.merged]
            node.metadata_props.add(key=metadata.MERGED, value=json.dumps(others, ensure_ascii=False))

    def _attribute_types(self, operator: Operator) -> dict[str, int]:
        from onnx import defs

        key = (operator.domain, operator.type)
        if key not in self._types:
            version = self.versions.get(operator.domain, 1)
            types: dict[str, int] = {}
            if defs.has(operator.type, max_inclusive_version=version, domain=operator.domain):
                schema = defs.get_schema(operator.type, version, operator.domain)
                types = {n: _type_number(str(a.type)) for n, a in schema.attributes.items()}
            self._types[key] = types
        return self._types[key]


def _type_number(text: str) -> int:
    """onnx.defs' `AttrType.FLOAT` as the number that messages hold."""
    from onnx import AttributeProto

    return int(AttributeProto.AttributeType.Value(text.rpartition(".")[2]))


def fill_attribute(proto: AttributeProto, name: str, value: Any, declared: int = 0) -> None:
    """An attribute of a Python value. `declared` is the schema's AttributeProto type, 0 where no schema is known.

    Raises TypeError where the value cannot be of that type, or of any.
    """
    import numpy as np
    from onnx import AttributeProto as A
    from onnx import SparseTensorProto, numpy_helper

    kind: int = declared or _kind_of(value)
    proto.name, proto.type = name, cast("AttributeProto.AttributeType", kind)
    if kind == A.FLOAT:
        proto.f = float(value)
    elif kind == A.INT:
        proto.i = int(value)
    elif kind == A.STRING:
        proto.s = _encoded(value)
    elif kind == A.FLOATS:
        proto.floats.extend(map(float, value))
    elif kind == A.INTS:
        proto.ints.extend(map(int, value))
    elif kind == A.STRINGS:
        proto.strings.extend(map(_encoded, value))
    elif kind == A.TENSOR and isinstance(value, np.ndarray):
        proto.t.CopyFrom(numpy_helper.from_array(value))
    elif kind == A.SPARSE_TENSOR and isinstance(value, SparseTensorProto):
        proto.sparse_tensor.CopyFrom(value)
    else:
        raise TypeError(
            f"attribute {name!r}: {A.AttributeType.Name(kind)} cannot be written from a {type(value).__name__}"
        )


def _kind_of(value: Any) -> int:
    import numpy as np
    from onnx import AttributeProto as A

    if isinstance(value, int | np.integer):
        return A.INT
    if isinstance(value, float | np.floating):
        return A.FLOAT
    if isinstance(value, str | bytes):
        return A.STRING
    if isinstance(value, np.ndarray):
        return A.TENSOR
    if isinstance(value, list | tuple):
        if all(isinstance(v, int | np.integer) for v in value):
            return A.INTS
        if all(isinstance(v, int | float | np.number) for v in value):
            return A.FLOATS
        if all(isinstance(v, str | bytes) for v in value):
            return A.STRINGS
    raise TypeError(f"an attribute cannot be a {type(value).__name__}")


def _encoded(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
