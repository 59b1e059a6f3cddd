"""Separable convolutions: each channel by itself, then all channels at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import product
from archonnx.compiler.layers.convolution import _Convolution, windowed
from archonnx.compiler.layers.domains import Ignored, InitializerDomain, Numbers, PaddingName, Whole
from archonnx.compiler.layers.windows import Window, channel_axis

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class _SeparableConv(_Convolution):
    """A depthwise convolution and one of window 1 over its channels, with one bias."""

    abstract = True
    filters = arg(Whole(minimum=1), doc="Channels of the result.")
    depth_multiplier = arg(Whole(minimum=1), default=1, doc="Channels between the two steps for each of the input.")
    depthwise_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the first kernel starts from.")
    pointwise_initializer = arg(
        InitializerDomain(), default="glorot_uniform", doc="What the second kernel starts from."
    )
    depthwise_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    pointwise_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    depthwise_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    pointwise_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    onnx = ("Conv",)
    formula = """y[p, f] = activation(sum over d of z[p, d] * pointwise_kernel[0, d, f] + bias[f])
z[p, c * depth_multiplier + m] = sum over k of x[p * strides + k * dilation_rate, c] * depthwise_kernel[k, c, m]
p, k: places of the result and of the window, a number for each spatial axis
x: inputs with the zeros that padding adds"""
    argument_order = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
        "activation", "use_bias", "depthwise_initializer", "pointwise_initializer", "bias_initializer",
        "depthwise_regularizer", "pointwise_regularizer", "bias_regularizer", "activity_regularizer",
        "depthwise_constraint", "pointwise_constraint", "bias_constraint",
    )  # fmt: skip

    def out_channels(self, channels: int) -> int:
        return int(self.filters)

    def declare(self, c: Context, inputs: TensorType) -> None:
        channels = self.channels(c, inputs)
        between = channels * self.depth_multiplier
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (*(1 for _ in range(self.rank)), between, self.filters)
        c.weight("depthwise_kernel", depthwise, self.depthwise_initializer, dtype=self.compute_dtype)
        c.weight("pointwise_kernel", pointwise, self.pointwise_initializer, dtype=self.compute_dtype)
        if self.use_bias:
            c.weight("bias", (self.filters,), self.bias_initializer, dtype=self.compute_dtype)

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Places of the result times the elements of both kernels."""
        axis = channel_axis(self.rank, self.channels_first)
        places = product([d for a, d in enumerate(outputs[0].shape) if a != axis])
        return places * (self.weights["depthwise_kernel"].size + self.weights["pointwise_kernel"].size)

    def convolve(self, b: Builder, x: Tensor, spatial: list[Dim], bias: Tensor | None) -> Tensor:
        order = (self.rank, self.rank + 1, *range(self.rank))
        channels = self.weights["depthwise_kernel"].shape[-2]
        first = b.transpose(b.weight("depthwise_kernel"), order)
        first = b.reshape(first, (channels * self.depth_multiplier, 1, *self.kernel_size))
        between = windowed(b, x, first, None, self.window, spatial, channels)
        second = b.transpose(b.weight("pointwise_kernel"), (self.rank + 1, self.rank, *range(self.rank)))
        ones = (1,) * self.rank
        return windowed(b, between, second, bias, Window(ones, ones, ones, "valid"), spatial, 1)


class SeparableConv1D(_SeparableConv):
    """Depthwise, then pointwise convolution over one axis: [batch, steps, channels]."""

    rank = 1
    kernel_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Numbers(1), default=(1,), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(1), default=(1,), doc="Distance between the places that a window looks at.")
    keras = "SeparableConv1D"
    example = "input x: float32[N, 100, 8]\nSeparableConv1D(16, 3)"


class SeparableConv2D(_SeparableConv):
    """Depthwise, then pointwise convolution over height and width: [batch, height, width, channels]."""

    rank = 2
    kernel_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Numbers(2), default=(1, 1), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(2), default=(1, 1), doc="Distance between the places that a window looks at.")
    keras = "SeparableConv2D"
    example = 'input image: float32[N, 32, 32, 3]\nSeparableConv2D(16, 3, padding="same")'
