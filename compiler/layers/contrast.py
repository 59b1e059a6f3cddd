"""AutoContrast and ContrastLimitedAdaptiveHistogramEqualization, which spread the values of images at inference too.

The second: tiles of the image, a histogram of each, cut at a limit; each pixel takes its place in the sum of the
histograms of the four tiles around it, weighted by how near they are (keras/src/layers/preprocessing/
image_preprocessing/clahe.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.augmentation import RANGE, require_image
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, counted, decide
from archonnx.compiler.layers.domains import DataFormat, Real, Repeated, Whole
from archonnx.contract.dims import Dim, ceil_div

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

VALUES = 256
WHITE = 255.0


class AutoContrast(KerasLayer):
    """Each channel of each image stretched to the whole range: [batch, height, width, channels], in floats.

    A channel of one value stays as it is.
    """

    inputs = ("data",)
    masking = "drop"
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    keras = "AutoContrast"
    onnx = ("ReduceMin", "ReduceMax", "Sub", "Div", "Mul", "Add", "Clip", "IsNaN", "Where", "Neg")
    formula = "y = (x - min(x)) / (max(x) - min(x)), from the range's least to its largest value"
    example = "input image: uint8[N, 32, 32, 3]\nAutoContrast()"

    def infer(self, c: Context, data: TensorType) -> TensorType:
        x = self.floating(data)
        require_image(self, data)
        return x

    def lower(self, b: Builder, data: Tensor) -> Tensor:
        x = self.cast_floating(b, data)
        low, high = sorted(self.value_range)
        y = moved(b, x, (low, high), (0.0, WHITE))
        axes = (x.rank - 3, x.rank - 2)
        least, largest = (b.reduce(kind, y, axes, keepdims=True) for kind in ("Min", "Max"))
        scale = b.op("Div", b.like(y, WHITE), b.op("Sub", largest, least, result=least.type), result=least.type)
        offset = b.op("Mul", b.op("Neg", least), scale, result=least.type)
        y = b.op("Add", b.op("Mul", y, scale, result=y.type), offset, result=y.type)
        flat = b.op("IsNaN", y, result=TensorType("bool", y.shape))  # nothing to stretch: infinite times 0
        y = b.op("Clip", y, b.like(y, 0.0), b.like(y, WHITE), result=y.type)
        return b.op("Where", flat, x, moved(b, y, (0.0, WHITE), (low, high)), result=x.type)


class ContrastLimitedAdaptiveHistogramEqualization(KerasLayer):
    """The values of each tile of an image spread evenly, up to a limit: [batch, height, width, channels].

    It computes in float32 and gives whole numbers, cut, where it is given such.
    """

    inputs = ("data",)
    masking = "drop"
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    clip_limit = arg(Real(), default=4.0, doc="How many times its even share a value may count; 0 or less: no limit.")
    tile_grid_size = arg(
        Repeated(Whole(1, 4096), 2, alone=False), default=(8, 8), doc="Tiles along the height and the width."
    )
    data_format = arg(
        DataFormat(), default=None, doc='Place of the channels: "channels_last" (None) or "channels_first".'
    )
    keras = "ContrastLimitedAdaptiveHistogramEqualization"
    onnx = (
        "ScatterElements", "CumSum", "Gather", "Floor", "Clip", "Range", "Expand", "ReduceSum", "Where", "Equal", "Min",
        "Add", "Sub", "Mul", "Div", "Slice",
    )  # fmt: skip
    formula = (
        "h = histogram of a tile, min(h, limit) + sum(h - min(h, limit)) / 256, limit = clip_limit * pixels / 256\n"
        "f(v) = 255 * (cumsum(h)[v] - cumsum(h)[0]) / (pixels - cumsum(h)[0])\n"
        "y = f(x) of the four tiles around the pixel, interpolated"
    )
    example = "input image: uint8[N, 32, 32, 3]\nContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(4, 4))"

    def infer(self, c: Context, data: TensorType) -> TensorType:
        self.floating(data)
        require_image(self, data)
        for axis, tiles in zip(self._axes(data), self.tile_grid_size, strict=True):
            size = data.shape[axis]
            missing = ceil_div(size, tiles) * tiles - size
            if decide(c.facts, ">=", size, missing) is False:
                raise LayerError(
                    "E0304",
                    f"{self.type_name} lays {tiles} tiles over {counted(size, 'place')}, and {missing} are missing",
                    argument="tile_grid_size",
                    help="what is missing is a mirror image, so it can be no more than there is: take fewer tiles",
                )
        return self.kept(data)

    def _axes(self, x: TensorType) -> tuple[int, int]:
        """Height and width."""
        last = self.data_format == "channels_first"
        return (x.rank - 2, x.rank - 1) if last else (x.rank - 3, x.rank - 2)

    def lower(self, b: Builder, data: Tensor) -> Tensor:
        x = self.cast_kept(b, data)
        kept = x.dtype
        y = x if x.rank == 4 else b.expand_dims(x, [0])
        first = self.data_format == "channels_first"
        y = b.cast(b.channels_last(y) if first else y, "float32")
        low, high = self.value_range
        y = moved(b, self._equalized(b, moved(b, y, (low, high), (0.0, WHITE))), (0.0, WHITE), (low, high))
        y = b.cast(b.channels_first(y) if first else y, kept)
        return y if x.rank == 4 else b.squeeze(y, [0])

    def _equalized(self, b: Builder, x: Tensor) -> Tensor:
        """float32 [N, H, W, C], of 0 to 255."""
        batch, height, width, channels = x.shape
        rows, columns = self.tile_grid_size
        tall, wide = b.known(ceil_div(height, rows)), b.known(ceil_div(width, columns))
        full = _mirrored(b, _mirrored(b, x, 1, b.known(tall * rows)), 2, b.known(wide * columns))
        values = b.cast(b.op("Clip", full, b.like(full, 0.0), b.like(full, WHITE), result=full.type), "int64")
        tiles = b.transpose(b.reshape(values, (batch, rows, tall, columns, wide, channels)), (0, 1, 3, 5, 2, 4))
        tiles = b.reshape(tiles, (batch, rows, columns, channels, tall * wide))
        table = b.reshape(self._places(b, tiles, tall * wide), (batch * rows * columns * channels * VALUES,))
        # The place of a value in the table: batch, row, column, channel, value.
        strides: list[Dim] = [
            VALUES,
            channels * VALUES,
            columns * channels * VALUES,
            rows * columns * channels * VALUES,
        ]
        start = b.op("Add", values, _times(b, _count(b, channels), strides[0]), result=values.type)
        start = b.op(
            "Add", start, b.reshape(_times(b, _count(b, batch), strides[3]), (batch, 1, 1, 1)), result=values.type
        )
        above, below, down = _neighbours(b, tall, rows, strides[2])
        left, right, across = _neighbours(b, wide, columns, strides[1])

        def found(row: Tensor, column: Tensor) -> Tensor:
            at = b.op("Add", start, b.reshape(row, (row.shape[0], 1, 1)), result=values.type)
            at = b.op("Add", at, b.reshape(column, (column.shape[0], 1)), result=values.type)
            return b.op("Gather", table, at, result=TensorType("float32", values.shape))

        across = b.reshape(across, (across.shape[0], 1))
        upper = _between(b, found(above, left), found(above, right), across)
        lower = _between(b, found(below, left), found(below, right), across)
        y = _between(b, upper, lower, b.reshape(down, (down.shape[0], 1, 1)))
        return b.slice(y, [0, 0], [height, width], [1, 2], shape=x.shape)

    def _places(self, b: Builder, tiles: Tensor, pixels: Dim) -> Tensor:
        """float32 [N, rows, columns, C, 256]: what each value of each tile becomes."""
        one = b.constant(1.0)
        zeros = b.expand(b.constant(0.0), (*tiles.shape[:-1], VALUES))
        counts = b.op(
            "ScatterElements", zeros, tiles, b.expand(one, tiles.shape), result=zeros.type, axis=4, reduction="add"
        )
        total = b.cast(b.dim(b.known(pixels)), "float32")
        if self.clip_limit > 0:
            limit = b.op("Div", b.op("Mul", total, b.constant(self.clip_limit)), b.constant(float(VALUES)))
            cut = b.op("Min", counts, limit, result=counts.type)
            excess = b.reduce("Sum", b.op("Sub", counts, cut, result=counts.type), [4], keepdims=True)
            counts = b.op("Add", cut, b.op("Div", excess, b.constant(float(VALUES))), result=counts.type)
        summed = b.op("CumSum", counts, b.constant(4, "int64"), result=counts.type)
        least = b.slice(summed, [0], [1], [4])
        rest = b.op("Sub", total, least, result=least.type)
        rest = b.op("Where", b.op("Equal", rest, b.constant(0.0)), one, rest, result=least.type)
        scaled = b.op("Mul", b.op("Sub", summed, least, result=summed.type), b.constant(WHITE), result=summed.type)
        y = b.op("Div", scaled, rest, result=summed.type)
        return b.op("Clip", y, b.constant(0.0), b.constant(WHITE), result=y.type)


def moved(b: Builder, x: Tensor, old: Sequence[float], new: Sequence[float]) -> Tensor:
    """Values of one range in another, as Keras moves them."""
    if tuple(old) == tuple(new):
        return x
    y = b.op("Div", b.op("Sub", x, b.like(x, old[0]), result=x.type), b.like(x, old[1] - old[0]), result=x.type)
    return b.op("Add", b.op("Mul", y, b.like(x, new[1] - new[0]), result=x.type), b.like(x, new[0]), result=x.type)


def _count(b: Builder, size: Dim) -> Tensor:
    """int64 0, 1, ..., size - 1."""
    known = b.known(size)
    if isinstance(known, int):
        return b.ints(range(known))
    bounds = (b.constant(0, "int64"), b.dim(known), b.constant(1, "int64"))
    return b.op("Range", *bounds, result=TensorType("int64", (known,)))


def _times(b: Builder, x: Tensor, factor: Dim) -> Tensor:
    return b.op("Mul", x, b.dim(b.known(factor)), result=x.type)


def _mirrored(b: Builder, x: Tensor, axis: int, size: Dim) -> Tensor:
    """The axis filled up to `size` by its mirror image, the last place twice; past that by its first place."""
    old = b.known(x.shape[axis])
    if b.same(old, size):
        return x
    places = _count(b, size)
    back = b.op("Sub", b.dim(b.known(2 * old - 1)), places, result=places.type)
    inside = b.op("Max", b.op("Min", places, back, result=places.type), b.constant(0, "int64"), result=places.type)
    return b.gather(x, inside, axis)


def _neighbours(b: Builder, extent: Dim, tiles: int, stride: Dim) -> tuple[Tensor, Tensor, Tensor]:
    """For each place of an axis the two tiles around it, as places of the table, and how near the second is."""
    length = b.cast(b.dim(extent), "float32")
    places = b.cast(_count(b, b.known(extent * tiles)), "float32")
    at = b.op("Sub", places, b.op("Div", length, b.constant(2.0)), result=places.type)
    at = b.op("Add", b.op("Div", at, length, result=at.type), b.constant(1.0), result=at.type)
    low = b.op("Floor", at)
    near = b.op("Sub", at, low, result=at.type)
    last = b.constant(tiles - 1, "int64")
    second = b.cast(low, "int64")
    first = b.op("Sub", second, b.constant(1, "int64"), result=second.type)
    zero = b.constant(0, "int64")
    found = [_times(b, b.op("Clip", tile, zero, last, result=tile.type), stride) for tile in (first, second)]
    return found[0], found[1], near


def _between(b: Builder, first: Tensor, second: Tensor, near: Tensor) -> Tensor:
    rest = b.op("Sub", b.constant(1.0), near, result=near.type)
    return b.op(
        "Add",
        b.op("Mul", first, rest, result=first.type),
        b.op("Mul", second, near, result=first.type),
        result=first.type,
    )
