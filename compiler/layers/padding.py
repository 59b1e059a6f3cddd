"""Zeros added around, and borders cut off: ZeroPadding1D/2D/3D, Cropping1D/2D/3D."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, decide, require_rank
from archonnx.compiler.layers.domains import DataFormat, Sides
from archonnx.compiler.layers.windows import SPATIAL, axis_names, channel_axis, spatial_axes, with_sizes
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'
_SIDES = "Places before and after: one number, one an axis, or (before, after) for each."


class Border(KerasLayer):
    """Places added to, or taken from, both ends of each spatial axis."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    rank: ClassVar[int] = 2
    amount: ClassVar[str] = "padding"  # the argument with the places
    sign: ClassVar[int] = 1

    @property
    def channels_first(self) -> bool:
        return bool(self.arguments.get("data_format") == "channels_first")

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        return Sides(self.rank).parse(self.arguments[self.amount])

    def sizes(self, facts: Facts, x: TensorType) -> list[Dim]:
        """The result's spatial sizes. E0304 where nothing is left of one."""
        sizes = []
        for number, axis in enumerate(spatial_axes(self.rank, self.channels_first)):
            before, after = self.sides[number]
            size = x.shape[axis] + self.sign * (before + after)
            if self.sign < 0 and decide(facts, ">", size, 0) is False:
                raise LayerError(
                    "E0304",
                    f"{self.type_name} cuts {before + after} places off the {SPATIAL[self.rank][number]}, "
                    f"and {x} has {x.shape[axis]}",
                    argument=self.amount,
                    help=f"cut {x.shape[axis] - 1} off at most" if isinstance(x.shape[axis], int) else None,
                )
            sizes.append(facts.normalize(size))
        return sizes

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        if self.sign > 0 and DTYPES[inputs.dtype].kind == "string":
            raise LayerError("E0303", f"{self.type_name} needs numbers, got {inputs}", input=0)
        require_rank(self, inputs, axis_names(self.rank, self.channels_first))
        if self.sign > 0 and inputs.dtype == "string":  # onnxruntime pads numbers alone
            raise LayerError("E0303", f"{self.type_name} needs numbers, got {inputs}", input=0)
        x = self.kept(inputs)
        channels = x.shape[channel_axis(self.rank, self.channels_first)]
        return with_sizes(x, self.channels_first, self.sizes(c.facts, x), channels)


class _ZeroPadding(Border):
    """Zeros around the spatial axes."""

    abstract = True
    onnx = ("Pad",)
    formula = """y[p, c] = inputs[p - before, c] where that is a place of inputs, else 0
p: a place, a number for each spatial axis; before, after: the amounts in padding"""

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        before, after = [0] * x.rank, [0] * x.rank
        for axis, (low, high) in zip(axes, self.sides, strict=True):
            before[axis], after[axis] = low, high
        return b.pad(x, before, after)


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps: [batch, steps, channels]."""

    rank = 1
    padding = arg(Sides(1), default=((1, 1),), doc="Zeros before and after: one number, or (before, after).")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "ZeroPadding1D"
    torch = "ZeroPad1d"
    example = "input x: float32[N, 100, 8]\nZeroPadding1D(2)"


class ZeroPadding2D(_ZeroPadding):
    """Zeros around height and width: [batch, height, width, channels]."""

    rank = 2
    padding = arg(Sides(2), default=((1, 1), (1, 1)), doc=_SIDES)
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "ZeroPadding2D"
    torch = "ZeroPad2d"
    example = "input image: float32[N, 32, 32, 3]\nZeroPadding2D(3)"


class ZeroPadding3D(_ZeroPadding):
    """Zeros around depth, height and width: [batch, depth, height, width, channels]."""

    rank = 3
    padding = arg(Sides(3), default=((1, 1), (1, 1), (1, 1)), doc=_SIDES)
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "ZeroPadding3D"
    torch = "ZeroPad3d"
    example = "input volume: float32[N, 8, 8, 8, 2]\nZeroPadding3D(1)"


class _Cropping(Border):
    """The borders of the spatial axes cut off."""

    abstract = True
    amount = "cropping"
    sign = -1
    onnx = ("Slice",)
    formula = """y[p, c] = inputs[p + before, c]
p: a place, a number for each spatial axis, of size - before - after; before, after: the amounts in cropping"""

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        starts = [low for low, _ in self.sides]
        ends = [-high if high else None for _, high in self.sides]
        shape = list(x.shape)
        for axis, size in zip(axes, self.sizes(b.facts, x.type), strict=True):
            shape[axis] = size
        return b.slice(x, starts, ends, axes, shape=shape)


class Cropping1D(_Cropping):
    """Steps cut off before and after: [batch, steps, channels]."""

    rank = 1
    cropping = arg(Sides(1), default=((1, 1),), doc="Steps before and after: one number, or (before, after).")
    keras = "Cropping1D"
    example = "input x: float32[N, 100, 8]\nCropping1D(2)"


class Cropping2D(_Cropping):
    """The borders of height and width cut off: [batch, height, width, channels]."""

    rank = 2
    cropping = arg(Sides(2), default=((0, 0), (0, 0)), doc=_SIDES)
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "Cropping2D"
    example = "input image: float32[N, 32, 32, 3]\nCropping2D(4)"


class Cropping3D(_Cropping):
    """The borders of depth, height and width cut off: [batch, depth, height, width, channels]."""

    rank = 3
    cropping = arg(Sides(3), default=((1, 1), (1, 1), (1, 1)), doc=_SIDES)
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "Cropping3D"
    example = "input volume: float32[N, 8, 8, 8, 2]\nCropping3D(1)"
