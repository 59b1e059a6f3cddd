"""Convolutions over one, two and three spatial axes: ordinary, grouped and depthwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations, domains, unfolding
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, counted, product, require_rank
from archonnx.compiler.layers.domains import DataFormat, Flag, Ignored, InitializerDomain, Numbers, PaddingName, Whole
from archonnx.compiler.layers.windows import (
    Window,
    axis_names,
    channel_axis,
    moved,
    padded,
    spatial_axes,
    with_sizes,
)

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts


class _Convolution(KerasLayer):
    """What every convolution declares and does. `rank` is the number of its spatial axes."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    rank: ClassVar[int] = 2
    kernel_size: Any
    strides: Any
    padding: Any
    dilation_rate: Any

    data_format = arg(
        DataFormat(), default=None, doc='Place of the channels: "channels_last" (None) or "channels_first".'
    )
    activation = arg(domains.Activation(), default=None, doc="Applied to the result.")
    use_bias = arg(Flag(), default=True, doc="Whether a bias is added.")
    bias_initializer = arg(InitializerDomain(), default="zeros", doc="What the bias starts from.")
    bias_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    bias_constraint = arg(Ignored(), default=None, doc="Used in training only.")

    # What a subclass says.
    def out_channels(self, channels: int) -> int:
        """Channels of the result for so many of the input."""
        raise TypeError(type(self).__name__)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """The kernel's shape, as Keras has it, for so many channels of the input."""
        raise TypeError(type(self).__name__)

    kernel_from: ClassVar[str] = "kernel_initializer"  # the argument with the kernel's initializer

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    @property
    def window(self) -> Window:
        return Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def validate(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise LayerError(
                "E0410",
                f"{self.type_name} takes strides or a dilation rate above 1, not both: "
                f"got strides {self.strides} and dilation_rate {self.dilation_rate}",
                argument="dilation_rate",
                help="leave one of them out",
            )

    def channels(self, c: Context, x: TensorType) -> int:
        """The input's channels, known and fit for the layer."""
        require_rank(self, x, axis_names(self.rank, self.channels_first))
        return c.known(x, 1 if self.channels_first else -1)

    def declare(self, c: Context, inputs: TensorType) -> None:
        channels = self.channels(c, inputs)
        c.weight("kernel", self.kernel_shape(channels), self.arguments[self.kernel_from], dtype=self.compute_dtype)
        if self.use_bias:
            c.weight("bias", (self.out_channels(channels),), self.bias_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        channels = self.channels(c, x)
        spatial = self.places(c.facts, x)
        result = with_sizes(x, self.channels_first, spatial, self.out_channels(channels))
        return activations.activated(c, self.activation, result)

    def places(self, facts: Facts, x: TensorType) -> list[Dim]:
        """The result's spatial sizes."""
        return moved(self, facts, x, self.window, spatial_axes(self.rank, self.channels_first), "kernel_size")

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Elements of the result times the window's volume times the channels that one of them sees."""
        kernel = self.weights["kernel"].shape
        axis = channel_axis(self.rank, self.channels_first)
        places = [d for a, d in enumerate(outputs[0].shape) if a != axis]
        return product(places) * product(kernel)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        spatial = self.places(b.facts, x.type)
        if not self.channels_first:
            x = b.channels_first(x)
        y = self.convolve(b, x, spatial, b.weight("bias") if self.use_bias else None)
        if not self.channels_first:
            y = b.channels_last(y)
        return activations.apply(b, self.activation, y)

    def convolve(self, b: Builder, x: Tensor, spatial: list[Dim], bias: Tensor | None) -> Tensor:
        """The operator, its input and result with channels first."""
        kernel, groups = self.onnx_kernel(b, x)
        return windowed(b, x, kernel, bias, self.window, spatial, groups)

    def onnx_kernel(self, b: Builder, x: Tensor) -> tuple[Tensor, int]:
        """The kernel in ONNX's order (filters, channels / groups, ...), and the number of groups."""
        raise TypeError(type(self).__name__)


def windowed(
    b: Builder, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window, spatial: Sequence[Dim], groups: int
) -> Tensor:
    """A convolution, channels first; the kernel in ONNX's order."""
    unfolded = x.dtype == "float64"  # onnxruntime has no kernel
    x, padding = padded(b, x, window, unfolded=unfolded)
    if unfolded:
        return unfolding.convolve(b, x, kernel, bias, window, spatial, groups)
    strides, dilations = window.strides, window.dilations
    return b.conv(x, kernel, bias, spatial=spatial, strides=strides, dilations=dilations, groups=groups, **padding)


def _divisors(number: int) -> str:
    """The numbers that divide another, as they stand in a sentence, eight at most."""
    found = [str(n) for n in range(1, min(number, 1 << 16) + 1) if number % n == 0][:8]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} or {found[-1]}"


class _Conv(_Convolution):
    """An ordinary convolution, in groups where asked."""

    abstract = True
    filters = arg(Whole(minimum=1), doc="Channels of the result.")
    groups = arg(
        Whole(minimum=1), default=1, doc="Groups that the channels are divided into, each convolved by itself."
    )
    kernel_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    kernel_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    kernel_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    onnx = ("Conv",)
    formula = """y[p, f] = activation(z[p, f] + bias[f])
z[p, f] = sum over k, c of x[p * strides + k * dilation_rate, c] * kernel[k, c, f]
p, k: places of the result and of the window, a number for each spatial axis; c: the channels of the group of f
x: inputs with the zeros that padding adds"""
    argument_order = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
        "use_bias", "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "bias_constraint",
    )  # fmt: skip

    def validate(self) -> None:
        super().validate()
        if self.filters % self.groups:
            raise LayerError(
                "E0411",
                f"{self.type_name} cannot divide {counted(self.filters, 'filter')} "
                f"into {counted(self.groups, 'equal group')}",
                argument="groups",
                help=f"take groups={_divisors(self.filters)}",
            )

    def channels(self, c: Context, x: TensorType) -> int:
        channels = super().channels(c, x)
        if channels % self.groups:
            raise LayerError(
                "E0305",
                f"{self.type_name} cannot divide the {counted(channels, 'channel')} of {x} "
                f"into {counted(self.groups, 'equal group')}",
                argument="groups",
                help=f"take groups={_divisors(channels)}",
            )
        return channels

    def out_channels(self, channels: int) -> int:
        return int(self.filters)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels // self.groups, self.filters)

    def onnx_kernel(self, b: Builder, x: Tensor) -> tuple[Tensor, int]:
        return b.transpose(b.weight("kernel"), (self.rank + 1, self.rank, *range(self.rank))), self.groups


class Conv1D(_Conv):
    """Convolution over one axis, time or another: [batch, steps, channels]."""

    rank = 1
    kernel_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Numbers(1), default=(1,), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same", "causal"),
        default="valid",
        doc="What is added: nothing, zeros to keep the size, or zeros before.",
    )
    dilation_rate = arg(Numbers(1), default=(1,), doc="Distance between the places that a window looks at.")
    keras = "Conv1D"
    torch = "Conv1d"
    example = "input x: float32[N, 100, 8]\nConv1D(16, 3)"


class Conv2D(_Conv):
    """Convolution over height and width: [batch, height, width, channels]."""

    rank = 2
    kernel_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Numbers(2), default=(1, 1), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(2), default=(1, 1), doc="Distance between the places that a window looks at.")
    keras = "Conv2D"
    torch = "Conv2d"
    example = 'input image: float32[N, 32, 32, 3]\nConv2D(16, 3, padding="same")'


class Conv3D(_Conv):
    """Convolution over depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    kernel_size = arg(Numbers(3), doc="Size of the window.")
    strides = arg(Numbers(3), default=(1, 1, 1), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(3), default=(1, 1, 1), doc="Distance between the places that a window looks at.")
    keras = "Conv3D"
    torch = "Conv3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nConv3D(4, 3)"


class _DepthwiseConv(_Convolution):
    """A convolution of each channel by itself, to `depth_multiplier` channels each."""

    abstract = True
    kernel_from = "depthwise_initializer"
    depth_multiplier = arg(Whole(minimum=1), default=1, doc="Channels of the result for each of the input.")
    depthwise_initializer = arg(InitializerDomain(), default="glorot_uniform", doc="What the kernel starts from.")
    depthwise_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    depthwise_constraint = arg(Ignored(), default=None, doc="Used in training only.")
    onnx = ("Conv",)
    formula = """y[p, d] = activation(z[p, d] + bias[d])
z[p, c * depth_multiplier + m] = sum over k of x[p * strides + k * dilation_rate, c] * kernel[k, c, m]
p, k: places of the result and of the window, a number for each spatial axis
x: inputs with the zeros that padding adds"""
    argument_order = (
        "kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "activation",
        "use_bias", "depthwise_initializer", "bias_initializer", "depthwise_regularizer", "bias_regularizer",
        "activity_regularizer", "depthwise_constraint", "bias_constraint",
    )  # fmt: skip

    def out_channels(self, channels: int) -> int:
        return int(channels * self.depth_multiplier)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.depth_multiplier)

    def onnx_kernel(self, b: Builder, x: Tensor) -> tuple[Tensor, int]:
        kernel = b.weight("kernel")
        channels = self.weights["kernel"].shape[-2]
        turned = b.transpose(kernel, (self.rank, self.rank + 1, *range(self.rank)))
        return b.reshape(turned, (channels * self.depth_multiplier, 1, *self.kernel_size)), channels


class DepthwiseConv1D(_DepthwiseConv):
    """Convolution of each channel by itself over one axis: [batch, steps, channels]."""

    rank = 1
    kernel_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Numbers(1), default=(1,), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(1), default=(1,), doc="Distance between the places that a window looks at.")
    keras = "DepthwiseConv1D"
    example = "input x: float32[N, 100, 8]\nDepthwiseConv1D(3)"


class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel by itself over height and width: [batch, height, width, channels]."""

    rank = 2
    kernel_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Numbers(2), default=(1, 1), doc="Steps between two places of the window.")
    padding = arg(
        PaddingName("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size."
    )
    dilation_rate = arg(Numbers(2), default=(1, 1), doc="Distance between the places that a window looks at.")
    keras = "DepthwiseConv2D"
    example = 'input image: float32[N, 32, 32, 3]\nDepthwiseConv2D(3, padding="same")'
