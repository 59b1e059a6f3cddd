"""Transposed convolutions, which enlarge: Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import unfolding
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import product
from archonnx.compiler.layers.convolution import _Convolution
from archonnx.compiler.layers.domains import Ignored, InitializerDomain, Numbers, Optional, PaddingName, Whole
from archonnx.compiler.layers.windows import Window, spatial_axes

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_ORDER = (
    "filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate", "activation",
    "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
    "activity_regularizer", "kernel_constraint", "bias_constraint",
)  # fmt: skip


class _ConvTranspose(_Convolution):
    """The gradient of a convolution with respect to its input, as TensorFlow lays it out.

    The windows of all places reach over (size - 1) stride + extent places; what is cut off (`trims`), or added after,
    does not depend on the size (keras/src/backend/common/backend_utils.py).
    """

    abstract = True
    output_padding: Any
    filters = arg(Whole(minimum=1), doc="Channels of the result.")
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    onnx = ("ConvTranspose",)
    formula = """y[q, f] = activation(z[q + cut, f] + bias[f])
z[q, f] = sum over p, k, c with p * strides + k * dilation_rate = q of inputs[p, c] * kernel[k, f, c]
q, p, k: places of the result, the input and the window, a number for each spatial axis; cut: what padding takes away"""
    argument_order = _ORDER

    def validate(self) -> None:
        super().validate()
        for padding, stride in zip(self.output_padding or (), self.strides, strict=False):
            if padding >= stride:
                raise LayerError(
                    "E0412",
                    f"{self.type_name} needs an output_padding below its strides: "
                    f"got {self.output_padding} and {self.strides}",
                    argument="output_padding",
                    help=f"give {min(self.strides) - 1} at most" if min(self.strides) > 1 else "leave it out",
                )

    def out_channels(self, channels: int) -> int:
        return int(self.filters)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def trims(self) -> list[int]:
        """How many places too many the windows reach over, along each axis; negative: too few."""
        trims = []
        for number, (stride, extent) in enumerate(zip(self.strides, self.window.extents, strict=True)):
            added = None if self.output_padding is None else self.output_padding[number]
            if self.padding == "valid":
                trims.append(min(extent - stride, 0) if added is None else -added)
            else:
                trims.append(extent - stride if added is None else extent - extent % 2 - added)
        return trims

    def places(self, facts: Facts, x: TensorType) -> list[Dim]:
        axes = spatial_axes(self.rank, self.channels_first)
        sizes: list[Dim] = []
        for axis, stride, extent, trim in zip(axes, self.strides, self.window.extents, self.trims(), strict=True):
            sizes.append(facts.normalize((x.shape[axis] - 1) * stride + extent - trim))
        return sizes

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Elements of the input times the window's volume times the filters."""
        return product((*inputs[0].shape, *self.kernel_size, self.filters))

    def convolve(self, b: Builder, x: Tensor, spatial: list[Dim], bias: Tensor | None) -> Tensor:
        kernel = b.transpose(b.weight("kernel"), (self.rank + 1, self.rank, *range(self.rank)))
        cut = [max(trim, 0) for trim in self.trims()]
        added = [max(-trim, 0) for trim in self.trims()]
        before = [trim // 2 for trim in cut]
        after = [trim - trim // 2 for trim in cut]
        if x.dtype == "float64":  # onnxruntime has no kernel: zeros between the places, then an ordinary convolution
            extents = self.window.extents
            low = [extent - 1 - n for extent, n in zip(extents, before, strict=True)]
            high = [extent - 1 - n + more for extent, n, more in zip(extents, after, added, strict=True)]
            spread = unfolding.stuff(b, x, self.strides, low, high)
            kernel = b.transpose(b.weight("kernel"), (self.rank, self.rank + 1, *range(self.rank)))
            window = Window(self.kernel_size, (1,) * self.rank, self.dilation_rate, "valid")
            return unfolding.convolve(b, spread, kernel, bias, window, spatial, 1, turned=True)
        return b.op(
            "ConvTranspose",
            x,
            kernel,
            bias,
            result=TensorType(x.dtype, (x.shape[0], self.filters, *spatial)),
            kernel_shape=list(self.kernel_size),
            output_padding=added if any(added) else None,
            **b.window(self.strides, self.dilation_rate, before, after),
        )


class Conv1DTranspose(_ConvTranspose):
    """Transposed convolution over one axis: [batch, steps, channels]."""

    rank = 1
    kernel_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Numbers(1), default=(1,), doc="How many times larger the result is.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc='"same": the result is exactly `strides` times larger.'
    )
    output_padding = arg(Optional(Numbers(1, minimum=0)), default=None, doc="Places added after the result.")
    dilation_rate = arg(Numbers(1), default=(1,), doc="Distance between the places that a window reaches.")
    keras = "Conv1DTranspose"
    torch = "ConvTranspose1d"
    example = "input x: float32[N, 10, 8]\nConv1DTranspose(4, 3, strides=2)"


class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution over height and width: [batch, height, width, channels]."""

    rank = 2
    kernel_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Numbers(2), default=(1, 1), doc="How many times larger the result is.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc='"same": the result is exactly `strides` times larger.'
    )
    output_padding = arg(Optional(Numbers(2, minimum=0)), default=None, doc="Places added after the result.")
    dilation_rate = arg(Numbers(2), default=(1, 1), doc="Distance between the places that a window reaches.")
    keras = "Conv2DTranspose"
    torch = "ConvTranspose2d"
    example = "input x: float32[N, 8, 8, 4]\nConv2DTranspose(2, 2, strides=2)"


class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution over depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    kernel_size = arg(Numbers(3), doc="Size of the window.")
    strides = arg(Numbers(3), default=(1, 1, 1), doc="How many times larger the result is.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc='"same": the result is exactly `strides` times larger.'
    )
    output_padding = arg(Optional(Numbers(3, minimum=0)), default=None, doc="Places added after the result.")
    dilation_rate = arg(Numbers(3), default=(1, 1, 1), doc="Distance between the places that a window reaches.")
    argument_order = (
        *_ORDER[:4],
        "data_format",
        "output_padding",
        *_ORDER[6:],
    )  # Keras' order here, unlike the other two
    keras = "Conv3DTranspose"
    torch = "ConvTranspose3d"
    example = "input x: float32[N, 4, 4, 4, 3]\nConv3DTranspose(2, 2, strides=2)"
