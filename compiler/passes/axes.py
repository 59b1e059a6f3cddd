"""What operators do to axes, as data: which work element by element, and which can take their axes in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archonnx.compiler.ir import Operator, OperatorGraph, Tensor
from archonnx.compiler.lowering.constants import literal_ints
from archonnx.compiler.passes.views import bytes_of

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
SAME_RANK = frozenset(("Concat", "Pad", "Slice", "Split", *ALONG_ONE_AXIS))
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


@dataclass(slots=True)
class Wish:
    """The order of axes that users of a tensor take it in: axis i is axis order[i] of the value.

    `price`: the fewest bytes that a Transpose into this order would move, here or behind operators that keep the axes.
    """

    order: tuple[int, ...]
    price: int


def find_wishes(graph: OperatorGraph) -> dict[int, Wish]:
    """What most users of a tensor wish, by the tensor's id; the first of equals. Missing: none of them cares.

    Found backwards from the outputs, in one go.
    """
    votes: dict[int, dict[tuple[int, ...], tuple[int, int]]] = {}

    def vote(tensor: Tensor, order: Sequence[int], price: int) -> None:
        cast = votes.setdefault(id(tensor), {})
        count, least = cast.pop(tuple(order), (0, price))
        cast[tuple(order)] = count + 1, min(price, least)  # put last: that is where the earliest user is

    for _, output in graph.outputs:
        vote(output, range(output.rank), bytes_of(output.type))
    for operator in reversed(graph.operators):
        result = operator.outputs[0]
        after = _winner(votes[id(result)]) if id(result) in votes else None
        for tensor in operator.inputs:
            if tensor is None or tensor.recipe is not None:
                continue
            here = bytes_of(tensor.type)
            if operator.type == "Transpose":
                perm = permutation_of(operator)
                if after is not None:
                    vote(tensor, [perm[a] for a in after.order], min(here, after.price))
            elif _keeps_axes(operator) and tensor.rank == result.rank:
                if after is not None:
                    vote(tensor, after.order, min(here, after.price))
            elif not _is_free(operator, tensor, result):
                vote(tensor, range(tensor.rank), here)
    return {key: _winner(cast) for key, cast in votes.items()}


def _winner(cast: dict[tuple[int, ...], tuple[int, int]]) -> Wish:
    order = max(reversed(cast), key=lambda order: cast[order][0])
    return Wish(order, cast[order][1])


def _keeps_axes(operator: Operator) -> bool:
    return not operator.domain and (operator.type in ELEMENTWISE or operator.type in SAME_RANK)


def _is_free(operator: Operator, tensor: Tensor, result: Tensor) -> bool:
    """Whether it takes its input in any order: reductions, and Reshapes that merge axes, as before a Dense."""
    merges = operator.type in REGROUPING and tensor.rank > result.rank
    return not operator.domain and (operator.type in REDUCTIONS or merges or operator.type == "Shape")
