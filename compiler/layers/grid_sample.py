"""GridSample: an image read at places of one's own, as PyTorch's grid_sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, equal, require_equal
from archonnx.compiler.layers.domains import Choice, DataFormat, Flag
from archonnx.compiler.layers.windows import axis_names, channel_axis, with_sizes
from archonnx.contract.dims import Verdict

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

_DATA_FORMAT = 'Place of the channels of `inputs`: "channels_last" (None) or "channels_first".'
# ONNX's names of the modes until opset 19 are PyTorch's; since 20 the operator takes volumes and float64 too.
_RENAMED = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}
GENERAL = 20


class GridSample(KerasLayer):
    """Images or volumes read at the places of a grid: [batch, height, width, channels] and [batch, rows, columns, 2].

    Gives [batch, rows, columns, channels]. A place is (x, y), in a volume (x, y, z), each from -1 at one end of an
    axis to 1 at the other; x runs along the width.
    """

    inputs = ("inputs", "grid")
    masking = "drop"
    mode = arg(Choice("bilinear", "nearest", "bicubic"), default="bilinear", doc="How values between pixels are found.")
    padding_mode = arg(
        Choice("zeros", "border", "reflection"),
        default="zeros",
        doc="What lies outside: zeros, the outermost pixel, or a mirror image.",
    )
    align_corners = arg(
        Flag(), default=False, doc="Whether -1 and 1 are the middles of the outermost pixels, not their outer edges."
    )
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    torch = "grid_sample"
    onnx = ("GridSample",)
    formula = """y[i, j] = inputs at (row, column), between pixels by mode, outside by padding_mode
column = ((grid[i, j, 0] + 1) * width - 1) / 2, row = ((grid[i, j, 1] + 1) * height - 1) / 2
with align_corners: column = (grid[i, j, 0] + 1) / 2 * (width - 1), row = (grid[i, j, 1] + 1) / 2 * (height - 1)"""
    example = "input image: float32[N, 16, 16, 3]\ninput grid: float32[N, 8, 8, 2]\n(image, grid) -> GridSample()"

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    def infer(self, c: Context, inputs: TensorType, grid: TensorType) -> TensorType:
        x, places = self.floating(inputs), self.floating(grid, 1)
        if x.rank not in (4, 5):
            axes = ", ".join(axis_names(2, self.channels_first))
            raise LayerError("E0302", f"GridSample needs 4 axes ({axes}), or 5 for volumes, got {inputs}", input=0)
        rank = x.rank - 2
        if places.rank != x.rank:
            raise LayerError(
                "E0302",
                f"GridSample needs a grid of {x.rank} axes (batch, {'depth, ' if rank == 3 else ''}rows, columns, "
                f"{rank} coordinates), got {grid}",
                input=1,
            )
        if equal(c.facts, places.shape[-1], rank) is not Verdict.YES:
            raise LayerError(
                "E0308",
                f"GridSample needs a grid of {rank} coordinates at each place, got {grid}",
                input=1,
                axis=places.rank - 1,
                label=f"{places.shape[-1]} here",
                help=f"a place is ({'x, y, z' if rank == 3 else 'x, y'}), each from -1 to 1",
            )
        if rank == 3 and self.mode == "bicubic":
            raise LayerError(
                "E0337",
                f'GridSample is "bicubic" over images alone, and {inputs} is a volume',
                argument="mode",
                help='choose "bilinear" or "nearest"',
            )
        if c.opset < GENERAL and (rank == 3 or x.dtype == "float64"):
            what = "over volumes" if rank == 3 else "in float64"
            raise LayerError(
                "E0902",
                f"GridSample {what} needs opset {GENERAL}, and this is opset {c.opset}",
                help=f"build with --opset {GENERAL}",
            )
        require_equal(self, c.facts, x.shape[0], places.shape[0], (x, places), input=1, axis=0)
        return with_sizes(x, self.channels_first, places.shape[1:-1], x.shape[channel_axis(rank, self.channels_first)])

    def lower(self, b: Builder, inputs: Tensor, grid: Tensor) -> Tensor:
        x, places = self.cast_floating(b, inputs), self.cast_floating(b, grid)
        first = x if self.channels_first else b.channels_first(x)
        y = b.op(
            "GridSample",
            first,
            places,
            result=TensorType(x.dtype, (*first.shape[:2], *places.shape[1:-1])),
            mode=_RENAMED[self.mode] if b.opset >= GENERAL else self.mode,
            padding_mode=self.padding_mode,
            align_corners=int(self.align_corners),
        )
        return y if self.channels_first else b.channels_last(y)
