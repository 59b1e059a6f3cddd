"""Expressions: from a node of the syntax tree to a value (see values.py), tensors and layers included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archonnx.compiler.elaborate import arithmetic, calls, constants, flow, pasted, tensors, unpacking
from archonnx.compiler.elaborate.arithmetic import Problem
from archonnx.compiler.elaborate.builtins import format_value
from archonnx.compiler.elaborate.state import Frame
from archonnx.compiler.elaborate.values import (
    POISON,
    Abort,
    Appliable,
    Results,
    WeightGroup,
    is_poisoned,
    kind_of,
)
from archonnx.compiler.graph import Value
from archonnx.compiler.syntax import tree
from archonnx.contract.diagnostics import Place
from archonnx.contract.dims import Condition, DimTooLargeError

_MISSING = object()


# Operators between tensors, by the function that each stands for.
TENSOR_OPERATORS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "//": "floor_divide",
    "%": "remainder",
    "@": "matmul",
    "**": "power",
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "&": "bitwise_and",
    "|": "bitwise_or",
    "^": "bitwise_xor",
    "<<": "left_shift",
    ">>": "right_shift",
}


def expression(node: tree.Expr, frame: Frame) -> Any:
    """The value of an expression. Raises Abort with its diagnostic; POISON after an earlier error."""
    frame.state.step(node.place)
    try:
        return _TABLE[type(node)](node, frame)
    except Problem as problem:
        raise frame.problem(problem, node.place) from None
    except DimTooLargeError as error:
        raise frame.error("E0804", f"this size is too large to keep exact: {error}", node.place) from None


def _name(node: tree.Name, frame: Frame) -> Any:
    binding = frame.names.get(node.id)
    if binding is not None:
        binding.read = True
        return binding.value
    if node.id == "it":
        return current(frame, node.place)
    return constants.constant(node.id, frame, node.place)


def current(frame: Frame, place: Place) -> Any:
    """`it`, the body's current value."""
    if frame.it is None:
        if frame.body is None:
            raise frame.error("E0603", "`it` stands in bodies only", place)
        inputs = [b for b in frame.names.values() if b.kind == "input"]
        why = "the body has several inputs" if len(inputs) > 1 else "the body has no input yet"
        raise frame.error("E0603", f"`it` is not set: {why}", place, "begin the line with a tensor: x -> ...")
    frame.it.read = True
    return frame.it.value


def _literal(node: tree.Literal, frame: Frame) -> Any:
    return arithmetic.bounded(node.value)


def _fstring(node: tree.FString, frame: Frame) -> Any:
    parts: list[str] = []
    for part in node.parts:
        if isinstance(part, str):
            parts.append(part)
            continue
        value = expression(part.value, frame)
        if value is POISON:
            return POISON
        try:
            parts.append(format_value(value, part.format))
        except Problem as problem:
            raise frame.problem(problem, part.place) from None
    return arithmetic.bounded("".join(parts))


def _tuple(node: tree.Tuple, frame: Frame) -> Any:
    return tuple([expression(item, frame) for item in node.items])  # a generator would cost C stack at each bracket


def _list(node: tree.List, frame: Frame) -> Any:
    return [expression(item, frame) for item in node.items]


def decide(node: tree.Expr, frame: Frame, what: str) -> bool:
    """The truth of a condition that elaboration hangs on: numbers, not symbols."""
    value = expression(node, frame)
    if value is POISON:
        raise Abort(None)
    if isinstance(value, Value):
        raise frame.error(
            "E0503",
            f"{what} is decided while elaborating, and a tensor has no value then",
            node.place,
            "choose between tensors with where(condition, a, b)",
        )
    try:
        truth = arithmetic.truth(value)
    except Problem as problem:
        raise frame.problem(problem, node.place) from None
    if isinstance(truth, Condition):
        decided = frame.state.facts.decide(truth)
        if decided is None:
            raise frame.error(
                "E0503",
                f"{what} needs numbers, and {truth} depends on a symbol",
                node.place,
                "give the axis a number where it is declared, or state it: require " + str(truth),
            )
        return decided
    return truth


def _call(node: tree.Call, frame: Frame) -> Any:
    return calls.call(node, frame)


def _attribute(node: tree.Attribute, frame: Frame) -> Any:
    named = pasted.activation(node, frame)
    if named is not None:
        return named
    value = expression(node.value, frame)
    if value is POISON:
        return POISON
    if isinstance(value, Results):
        if node.name in value.names:
            return value[value.names.index(node.name)]
        names = [n for n in value.names if n]
        help = (
            f"its outputs are {', '.join(names)}" if names else "its results have no names: take them by position, r[0]"
        )
        raise frame.error("E0508", f"the results have no {node.name}", node.name_place, help)
    if isinstance(value, Appliable):
        return tensors.weight_of(value, node, frame)
    if isinstance(value, WeightGroup):
        return tensors.weight_of(value.appliable, node, frame, value.prefix)
    if isinstance(value, Value):
        mend = {"shape": "shape(x)", "dtype": None, "T": "transpose(x)"}.get(node.name, f"{node.name}(x)")
        raise frame.error(
            "E0508",
            f"a tensor has no attribute {node.name}",
            node.name_place,
            f"functions take the tensor: {mend}" if mend else None,
        )
    raise frame.error("E0508", f"{kind_of(value)} has no attribute {node.name}", node.name_place)


def _subscript(node: tree.Subscript, frame: Frame) -> Any:
    value = expression(node.value, frame)
    items = [_item(item, frame) for item in node.items]
    if value is POISON or is_poisoned(*items):
        return POISON
    if isinstance(value, Value):
        return tensors.index_tensor(value, items, node, frame)
    if not isinstance(value, (list, tuple, str, range)):
        raise frame.error("E0506", f"{kind_of(value)} cannot be indexed", node.value.place)
    if len(items) != 1:
        raise frame.error("E0506", f"{kind_of(value)} takes one index", node.place)
    index = items[0]
    if isinstance(index, slice):
        bounds = [None if b is None else arithmetic.whole(b, "a slice") for b in (index.start, index.stop, index.step)]
        if bounds[2] == 0:
            raise frame.error("E0502", "a slice has a step of 0", node.place)
        part = value[slice(*bounds)]
        frame.state.walk(node.place, part)
        return list(part) if isinstance(part, range) else part
    at = arithmetic.whole(index, "an index")
    if not -len(value) <= at < len(value):
        raise frame.error(
            "E0506",
            f"index {at} is out of range: {kind_of(value)}" + (f" of {len(value)}" if isinstance(value, str) else ""),
            node.place,
            f"indices go from 0 to {len(value) - 1}" if value else None,
        )
    return value[at]


def _item(item: tree.Expr | tree.Slice, frame: Frame) -> Any:
    if isinstance(item, tree.Slice):
        bounds = [None if b is None else expression(b, frame) for b in (item.lower, item.upper, item.step)]
        return POISON if is_poisoned(*bounds) else slice(*bounds)
    return expression(item, frame)


def _unary(node: tree.Unary, frame: Frame) -> Any:
    value = expression(node.operand, frame)
    if value is POISON:
        return POISON
    if isinstance(value, Value):
        name = {"-": "negative", "~": "logical_not" if value.type.dtype == "bool" else "bitwise_not"}.get(node.operator)
        if name is None and node.operator == "+":
            return value
        if name is None:
            raise frame.error(
                "E0503",
                "`not` needs a value that is known while elaborating",
                node.place,
                "`~` negates a boolean tensor",
            )
        return tensors.function(name, [value], {}, frame, node.place)
    if node.operator == "not":
        truth = arithmetic.truth(value)
        return Condition.not_(truth)
    return arithmetic.unary(node.operator, value)


def _chain(node: tree.Chain, frame: Frame) -> Any:
    value = expression(node.operands[0], frame)
    for operator, operand in zip(node.operators, node.operands[1:], strict=True):
        frame.state.step(operand.place)
        place = node.operands[0].place.to(operand.place)
        value = _binary(operator.text, value, expression(operand, frame), frame, place, operator.place)
    return value


def _binary(operator: str, a: Any, b: Any, frame: Frame, place: Place, operator_place: Place) -> Any:
    if a is POISON or b is POISON:
        return POISON
    if isinstance(a, Value) or isinstance(b, Value):
        if is_poisoned(a, b):
            return POISON
        name = TENSOR_OPERATORS[operator]
        if operator in ("&", "|", "^") and "bool" in (getattr(v, "type", None) and v.type.dtype for v in (a, b)):
            name = name.replace("bitwise", "logical")
        return tensors.function(name, [a, b], {}, frame, place)
    try:
        value = arithmetic.binary(operator, a, b)
        frame.state.walk(place, value)
        return value
    except Problem as problem:
        raise frame.problem(problem, operator_place if problem.code == "E0501" else place) from None


def _power(node: tree.Power, frame: Frame) -> Any:
    base, exponent = expression(node.base, frame), expression(node.exponent, frame)
    return _binary("**", base, exponent, frame, node.place, node.place)


def _compare(node: tree.Compare, frame: Frame) -> Any:
    values = [expression(operand, frame) for operand in node.operands]
    long = sum([len(v) for v in values if isinstance(v, (list, tuple, range))])
    frame.state.step(node.place, long)
    if is_poisoned(*values):
        return POISON
    parts: list[Any] = []
    for i, operator in enumerate(node.operators):
        a, b = values[i], values[i + 1]
        if isinstance(a, Value) or isinstance(b, Value):
            if a is None or b is None:  # `mask == None`: whether an optional input was given
                parts.append(operator.text in ("!=", "is not"))
                continue
            if operator.text not in TENSOR_OPERATORS:
                raise frame.error("E0501", f"`{operator.text}` does not compare tensors", operator.place)
            if len(node.operators) > 1:
                raise frame.error(
                    "E0501", "tensors are compared two at a time", node.place, "join comparisons with `&`"
                )
            return tensors.function(TENSOR_OPERATORS[operator.text], [a, b], {}, frame, node.place)
        try:
            parts.append(arithmetic.compare(operator.text, a, b))
        except Problem as problem:
            raise frame.problem(problem, operator.place) from None
    return parts[0] if len(parts) == 1 else Condition.and_(*parts)


def _logical(node: tree.Logical, frame: Frame) -> Any:
    """`and` and `or` give the operand that decides, as Python's do; symbols keep them open."""
    stops_at = node.operator == "or"
    parts: list[Condition] = []
    value: Any = not stops_at
    for operand in node.operands:
        value = expression(operand, frame)
        if value is POISON:
            return POISON
        if isinstance(value, Value):
            mend = "`|`" if stops_at else "`&`"
            raise frame.error(
                "E0503",
                f"`{node.operator}` needs values that are known while elaborating",
                operand.place,
                f"{mend} joins boolean tensors",
            )
        truth = arithmetic.truth(value)
        if truth is stops_at:
            return stops_at if parts else value
        if isinstance(truth, Condition):
            parts.append(truth)
    if not parts:
        return value
    return Condition.or_(*parts) if stops_at else Condition.and_(*parts)


def _conditional(node: tree.Conditional, frame: Frame) -> Any:
    return expression(node.then if decide(node.condition, frame, "a conditional") else node.otherwise, frame)


def _flow(node: tree.Flow, frame: Frame) -> Any:
    return flow.flow(node, frame)


_TABLE: dict[type, Callable[[Any, Frame], Any]] = {
    tree.Name: _name,
    tree.Literal: _literal,
    tree.FString: _fstring,
    tree.Tuple: _tuple,
    tree.List: _list,
    tree.Comprehension: unpacking.comprehension,
    tree.Call: _call,
    tree.Attribute: _attribute,
    tree.Subscript: _subscript,
    tree.Unary: _unary,
    tree.Chain: _chain,
    tree.Power: _power,
    tree.Compare: _compare,
    tree.Logical: _logical,
    tree.Conditional: _conditional,
    tree.Flow: _flow,
}
