"""Operators over constants that the compiler wrote: worked out now. What weights hold is never looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.builder import Builder
from archonnx.compiler.lowering.constants import literal, literal_ints
from archonnx.compiler.passes.axes import permutation_of
from archonnx.compiler.passes.changes import note
from archonnx.contract.dims import Facts

if TYPE_CHECKING:
    import numpy as np

LARGEST = 1024  # elements of a literal that is worked with


def fold_constants(graph: OperatorGraph, facts: Facts) -> OperatorGraph:
    """Replace operators by constants.

    1. Shape, of sizes that are known.
    2. Transpose, Reshape, Squeeze, Unsqueeze, Concat of constants, Cast but of strings: their recipes change.
    3. Add, Sub, Mul, Div, Mod, Min, Max over literal whole numbers of at most 1024 elements.
    4. Gather and Slice of such literals, as shapes are taken apart.
    """
    builder = Builder(OperatorGraph(graph.name, graph.opset), facts)
    instead: dict[int, Tensor] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        operator.inputs = [None if t is None else instead.get(id(t), t) for t in operator.inputs]
        rule = _RULES.get(operator.type) if not operator.domain else None
        constant = rule(operator, builder) if rule is not None else None
        if constant is None:
            kept.append(operator)
        else:
            constant.type = operator.outputs[0].type
            instead[id(operator.outputs[0])] = constant
            known = "known sizes" if operator.type == "Shape" else "constants"
            note(graph, "fold_constants", f"{operator.type} of {known}", operator)
    graph.operators = kept
    graph.outputs = [(name, instead.get(id(tensor), tensor)) for name, tensor in graph.outputs]
    return graph


Rule = Callable[[Operator, Builder], Tensor | None]


def _shape(operator: Operator, builder: Builder) -> Tensor | None:
    x = operator.inputs[0]
    assert x is not None
    sizes = x.shape[operator.attributes.get("start", 0) : operator.attributes.get("end")]
    known = [builder.known(d) for d in sizes]
    numbers = [d for d in known if isinstance(d, int)]
    return builder.ints(numbers) if len(numbers) == len(known) else None


def _structural(operator: Operator, builder: Builder) -> Tensor | None:
    x, result = operator.inputs[0], operator.outputs[0]
    if x is None or x.recipe is None or not all(isinstance(d, int) for d in result.shape):
        return None
    if operator.type == "Transpose":
        return builder.transpose(x, permutation_of(operator))
    if operator.type == "Cast":
        return None if "string" in (x.dtype, result.dtype) else builder.cast(x, result.dtype)  # runtimes write numbers
    shape = tuple(d for d in result.shape if isinstance(d, int))
    return Tensor(x.name, result.type, recipe=x.recipe.reshape(shape)) if math.prod(shape) == x.recipe.size else None


def _concat(operator: Operator, builder: Builder) -> Tensor | None:
    constants = [t for t in operator.inputs if t is not None and t.recipe is not None]
    return builder.concat(constants, operator.attributes["axis"]) if len(constants) == len(operator.inputs) else None


def _arithmetic(compute: Callable[..., np.ndarray[Any, Any]]) -> Rule:
    def rule(operator: Operator, builder: Builder) -> Tensor | None:
        arrays = [literal(t) for t in operator.inputs]
        numbers = [a for a in arrays if a is not None and a.dtype.kind in "iu" and a.size <= LARGEST]
        if len(numbers) != len(arrays) or operator.attributes:
            return None
        value = numbers[0]
        for other in numbers[1:]:
            value = compute(value, other)
        return builder.constant(value, operator.outputs[0].dtype)

    return rule


def _add(a: Any, b: Any) -> Any:
    return a + b


def _subtract(a: Any, b: Any) -> Any:
    return a - b


def _multiply(a: Any, b: Any) -> Any:
    return a * b


def _remainder(a: Any, b: Any) -> Any:
    return a % b


def _least(a: Any, b: Any) -> Any:
    import numpy as np

    return np.minimum(a, b)


def _greatest(a: Any, b: Any) -> Any:
    import numpy as np

    return np.maximum(a, b)


def _divide(operator: Operator, builder: Builder) -> Tensor | None:
    """Div rounds towards zero; left alone where a divisor is 0 or a sign would matter."""
    a, b = literal(operator.inputs[0]), literal(operator.inputs[1])
    if a is None or b is None or a.dtype.kind not in "iu" or max(a.size, b.size) > LARGEST:
        return None
    if (a < 0).any() or (b < 1).any():
        return None
    return builder.constant(a // b, operator.outputs[0].dtype)


def _gather(operator: Operator, builder: Builder) -> Tensor | None:
    data, indices = literal(operator.inputs[0]), literal(operator.inputs[1])
    if data is None or indices is None or data.dtype.kind not in "iu" or max(data.size, indices.size) > LARGEST:
        return None
    axis = operator.attributes.get("axis", 0)
    if data.ndim == 0 or (indices < -data.shape[axis]).any() or (indices >= data.shape[axis]).any():
        return None
    return builder.constant(data.take(indices, axis=axis), operator.outputs[0].dtype)


def _slice(operator: Operator, builder: Builder) -> Tensor | None:
    data = literal(operator.inputs[0])
    bounds = [literal_ints(t) for t in operator.inputs[1:]]
    if data is None or data.dtype.kind not in "iu" or data.size > LARGEST or any(b is None for b in bounds):
        return None
    starts, ends, axes, steps = (*bounds, None, None)[:4]
    assert starts is not None
    assert ends is not None
    chosen = [slice(None)] * data.ndim
    for i, axis in enumerate(axes or range(len(starts))):
        step = steps[i] if steps is not None else 1
        if step < 0:  # an end of -1 counts from the back in Python
            return None
        chosen[axis] = slice(starts[i], ends[i], step)
    return builder.constant(data[tuple(chosen)], operator.outputs[0].dtype)


_RULES: dict[str, Rule] = {
    "Shape": _shape,
    **dict.fromkeys(("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast"), _structural),
    "Concat": _concat,
    "Add": _arithmetic(_add),
    "Sub": _arithmetic(_subtract),
    "Mul": _arithmetic(_multiply),
    "Mod": _arithmetic(_remainder),
    "Min": _arithmetic(_least),
    "Max": _arithmetic(_greatest),
    "Div": _divide,
    "Gather": _gather,
    "Slice": _slice,
}
