"""What every tensor function shares: inputs that are arguments of a call, and numpy's rules of types and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.contract.dims import Verdict
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

NUMBERS = ("float", "int", "uint")  # the kinds of dtypes that are calculated with
EVERYTHING = (*NUMBERS, "bool")

# What stands in for whole numbers that an operator does not take: sums, products and powers agree modulo their range.
WIDER = {"int8": "int32", "int16": "int32", "uint8": "int32", "uint16": "int32", "uint32": "int64", "uint64": "int64"}


class Function(Layer):
    """The base of tensor functions. `parameters` gives the order of the call, inputs and arguments alike."""

    abstract = True
    masking = "drop"  # keras.ops pass no masks


def need_kind(name: str, x: TensorType, kinds: Sequence[str], input: int = 0) -> None:
    """E0353 where a function is not defined for the tensor's dtype."""
    if DTYPES[x.dtype].kind in kinds:
        return
    if tuple(kinds) == ("bool",):
        help = "it is for boolean tensors: compare first, x > 0"
    elif "float" in kinds:
        help = "convert it first: cast(tensor, float32)"
    else:
        help = "convert it first: cast(tensor, int64)"
    raise LayerError("E0353", f"{name} is not defined for {x.dtype}", help=help, input=input)


def same_dtype(name: str, *types: TensorType) -> str:
    """The dtype that all operands share; E0350 where two differ."""
    first = types[0].dtype
    for i, other in enumerate(types[1:], 1):
        if other.dtype != first:
            raise LayerError(
                "E0350",
                f"{name} of {first} and {other.dtype}: the operands are of one type",
                help=f"convert one of them with cast(tensor, {first}) or cast(tensor, {other.dtype})",
                input=i,
            )
    return first


def broadcast(c: Context, name: str, *shapes: Sequence[Dim], behind: int | None = 0) -> tuple[Dim, ...]:
    """numpy's broadcast shape. Sizes agree where they are equal for every value of their symbols; only a 1 stretches.

    E0351: provably different sizes. E0352: sizes of which nothing says that they are equal. Shapes are those of the
    function's inputs, of which `behind` more axes follow; None: they are not.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        chosen: Dim = 1
        for i, shape in enumerate(shapes):
            if len(shape) < -axis:
                continue
            size = c.facts.normalize(shape[axis])
            if size == 1 or size == chosen:
                continue
            if chosen == 1:
                chosen = size
                continue
            verdict = c.facts.equal(chosen, size)
            if verdict is not Verdict.YES:
                texts = " and ".join(f"[{', '.join(map(str, s))}]" for s in shapes)
                place = (None, None) if behind is None else (i, axis - behind)
                raise _unequal(f"{name} of the shapes {texts}", verdict, chosen, size, axis, place)
            if isinstance(size, int):
                chosen = size
        result.append(chosen)
    return tuple(result)


def _unequal(
    what: str, verdict: Verdict, first: Dim, second: Dim, axis: int, place: tuple[int | None, int | None]
) -> LayerError:
    """The error of two sizes that do not broadcast."""
    if verdict is Verdict.NO:
        message = f"{what}: {first} and {second} differ at axis {axis}"
        return LayerError("E0351", message, input=place[0], axis=place[1])
    message = f"{what}: nothing says that {first} and {second} are equal at axis {axis}"
    help = f"if they are always equal, say so first: require {first} == {second}"
    return LayerError("E0352", message, help=help, input=place[0], axis=place[1])


def axes_of(name: str, x: TensorType, axes: Sequence[int] | None, *, argument: str = "axis") -> list[int]:
    """The axes that are meant, counted from 0, sorted; None stands for all. E0355: out of range or twice."""
    if axes is None:
        return list(range(x.rank))
    for axis in axes:
        if not -x.rank <= axis < x.rank:
            raise LayerError("E0355", f"{name} over axis {axis} of {x}: it has {x.rank} axes", argument=argument)
    places = sorted({a % x.rank for a in axes})
    if len(places) != len(axes):
        raise LayerError("E0355", f"{name} names an axis of {x} twice", argument=argument)
    return places


def agree(c: Context, name: str, a: Dim, b: Dim, what: str, *, input: int | None = None) -> None:
    """E0351 where two sizes differ, E0352 where nothing says that they are equal."""
    verdict = c.facts.equal(a, b)
    if verdict is Verdict.YES:
        return
    if verdict is Verdict.NO:
        raise LayerError("E0351", f"{name}: {what}, {a} and {b}, differ", input=input)
    raise LayerError(
        "E0352",
        f"{name}: nothing says that {what}, {a} and {b}, are equal",
        help=f"if they are always equal, say so first: require {a} == {b}",
        input=input,
    )


def product(sizes: Sequence[Dim]) -> Dim:
    """The number of elements of a shape."""
    count: Dim = 1
    for size in sizes:
        count = count * size
    return count


def sizes_text(sizes: Sequence[Dim]) -> str:
    """Sizes as Python writes a tuple: `(2, N)`, `(3,)`."""
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"


def result_types(b: Builder) -> list[TensorType]:
    """The types that the current node's shape rule gave."""
    assert b.node is not None, "a function is lowered for a node"
    return [value.type for value in b.node.outputs]


def widened(b: Builder, x: Tensor, *, ordered: bool = False) -> Tensor:
    """The tensor in a dtype that every arithmetic operator takes; the caller casts the result back.

    `ordered`: what is done with it depends on which number is larger, so that uint64 stays what it is.
    """
    return x if ordered and x.dtype == "uint64" else b.cast(x, WIDER.get(x.dtype, x.dtype))


def select(b: Builder, condition: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
    """x1 where the condition holds, else x2, by operators that there are kernels of: Where lacks some dtypes."""
    result = TensorType(x1.dtype, b.broadcast((condition.shape, x1.shape, x2.shape)))
    if x1.dtype == "bool":
        first, second = b.op("And", condition, x1), b.op("And", b.op("Not", condition), x2)
        return b.op("Or", first, second, result=result)
    wide = WIDER[x1.dtype] if x1.dtype in ("int16", "uint16", "uint64") else x1.dtype
    chosen = b.op("Where", condition, b.cast(x1, wide), b.cast(x2, wide), result=TensorType(wide, result.shape))
    return b.cast(chosen, x1.dtype)


def steps(b: Builder, count: Dim) -> Tensor:
    """0, 1, ... count - 1: int64 (count,)."""
    if isinstance(count, int) and count <= 1024:
        return b.ints(list(range(count)))
    zero, one = b.constant(0, "int64"), b.constant(1, "int64")
    return b.op("Range", zero, b.dim(count), one, result=TensorType("int64", (count,)))
