"""Whether a model gives the same for a call, and for the same call with more tokens that its mask hides.

The graph is walked once with what is known of each value (`states.State`); the table says what each operator makes of
it. What is not shown to stay the same is taken to change: the node is named, and calls run in their exact shapes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archonnx.runtime.batching.counting import numbers_of
from archonnx.runtime.batching.examples import keeps
from archonnx.runtime.batching.extents import Size, named
from archonnx.runtime.batching.folding import FOLDED, folded
from archonnx.runtime.batching.nodes import Dims
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
from archonnx.runtime.batching.values import Blame, Unprovable, counted, holding, unknown
from archonnx.runtime.padding import ranges as rg
from archonnx.runtime.padding.declared import Tokens
from archonnx.runtime.padding.ordinals import begins_flat, columns_of, counts_on, is_level, of_flat
from archonnx.runtime.padding.ranges import ANYTHING, Range
from archonnx.runtime.padding.states import PLAIN, TOKENS, Made, State, Step
from archonnx.runtime.padding.table import REASONS, TABLE
from archonnx.runtime.padding.types import type_of
from archonnx.runtime.padding.weights import Weights

GIVEN = 2.0**20  # the largest float that a call gives, and is padded
_INT64 = 7
_ROWS = "rows, which no axis is called"
NOWHERE = State(None, blame=Blame("", "", "a value of it is made nowhere"))
Scope = dict[str, State]


@dataclass(frozen=True, slots=True)
class Proof:
    """axes: output -> its axes that hold tokens, to be cut back; least: the fewest tokens of a call that is padded;
    blame: the node that forbids it, else None."""

    axes: dict[str, tuple[int, ...]]
    least: int = 1
    blame: Blame | None = None


def analyse(
    model: bytes, tokens: Tokens, symbols: Collection[str], given: Collection[str], weights: Weights, most: int
) -> Proof:
    """Whether padding of the tokens up to `most` reaches no place of the outputs that a call has.

    It does not where the mask holds 0 and 1 alone, and 1 for the first token of each row, and where the floats of a
    call are at most GIVEN. model: a ModelProto, with or without weights; symbols: names of axes that are one size
    wherever they stand; given: the inputs that a call gives. Raises OSError where the weights are gone.
    """
    import onnx
    from onnx import inliner

    proto = onnx.load_from_string(model)
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    values = inferred(proto, given)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    opsets = {domain_name(each.domain): each.version for each in proto.opset_import}
    walk = _Walk(inferred_shapes(values), types, opsets, weights, most)
    scope: Scope = {}
    for value in proto.graph.input:
        if value.name in given:
            scope[value.name] = _input(value, tokens, symbols)
    for each in proto.graph.initializer:
        if each.name not in given:
            scope[each.name] = walk.initializer(each)
    for each in proto.graph.sparse_initializer:
        scope[each.values.name] = State(tuple(Size(size) for size in each.dims), label=each.values.name)
    for node in proto.graph.node:
        walk.node(node, scope)
    found: dict[str, tuple[int, ...]] = {}
    for output in proto.graph.output:
        state = scope.get(output.name, NOWHERE)
        blame = state.blame or _unfit(output.name, state)
        if blame is not None:
            return Proof({}, blame=blame)
        found[output.name] = tuple(sorted(state.tails))
    return Proof(found, max(walk.least, default=1))


def _unfit(name: str, state: State) -> Blame | None:
    """Why what is the same cannot be cut out of an output all the same."""
    if state.counts or state.flat:
        return Blame("", "", f"output {name} is computed of the number of tokens")
    if any(state.grain(axis) != PLAIN for axis in state.tails):
        return Blame("", "", f"output {name} holds several places for each token on one axis")
    return None


def _input(value: Any, tokens: Tokens, symbols: Collection[str]) -> State:
    """What is known of an input: behind the mask it is filled up with zeros."""
    held = tokens.axes.get(value.name, ())
    type_ = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not type_.HasField("shape"):
        return State(None, label=value.name, dtype=type_.elem_type, whole=_given(type_.elem_type))
    sizes = []
    for axis, dim in enumerate(type_.shape.dim):
        if axis in held:
            sizes.append(TOKENS)
        elif dim.HasField("dim_value") and dim.dim_value >= 0:
            sizes.append(Size(dim.dim_value))
        elif axis == 0 and value.name in tokens.rows:
            sizes.append(named(_ROWS))
        else:
            sizes.append(named(dim.dim_param) if dim.dim_param in symbols else unknown(value.name, axis))
    whole = rg.EITHER if value.name == tokens.mask else _given(type_.elem_type)
    tails = dict.fromkeys(held, rg.ZERO)
    fronts = dict.fromkeys(held, whole)
    if value.name == tokens.mask and len(held) == 1:  # rows that are filled up show nothing
        fronts[held[0]] = rg.ONE_ALONE
    return State(tuple(sizes), label=value.name, dtype=type_.elem_type, whole=whole, tails=tails, fronts=fronts)


def _given(dtype: int) -> Range:
    """What a call may give of a type."""
    found = rg.every(dtype)
    return rg.typed(Range(-GIVEN, GIVEN), dtype) if found.nan else found


class _Walk:
    """Goes through a graph. inferred: value -> sizes that hold for any number of tokens; types: value -> onnx's number;
    least: how many tokens some nodes need."""

    def __init__(
        self,
        inferred: Mapping[str, list[int | None]],
        types: Mapping[str, int],
        opsets: Mapping[str, int],
        weights: Weights,
        most: int,
    ) -> None:
        self._inferred, self._types, self._opsets = inferred, types, opsets
        self._weights, self._most = weights, most
        self.least: list[int] = []

    def initializer(self, tensor: Any) -> State:
        """A constant: its range, and its elements where somebody asks for them."""
        from onnx import numpy_helper

        name, held = tensor.name, _inside(tensor)

        def elements() -> Any:
            return numpy_helper.to_array(tensor) if held else self._weights.array(name)

        array = elements()
        if array is None or tensor.data_type == tensor.STRING:
            return State(tuple(Size(size) for size in tensor.dims), label=name, dtype=tensor.data_type)
        return _constant(array, tensor.data_type, name, elements)

    def node(self, proto: Any, scope: Scope) -> None:
        inputs = [scope.get(name, NOWHERE) if name else None for name in proto.input]
        inner = [scope[name] for name in sorted(captured_names(proto)) if name in scope]
        every = [state for state in [*inputs, *inner] if state is not None]
        blame = next((state.blame for state in every if state.blame is not None), None)
        found: Sequence[State] = []
        if blame is None:
            try:
                found = self.made(proto, inputs, every, bool(inner))
            except Unprovable as error:
                blame = Blame(proto.name, proto.op_type, str(error))
        if blame is not None:
            found = [State(None, blame=blame)] * len(proto.output)
        scope.update({name: state for name, state in zip(proto.output, found, strict=False) if name})
        for name in filter(None, list(proto.output)[len(found) :]):
            why = "no rule tells what this output is"
            scope[name] = State(None, blame=Blame(proto.name, proto.op_type, why))

    def made(self, proto: Any, inputs: Sequence[State | None], every: Sequence[State], holds: bool) -> Sequence[State]:
        """The outputs of a node none of whose inputs changes. holds: whether graphs inside of it take values from
        outside. Raises Unprovable."""
        domain = domain_name(proto.domain)
        drawing = drawn_by(proto)
        if drawing:
            raise Unprovable("it draws numbers" if drawing == proto.op_type else f"{drawing} in it draws numbers")
        if proto.op_type == "Constant" and not domain:
            return [self.constant(proto)]
        attributes = {each.name: attribute_value(each) for each in proto.attribute if not graphs_of(each)}
        label = next(iter(proto.output), "")
        opset = self._opsets.get(domain, 1)
        node = Step(proto.op_type, opset, label, list(inputs), list(proto.output), attributes, self._most, self.least)
        if not domain and proto.op_type in FOLDED and (held := folded(proto, inputs, opset)) is not None:
            return [_constant(held, self._type(node, 0), label, None)]
        if any(state.flat for state in every) and (domain or proto.op_type not in ("Shape", "Size")):
            return self._finished(node, of_flat(node))
        if not domain and (numbers := numbers_of(node)) is not None:
            value = counted(numbers)
            dtype = self._type(node, 0)
            whole = _numbered(node, numbers.sizes, dtype)
            return [State(value.shape, None, value.numbers, value.constant, label=label, dtype=dtype, whole=whole)]
        if not domain and begins_flat(node):
            return self._finished(node, of_flat(node))
        changing = any(state.carries or state.counts or state.flat for state in every)
        rule = TABLE.get((domain, proto.op_type))
        if changing:
            if holds or any(graphs_of(each) for each in proto.attribute):
                raise Unprovable("graphs inside of nodes are not followed")
            if rule is None:
                raise Unprovable(REASONS.get(proto.op_type, "no rule is known that leaves its tokens as they are"))
        elif not standard(proto):
            raise Unprovable("nothing is known of this operator")
        elif proto.op_type == "Dropout" and not domain:
            keeps(node)
        if rule is None:
            return self._same(proto, node)
        node.check_counts()
        if changing:
            return self._finished(node, rule(node))
        try:
            return self._finished(node, rule(node))
        except Unprovable:  # what does not depend on tokens is the same, whatever the rule knows of it
            return self._same(proto, node)

    def _same(self, proto: Any, node: Step) -> Sequence[State]:
        """The outputs of a node that no token goes into."""
        shapes = [None] * len(proto.output) if proto.domain else same_shapes(node)
        return self._finished(node, [Made(dims, ANYTHING) for dims in shapes])

    def _finished(self, node: Step, made: Made | list[Made]) -> list[State]:
        """What a rule found, with what onnx inferred of types and of the sizes that it left open."""
        listed = made if isinstance(made, list) else [made]
        found = []
        for place, (name, each) in enumerate(zip(node.outputs, listed, strict=False)):
            dtype = self._type(node, place)
            found.append(
                State(
                    self._shape(name, each.dims, each.tails),
                    label=name,
                    dtype=dtype,
                    whole=rg.typed(each.whole, dtype),
                    tails={axis: rg.typed(held, dtype) for axis, held in each.tails.items()},
                    fronts={axis: rg.typed(held, dtype) for axis, held in each.fronts.items()},
                    grains=each.grains,
                    origin=each.origin,
                    steps=counts_on(node, each),
                    level=is_level(node, each),
                    columns=columns_of(node),
                    flat=each.flat,
                    elements=each.elements,
                )
            )
        return found

    def _shape(self, name: str, dims: Dims | None, held: Collection[int]) -> tuple[Size, ...] | None:
        known = self._inferred.get(name)
        if dims is None:
            if known is None:
                return None
            dims = [None] * len(known)
        sizes = []
        for axis, size in enumerate(dims):
            inferred = known[axis] if known is not None and len(known) == len(dims) and axis not in held else None
            if inferred is not None:
                sizes.append(Size(inferred))
            else:
                sizes.append(unknown(name, axis) if size is None else size)
        return tuple(sizes)

    def _type(self, node: Step, place: int) -> int:
        found = self._types.get(node.outputs[place] if place < len(node.outputs) else "", 0)
        return found or type_of(node)

    def constant(self, proto: Any) -> State:
        import numpy as np
        from onnx import helper

        each, name = proto.attribute[0], proto.output[0]
        if each.name == "value":
            return replace(self.initializer(each.t), label=name)
        if each.name in ("value_int", "value_ints", "value_float", "value_floats"):
            number = np.float32 if "float" in each.name else np.int64
            array = np.array(helper.get_attribute_value(each), number)
            return _constant(array, helper.np_dtype_to_tensor_dtype(array.dtype), name, None)
        return State(self._shape(name, None, ()), label=name)


def _inside(tensor: Any) -> bool:
    """Whether the elements of a tensor are where it is; they may have been left out."""
    if tensor.data_location:
        return False
    fields = (tensor.raw_data, tensor.int64_data, tensor.int32_data, tensor.float_data, tensor.double_data)
    return any(fields) or bool(tensor.uint64_data) or 0 in tensor.dims


def _constant(array: Any, dtype: int, name: str, elements: Any) -> State:
    value = holding(array)
    kept = elements if elements is not None else (lambda: array)
    whole = rg.every(dtype) if array.size == 0 else range_of(array, dtype)
    return State(value.shape, None, value.numbers, value.constant, label=name, dtype=dtype, whole=whole, elements=kept)


def range_of(array: Any, dtype: int) -> Range:
    """From the least to the largest element."""
    import numpy as np

    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float32)  # bfloat16, and what has fewer bits
        except (TypeError, ValueError):
            return rg.every(dtype)
    low, high = float(array.min()), float(array.max())
    return ANYTHING if low != low or high != high else Range(low, high)


def _numbered(node: Step, sizes: Sequence[Size], dtype: int) -> Range:
    """The range of sizes."""
    if not sizes:
        return rg.every(dtype)
    known = [Range(float(size.number), float(size.number)) for size in sizes if size.known is not None]
    others = [
        rg.every(_INT64) if size.signed else Range(0.0, min(node.count(size), 2.0**53))
        for size in sizes
        if size.known is None
    ]
    return rg.typed(rg.hull([*known, *others]), dtype)
