"""Sliding windows over any number of spatial axes: what convolutions and pools share.

"same" padding is TensorFlow's: the result has ceil(size / stride) places, and what must be added to reach them is
split in two, the odd one after. It depends on the size; where a symbol leaves it open, ONNX's SAME_UPPER says the
same thing, as far as onnxruntime follows it (`padded`).
https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, LayerError
from archonnx.compiler.layers.common import decide
from archonnx.contract.dims import Dim, Facts, ceil_div, dim_max

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder

SPATIAL = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class Window(NamedTuple):
    """A window: its size, stride and dilation along each spatial axis, and the padding's name."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str

    @property
    def extents(self) -> tuple[int, ...]:
        """Places from the first to the last that the window looks at, along each axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.size, self.dilations, strict=True))


def axis_names(rank: int, channels_first: bool) -> tuple[str, ...]:
    """What the axes of an image-like tensor are called, `rank` being the number of spatial axes."""
    return ("batch", "channels", *SPATIAL[rank]) if channels_first else ("batch", *SPATIAL[rank], "channels")


def spatial_axes(rank: int, channels_first: bool) -> range:
    return range(2, 2 + rank) if channels_first else range(1, 1 + rank)


def channel_axis(rank: int, channels_first: bool) -> int:
    return 1 if channels_first else rank + 1


def with_sizes(x: TensorType, channels_first: bool, spatial: Sequence[Dim], channels: Dim) -> TensorType:
    """The type with other spatial sizes and channels."""
    if channels_first:
        return TensorType(x.dtype, (x.shape[0], channels, *spatial))
    return TensorType(x.dtype, (x.shape[0], *spatial, channels))


def moved(
    layer: Layer,
    facts: Facts,
    x: TensorType,
    window: Window,
    axes: Sequence[int],
    argument: str,
    names: Sequence[str] = (),
) -> list[Dim]:
    """How many places a window has along each spatial axis. E0304 where there is none; `names` are the axes' in it."""
    sizes: list[Dim] = []
    for number, axis in enumerate(axes):
        size, stride, extent = x.shape[axis], window.strides[number], window.extents[number]
        if window.padding != "valid":
            sizes.append(facts.normalize(ceil_div(size, stride)))
            continue
        if decide(facts, ">=", size, extent) is False:
            raise LayerError(
                "E0304",
                f"{layer.type_name} looks at {extent} places along the {(names or SPATIAL[len(axes)])[number]}, "
                f"and {x} has {size}",
                argument=argument,
                help='padding="same" fills up what is missing' if window.padding == "valid" else None,
            )
        sizes.append(facts.normalize((size - extent) // stride + 1))
    return sizes


def padded(
    b: Builder, x: Tensor, window: Window, *, fill: float = 0.0, unfolded: bool = False
) -> tuple[Tensor, dict[str, Any]]:
    """What a window slides over, channels first, and its padding as arguments of Builder.conv and Builder.window.

    Numbers where they are known, else `auto_pad`; where onnxruntime's auto_pad is wrong, x is padded with `fill` first.
    Where windows are to be gathered, `unfolded`, it always is.
    """
    if window.padding == "valid":
        return x, {}
    sides = [
        _sides(b.facts, size, stride, extent, window.padding)
        for size, stride, extent in zip(x.shape[2:], window.strides, window.extents, strict=True)
    ]
    if not unfolded:
        known = [(low, high) for low, high in sides if isinstance(low, int) and isinstance(high, int)]
        if len(known) == len(sides):
            return x, {"pads_begin": [low for low, _ in known], "pads_end": [high for _, high in known]}
        # Where a window is shorter than its stride, onnxruntime's SAME_UPPER may pad by less than nothing.
        if all(extent >= stride for stride, extent in zip(window.strides, window.extents, strict=True)):
            return x, {"auto_pad": "same_upper"}
    before = [0, 0, *(low for low, _ in sides)]
    after = [0, 0, *(high for _, high in sides)]
    return b.pad(x, before, after, fill), {}


def _sides(facts: Facts, size: Dim, stride: int, extent: int, padding: str) -> tuple[Dim, Dim]:
    """What is added before and after along one axis."""
    if padding == "causal":
        return extent - 1, 0
    if stride == 1:
        return (extent - 1) // 2, extent // 2
    missing = facts.normalize(dim_max((ceil_div(size, stride) - 1) * stride + extent - size, 0))
    if not isinstance(missing, int) and extent <= 2:
        return 0, extent - 1  # one place at most is added, after; where it is not needed, no window reaches it
    before = facts.normalize(missing // 2)
    return before, facts.normalize(missing - before)
