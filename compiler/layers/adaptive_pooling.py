"""Pools to a given number of places: AdaptiveAveragePooling1D/2D/3D, AdaptiveMaxPooling1D/2D/3D.

Along an axis of `size` places cut into `count` bins, bin i is the places from floor(i size / count) up to, not with,
ceil((i + 1) size / count): bins overlap, or differ in length, where they do not divide the size. What a bin becomes:

    one bin                     a reduction
    equal, at equal distances   one pool, where that holds along every axis
    equal, of symbolic size     the axis made into two, and a reduction
    other means                 a product with a constant matrix [count, size]; where the size is large or symbolic,
                                the places of every bin gathered, divided by its length, and summed
    other maxima                the places of every bin gathered, and a reduction

Where places are gathered, the last of a short bin is there several times, and counts as once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.common import KerasLayer, product, require_rank
from archonnx.compiler.layers.domains import DataFormat, Numbers
from archonnx.compiler.layers.pooling import maximum_type
from archonnx.compiler.layers.windows import axis_names, channel_axis, spatial_axes, with_sizes
from archonnx.contract.dims import ceil_div

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'
MATRIX_LIMIT = 1 << 20  # the most numbers of a matrix: 4 MB in float32
MOST = 65536  # bins along an axis, each of which is worked out while compiling
_OUTPUT_SIZE = "Places of the result along each axis."


class _AdaptivePool(KerasLayer):
    """A value for each bin. `rank` is the number of spatial axes."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    rank: ClassVar[int] = 2
    operator: ClassVar[str] = "MaxPool"
    reduction: ClassVar[str] = "Max"
    output_size: Any
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    argument_order = ("output_size", "data_format")

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    def worked(self, x: TensorType) -> TensorType:
        """The type that the pool works in, which is also the result's."""
        return self.floating(x)

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(self.rank, self.channels_first))
        x = self.worked(inputs)
        return with_sizes(
            x, self.channels_first, self.output_size, x.shape[channel_axis(self.rank, self.channels_first)]
        )

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = b.cast(inputs, self.worked(inputs.type).dtype)
        axes = spatial_axes(self.rank, self.channels_first)
        if all(count == 1 for count in self.output_size):
            return b.reduce(self.reduction, x, axes, keepdims=True)
        windows = [_window(b.known(x.shape[axis]), count) for axis, count in zip(axes, self.output_size, strict=True)]
        regular = [window for window in windows if window is not None]
        if len(regular) == self.rank and self.pools(x.dtype):
            return self.pooled(b, x, regular)
        for axis, count in zip(axes, self.output_size, strict=True):
            x = self.along(b, x, axis, count)
        return x

    def pools(self, dtype: str) -> bool:
        """Whether onnxruntime has a kernel of the pool."""
        return True

    def pooled(self, b: Builder, x: Tensor, windows: list[tuple[int, int]]) -> Tensor:
        """One pool, whose windows, (size, stride) along each axis, are the bins."""
        if all(window == (1, 1) for window in windows):
            return x
        first = x if self.channels_first else b.channels_first(x)
        y = b.op(
            self.operator,
            first,
            result=TensorType(x.dtype, (*first.shape[:2], *self.output_size)),
            kernel_shape=[size for size, _ in windows],
            **b.window([stride for _, stride in windows]),
        )
        return y if self.channels_first else b.channels_last(y)

    def along(self, b: Builder, x: Tensor, axis: int, count: int) -> Tensor:
        """The bins of one axis."""
        size = b.known(x.shape[axis])
        if size == count:
            return x
        if count == 1:
            return b.reduce(self.reduction, x, [axis], keepdims=True)
        if b.facts.divisible(size, count) if not isinstance(size, int) else size % count == 0:
            apart = b.reshape(x, (*x.shape[:axis], count, b.known(size // count), *x.shape[axis + 1 :]))
            return b.reduce(self.reduction, apart, [axis + 1])
        return self.binned(b, x, axis, count)

    def binned(self, b: Builder, x: Tensor, axis: int, count: int) -> Tensor:
        """The bins of one axis, of unlike lengths or distances."""
        raise TypeError(type(self).__name__)


def _bins(size: int, count: int) -> list[tuple[int, int]]:
    """Where each bin begins, and where it ends."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _window(size: Dim, count: int) -> tuple[int, int] | None:
    """Length and distance of the bins, where all are alike and the size is known."""
    if not isinstance(size, int):
        return None
    bins = _bins(size, count)
    lengths = {end - start for start, end in bins}
    steps = {after - start for (start, _), (after, _) in pairwise(bins)} or set(lengths)
    if len(lengths) > 1 or len(steps) > 1 or 0 in steps:
        return None
    return lengths.pop(), steps.pop()


def _bounds(b: Builder, size: Dim, count: int) -> tuple[Tensor, Tensor]:
    """int64 [count, 1] each: where the bins begin, and where they end."""
    extent = b.dim(size)
    starts = b.op("Div", b.op("Mul", b.constant([[i] for i in range(count)], "int64"), extent), b.ints([count]))
    reached = b.op("Mul", b.constant([[i + 1] for i in range(count)], "int64"), extent)
    return starts, b.op("Div", b.op("Add", reached, b.ints([count - 1])), b.ints([count]))


def _longest(size: Dim, count: int) -> Dim:
    """Places that no bin has more of."""
    return ceil_div(size, count) + 1


def _steps(b: Builder, size: Dim, count: int) -> Tensor:
    """int64 0, 1, ..., as many as `_longest`."""
    most = b.known(_longest(size, count))
    start, step = b.constant(0, "int64"), b.constant(1, "int64")
    return b.op("Range", start, b.dim(most), step, result=TensorType("int64", (most,)))


def _places(b: Builder, size: Dim, count: int) -> Tensor:
    """int64 [count, longest]: the places of each bin, the last one over again in shorter bins."""
    if isinstance(size, int):
        bins = _bins(size, count)
        longest = max(end - start for start, end in bins)
        return b.constant([[min(start + j, end - 1) for j in range(longest)] for start, end in bins], "int64")
    starts, ends = _bounds(b, size, count)
    return b.op("Min", b.op("Add", starts, _steps(b, size, count)), b.op("Sub", ends, b.ints([1])))


class _AdaptiveAverage(_AdaptivePool):
    """The mean of each bin."""

    abstract = True
    operator = "AveragePool"
    reduction = "Mean"
    onnx = ("AveragePool", "ReduceMean", "MatMul", "Div", "ReduceSum")

    def pools(self, dtype: str) -> bool:
        return dtype != "float64"

    def binned(self, b: Builder, x: Tensor, axis: int, count: int) -> Tensor:
        size = b.known(x.shape[axis])
        if isinstance(size, int) and size * count <= MATRIX_LIMIT:
            return self._multiplied(b, x, axis, size, count)
        parts = b.gather(x, _places(b, size, count), axis)
        divisors = b.expand_dims(b.cast(self._divisors(b, size, count), x.dtype), range(2, x.rank - axis + 1))
        return b.reduce("Sum", b.op("Div", parts, divisors, result=parts.type), [axis + 1])

    def _multiplied(self, b: Builder, x: Tensor, axis: int, size: int, count: int) -> Tensor:
        """A product with a matrix [count, size]: one over the length of a bin at each of its places, 0 elsewhere."""
        import numpy as np

        weights = np.zeros((count, size))
        for i, (start, end) in enumerate(_bins(size, count)):
            weights[i, start:end] = 1 / (end - start)
        if axis == x.rank - 1:
            return b.matmul(x, b.constant(weights.T, x.dtype))
        before, after = x.shape[: axis + 1], x.shape[axis + 1 :]
        y = b.matmul(b.constant(weights, x.dtype), b.reshape(x, (*before, product(after))))
        return b.reshape(y, (*before[:-1], count, *after))

    def _divisors(self, b: Builder, size: Dim, count: int) -> Tensor:
        """int64 [count, longest]: the length of the bin, times as often as a place is there over again."""
        if isinstance(size, int):
            bins = _bins(size, count)
            longest = max(end - start for start, end in bins)
            rows = []
            for start, end in bins:
                length = end - start
                times = longest - length + 1
                rows.append([length] * (length - 1) + [length * times] * times)
            return b.constant(rows, "int64")
        starts, ends = _bounds(b, size, count)
        lengths = b.op("Sub", ends, starts)
        repeats = b.op("Sub", b.dim(b.known(_longest(size, count) + 1)), lengths)
        before = b.op("Less", _steps(b, size, count), b.op("Sub", lengths, b.ints([1])))
        kind = TensorType("int64", (count, b.known(_longest(size, count))))
        return b.op("Where", before, lengths, b.op("Mul", lengths, repeats), result=kind)


class _AdaptiveMax(_AdaptivePool):
    """The largest value of each bin."""

    abstract = True
    operator = "MaxPool"
    reduction = "Max"
    onnx = ("MaxPool", "ReduceMax", "Gather")

    def worked(self, x: TensorType) -> TensorType:
        return maximum_type(self, x)

    def binned(self, b: Builder, x: Tensor, axis: int, count: int) -> Tensor:
        return b.reduce("Max", b.gather(x, _places(b, b.known(x.shape[axis]), count), axis), [axis + 1])


class AdaptiveAveragePooling1D(_AdaptiveAverage):
    """The means of `output_size` bins: [batch, steps, channels] to [batch, output_size, channels]."""

    rank = 1
    output_size = arg(Numbers(1, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveAveragePooling1D"
    torch = "AdaptiveAvgPool1d"
    formula = "y[t] = mean of inputs[floor(t steps / output_size) : ceil((t + 1) steps / output_size)]"
    example = "input x: float32[N, 100, 8]\nAdaptiveAveragePooling1D(5)"


class AdaptiveAveragePooling2D(_AdaptiveAverage):
    """The means of bins: [batch, height, width, channels] to [batch, *output_size, channels]."""

    rank = 2
    output_size = arg(Numbers(2, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveAveragePooling2D"
    torch = "AdaptiveAvgPool2d"
    formula = """y[i, j] = mean of inputs[floor(i height / rows) : ceil((i + 1) height / rows),
                       floor(j width / columns) : ceil((j + 1) width / columns)]
rows, columns = output_size"""
    example = "input image: float32[N, 28, 28, 3]\nAdaptiveAveragePooling2D(7)"


class AdaptiveAveragePooling3D(_AdaptiveAverage):
    """The means of bins: [batch, depth, height, width, channels] to [batch, *output_size, channels]."""

    rank = 3
    output_size = arg(Numbers(3, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveAveragePooling3D"
    torch = "AdaptiveAvgPool3d"
    formula = "y[p] = mean of inputs over floor(p size / output_size) : ceil((p + 1) size / output_size) of each axis"
    example = "input volume: float32[N, 8, 8, 8, 2]\nAdaptiveAveragePooling3D((2, 4, 4))"


class AdaptiveMaxPooling1D(_AdaptiveMax):
    """The largest values of `output_size` bins: [batch, steps, channels] to [batch, output_size, channels]."""

    rank = 1
    output_size = arg(Numbers(1, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveMaxPooling1D"
    torch = "AdaptiveMaxPool1d"
    formula = "y[t] = max of inputs[floor(t steps / output_size) : ceil((t + 1) steps / output_size)]"
    example = "input x: float32[N, 100, 8]\nAdaptiveMaxPooling1D(5)"


class AdaptiveMaxPooling2D(_AdaptiveMax):
    """The largest values of bins: [batch, height, width, channels] to [batch, *output_size, channels]."""

    rank = 2
    output_size = arg(Numbers(2, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveMaxPooling2D"
    torch = "AdaptiveMaxPool2d"
    formula = """y[i, j] = max of inputs[floor(i height / rows) : ceil((i + 1) height / rows),
                      floor(j width / columns) : ceil((j + 1) width / columns)]
rows, columns = output_size"""
    example = "input image: float32[N, 28, 28, 3]\nAdaptiveMaxPooling2D(7)"


class AdaptiveMaxPooling3D(_AdaptiveMax):
    """The largest values of bins: [batch, depth, height, width, channels] to [batch, *output_size, channels]."""

    rank = 3
    output_size = arg(Numbers(3, 1, MOST), doc=_OUTPUT_SIZE)
    keras = "AdaptiveMaxPooling3D"
    torch = "AdaptiveMaxPool3d"
    formula = "y[p] = max of inputs over floor(p size / output_size) : ceil((p + 1) size / output_size) of each axis"
    example = "input volume: float32[N, 8, 8, 8, 2]\nAdaptiveMaxPooling3D((2, 4, 4))"
