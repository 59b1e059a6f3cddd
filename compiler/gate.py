"""What a graph has to pass before it leaves: onnx's checker, its strict shape inference, and the compiler's own types.

1. Every name is given once and used after it is given (E0994).
2. What onnx infers from the inputs alone equals the operator graph's types: dtypes (E0992), ranks and sizes (E0991).
3. A tensor that stands for a layer's result has that result's type, its axes permuted as the graph says (E0993).
4. onnx's full checker takes the model (E0990).

2 and 4 take a very long graph in pieces (gate_pieces.py).

Large constants are replaced by inputs of their types, so nothing here depends on the weights or grows with them.
Those that _INFLATED takes stand as initializers without data while shapes are inferred: of an input that is a vector,
onnx carries a message for each number along, 700 MB of them for the biases of GPT-3.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archonnx.compiler.collecting import resting
from archonnx.compiler.gate_pieces import pieces
from archonnx.compiler.graph import TensorType
from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.contract.diagnostics import Diagnostic
from archonnx.contract.dtypes import BY_ONNX

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorShapeProto, ValueInfoProto

    from archonnx.compiler.writer import Skeleton
    from archonnx.contract.dims import Dim, Expr, Facts

KEPT_ELEMENTS = 1024  # constants up to this size stay, so that shapes computed from them are known
MOST_REPORTED = 20
# Operators through which onnx follows the numbers of a vector, and that read no number of a float one to infer a shape.
_INFLATED = frozenset(("Add", "Cast", "Concat", "Div", "Gather", "Identity", "Mul", "Squeeze", "Sub", "Unsqueeze"))
_FOLLOWED = frozenset(("int32", "int64"))  # of these dtypes, numbers without data would be an error
OURS = (
    "this is a mistake in archonnx, in a package's layer or in a raw operator's declared type, and nothing was written"
)


@dataclass(slots=True)
class Verdict:
    """What the gate found. `unknown` counts the sizes that onnx could not infer: they stand on the compiler's word."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    compared: int = 0
    unknown: int = 0


@resting()
def check(
    skeleton: Skeleton,
    graph: OperatorGraph,
    *,
    values: Mapping[str, TensorType] | None = None,
    facts: Facts | None = None,
) -> Verdict:
    """Check the messages of a graph against onnx and against the graph itself.

    values: the types of the layer graph's values, by name, for `stands_for`. facts: what is known of the symbols.
    """
    verdict = Verdict()
    whole = [(skeleton, graph)]
    stages = (_check_names, whole), (_check_inference, None), (_check_values, whole), (_check_whole, None)
    for stage, parts in stages:
        for messages, part in parts or pieces(skeleton, graph):
            stage(_Case(messages, part, values or {}, facts), verdict)
            if verdict.diagnostics:  # the later ones would say the same again, worse
                del verdict.diagnostics[MOST_REPORTED:]
                return verdict
    return verdict


@dataclass(slots=True)
class _Case:
    skeleton: Skeleton
    graph: OperatorGraph
    values: Mapping[str, TensorType]
    facts: Facts | None

    def depends_on_data(self, size: Dim) -> bool:
        """Whether a size is one that no input tells: onnx may find it out where the compiler did not."""
        return not isinstance(size, int) and bool(size.symbols() & self.graph.measured)

    def same(self, a: Dim, b: Dim) -> bool:
        from archonnx.contract.dims import Verdict as Equality

        if a == b:
            return True
        if self.facts is None or (isinstance(a, int) and isinstance(b, int)):
            return False
        return self.facts.equal(a, b) is Equality.YES


def _found(code: str, operator: Operator | None, message: str) -> Diagnostic:
    """A finding about an operator's layer."""
    if operator is None:
        return Diagnostic(code, message, help=OURS)
    where = f"{operator.layer}: " if operator.layer else ""
    return Diagnostic(code, where + message, operator.place, trail=operator.trail, help=OURS)


def _check_names(case: _Case, verdict: Verdict) -> None:
    given: set[str] = set()
    nodes: set[str] = set()  # names are unique over bodies too

    def give(name: str, what: str, operator: Operator | None) -> None:
        if not name or name in given:
            text = f"{what} takes the name {name!r}, which is taken" if name else f"{what} has no name"
            verdict.diagnostics.append(_found("E0994", operator, text))
        given.add(name)

    def walk(graph: OperatorGraph, constants: Iterable[Tensor]) -> None:
        for tensor in graph.inputs:
            give(tensor.name, "an input", None)
        for tensor in constants:
            give(tensor.name, "a constant", None)
        for operator in graph.operators:
            for body in operator.bodies.values():
                walk(body, body.literals())
            for used in operator.inputs:
                if used is not None and used.name not in given:
                    message = f"{operator.type} uses {used.name!r} before anything gives it"
                    verdict.diagnostics.append(_found("E0994", operator, message))
            for tensor in operator.outputs:
                if tensor.name:  # an output left out has none
                    give(tensor.name, f"a result of {operator.type}", operator)
            if not operator.name or operator.name in nodes:
                message = f"{operator.type} has the name {operator.name!r}, which is no name of its own"
                verdict.diagnostics.append(_found("E0994", operator, message))
            nodes.add(operator.name)
        for name, tensor in graph.outputs:
            if tensor.name != name or name not in given:
                message = f"the output {name!r} is given by no operator of that name, but as {tensor.name!r}"
                verdict.diagnostics.append(_found("E0994", tensor.producer, message))

    walk(case.graph, case.graph.constants())


def _bare_model(case: _Case, without_data: Container[int] = ()) -> ModelProto:
    """The model with its small constants, large ones as inputs, and no type that inference should find out itself.

    `without_data`: the ids of tensors that stand as initializers without data instead.
    """
    import onnx

    from archonnx.compiler.recipes import Evaluation
    from archonnx.compiler.writer import fill_value

    model = onnx.ModelProto()
    model.CopyFrom(case.skeleton.model)
    whole = case.skeleton.graph
    model.graph.name = whole.name
    for name in ("node", "input", "output"):
        getattr(model.graph, name).extend(getattr(whole, name))
    evaluation = Evaluation(0)
    for initializer in case.skeleton.initializers:
        recipe = initializer.recipe
        if recipe.is_literal and recipe.size <= KEPT_ELEMENTS:
            proto = model.graph.initializer.add()
            proto.CopyFrom(initializer.proto)
            if recipe.dtype != "string":
                proto.raw_data = b"".join(map(bytes, recipe.iter_bytes(evaluation)))
        elif id(initializer.tensor) in without_data:
            proto = model.graph.initializer.add()
            proto.CopyFrom(initializer.proto)
        else:
            fill_value(model.graph.input.add(), initializer.tensor.name, initializer.tensor.type)
    return model


def _inflated(graph: OperatorGraph) -> set[int]:
    """The ids of the constants that onnx would carry along number by number, and never look into."""
    found: set[int] = set()
    others: set[int] = set()
    for operator in graph.everywhere():
        for tensor in operator.inputs:
            if tensor is not None and tensor.recipe is not None and tensor.rank == 1:
                follows = not operator.domain and operator.type in _INFLATED and tensor.dtype not in _FOLLOWED
                (found if follows else others).add(id(tensor))
    return found - others


def _check_inference(case: _Case, verdict: Verdict) -> None:
    from onnx import shape_inference

    model = _bare_model(case, _inflated(case.graph))
    _strip(model.graph, case.graph)
    try:
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except shape_inference.InferenceError as error:
        verdict.diagnostics.extend(_from_onnx(case, str(error)))
        return
    found = {value.name: value for value in _inferred(inferred.graph)}
    sizes: dict[str, Expr] = {str(d): d for t in case.graph.inputs for d in t.shape if not isinstance(d, int)}
    wrong: set[int] = set()  # ids of tensors that disagree, or come from one that does: one finding is enough
    for operator in case.graph.everywhere():
        if operator.domain:
            for tensor in operator.outputs:
                sizes.update({str(d): d for d in tensor.shape if not isinstance(d, int)})
        tainted = any(id(t) in wrong for t in operator.inputs)
        for tensor in operator.outputs:
            if not tensor.name:
                continue
            message = None if tainted else _compare(case, tensor, found.get(tensor.name), sizes, verdict)
            if message is not None:
                verdict.diagnostics.append(_found(message[0], operator, f"{operator.type} gives {message[1]}"))
            if tainted or message is not None:
                wrong.add(id(tensor))


def _strip(proto: GraphProto, graph: OperatorGraph) -> None:
    """Take away what inference should find out itself, in bodies too."""
    from archonnx.compiler.writer import fill_value

    del proto.value_info[:]
    for value in proto.output:
        value.ClearField("type")
    outputs = {tensor.name for _, tensor in graph.outputs}
    for operator, node in zip(graph.operators, proto.node, strict=True):
        if operator.domain:  # onnx has no rule for it: its declared types are what the rest stands on
            for tensor in operator.outputs:
                if tensor.name and tensor.name not in outputs:
                    fill_value(proto.value_info.add(), tensor.name, tensor.type)
        bodies = operator.bodies
        for attribute in node.attribute:
            if attribute.name in bodies:
                _strip(attribute.g, bodies[attribute.name])


def _inferred(proto: GraphProto) -> Iterator[ValueInfoProto]:
    """Every type that inference found, those in bodies too where onnx reports them."""
    for node in proto.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _inferred(attribute.g)
    yield from proto.value_info
    yield from proto.output


def _compare(
    case: _Case, tensor: Tensor, value: ValueInfoProto | None, sizes: Mapping[str, Expr], verdict: Verdict
) -> tuple[str, str] | None:
    """(code, message) where onnx infers another type than the tensor's."""
    if value is None or not value.type.tensor_type.elem_type:
        verdict.unknown += max(tensor.rank, 1)
        return None
    inferred = value.type.tensor_type
    dtype = BY_ONNX[inferred.elem_type].name if inferred.elem_type in BY_ONNX else str(inferred.elem_type)
    if dtype != tensor.dtype:
        return "E0992", f"{dtype}, and archonnx expects {tensor.type} ({tensor.name})"
    if not inferred.HasField("shape"):
        verdict.unknown += max(tensor.rank, 1)
        return None
    dims = list(inferred.shape.dim)
    fits = len(dims) == tensor.rank
    for ours, theirs in zip(tensor.shape, dims, strict=False):
        known = _size(theirs, sizes)
        if known is None or case.depends_on_data(ours):
            verdict.unknown += 1
            continue
        verdict.compared += 1
        fits = fits and case.same(ours, known)
    if fits:
        return None
    shape = ", ".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dims)
    return "E0991", f"{dtype}[{shape}], and archonnx expects {tensor.type} ({tensor.name})"


def _size(dim: TensorShapeProto.Dimension, sizes: Mapping[str, Expr]) -> Dim | None:
    """The size that onnx inferred; None where it did not, or made up a name of its own."""
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return sizes.get(dim.dim_param) if dim.dim_param else None


def _check_values(case: _Case, verdict: Verdict) -> None:
    stood: dict[str, TensorType] = dict(case.values)
    for tensor, operator in _tensors(case.graph):
        if tensor.stands_for is None:
            continue
        order = tensor.permutation if tensor.permutation is not None else tuple(range(tensor.rank))
        if sorted(order) != list(range(tensor.rank)):
            message = f"{tensor.name!r} has the axes {order}, which are no order of {tensor.rank}"
            verdict.diagnostics.append(_found("E0993", operator, message))
            continue
        shape: list[Dim] = [0] * tensor.rank
        for axis, dim in zip(order, tensor.shape, strict=True):
            shape[axis] = dim
        own = TensorType(tensor.dtype, tuple(shape))
        value = stood.setdefault(tensor.stands_for, own)
        fits = own.dtype == value.dtype and own.rank == value.rank
        if not fits or not all(case.same(a, b) for a, b in zip(own.shape, value.shape, strict=True)):
            said = f", axes {order}" if tensor.permutation is not None else ""
            message = f"{tensor.name!r} ({tensor.type}{said}) stands for {tensor.stands_for!r}, which is {value}"
            verdict.diagnostics.append(_found("E0993", operator, message))


def _tensors(graph: OperatorGraph) -> list[tuple[Tensor, Operator | None]]:
    inputs: list[tuple[Tensor, Operator | None]] = [(tensor, None) for tensor in graph.inputs]
    return inputs + [(tensor, operator) for operator in graph.everywhere() for tensor in operator.outputs]


def _check_whole(case: _Case, verdict: Verdict) -> None:
    from onnx import checker, shape_inference

    model = _bare_model(case)
    model.graph.value_info.extend(case.skeleton.graph.value_info)
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        verdict.diagnostics.extend(_from_onnx(case, str(error)))


def _from_onnx(case: _Case, text: str) -> list[Diagnostic]:
    """onnx's complaints, a line each, at the operators whose names they mention."""
    operators = {operator.name: operator for operator in case.graph.everywhere()}
    found: list[Diagnostic] = []
    for line in text.splitlines():
        if found and "expected to have type but instead is null" in line:
            continue  # it follows from the first
        told = re.sub(r"\[(Shape|Type)InferenceError\]\s*|Inference error\(s\):\s*", "", line).strip()
        if not told or told.startswith("==> Context"):
            continue
        name = re.search(r"node name: (.*?)\)(?::|,|$)", told) or re.search(r"(?:Name|name): ?(\S+)", text)
        operator = operators.get(name[1]) if name else None
        if operator is None:
            named = [n for n in operators if n in told]
            operator = operators[max(named, key=len)] if named else None
        told = re.sub(r"^\(op_type:[^)]*node name: .*?\):\s*", "", told)
        by = f"onnx refuses {operator.type}" if operator is not None else "onnx refuses the model"
        found.append(_found("E0990", operator, f"{by}: {told}"))
    return found or [_found("E0990", None, f"onnx refuses the model: {text.strip()}")]
