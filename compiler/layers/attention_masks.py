"""The masks of attention: of what shapes they are, and how they come to lie on the scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError
from archonnx.compiler.layers.common import equal, require_text
from archonnx.contract.dims import Verdict
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context, Layer
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


def check_sizes(
    layer: Layer,
    c: Context,
    name: str,
    mask: TensorType,
    expected: Sequence[Dim],
    axes: Sequence[str],
    *,
    input: int,
    skipped: int = 0,
) -> None:
    """E0321 unless the mask stretches to the expected shape, E0309 where that is not known.

    `axes` are the names of the expected axes. With `skipped`, axes may be left out before the last `skipped` ones.
    """
    shown = f"[{', '.join(map(str, expected))}] ({', '.join(axes)})"
    if DTYPES[mask.dtype].kind not in ("bool", "int", "uint", "float"):
        raise LayerError("E0303", f"{layer.type_name} needs {name} of booleans, got {mask}", input=input)
    lead = mask.rank - skipped
    if lead < 0 or mask.rank > len(expected) or (not skipped and mask.rank != len(expected)):
        raise LayerError(
            "E0321",
            f"{layer.type_name} needs {name} that stretches to {shown}, got {mask}",
            input=input,
            help=_ranks(axes, skipped),
        )
    meant = (*expected[:lead], *expected[len(expected) - skipped :]) if skipped else tuple(expected)
    for axis, (size, wanted) in enumerate(zip(mask.shape, meant, strict=True)):
        if isinstance(size, int) and size == 1:
            continue
        verdict = equal(c.facts, size, wanted)
        if verdict is Verdict.NO:
            raise LayerError(
                "E0321",
                f"{layer.type_name} needs {name} that stretches to {shown}, got {mask}: "
                f"{size} is neither 1 nor {wanted}",
                input=input,
                axis=axis,
                label=f"{size} here",
                help=_ranks(axes, skipped),
            )
        if verdict is not Verdict.YES:
            raise LayerError(
                "E0309",
                f"{layer.type_name} cannot tell whether {size} and {wanted} are equal: "
                f"{name} {mask} stretches to {shown}",
                input=input,
                axis=axis,
                label=f"{size} here",
                help=f"state it: {require_text('==', size, wanted)}",
            )


def _ranks(axes: Sequence[str], skipped: int) -> str:
    if not skipped:
        return f"its axes are {', '.join(axes)}; a size of 1 stretches"
    last, first = ", ".join(axes[-skipped:]), ", ".join(axes[:-skipped])
    return f"its last axes are {last}, before them none or more of {first}; a size of 1 stretches"


def as_bool(b: Builder, mask: Tensor) -> Tensor:
    """A mask of numbers keeps where it is not 0."""
    return b.cast(mask, "bool")


def on_scores(b: Builder, mask: Tensor, rank: int, last: int) -> Tensor:
    """A mask laid on scores of `rank` axes: its first axes are theirs, its `last` ones are their last."""
    if mask.rank == last:
        return mask
    lead = mask.rank - last
    return b.expand_dims(mask, range(lead, lead + rank - mask.rank))


def of_tokens(b: Builder, mask: Tensor, attended: Sequence[int], rank: int, *, query: bool) -> Tensor:
    """A mask of the query's places, or the values', laid on the scores: [*batch, 1, *steps, *source].

    `rank` is the number of axes of the tensor that it masks; where the mask has fewer it lacks the last ones.
    """
    whole = b.expand_dims(mask, range(mask.rank, rank - 1))
    batch = [axis for axis in range(rank - 1) if axis not in attended]
    turned = b.transpose(whole, (*batch, *attended))
    first, count = len(batch), len(attended)
    places = [first, *range(first + 1 + count, first + 1 + 2 * count)] if query else range(first, first + 1 + count)
    return b.expand_dims(turned, places)
