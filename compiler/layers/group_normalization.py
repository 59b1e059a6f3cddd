"""GroupNormalization and InstanceNormalization: mean and variance of groups of channels of each example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, counted, require_floats, require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import Axis, Domain, Flag, Ignored, InitializerDomain, Real
from archonnx.compiler.layers.domains_single import is_whole

if TYPE_CHECKING:
    from typing import Any

    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_TRAINING = "Used in training only."
# What onnxruntime normalizes by one operator; it has no kernel for the others.
_BY_OPERATOR = ("float32", "float16")


_ORDER = (
    *("axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer"),
    *("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"),
)


class Groups(Domain):
    """A number of groups, or -1 for one of each channel."""

    examples = (1, 2, -1)

    def parse(self, value: Any) -> int:
        if not is_whole(value) or (value < 1 and value != -1):
            raise self.fail()
        return int(value)

    def describe(self) -> str:
        return "a whole number, at least 1, or -1 for as many groups as channels"


class _OfGroups(KerasLayer):
    """Normalizes the channels of `group_count` groups, each by its own mean and variance over all other axes too."""

    abstract = True
    inputs = ("inputs",)
    axis = arg(Axis(), default=-1, doc="The axis of the channels.")
    epsilon = arg(Real(minimum=0), default=0.001, doc="Added to the variance.")
    center = arg(Flag(), default=True, doc="Whether beta is added.")
    scale = arg(Flag(), default=True, doc="Whether gamma is multiplied.")
    beta_initializer = arg(InitializerDomain(), default="zeros", doc="What beta starts from.")
    gamma_initializer = arg(InitializerDomain(), default="ones", doc="What gamma starts from.")
    beta_regularizer = arg(Ignored(), default=None, doc=_TRAINING)
    gamma_regularizer = arg(Ignored(), default=None, doc=_TRAINING)
    beta_constraint = arg(Ignored(), default=None, doc=_TRAINING)
    gamma_constraint = arg(Ignored(), default=None, doc=_TRAINING)

    def group_count(self, channels: int) -> int:
        raise TypeError(self.type_name)

    def channels(self, c: Context, x: TensorType) -> int:
        """How many channels there are. E0302, E0303, E0311, E0301: where it cannot tell."""
        require_floats(self, x)
        require_least_rank(self, x, 2)
        axis = resolve_axis(self, x, self.axis, "axis")
        if axis == 0:
            raise LayerError(
                "E0311",
                f"{self.type_name} normalizes each example by itself; axis 0 of {x} is the batch",
                argument="axis",
            )
        return c.known(x, axis)

    def declare(self, c: Context, inputs: TensorType) -> None:
        shape = (self.channels(c, inputs),)
        if self.scale:
            c.weight("gamma", shape, self.gamma_initializer, dtype=self.compute_dtype)
        if self.center:
            c.weight("beta", shape, self.beta_initializer, dtype=self.compute_dtype)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        channels = self.channels(c, inputs)
        groups = self.group_count(channels)
        if channels % groups:
            divisors = [n for n in range(1, channels + 1) if channels % n == 0]
            nearest = sorted(sorted(divisors, key=lambda n: abs(n - groups))[:5])
            raise LayerError(
                "E0305",
                f"{self.type_name} cannot divide the {counted(channels, 'channel')} of {inputs} "
                f"into {counted(groups, 'equal group')}",
                argument="groups",
                input=0,
                axis=self.axis % inputs.rank,
                label=f"{channels} here",
                help=f"{channels} divides by {', '.join(map(str, nearest[:-1]))} and {nearest[-1]}"
                if channels > 1
                else None,
            )
        return self.floating(inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axis = self.axis % x.rank
        order = [a for a in range(x.rank) if a != axis]
        order.insert(1, axis)
        turned = b.transpose(x, order)
        y = self._normalized(b, turned)
        return b.transpose(y, [order.index(a) for a in range(x.rank)])

    def _normalized(self, b: Builder, x: Tensor) -> Tensor:
        """The same of (batch, channels, ...)."""
        channels = b.known(x.shape[1])
        assert isinstance(channels, int)
        groups = self.group_count(channels)
        gamma = b.weight("gamma") if self.scale else None
        beta = b.weight("beta") if self.center else None
        if groups == channels and x.rank > 2 and x.dtype in _BY_OPERATOR:
            return self._instances(b, x, gamma, beta)
        grouped = self._grouped(b, x, groups)
        made = self._instances(b, grouped) if x.dtype in _BY_OPERATOR else self._spelled_out(b, grouped)
        y = b.reshape(made, x.shape)
        one_a_channel = (channels, *(1,) * (x.rank - 2))
        if gamma is not None:
            y = b.op("Mul", y, b.reshape(gamma, one_a_channel), result=x.type)
        return y if beta is None else b.op("Add", y, b.reshape(beta, one_a_channel), result=x.type)

    def _grouped(self, b: Builder, x: Tensor, groups: int) -> Tensor:
        """(batch, groups, what is normalized together)."""
        flat = b.flatten_from(x, 2) if x.rank > 2 else b.expand_dims(x, [2])
        together = b.known(flat.shape[1] * flat.shape[2] // groups)
        return b.reshape(flat, (x.shape[0], groups, together))

    def _instances(self, b: Builder, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None) -> Tensor:
        """One operator: onnxruntime takes 1.4 to 2 times as long for GroupNormalization, which it spells out."""
        count = b.known(x.shape[1])
        assert isinstance(count, int)
        return b.op(
            "InstanceNormalization",
            x,
            gamma if gamma is not None else b.constant([1.0] * count, x.dtype),
            beta if beta is not None else b.constant([0.0] * count, x.dtype),
            result=x.type,
            epsilon=self.epsilon,
        )

    def _spelled_out(self, b: Builder, x: Tensor) -> Tensor:
        """In float64, and bfloat16 in float32."""
        wide = b.cast(x, "float64" if x.dtype == "float64" else "float32")
        centred = b.op("Sub", wide, b.reduce("Mean", wide, [-1], keepdims=True))
        variance = b.reduce("Mean", b.op("Mul", centred, centred), [-1], keepdims=True)
        y = b.op("Div", centred, b.op("Sqrt", b.op("Add", variance, b.like(wide, self.epsilon))))
        return b.cast(y, x.dtype)


class GroupNormalization(_OfGroups):
    """Channels in groups, each group of each example to mean 0 and variance 1: [batch, ..., channels] to the same.

    Mean and variance of a group are taken over its channels and over all axes but the batch and the channels' axis.
    """

    argument_order = ("groups", *_ORDER)
    groups = arg(Groups(), default=32, doc="How many groups: a divisor of the channels, or -1 for one a channel.")
    keras = "GroupNormalization"
    torch = "GroupNorm"
    onnx = ("InstanceNormalization", "Mul", "Add")
    formula = """y = gamma * (inputs - mean) / sqrt(variance + epsilon) + beta
mean, variance = those of each example's channels of a group, at all places
gamma, beta: one number a channel"""
    example = "input image: float32[N, 8, 8, 6]\nGroupNormalization(groups=2)"

    def group_count(self, channels: int) -> int:
        return channels if self.groups == -1 else int(self.groups)


class InstanceNormalization(_OfGroups):
    """Each channel of each example to mean 0 and variance 1: [batch, ..., channels] to the same.

    Keras has it as `GroupNormalization(groups=-1)`; epsilon is as ONNX and PyTorch have it.
    """

    argument_order = _ORDER
    epsilon = arg(Real(minimum=0), default=1e-5, doc="Added to the variance.")
    torch = "InstanceNorm2d"
    onnx = ("InstanceNormalization",)
    formula = """y = gamma * (inputs - mean) / sqrt(variance + epsilon) + beta
mean, variance = those of each channel of each example, at all places"""
    example = "input image: float32[N, 8, 8, 6]\nInstanceNormalization()"

    def group_count(self, channels: int) -> int:
        return channels

    def channels(self, c: Context, x: TensorType) -> int:
        require_least_rank(self, x, 3)
        return super().channels(c, x)
