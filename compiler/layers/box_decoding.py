"""From what a detector's head gives to boxes: BoxDecoding, DistributionFocalDecoding, DistanceDecoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.boxes import BOX_FORMAT, convert, halves, join, require_columns
from archonnx.compiler.layers.common import KerasLayer, product, require_equal, require_least_rank, resolve_axis
from archonnx.compiler.layers.domains import Axis, Choice, Optional, Real, Repeated, Whole

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim


class _Decoding(KerasLayer):
    """A layer that gives boxes."""

    abstract = True
    masking = "drop"

    def fit(self, c: Context, types: tuple[TensorType, ...]) -> None:
        """E0302, E0308 or E0309 unless all axes but the last of the last type are the first's; a batch may be 1."""
        x, places = types[0], types[-1]
        number = len(types) - 1
        if places.rank > x.rank:
            raise LayerError(
                "E0302", f"{self.type_name} takes at most {x.rank} axes beside {x}, got {places}", input=number
            )
        for axis in range(-places.rank, -1):
            size, other = x.shape[axis], places.shape[axis]
            if axis == -2 or not (isinstance(other, int) and other == 1):
                require_equal(self, c.facts, size, other, types, input=number, axis=axis % places.rank)


class BoxDecoding(_Decoding):
    """Boxes from what a head says of each anchor: deltas [..., A, 4] and anchors [A, 4] or [..., A, 4] to [..., A, 4].

    A delta moves the anchor's centre by parts of its size, and scales the size by its exponential.
    """

    inputs = ("deltas", "anchors")
    box_format = arg(BOX_FORMAT, default="xyxy", doc="The form of the result.")
    anchor_format = arg(BOX_FORMAT, default="xyxy", doc="The form of the anchors.")
    encoded_format = arg(
        Choice("center_xywh", "center_yxhw"), default="center_xywh", doc="Whether a delta's numbers begin with x or y."
    )
    variance = arg(Repeated(Real(above=0.0), 4), default=1.0, doc="Factors of the four deltas.")
    largest = arg(Optional(Real(above=0.0)), default=None, doc="The most that the deltas of a size may be.")
    onnx = ("Mul", "Split", "Add", "Sub", "Min", "Exp", "Concat", "Gather")
    formula = (
        "d = deltas * variance, a = anchors as encoded_format\n"
        "centre = d[..., :2] * a[..., 2:] + a[..., :2]\n"
        "size = exp(min(d[..., 2:], largest)) * a[..., 2:]"
    )
    example = "input deltas: float32[N, 100, 4]\ninput anchors: float32[100, 4]\n(deltas, anchors) -> BoxDecoding()"

    def infer(self, c: Context, deltas: TensorType, anchors: TensorType) -> TensorType:
        require_columns(self, c, deltas, 4, "how its centre moves and its size grows")
        require_columns(self, c, anchors, 4, self.anchor_format, input=1)
        self.fit(c, (deltas, anchors))
        return self.floating(deltas)

    def lower(self, b: Builder, deltas: Tensor, anchors: Tensor) -> Tensor:
        x = self.cast_floating(b, deltas)
        if any(factor != 1 for factor in self.variance):
            x = b.op("Mul", x, b.constant(list(self.variance), x.dtype), result=x.type)
        moves, grows = halves(b, x)
        anchor = convert(b, self.cast_floating(b, anchors), self.anchor_format, self.encoded_format)
        centre, size = halves(b, anchor)
        if self.largest is not None:
            grows = b.op("Min", grows, b.like(grows, self.largest), result=grows.type)
        moved = b.op("Add", b.op("Mul", moves, size, result=moves.type), centre, result=moves.type)
        grown = b.op("Mul", b.op("Exp", grows, result=grows.type), size, result=grows.type)
        return convert(b, join(b, moved, grown), self.encoded_format, self.box_format)


class DistributionFocalDecoding(_Decoding):
    """Four distances, each the mean of a distribution over bins: [..., 4 * reg_max] to [..., 4], in cells.

    What heads trained by the distribution focal loss give (YOLOv8's DFL): softmax over the bins, then the expectation.
    """

    inputs = ("inputs",)
    reg_max = arg(Whole(2), default=16, doc="The number of bins, 0 to reg_max - 1, of each distance.")
    axis = arg(Axis(), default=-1, doc="The axis of the bins: 1 where channels come first.")
    onnx = ("Softmax", "MatMul")
    formula = "y[..., k] = sum over i of i * softmax(x[..., k * reg_max : (k + 1) * reg_max])[i]"
    example = "input head: float32[N, 8400, 64]\nDistributionFocalDecoding()"

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        x = self.floating(inputs)
        require_least_rank(self, x, 2)
        axis = resolve_axis(self, x, self.axis, "axis")
        size = c.known(x, axis)
        if size != 4 * self.reg_max:
            raise LayerError(
                "E0345",
                f"DistributionFocalDecoding needs 4 times {self.reg_max} bins, got {inputs}",
                input=0,
                axis=axis,
                label=f"{size} here",
                help=f"reg_max={size // 4}" if size % 4 == 0 and size >= 8 else None,
            )
        return TensorType(x.dtype, (*x.shape[:axis], 4, *x.shape[axis + 1 :]))

    def macs(self, inputs: tuple[Any, ...], outputs: tuple[TensorType, ...]) -> Dim:
        return product((*outputs[0].shape, self.reg_max))

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_floating(b, inputs)
        axis = self.axis % x.rank
        order = [*(a for a in range(x.rank) if a != axis), axis]
        x = b.transpose(x, order)
        x = b.reshape(x, (*x.shape[:-1], 4, self.reg_max))
        bins = b.constant([float(n) for n in range(self.reg_max)], x.dtype)
        y = b.matmul(b.op("Softmax", x, result=x.type, axis=-1), bins)
        return b.transpose(y, [order.index(a) for a in range(y.rank)])


class DistanceDecoding(_Decoding):
    """Boxes from distances to their sides: [..., A, 4] and points [A, 2], and strides [A, 1] if distances are in cells.

    The distances are to the left, the top, the right and the bottom (FCOS, YOLOv8).
    """

    inputs = ("distances", "points", "strides?")
    box_format = arg(BOX_FORMAT, default="xyxy", doc="The form of the result.")
    onnx = ("Split", "Sub", "Add", "Mul", "Concat", "Gather")
    formula = (
        "left, top = points - distances[..., :2]\n"
        "right, bottom = points + distances[..., 2:]\n"
        "all of them times strides, where given"
    )
    example = (
        "input distances: float32[N, 84, 4]\ninput points: float32[84, 2]\ninput strides: float32[84, 1]\n"
        "(distances, points, strides) -> DistanceDecoding()"
    )

    def infer(
        self, c: Context, distances: TensorType, points: TensorType, strides: TensorType | None = None
    ) -> TensorType:
        require_columns(self, c, distances, 4, "to the left, the top, the right and the bottom")
        require_columns(self, c, points, 2, "x and y", input=1)
        self.fit(c, (distances, points))
        if strides is not None:
            require_columns(self, c, strides, 1, "its stride", input=2)
            self.fit(c, (distances, points, strides))
        return self.floating(distances)

    def lower(self, b: Builder, distances: Tensor, points: Tensor, strides: Tensor | None = None) -> Tensor:
        before, after = halves(b, self.cast_floating(b, distances))
        points = self.cast_floating(b, points)
        low = b.op("Sub", points, before, result=before.type)
        high = b.op("Add", points, after, result=after.type)
        boxes = convert(b, join(b, low, high), "xyxy", self.box_format)
        if strides is None:
            return boxes
        return b.op("Mul", boxes, self.cast_floating(b, strides), result=boxes.type)
