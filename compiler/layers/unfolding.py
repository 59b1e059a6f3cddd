"""Convolutions and pools in float64, for which onnxruntime has no kernels: windows gathered, then multiplied or summed.

The number of operators does not depend on the window's size. Sizes may be symbolic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.common import product

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.windows import Window
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


def unfold(b: Builder, x: Tensor, window: Window, spatial: Sequence[Dim], *, turned: bool = False) -> Tensor:
    """[N, C, size, ...] to [N, C, place, ..., offset, ...]: what each of `spatial` windows looks at, padding done.

    `turned` takes the offsets of a window from the last to the first.
    """
    rank = len(spatial)
    for number in reversed(range(rank)):
        places, stride = spatial[number], window.strides[number]
        offsets = [offset * window.dilations[number] for offset in range(window.size[number])]
        x = b.gather(x, _indices(b, places, stride, offsets[::-1] if turned else offsets), 2 + number)
    pairs = range(2, 2 + 2 * rank)
    return b.transpose(x, (0, 1, *pairs[::2], *pairs[1::2]))


def _indices(b: Builder, places: Dim, stride: int, offsets: list[int]) -> Tensor:
    """int64 [places, offsets]: place * stride + offset."""
    known = b.known(places)
    if isinstance(known, int):
        return b.constant([[place * stride + offset for offset in offsets] for place in range(known)], "int64")
    end = b.dim(b.known(known * stride))
    starts = b.op(
        "Range", b.constant(0, "int64"), end, b.constant(stride, "int64"), result=TensorType("int64", (known,))
    )
    return b.op("Add", b.expand_dims(starts, [1]), b.ints(offsets))


def convolve(
    b: Builder,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    window: Window,
    spatial: Sequence[Dim],
    groups: int,
    *,
    turned: bool = False,
) -> Tensor:
    """Conv by a matrix product: x [N, C, ...] padded, kernel (filters, C / groups, ...), bias (filters,)."""
    rank, filters = len(spatial), kernel.shape[0]
    volume = product(kernel.shape[1:])
    seen = unfold(b, x, window, spatial, turned=turned)
    seen = b.transpose(seen, (0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank)))
    if groups == 1:
        matrix = b.transpose(b.reshape(kernel, (filters, volume)), (1, 0))
        y = b.matmul(b.reshape(seen, (x.shape[0], *spatial, volume)), matrix)
    else:
        matrix = b.transpose(b.reshape(kernel, (groups, filters // groups, volume)), (0, 2, 1))
        parted = b.matmul(b.reshape(seen, (x.shape[0], *spatial, groups, 1, volume)), matrix)
        y = b.reshape(parted, (x.shape[0], *spatial, filters))
    return b.channels_first(y if bias is None else b.op("Add", y, bias, result=y.type))


def stuff(b: Builder, x: Tensor, strides: Sequence[int], before: Sequence[int], after: Sequence[int]) -> Tensor:
    """[N, C, size, ...] with stride - 1 zeros between two places, and zeros before the first and after the last."""
    rank = len(strides)
    if any(stride > 1 for stride in strides):
        wide = b.expand_dims(x, range(3, 3 + 2 * rank, 2))
        added = [0, 0, *(n for stride in strides for n in (0, stride - 1))]
        sizes = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
        x = b.reshape(b.pad(wide, [0] * wide.rank, added), (*x.shape[:2], *sizes))
    ends = [high - (stride - 1) for high, stride in zip(after, strides, strict=True)]  # below 0: cut off
    return b.pad(x, [0, 0, *before], [0, 0, *ends])


def mean(b: Builder, x: Tensor, window: Window, spatial: Sequence[Dim]) -> Tensor:
    """AveragePool: the mean of each window of x, padding done."""
    rank = len(spatial)
    return b.reduce("Mean", unfold(b, x, window, spatial), range(2 + rank, 2 + 2 * rank))
