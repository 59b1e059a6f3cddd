"""Whether a model computes each row of a batch for itself: then rows that run apart and are joined give what they give
together.

The graph is walked once with what is known of each value (`values.Value`); the table says what each operator makes of
it. What is not shown to keep rows apart is taken to mix them: the node is named, and the batch stays whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archonnx.runtime.batching.bodies import Scope, branches, loop
from archonnx.runtime.batching.counting import numbers_of
from archonnx.runtime.batching.examples import keeps
from archonnx.runtime.batching.extents import ONE, ROWS, Size, named
from archonnx.runtime.batching.folding import FOLDED, folded
from archonnx.runtime.batching.nodes import Found, Node
from archonnx.runtime.batching.ordinals import below, counts_rows, of_ordinals
from archonnx.runtime.batching.reading import (
    attribute_value,
    captured_names,
    domain_name,
    drawn_by,
    graphs_of,
    inferred,
    inferred_shapes,
    standard,
)
from archonnx.runtime.batching.shapes import same_shapes
from archonnx.runtime.batching.table import REASONS, TABLE
from archonnx.runtime.batching.values import NOWHERE, Blame, Unprovable, Value, counted, holding, unknown


@dataclass(frozen=True, slots=True)
class Verdict:
    """axes: output -> the axis of its rows, None for one that is the same for all; blame: the node that forbids it,
    else None."""

    axes: dict[str, int | None]
    blame: Blame | None = None


def analyse(model: bytes, axes: Mapping[str, int], symbols: Collection[str], given: Collection[str]) -> Verdict:
    """Whether the rows of the inputs are kept apart up to every output.

    model: a ModelProto, with or without weights; axes: input -> the axis of its rows, all of which have as many;
    symbols: names of axes that are one size wherever they stand; given: the inputs that a call gives.
    """
    import onnx
    from onnx import inliner

    proto = onnx.load_from_string(model)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    opsets = {domain_name(each.domain): each.version for each in proto.opset_import}
    walk = _Walk(inferred_shapes(inferred(proto, given)), opsets)
    scope: Scope = {}
    for value in proto.graph.input:
        shape = walk.declared(value, symbols, axes.get(value.name))
        if value.name in axes:
            if shape is None:
                return Verdict({}, Blame("", "", f"the rank of input {value.name} is not known"))
            scope[value.name] = Value(shape, axes[value.name])
        else:
            scope[value.name] = Value(shape)
    for each in proto.graph.initializer:
        if each.name not in given:
            scope[each.name] = walk.initializer(each)
    for each in proto.graph.sparse_initializer:
        scope[each.values.name] = Value(tuple(Size(size) for size in each.dims))
    walk.graph(proto.graph, scope)
    if walk.blame is not None:
        return Verdict({}, walk.blame)
    found: dict[str, int | None] = {}
    for output in proto.graph.output:
        value = scope.get(output.name, NOWHERE)
        if value.blame is not None:
            return Verdict({}, value.blame)
        if value.counts or value.stride is not None:
            return Verdict({}, Blame("", "", f"output {output.name} is the number of rows"))
        if value.axis is not None and value.shape and value.shape[value.axis].over_all.known != 1:
            why = f"output {output.name} holds all rows several times over"
            last = next((each for each in proto.graph.node if output.name in each.output), None)
            return Verdict({}, Blame("", "", why) if last is None else Blame(last.name, last.op_type, why))
        found[output.name] = value.axis
    return Verdict(found)


class _Walk:
    """Goes through a graph and those inside of its nodes. inferred: value -> sizes that hold for any batch."""

    def __init__(self, inferred: Mapping[str, list[int | None]], opsets: Mapping[str, int]) -> None:
        self._inferred, self._opsets = inferred, opsets
        self.blame: Blame | None = None  # the first node that may mix rows, whether or not an output comes of it
        self.path = ""  # of the graph inside of nodes that it is in: two branches may call their values alike

    def declared(self, value: Any, symbols: Collection[str], axis: int | None) -> tuple[Size, ...] | None:
        """The shape of an input as the file declares it, with the rows on `axis`."""
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            return None
        sizes = []
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            if place == axis:
                sizes.append(ROWS)
            elif dim.HasField("dim_value") and dim.dim_value >= 0:
                sizes.append(Size(dim.dim_value))
            else:
                sizes.append(named(dim.dim_param) if dim.dim_param in symbols else unknown(value.name, place))
        return tuple(sizes)

    def initializer(self, tensor: Any) -> Value:
        """Its weights may have been left out."""
        from onnx import numpy_helper

        shape = tuple(Size(size) for size in tensor.dims)
        held = tensor.ByteSize() > 0 and any(
            (tensor.raw_data, tensor.int64_data, tensor.int32_data, tensor.float_data, tensor.double_data)
        )
        if tensor.data_location or not held or tensor.data_type == tensor.STRING:
            return Value(shape)
        return holding(numpy_helper.to_array(tensor))

    def graph(self, graph: Any, scope: Scope) -> None:
        for each in graph.node:
            self.node(each, scope)

    def node(self, proto: Any, scope: Scope) -> None:
        inputs = [scope.get(name, NOWHERE) if name else None for name in proto.input]
        captured = [scope[name] for name in captured_names(proto) if name in scope]
        every = [value for value in [*inputs, *captured] if value is not None]
        blame = next((value.blame for value in every if value.blame is not None), None)
        found: list[Value]
        if blame is not None:
            found = [Value(None, blame=blame)] * len(proto.output)
        else:
            try:
                found = self.made(proto, inputs, every, scope)
            except Unprovable as error:
                blame = Blame(proto.name, proto.op_type, str(error))
                self.blame = self.blame or blame
                found = [Value(None, blame=blame)] * len(proto.output)
        scope.update({name: value for name, value in zip(proto.output, found, strict=True) if name})

    def made(self, proto: Any, inputs: list[Value | None], every: list[Value], scope: Scope) -> list[Value]:
        """The outputs of a node none of whose inputs is mixed. Raises Unprovable."""
        domain = domain_name(proto.domain)
        drawing = drawn_by(proto)
        if drawing:
            raise Unprovable("it draws numbers" if drawing == proto.op_type else f"{drawing} in it draws numbers")
        if proto.op_type == "Constant" and not domain:
            return [self.constant(proto)]
        attributes = {each.name: attribute_value(each) for each in proto.attribute if not graphs_of(each)}
        label = self.path + next(iter(proto.output), "")
        node = Node(proto.op_type, self._opsets.get(domain, 1), label, inputs, list(proto.output), attributes)
        if proto.op_type == "If" and not domain and node.input(0).same:
            return branches(self, proto, node.input(0), scope)
        if proto.op_type == "Loop" and not domain and not all(value.same for value in every):
            return loop(self, proto, inputs, scope)
        if not domain and node.operator in FOLDED and (held := folded(proto, inputs, node.opset)) is not None:
            return [holding(held)]
        none = not any(value.rows for value in every)
        if none and not domain and (numbers := numbers_of(node)) is not None:
            return [counted(numbers)]
        if not domain and counts_rows(node):
            return [Value((ROWS,), 0, stride=ONE, below=ONE)]
        if any(value.stride is not None for value in every):
            if domain:
                raise Unprovable("it computes with a row's own number")
            found, stride, most = of_ordinals(node)
            return [replace(self.value(proto.output[0], found.axis, found), stride=stride, below=most)]
        if all(value.same for value in every):
            if proto.op_type == "Dropout" and not domain:
                keeps(node)
            if not standard(proto):
                raise Unprovable("nothing is known of this operator")
            shapes = [None] * len(proto.output) if domain else same_shapes(node)
            made = [self.value(name, None, Found(None, dims)) for name, dims in zip(proto.output, shapes, strict=True)]
            most = None if domain else below(node)
            return made if most is None else [replace(made[0], below=most), *made[1:]]
        rule = TABLE.get((domain, proto.op_type))
        if rule is None:
            raise Unprovable(REASONS.get(proto.op_type, "no rule is known that keeps its rows apart"))
        result = rule(node)
        if isinstance(result, Found):
            return [self.value(name, result.axis, result) for name in proto.output]
        return [self.value(name, each.axis, each) for name, each in zip(proto.output, result, strict=False)]

    def value(self, name: str, axis: int | None, found: Found) -> Value:
        """What a rule found, with what onnx inferred of the sizes that it left open."""
        if found.numbers is not None:
            return counted(found.numbers)
        known = None if self.path else self._inferred.get(name)
        if found.dims is None:
            if known is None:
                return Value(None)
            dims: list[Size | None] = [None] * len(known)
        else:
            dims = list(found.dims)
        sizes = []
        for place, size in enumerate(dims):
            inferred = known[place] if known is not None and len(known) == len(dims) and place != axis else None
            if inferred is not None:
                sizes.append(Size(inferred))
            else:
                sizes.append(unknown(self.path + name, place) if size is None else size)
        return Value(tuple(sizes), axis)

    def constant(self, proto: Any) -> Value:
        import numpy as np
        from onnx import helper

        each = proto.attribute[0]
        if each.name == "value":
            return self.initializer(each.t)
        if each.name in ("value_int", "value_ints", "value_float", "value_floats"):
            return holding(np.array(helper.get_attribute_value(each)))
        return self.value(proto.output[0], None, Found(None, None))
