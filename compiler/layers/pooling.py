"""Pools: the largest or the mean value of a window, over one, two and three spatial axes, and over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import unfolding
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, require_rank
from archonnx.compiler.layers.domains import DataFormat, Flag, Numbers, Optional, PaddingName
from archonnx.compiler.layers.windows import (
    Window,
    axis_names,
    channel_axis,
    moved,
    padded,
    spatial_axes,
    with_sizes,
)
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import Value
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_PADDING = 'What is added: nothing ("valid"), or what keeps the size ("same"), which never counts.'
_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'


class Pool(KerasLayer):
    """A window that moves. `rank` is the number of spatial axes."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    rank: ClassVar[int] = 2
    operator: ClassVar[str] = "MaxPool"
    pool_size: Any
    strides: Any
    padding = arg(PaddingName("valid", "same"), default="valid", doc=_PADDING)
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    argument_order: ClassVar[tuple[str, ...]] = ("pool_size", "strides", "padding", "data_format")

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    @property
    def window(self) -> Window:
        return Window(self.pool_size, self.strides or self.pool_size, (1,) * self.rank, self.padding)

    def worked(self, x: TensorType) -> TensorType:
        """The type that the pool works in, which is also the result's."""
        return self.floating(x)

    def places(self, facts: Facts, x: TensorType) -> list[Dim]:
        return moved(self, facts, x, self.window, spatial_axes(self.rank, self.channels_first), "pool_size")

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(self.rank, self.channels_first))
        x = self.worked(inputs)
        channels = x.shape[channel_axis(self.rank, self.channels_first)]
        return with_sizes(x, self.channels_first, self.places(c.facts, x), channels)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.cast(inputs, self.worked(inputs.type).dtype)
        spatial = self.places(b.facts, x.type)
        if not self.channels_first:
            x = b.channels_first(x)
        y = self.pooled(b, x, spatial)
        return y if self.channels_first else b.channels_last(y)

    def pooled(self, b: Builder, x: Tensor, spatial: list[Dim]) -> Tensor:
        """The windows' values, channels first."""
        raise TypeError(type(self).__name__)

    def slide(self, b: Builder, x: Tensor, spatial: list[Dim], padding: dict[str, Any]) -> Tensor:
        """The operator itself."""
        return b.op(
            self.operator,
            x,
            result=TensorType(x.dtype, (*x.shape[:2], *spatial)),
            kernel_shape=list(self.pool_size),
            **b.window(self.window.strides, None, **padding),
        )


def maximum_type(layer: KerasLayer, x: TensorType) -> TensorType:
    """The type of the largest values of windows. E0303 for elements that ONNX's MaxPool does not take."""
    if DTYPES[x.dtype].kind == "float":
        return layer.kept(x)
    if x.dtype not in ("int8", "uint8"):
        raise LayerError(
            "E0303",
            f"{layer.type_name} takes floats, int8 and uint8, got {x}",
            input=0,
            help='convert first: cast(x, "float32")',
        )
    return x


class _MaxPool(Pool):
    """The largest value of each window."""

    abstract = True
    operator = "MaxPool"
    onnx = ("MaxPool",)
    formula = """y[p, c] = max over k of inputs[p * strides + k, c]
p, k: places of the result and of the window, a number for each spatial axis; what padding adds never counts"""

    def worked(self, x: TensorType) -> TensorType:
        return maximum_type(self, x)

    def pooled(self, b: Builder, x: Tensor, spatial: list[Dim]) -> Tensor:
        lowest = {"int8": -128, "uint8": 0}.get(x.dtype, float("-inf"))
        filled, padding = padded(b, x, self.window, fill=lowest)
        return self.slide(b, filled, spatial, padding)


class _AveragePool(Pool):
    """The mean of each window; what "same" adds is not counted, as in Keras."""

    abstract = True
    operator = "AveragePool"
    onnx = ("AveragePool", "Div")
    formula = """y[p, c] = mean over k of inputs[p * strides + k, c]
p, k: places of the result and of the window, a number for each spatial axis; what padding adds never counts"""

    def pooled(self, b: Builder, x: Tensor, spatial: list[Dim]) -> Tensor:
        unfolded = x.dtype == "float64"  # onnxruntime has no kernel
        filled, padding = padded(b, x, self.window, unfolded=unfolded)
        y = self._mean(b, filled, spatial, padding)
        if filled is x:
            return y
        # Zeros were added that must not count: divided by the share of each window that is no zero.
        ones = b.expand(b.like(x, 1.0), (1, 1, *x.shape[2:]))
        share = self._mean(b, padded(b, ones, self.window, unfolded=unfolded)[0], spatial, padding)
        return b.op("Div", y, share, result=y.type)

    def _mean(self, b: Builder, x: Tensor, spatial: list[Dim], padding: dict[str, Any]) -> Tensor:
        if x.dtype == "float64":
            return unfolding.mean(b, x, self.window, spatial)
        return self.slide(b, x, spatial, padding)


class MaxPooling1D(_MaxPool):
    """The largest value of each window over one axis: [batch, steps, channels]."""

    rank = 1
    pool_size = arg(Numbers(1), default=(2,), doc="Size of the window.")
    strides = arg(Optional(Numbers(1)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "MaxPooling1D"
    torch = "MaxPool1d"
    example = "input x: float32[N, 100, 8]\nMaxPooling1D(2)"


class MaxPooling2D(_MaxPool):
    """The largest value of each window over height and width: [batch, height, width, channels]."""

    rank = 2
    pool_size = arg(Numbers(2), default=(2, 2), doc="Size of the window.")
    strides = arg(Optional(Numbers(2)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "MaxPooling2D"
    torch = "MaxPool2d"
    example = "input image: float32[N, 32, 32, 3]\nMaxPooling2D(2)"


class MaxPooling3D(_MaxPool):
    """The largest value of each window over depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    pool_size = arg(Numbers(3), default=(2, 2, 2), doc="Size of the window.")
    strides = arg(Optional(Numbers(3)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "MaxPooling3D"
    torch = "MaxPool3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nMaxPooling3D(2)"


class AveragePooling1D(_AveragePool):
    """The mean of each window over one axis: [batch, steps, channels]."""

    rank = 1
    pool_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Optional(Numbers(1)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "AveragePooling1D"
    torch = "AvgPool1d"
    example = "input x: float32[N, 100, 8]\nAveragePooling1D(2)"


class AveragePooling2D(_AveragePool):
    """The mean of each window over height and width: [batch, height, width, channels]."""

    rank = 2
    pool_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Optional(Numbers(2)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "AveragePooling2D"
    torch = "AvgPool2d"
    example = "input image: float32[N, 32, 32, 3]\nAveragePooling2D(2)"


class AveragePooling3D(_AveragePool):
    """The mean of each window over depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    pool_size = arg(Numbers(3), doc="Size of the window.")
    strides = arg(Optional(Numbers(3)), default=None, doc="Steps between two windows; None: the window's size.")
    keras = "AveragePooling3D"
    torch = "AvgPool3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nAveragePooling3D(2)"


class _GlobalPool(KerasLayer):
    """One value a channel: the spatial axes are reduced."""

    abstract = True
    inputs = ("inputs",)
    masking: ClassVar[Literal["pass", "drop", "use"]] = "drop"
    rank: ClassVar[int] = 2
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keepdims = arg(Flag(), default=False, doc="Whether the spatial axes stay, with size 1.")
    argument_order = ("data_format", "keepdims")

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    def worked(self, x: TensorType) -> TensorType:
        return self.floating(x)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(self.rank, self.channels_first))
        x = self.worked(inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        if self.keepdims:
            return TensorType(x.dtype, tuple(1 if a in axes else d for a, d in enumerate(x.shape)))
        return TensorType(x.dtype, tuple(d for a, d in enumerate(x.shape) if a not in axes))


class _GlobalAverage(_GlobalPool):
    """The mean over the spatial axes."""

    abstract = True
    onnx: ClassVar[tuple[str, ...]] = ("ReduceMean",)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        return b.reduce("Mean", x, spatial_axes(self.rank, self.channels_first), keepdims=self.keepdims)


class _GlobalMax(_GlobalPool):
    """The largest value over the spatial axes."""

    abstract = True
    onnx = ("ReduceMax",)

    def worked(self, x: TensorType) -> TensorType:
        if DTYPES[x.dtype].kind not in ("float", "int", "uint"):
            help = 'convert first: cast(x, "float32")' if x.dtype == "bool" else None
            raise LayerError("E0303", f"{self.type_name} needs numbers, got {x}", input=0, help=help)
        return self.kept(x)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        # ONNX's ReduceMax takes no 16 bits, onnxruntime's no uint32: a wider type holds them all.
        wide = b.cast(x, {"int16": "int32", "uint16": "int32", "uint32": "int64"}.get(x.dtype, x.dtype))
        y = b.reduce("Max", wide, spatial_axes(self.rank, self.channels_first), keepdims=self.keepdims)
        return b.cast(y, x.dtype)


class GlobalAveragePooling1D(_GlobalAverage):
    """The mean over the steps; masked steps do not count: [batch, steps, channels] to [batch, channels]."""

    rank = 1
    masking = "use"
    keras = "GlobalAveragePooling1D"
    onnx = ("ReduceMean", "ReduceSum", "Mul", "Div")
    formula = """y = mean(inputs, axis=1, keepdims=keepdims)
with a mask: sum(inputs * mask[:, :, None], axis=1) / sum(mask, axis=1)[:, None]"""
    example = "input x: float32[N, 100, 8]\nGlobalAveragePooling1D()"

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        mask = b.mask()
        if mask is None:
            return super().lower(b, inputs)
        x = self.cast_floating(b, inputs)
        steps = spatial_axes(1, self.channels_first)
        weight = b.expand_dims(b.cast(mask, x.dtype), [1 if self.channels_first else 2])
        total = b.reduce("Sum", b.op("Mul", x, weight), steps, keepdims=self.keepdims)
        return b.op("Div", total, b.reduce("Sum", weight, steps, keepdims=self.keepdims))

    def merge_masks(self, masks: list[Value | None], apply: object) -> Value | None:
        """The steps are gone, and their mask with them."""
        return None


class GlobalAveragePooling2D(_GlobalAverage):
    """The mean over height and width: [batch, height, width, channels] to [batch, channels]."""

    rank = 2
    keras = "GlobalAveragePooling2D"
    formula = "y = mean(inputs, axis=(1, 2), keepdims=keepdims)"
    example = "input image: float32[N, 32, 32, 3]\nGlobalAveragePooling2D()"


class GlobalAveragePooling3D(_GlobalAverage):
    """The mean over depth, height and width: [batch, depth, height, width, channels] to [batch, channels]."""

    rank = 3
    keras = "GlobalAveragePooling3D"
    formula = "y = mean(inputs, axis=(1, 2, 3), keepdims=keepdims)"
    example = "input volume: float32[N, 8, 8, 8, 2]\nGlobalAveragePooling3D()"


class GlobalMaxPooling1D(_GlobalMax):
    """The largest value over the steps: [batch, steps, channels] to [batch, channels]."""

    rank = 1
    keras = "GlobalMaxPooling1D"
    formula = "y = max(inputs, axis=1, keepdims=keepdims)"
    example = "input x: float32[N, 100, 8]\nGlobalMaxPooling1D()"


class GlobalMaxPooling2D(_GlobalMax):
    """The largest value over height and width: [batch, height, width, channels] to [batch, channels]."""

    rank = 2
    keras = "GlobalMaxPooling2D"
    formula = "y = max(inputs, axis=(1, 2), keepdims=keepdims)"
    example = "input image: float32[N, 32, 32, 3]\nGlobalMaxPooling2D()"


class GlobalMaxPooling3D(_GlobalMax):
    """The largest value over depth, height and width: [batch, depth, height, width, channels] to [batch, channels]."""

    rank = 3
    keras = "GlobalMaxPooling3D"
    formula = "y = max(inputs, axis=(1, 2, 3), keepdims=keepdims)"
    example = "input volume: float32[N, 8, 8, 8, 2]\nGlobalMaxPooling3D()"
