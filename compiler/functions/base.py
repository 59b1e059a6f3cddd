"""What every tensor function shares: a layer whose inputs are arguments of a call, and numpy's rules of types and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.layers.base import Context
    from archonnx.contract.dims import Dim


class Function(Layer):
    """The base of tensor functions. `parameters` gives the order of the call, inputs and arguments alike."""

    abstract = True
    masking = "drop"  # keras.ops pass no masks


def same_dtype(name: str, *types: TensorType) -> str:
    """The dtype that all operands share; E0350 where two differ."""
    first = types[0].dtype
    for i, other in enumerate(types[1:], 1):
        if other.dtype != first:
            raise LayerError(
                "E0350",
                f"{name} of {first} and {other.dtype}: the operands are of one type",
                help=f"convert one of them: cast(x, {first})",
                input=i,
            )
    return first


def broadcast(c: Context, name: str, *shapes: Sequence[Dim]) -> tuple[Dim, ...]:
    """numpy's broadcast shape. Sizes agree where they are equal for every value of their symbols; only a 1 stretches.

    E0351: provably different sizes. E0352: sizes of which nothing says that they are equal.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        chosen: Dim = 1
        for shape in shapes:
            if len(shape) < -axis:
                continue
            size = shape[axis]
            if size == 1 or size == chosen:
                continue
            if chosen == 1:
                chosen = size
                continue
            verdict = c.facts.equal(chosen, size)
            if verdict is Verdict.YES:
                if isinstance(size, int):
                    chosen = size
                continue
            texts = " and ".join(f"[{', '.join(map(str, s))}]" for s in shapes)
            if verdict is Verdict.NO:
                raise LayerError(
                    "E0351", f"{name} of the shapes {texts}: {chosen} and {size} differ at axis {axis}", axis=axis
                )
            raise LayerError(
                "E0352",
                f"{name} of the shapes {texts}: nothing says that {chosen} and {size} are equal at axis {axis}",
                help=f"if they are always equal, say so first: require {chosen} == {size}",
                axis=axis,
            )
        result.append(chosen)
    return tuple(result)
