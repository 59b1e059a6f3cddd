"""What the layers of Keras share: the dtype they compute in, and the rules that many of them check.

A Keras layer computes in float32, whatever floating type comes in, unless its `dtype=` says otherwise; layers that only
move values about keep integers and booleans as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError, arg
from archonnx.compiler.layers.domains import FloatDType, Optional
from archonnx.contract.dims import Condition, Dim, Facts, Verdict, compare
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder


class KerasLayer(Layer):
    """A layer of Keras: takes `dtype=`, the floating type to compute in, and casts floating inputs to it."""

    abstract = True
    argument_order: ClassVar[tuple[str, ...]] = ()  # positional order, where it is not that of declaration; inherited

    dtype = arg(Optional(FloatDType()), default=None, doc="Floating type to compute in; None is float32.")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        names = [n for n in cls.argument_order or cls.declared if n != "dtype"]
        if not cls.abstract:
            # dtype comes last, as everything that Keras takes by keyword only.
            cls.declared = {n: cls.declared[n] for n in (*names, "dtype")}

    @property
    def compute_dtype(self) -> str:
        return self.dtype or "float32"

    def kept(self, x: TensorType) -> TensorType:
        """The input's type once floats are cast to the layer's dtype; integers and booleans stay."""
        return TensorType(self.compute_dtype, x.shape) if DTYPES[x.dtype].kind == "float" else x

    def floating(self, x: TensorType, input: int = 0) -> TensorType:
        """The input's type once every number is cast to the layer's dtype. E0303 for what is no number."""
        if DTYPES[x.dtype].kind in ("string", "complex"):
            raise LayerError("E0303", f"{self.type_name} needs numbers, got {x}", input=input)
        return TensorType(self.compute_dtype, x.shape)

    def cast_kept(self, b: Builder, x: Tensor) -> Tensor:
        return b.cast(x, self.kept(x.type).dtype)

    def cast_floating(self, b: Builder, x: Tensor) -> Tensor:
        return b.cast(x, self.compute_dtype)


class Elementwise(KerasLayer):
    """A layer whose result has its input's shape."""

    abstract = True

    def infer(self, c: Context, x: TensorType) -> TensorType:
        return self.kept(x)


def product(dims: Sequence[Dim]) -> Dim:
    result: Dim = 1
    for dim in dims:
        result = result * dim
    return result


def counted(many: Dim | Sequence[Any], what: str) -> str:
    """1 head, 3 heads, N heads: a number or size, or the length of what is counted, with its noun."""
    count = len(many) if isinstance(many, Sequence) else many
    return f"{count} {what}{'' if isinstance(count, int) and count == 1 else 's'}"


def require_rank(layer: Layer, x: TensorType, axes: Sequence[str], input: int = 0) -> None:
    """E0302 unless the input has exactly these axes."""
    if x.rank == len(axes):
        return
    if x.rank > len(axes):
        help = "bring it to that many axes first: Reshape, Flatten, a pool, or TimeDistributed around the layer"
    elif x.rank == len(axes) - 1 and axes[0] == "batch" and isinstance(x.shape[0], int):
        help = f"the first axis is the batch: {TensorType(x.dtype, ('N', *x.shape))}"  # type: ignore[arg-type]
    else:
        help = "give it the axes that it lacks: Reshape, or expand_dims"
    raise LayerError(
        "E0302", f"{layer.type_name} needs {len(axes)} axes ({', '.join(axes)}), got {x}", input=input, help=help
    )


def require_least_rank(layer: Layer, x: TensorType, rank: int, input: int = 0) -> None:
    """E0302 unless the input has at least `rank` axes."""
    if x.rank < rank:
        axes = "axis" if rank == 1 else "axes"
        help = "give it the axes that it lacks: Reshape, or expand_dims"
        raise LayerError("E0302", f"{layer.type_name} needs at least {rank} {axes}, got {x}", input=input, help=help)


def resolve_axis(layer: Layer, x: TensorType, axis: int, argument: str) -> int:
    """The axis counted from the first; E0311 where the input has none of that number."""
    if not x.rank:
        raise LayerError("E0302", f"{layer.type_name} needs an axis, got {x}, which has none", input=0)
    if not -x.rank <= axis < x.rank:
        raise LayerError(
            "E0311",
            f"{layer.type_name} is given axis {axis}, its input {x} has axes {-x.rank} to {x.rank - 1}",
            argument=argument,
        )
    return axis % x.rank


def resolve_axes(layer: Layer, x: TensorType, axes: Sequence[int], argument: str) -> list[int]:
    """The axes counted from the first, in ascending order; E0311 where there is none, one twice, or no such axis."""
    if not axes:
        raise LayerError("E0311", f"{layer.type_name} needs an axis, got none", argument=argument)
    found: list[int] = []
    for axis in axes:
        place = resolve_axis(layer, x, axis, argument)
        if place in found:
            raise LayerError(
                "E0311",
                f"{layer.type_name} is given axis {place} of its input {x} twice: {tuple(axes)}",
                argument=argument,
            )
        found.append(place)
    return sorted(found)


def require_floats(layer: Layer, x: TensorType, input: int = 0) -> None:
    """E0303 for what is not of a floating type, where Keras would cut the result to whole numbers or fail."""
    if DTYPES[x.dtype].kind != "float":
        help = None if DTYPES[x.dtype].kind in ("string", "complex") else 'convert first: cast(x, "float32")'
        raise LayerError("E0303", f"{layer.type_name} needs floats, got {x}", input=input, help=help)


def equal(facts: Facts, a: Dim, b: Dim) -> Verdict:
    """Whether two sizes agree; numbers are compared without asking the facts."""
    if isinstance(a, int) and isinstance(b, int):
        return Verdict.YES if a == b else Verdict.NO
    return Verdict.YES if a == b else facts.equal(a, b)


def decide(facts: Facts, op: Any, a: Dim, b: Dim) -> bool | None:
    """Whether a comparison holds: True, False, or None where it depends on symbols."""
    condition = compare(op, a, b)
    return condition if isinstance(condition, bool) else facts.decide(condition)


def require_text(op: Any, a: Dim, b: Dim) -> str:
    """The `require` that would settle a comparison, as a line of the language."""
    condition = compare(op, a, b)
    return f"require {condition}" if isinstance(condition, Condition) else ""


def broadcast(layer: Layer, facts: Facts, types: Sequence[TensorType]) -> tuple[Dim, ...]:
    """The shape that shapes of one rank broadcast to. E0308 where two sizes differ, E0309 where they may."""
    result = list(types[0].shape)
    for number, x in enumerate(types[1:], 1):
        for axis, (a, b) in enumerate(zip(result, x.shape, strict=True)):
            if isinstance(a, int) and a == 1:
                result[axis] = b
            elif not (isinstance(b, int) and b == 1):
                require_equal(layer, facts, a, b, types, input=number, axis=axis)
                if isinstance(b, int):
                    result[axis] = b
    return tuple(result)


def require_equal(
    layer: Layer,
    facts: Facts,
    a: Dim,
    b: Dim,
    types: Sequence[TensorType],
    *,
    input: int,
    axis: int,
    help: str | None = None,
) -> None:
    """E0308 where two sizes of inputs that must agree never do, E0309 where that is not known. `help` mends E0308."""
    verdict = equal(facts, a, b)
    if verdict is Verdict.YES:
        return
    shown = " and ".join(map(str, types)) if len(types) == 2 else ", ".join(map(str, types))
    if verdict is Verdict.NO:
        raise LayerError(
            "E0308",
            f"{layer.type_name} got shapes that do not fit: {shown} ({a} and {b})",
            input=input,
            axis=axis,
            label=f"{b} here",
            help=help,
        )
    raise LayerError(
        "E0309",
        f"{layer.type_name} cannot tell whether {a} and {b} are equal: {shown}",
        input=input,
        axis=axis,
        label=f"{b} here",
        help=f"state it: {require_text('==', a, b)}",
    )


def require_one_dtype(layer: Layer, types: Sequence[TensorType]) -> str:
    """The dtype of all inputs; E0303 where two differ."""
    for number, x in enumerate(types[1:], 1):
        if x.dtype != types[0].dtype:
            raise LayerError(
                "E0303",
                f"{layer.type_name} needs inputs of one type, got {types[0]} and {x}",
                input=number,
                help=f'convert one first: cast(x, "{types[0].dtype}")',
            )
    return types[0].dtype
