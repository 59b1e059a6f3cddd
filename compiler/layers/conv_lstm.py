"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: an LSTM whose products are convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers import activations, domains
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import product, require_rank
from archonnx.compiler.layers.convolution import windowed
from archonnx.compiler.layers.domains import Choice, DataFormat, Flag, Ignored, Numbers, Whole
from archonnx.compiler.layers.recurrent_base import How, Run, WeightedCell, require_widths
from archonnx.compiler.layers.recurrent_layers import OverTime
from archonnx.compiler.layers.windows import Window, moved, spatial_axes, with_sizes
from archonnx.contract.dims import Facts

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

AXES = {1: ("rows",), 2: ("height", "width"), 3: ("depth", "height", "width")}


class ConvLSTM(WeightedCell, OverTime):
    """What the three declare and do. `rank` is the number of their spatial axes."""

    abstract = True
    rank: ClassVar[int] = 2
    state_names = ("h", "c")
    kernel_size: Any
    strides: Any
    dilation_rate: Any

    filters = arg(Whole(minimum=1), doc="Channels of the result and of each state.")
    padding = arg(Choice("valid", "same"), default="valid", doc="What is added: nothing, or zeros to keep the size.")
    data_format = arg(
        DataFormat(), default=None, doc='Place of the channels: "channels_last" (None) or "channels_first".'
    )
    recurrent_activation = arg(domains.Activation(), default="sigmoid", doc="Applied to the gates.")
    unit_forget_bias = arg(Flag(), default=True, doc="Whether the forget gate's bias starts from 1.")
    activity_regularizer = arg(Ignored(), default=None, doc="Used in training only.")
    argument_order = (
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
        "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
        "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "activity_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout", "seed",
        "return_sequences", "return_state", "go_backwards", "stateful", "zero_output_for_mask",
    )  # fmt: skip
    onnx = ("Conv", "Scan", "Expand", "Add", "Mul", "Sigmoid", "Tanh")
    formula = """i, f, g, o = split(conv(x[:, t], kernel) + bias + conv(h[t - 1], recurrent_kernel), 4)
c[t] = recurrent_activation(f) * c[t - 1] + recurrent_activation(i) * activation(g)
h[t] = recurrent_activation(o) * activation(c[t])"""

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    @property
    def window(self) -> Window:
        return Window(self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def validate(self) -> None:
        require_widths(self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise LayerError(
                "E0410",
                f"{self.type_name} takes strides or a dilation rate above 1, not both: "
                f"got strides {self.strides} and dilation_rate {self.dilation_rate}",
                argument="dilation_rate",
            )

    def step_of(self, c: Context, sequences: TensorType) -> TensorType:
        names = ("channels", *AXES[self.rank]) if self.channels_first else (*AXES[self.rank], "channels")
        require_rank(self, sequences, ("batch", "steps", *names))
        c.known(sequences, 2 if self.channels_first else -1)
        axes = [axis + 1 for axis in spatial_axes(self.rank, self.channels_first)]
        moved(self, c.facts, sequences, self.window, axes, "kernel_size", AXES[self.rank])
        return TensorType(self.compute_dtype, (sequences.shape[0], *sequences.shape[2:]))

    def places(self, facts: Facts, step: TensorType) -> list[Dim]:
        """The spatial sizes of the result of a step."""
        return moved(self, facts, step, self.window, spatial_axes(self.rank, self.channels_first), "kernel_size")

    def state_types(self, c: Context, step: TensorType) -> tuple[TensorType, ...]:
        return (with_sizes(step, self.channels_first, self.places(c.facts, step), self.filters),) * 2

    def declare_step(self, c: Context, step: TensorType) -> None:
        from archonnx.compiler.weights.forget import forget_bias

        channels, wide, dtype = c.known(step, 1 if self.channels_first else -1), 4 * self.filters, self.compute_dtype
        c.weight("kernel", (*self.kernel_size, channels, wide), self.kernel_initializer, dtype=dtype)
        c.weight("recurrent_kernel", (*self.kernel_size, self.filters, wide), self.recurrent_initializer, dtype=dtype)
        if self.use_bias:
            start = forget_bias(self.bias_initializer, self.unit_forget_bias)
            c.weight("bias", (wide,), start, dtype=dtype)

    def step_macs(self, step: TensorType) -> Dim:
        places = product((step.shape[0], *self.places(Facts(), step)))
        kernels = sum(self.weights[name].size for name in ("kernel", "recurrent_kernel"))
        return product((places, kernels))

    def over_time(self, b: Builder, x: Tensor, initials: Sequence[Tensor | None], mask: Tensor | None, how: How) -> Run:
        from archonnx.compiler.lowering.scan import Scanned

        batch, steps = x.shape[:2]
        spatial = self.places(b.facts, TensorType(x.dtype, (batch, *x.shape[2:])))
        bias = b.weight("bias") if self.use_bias else None
        x = self._turned(b, x, 2)
        merged = b.reshape(x, (batch * steps, *x.shape[2:]))
        z = windowed(b, merged, self._kernel(b, "kernel"), bias, self.window, spatial, 1)
        z = b.reshape(z, (batch, steps, *z.shape[1:]))
        layer, ones = self, (1,) * self.rank
        same = Window(self.kernel_size, ones, ones, "same")

        class Gates(Scanned):
            def step(self) -> tuple[Tensor, list[Tensor]]:
                body = self.body
                body.node, body.inner = b.node, b.inner
                h, c = self.before
                held = windowed(body, h, layer._kernel(body, "recurrent_kernel"), None, same, spatial, 1)
                gates = body.split(body.op("Add", self.read, held), (layer.filters,) * 4, 1)
                i, f, o = (layer._activated(body, layer.recurrent_activation, gates[n]) for n in (0, 1, 3))
                entering = body.op("Mul", i, layer._activated(body, layer.activation, gates[2]))
                kept = body.op("Add", body.op("Mul", f, c), entering)
                new = body.op("Mul", o, layer._activated(body, layer.activation, kept))
                return new, [new, kept]

        state = TensorType(x.dtype, (batch, self.filters, *spatial))
        scan = Gates(
            b,
            z,
            ("convolved", TensorType(x.dtype, (batch, *z.shape[2:]))),
            [(name, state) for name in self.state_names],
            [None if t is None else self._turned(b, t, 1) for t in initials] or [None, None],
            mask=mask,
            zeros_where_masked=how.zeros,
        )
        result, states = scan.emit(sequences=how.sequences, backwards=how.backwards, in_order=how.in_order)
        result = self._turned_back(b, result, 2 if how.sequences else 1)
        return Run(result, tuple(self._turned_back(b, s, 1) for s in states))

    def _activated(self, b: Builder, activation: Any, x: Tensor) -> Tensor:
        """The activation of what has its channels first; those along the last axis mean the data format's."""
        if activation is None or (isinstance(activation, str) and activation not in activations.ALONG_LAST):
            return activations.apply(b, activation, x)
        return self._turned(b, activations.apply(b, activation, self._turned_back(b, x, 1)), 1)

    def _kernel(self, b: Builder, name: str) -> Tensor:
        """A kernel in ONNX's order (filters, channels, ...)."""
        return b.transpose(b.weight(name), (self.rank + 1, self.rank, *range(self.rank)))

    def _turned(self, b: Builder, x: Tensor, axis: int) -> Tensor:
        """The channels at `axis`, before the spatial axes."""
        if self.channels_first:
            return x
        return b.transpose(x, (*range(axis), x.rank - 1, *range(axis, x.rank - 1)))

    def _turned_back(self, b: Builder, y: Tensor, axis: int) -> Tensor:
        """The channels from `axis` to where the data format has them."""
        if self.channels_first:
            return y
        return b.transpose(y, (*range(axis), *range(axis + 1, y.rank), axis))


class ConvLSTM1D(ConvLSTM):
    """LSTM of convolutions over one axis: [batch, steps, rows, channels] to [batch, rows, filters] or all steps."""

    rank = 1
    kernel_size = arg(Numbers(1), doc="Size of the window.")
    strides = arg(Numbers(1), default=(1,), doc="Steps between two places of the window.")
    dilation_rate = arg(Numbers(1), default=(1,), doc="Distance between the places that a window looks at.")
    keras = "ConvLSTM1D"
    example = 'input x: float32[N, T, 16, 3]\nConvLSTM1D(4, 3, padding="same", return_sequences=True)'


class ConvLSTM2D(ConvLSTM):
    """LSTM of convolutions: [batch, steps, height, width, channels] to [batch, height, width, filters] or all steps.

    Shi et al., 2015, https://arxiv.org/abs/1506.04214 (without the peephole connections, as in Keras)
    """

    rank = 2
    kernel_size = arg(Numbers(2), doc="Size of the window.")
    strides = arg(Numbers(2), default=(1, 1), doc="Steps between two places of the window.")
    dilation_rate = arg(Numbers(2), default=(1, 1), doc="Distance between the places that a window looks at.")
    keras = "ConvLSTM2D"
    example = 'input video: float32[N, T, 32, 32, 3]\nConvLSTM2D(8, 3, padding="same")'


class ConvLSTM3D(ConvLSTM):
    """LSTM of convolutions: [batch, steps, depth, height, width, channels] to the same without steps, or all steps."""

    rank = 3
    kernel_size = arg(Numbers(3), doc="Size of the window.")
    strides = arg(Numbers(3), default=(1, 1, 1), doc="Steps between two places of the window.")
    dilation_rate = arg(Numbers(3), default=(1, 1, 1), doc="Distance between the places that a window looks at.")
    keras = "ConvLSTM3D"
    example = 'input volumes: float32[N, T, 8, 8, 8, 2]\nConvLSTM3D(4, 3, padding="same")'
