"""Borders as PyTorch has them: ReflectionPadding, ReplicationPadding, CircularPadding and ConstantPadding, 1D to 3D.

The amounts are given as Keras' ZeroPadding takes them: ((top, bottom), (left, right)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import decide, require_text
from archonnx.compiler.layers.domains import DataFormat, Real, Sides
from archonnx.compiler.layers.padding import Border
from archonnx.compiler.layers.windows import SPATIAL, spatial_axes
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.graph import TensorType
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'
_SIDES = "Places before and after: one number, one an axis, or (before, after) for each."
_STEPS = "Steps before and after: one number, or (before, after)."


def _holds(dtype: str, value: float) -> bool:
    """Whether a number is one of an element type, as far as whole numbers are concerned."""
    kind, bits = DTYPES[dtype].kind, DTYPES[dtype].bits
    if kind == "float":
        return True
    low, high = (0, 1 << bits) if kind == "uint" else (-1 << (bits - 1), 1 << (bits - 1))
    return value.is_integer() and low <= value < high


class _BorderPadding(Border):
    """Places added around whose values are those of other places."""

    abstract = True
    mode: ClassVar[str] = "reflect"
    beyond: ClassVar[int] = 1  # how many places more than what is added on a side there must be
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    argument_order = ("padding", "data_format")
    onnx: ClassVar[tuple[str, ...]] = ("Pad",)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        result = super().infer(c, inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        for axis, name, sides in zip(axes, SPATIAL[self.rank], self.sides, strict=True):
            most = max(sides)
            if not most:
                continue
            size, needed = inputs.shape[axis], most + self.beyond
            enough = decide(c.facts, ">=", size, needed)
            if enough is False:
                raise LayerError(
                    "E0336",
                    f"{self.type_name} adds {most} along the {name}, which takes a size of {needed} or more, "
                    f"and {inputs} has {size}",
                    argument="padding",
                    help=f"add {size - self.beyond} at most"
                    if isinstance(size, int) and size > self.beyond
                    else "take a smaller padding",
                )
            if enough is None:
                raise LayerError(
                    "E0309",
                    f"{self.type_name} cannot tell whether {inputs} has {needed} or more along the {name}",
                    input=0,
                    axis=axis,
                    label=f"{size} here",
                    help=f"state it: {require_text('>=', size, needed)}",
                )
        return result

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        before, after = [0] * x.rank, [0] * x.rank
        for axis, (low, high) in zip(spatial_axes(self.rank, self.channels_first), self.sides, strict=True):
            before[axis], after[axis] = low, high
        return b.pad(x, before, after, mode=self.mode)


class _ReflectionPadding(_BorderPadding):
    """What lies on the other side of the border, as in a mirror in the last place."""

    abstract = True
    mode = "reflect"
    beyond = 1
    formula = """y[p, c] = inputs[m(p - before), c]
m(q) = abs(q) before the last place, and 2 (size - 1) - q after it
p: a place, a number for each spatial axis; before, after: the amounts in padding"""


class _ReplicationPadding(_BorderPadding):
    """The value of the last place, over and over."""

    abstract = True
    mode = "edge"
    beyond = 1
    formula = """y[p, c] = inputs[min(max(p - before, 0), size - 1), c]
p: a place, a number for each spatial axis; before, after: the amounts in padding"""

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        return Border.infer(self, c, inputs)


class _CircularPadding(_BorderPadding):
    """What lies at the other end."""

    abstract = True
    mode = "wrap"
    beyond = 0
    onnx = ("Pad", "Slice", "Concat")
    formula = """y[p, c] = inputs[(p - before) mod size, c]
p: a place, a number for each spatial axis; before, after: the amounts in padding"""

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        if b.opset >= 19:
            return super().lower(b, inputs)
        x = self.cast_kept(b, inputs)
        for axis, (low, high) in zip(spatial_axes(self.rank, self.channels_first), self.sides, strict=True):
            size = x.shape[axis]
            parts = [x]
            if low:
                parts.insert(0, b.slice(x, [-low], [None], [axis], shape=[*x.shape[:axis], low, *x.shape[axis + 1 :]]))
            if high:
                parts.append(b.slice(x, [0], [high], [axis], shape=[*x.shape[:axis], high, *x.shape[axis + 1 :]]))
            x = b.concat(parts, axis)
            assert x.shape[axis] == size + low + high
        return x


class _ConstantPadding(Border):
    """One number."""

    abstract = True
    value = arg(Real(), default=0.0, doc="What is added.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    argument_order = ("padding", "value", "data_format")
    onnx = ("Pad",)
    formula = """y[p, c] = inputs[p - before, c] where that is a place of inputs, else value
p: a place, a number for each spatial axis; before, after: the amounts in padding"""

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        if DTYPES[inputs.dtype].kind in ("string", "complex", "bool"):
            raise LayerError("E0303", f"{self.type_name} needs numbers, got {inputs}", input=0)
        if not _holds(inputs.dtype, self.value):
            raise LayerError(
                "E0361",
                f"{self.type_name} adds {self.value:g}, which {inputs} cannot hold",
                argument="value",
                help='convert first: cast(x, "float32")',
            )
        return super().infer(c, inputs)

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        before, after = [0] * x.rank, [0] * x.rank
        for axis, (low, high) in zip(spatial_axes(self.rank, self.channels_first), self.sides, strict=True):
            before[axis], after[axis] = low, high
        whole = DTYPES[x.dtype].kind != "float"
        return b.pad(x, before, after, int(self.value) if whole else self.value)


class ReflectionPadding1D(_ReflectionPadding):
    """The mirror image before and after the steps: [batch, steps, channels]."""

    rank = 1
    padding = arg(Sides(1), doc=_STEPS)
    torch = "ReflectionPad1d"
    example = "input x: float32[N, 100, 8]\nReflectionPadding1D(2)"


class ReflectionPadding2D(_ReflectionPadding):
    """The mirror image around height and width: [batch, height, width, channels]."""

    rank = 2
    padding = arg(Sides(2), doc=_SIDES)
    torch = "ReflectionPad2d"
    example = "input image: float32[N, 32, 32, 3]\nReflectionPadding2D(3)"


class ReflectionPadding3D(_ReflectionPadding):
    """The mirror image around depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    padding = arg(Sides(3), doc=_SIDES)
    torch = "ReflectionPad3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nReflectionPadding3D(1)"


class ReplicationPadding1D(_ReplicationPadding):
    """The outermost values over again before and after the steps: [batch, steps, channels]."""

    rank = 1
    padding = arg(Sides(1), doc=_STEPS)
    torch = "ReplicationPad1d"
    example = "input x: float32[N, 100, 8]\nReplicationPadding1D(2)"


class ReplicationPadding2D(_ReplicationPadding):
    """The outermost values over again around height and width: [batch, height, width, channels]."""

    rank = 2
    padding = arg(Sides(2), doc=_SIDES)
    torch = "ReplicationPad2d"
    example = "input image: float32[N, 32, 32, 3]\nReplicationPadding2D(3)"


class ReplicationPadding3D(_ReplicationPadding):
    """The outermost values over again around depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    padding = arg(Sides(3), doc=_SIDES)
    torch = "ReplicationPad3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nReplicationPadding3D(1)"


class CircularPadding1D(_CircularPadding):
    """The values of the other end before and after the steps: [batch, steps, channels]."""

    rank = 1
    padding = arg(Sides(1), doc=_STEPS)
    torch = "CircularPad1d"
    example = "input x: float32[N, 100, 8]\nCircularPadding1D(2)"


class CircularPadding2D(_CircularPadding):
    """The values of the other end around height and width: [batch, height, width, channels]."""

    rank = 2
    padding = arg(Sides(2), doc=_SIDES)
    torch = "CircularPad2d"
    example = "input image: float32[N, 32, 32, 3]\nCircularPadding2D(3)"


class CircularPadding3D(_CircularPadding):
    """The values of the other end around depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    padding = arg(Sides(3), doc=_SIDES)
    torch = "CircularPad3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nCircularPadding3D(1)"


class ConstantPadding1D(_ConstantPadding):
    """A number before and after the steps: [batch, steps, channels]."""

    rank = 1
    padding = arg(Sides(1), doc=_STEPS)
    torch = "ConstantPad1d"
    example = "input x: float32[N, 100, 8]\nConstantPadding1D(2, -1)"


class ConstantPadding2D(_ConstantPadding):
    """A number around height and width: [batch, height, width, channels]."""

    rank = 2
    padding = arg(Sides(2), doc=_SIDES)
    torch = "ConstantPad2d"
    example = "input image: float32[N, 32, 32, 3]\nConstantPadding2D(3, 0.5)"


class ConstantPadding3D(_ConstantPadding):
    """A number around depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    padding = arg(Sides(3), doc=_SIDES)
    torch = "ConstantPad3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nConstantPadding3D(1, 0.5)"
