"""What operators do to axes, as data: which work element by element, and which can take their axes in any order."""

from __future__ import annotations

from collections.abc import Iterator

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.constants import literal_ints

# Work element by element, inputs broadcast as numpy's do.
ELEMENTWISE = frozenset(
    """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast
    Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN
    LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink
    Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
    """.split()
)
REDUCTIONS = frozenset(
    f"Reduce{kind}" for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
)
# One axis, an attribute, whose default is the second entry.
ALONG_ONE_AXIS = {"Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "LpNormalization": -1}
SAME_RANK = frozenset(("Concat", "Pad", "Resize", "Slice", "Split", *ALONG_ONE_AXIS))
REGROUPING = frozenset(("Reshape", "Squeeze", "Unsqueeze", "Flatten"))


def permutation_of(operator: Operator) -> tuple[int, ...]:
    """A Transpose's order of axes."""
    tensor = operator.inputs[0]
    assert tensor is not None
    perm = operator.attributes.get("perm")
    return tuple(perm) if perm is not None else tuple(reversed(range(tensor.rank)))


def reduced_axes(operator: Operator) -> list[int] | None:
    """The axes that a reduction takes, counted from the first; None where they are not known before run time."""
    tensor = operator.inputs[0]
    assert tensor is not None
    given = operator.inputs[1] if len(operator.inputs) > 1 else None
    if given is not None:
        axes = literal_ints(given)
        if axes is None or (not axes and operator.attributes.get("noop_with_empty_axes")):
            return None
    else:
        if operator.attributes.get("noop_with_empty_axes"):
            return None
        axes = list(operator.attributes.get("axes") or ())
    return sorted(a % tensor.rank for a in axes) if axes else list(range(tensor.rank))


def wanted_orders(graph: OperatorGraph) -> dict[int, tuple[int, ...]]:
    """For tensors by id, the order of axes that users take them in: axis i is axis order[i] of the value.

    A tensor that is missing has no user that cares. Found backwards from the outputs; the first of several users counts.
    """
    wanted: dict[int, tuple[int, ...]] = {}
    for _, tensor in graph.outputs:
        wanted[id(tensor)] = tuple(range(tensor.rank))
    for operator in reversed(graph.operators):
        result = operator.outputs[0]
        after = wanted.get(id(result))
        for tensor in _values(operator):
            if operator.type == "Transpose":
                perm = permutation_of(operator)
                order = tuple(perm[a] for a in after) if after is not None else None
            elif _keeps_axes(operator) and tensor.rank == result.rank:
                order = after
            elif operator.type in REDUCTIONS or (operator.type in REGROUPING and tensor.rank > result.rank):
                order = None
            else:
                order = tuple(range(tensor.rank))
            if order is not None:
                wanted[id(tensor)] = order
    return wanted


def _keeps_axes(operator: Operator) -> bool:
    return not operator.domain and (operator.type in ELEMENTWISE or operator.type in SAME_RANK)


def _values(operator: Operator) -> Iterator[Tensor]:
    return (t for t in operator.inputs if t is not None and t.recipe is None)
