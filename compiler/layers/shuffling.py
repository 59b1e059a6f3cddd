"""PyTorch's layers that move elements between channels and places: PixelShuffle, PixelUnshuffle, ChannelShuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, decide, require_least_rank, require_rank, require_text
from archonnx.compiler.layers.domains import DataFormat, Whole
from archonnx.compiler.layers.windows import SPATIAL, axis_names, channel_axis, spatial_axes, with_sizes

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'
# What onnxruntime's DepthToSpace and SpaceToDepth take; all else is reshaped and transposed.
_MOVED = ("float32", "float16", "float64", "int8", "uint8")


class _Shuffle(KerasLayer):
    """A layer that gives every element another place."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    def parts(self, facts: Facts, x: TensorType, axis: int, count: int, name: str, argument: str) -> Dim:
        """The size of one of `count` equal parts of an axis. E0335 where there are none, E0309 where there may be."""
        size = x.shape[axis]
        whole = decide(facts, "==", size % count, 0)
        if whole:
            return facts.normalize(size // count)
        if whole is None:
            raise LayerError(
                "E0309",
                f"{self.type_name} cannot tell whether {count} divides the {name} of {x}",
                input=0,
                axis=axis,
                label=f"{size} here",
                help=f"state it: {require_text('==', size % count, 0)}",
            )
        help = f"{size} is no multiple of {count}"
        if isinstance(size, int):
            low, high = size // count * count, -(-size // count) * count
            help = f"the next multiples of {count} are {low} and {high}" if low else f"it takes {high} at least"
            if name != "channels":
                help += "; ZeroPadding2D fills up, Cropping2D cuts off"
        raise LayerError(
            "E0335",
            f"{self.type_name} cannot divide the {name} of {x} by {count}",
            argument=argument,
            help=help,
        )


class PixelShuffle(_Shuffle):
    """Channels laid out in blocks of pixels: [batch, height, width, channels], the image `upscale_factor` times larger.

    The channels become fewer by the square of the factor. Those of one block follow one another, row by row.
    """

    upscale_factor = arg(Whole(minimum=1), doc="How many times larger height and width become.")
    argument_order = ("upscale_factor", "data_format")
    torch = "PixelShuffle"
    onnx = ("DepthToSpace",)
    formula = "y[h * r + i, w * r + j, c] = inputs[h, w, (c * r + i) * r + j], r = upscale_factor"
    example = "input image: float32[N, 8, 8, 12]\nPixelShuffle(2)"

    def result(self, facts: Facts, x: TensorType) -> TensorType:
        """The type of the image made of x."""
        r = self.upscale_factor
        channels = self.parts(facts, x, channel_axis(2, self.channels_first), r * r, "channels", "upscale_factor")
        spatial = [x.shape[axis] * r for axis in spatial_axes(2, self.channels_first)]
        return with_sizes(x, self.channels_first, spatial, channels)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(2, self.channels_first))
        return self.result(c.facts, self.kept(inputs))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x, r = self.cast_kept(b, inputs), self.upscale_factor
        if r == 1:
            return x
        result = self.result(b.facts, x.type)
        channels = result.shape[channel_axis(2, self.channels_first)]
        if x.dtype in _MOVED:
            spatial = [result.shape[axis] for axis in spatial_axes(2, self.channels_first)]
            first = x if self.channels_first else b.channels_first(x)
            shape = TensorType(x.dtype, (x.shape[0], channels, *spatial))
            y = b.op("DepthToSpace", first, result=shape, blocksize=r, mode="CRD")
            return y if self.channels_first else b.channels_last(y)
        block = (channels, r, r)
        apart = (x.shape[0], *block, *x.shape[2:]) if self.channels_first else (*x.shape[:3], *block)
        return b.reshape(b.transpose(b.reshape(x, apart), (0, 1, 4, 2, 5, 3)), result.shape)


class PixelUnshuffle(_Shuffle):
    """Blocks of pixels laid out as channels: [batch, height, width, channels], `downscale_factor` times smaller.

    The inverse of PixelShuffle: the channels become more by the square of the factor.
    """

    downscale_factor = arg(Whole(minimum=1), doc="How many times smaller height and width become.")
    argument_order = ("downscale_factor", "data_format")
    torch = "PixelUnshuffle"
    onnx = ("SpaceToDepth", "Gather")
    formula = "y[h, w, (c * r + i) * r + j] = inputs[h * r + i, w * r + j, c], r = downscale_factor"
    example = "input image: float32[N, 8, 8, 3]\nPixelUnshuffle(2)"

    def result(self, facts: Facts, x: TensorType) -> TensorType:
        """The type of what is made of an image x."""
        r = self.downscale_factor
        spatial = [
            self.parts(facts, x, axis, r, name, "downscale_factor")
            for axis, name in zip(spatial_axes(2, self.channels_first), SPATIAL[2], strict=True)
        ]
        return with_sizes(x, self.channels_first, spatial, x.shape[channel_axis(2, self.channels_first)] * r * r)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(2, self.channels_first))
        return self.result(c.facts, self.kept(inputs))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x, r = self.cast_kept(b, inputs), self.downscale_factor
        if r == 1:
            return x
        result = self.result(b.facts, x.type)
        channels = x.shape[channel_axis(2, self.channels_first)]
        height, width = (result.shape[axis] for axis in spatial_axes(2, self.channels_first))
        if x.dtype in _MOVED and isinstance(channels, int):
            first = x if self.channels_first else b.channels_first(x)
            kind = TensorType(x.dtype, (x.shape[0], channels * r * r, height, width))
            y = b.op("SpaceToDepth", first, result=kind, blocksize=r)
            if channels > 1:  # in ONNX's order a place of the block has all channels together
                y = b.gather(y, b.ints([q * channels + c for c in range(channels) for q in range(r * r)]), 1)
            return y if self.channels_first else b.channels_last(y)
        blocks = (channels, height, r, width, r) if self.channels_first else (height, r, width, r, channels)
        return b.reshape(b.transpose(b.reshape(x, (x.shape[0], *blocks)), (0, 1, 3, 5, 2, 4)), result.shape)


class ChannelShuffle(_Shuffle):
    """Channels of several groups dealt out in turn: [batch, ..., channels], of the same shape."""

    groups = arg(Whole(minimum=1), doc="Groups that the channels are in.")
    argument_order = ("groups", "data_format")
    torch = "ChannelShuffle"
    onnx = ("Gather",)
    formula = "y[..., c * groups + g] = inputs[..., g * (channels / groups) + c]"
    example = "input image: float32[N, 8, 8, 12]\nChannelShuffle(3)"

    def _axis(self, x: TensorType) -> int:
        return 1 if self.channels_first else x.rank - 1

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_least_rank(self, inputs, 2)
        x = self.kept(inputs)
        self.parts(c.facts, x, self._axis(x), self.groups, "channels", "groups")
        return x

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        axis = self._axis(x.type)
        size = x.shape[axis]
        if self.groups in (1, size):
            return x
        if isinstance(size, int):  # channels first, where each is copied whole: between convolutions they stay so
            first = x if self.channels_first else b.channels_first(x)
            each = size // self.groups
            y = b.gather(first, b.ints([g * each + c for c in range(each) for g in range(self.groups)]), 1)
            return y if self.channels_first else b.channels_last(y)
        each = b.known(size // self.groups)
        apart = b.reshape(x, (*x.shape[:axis], self.groups, each, *x.shape[axis + 1 :]))
        order = list(range(apart.rank))
        order[axis : axis + 2] = order[axis + 1], order[axis]
        return b.reshape(b.transpose(apart, order), x.shape)
