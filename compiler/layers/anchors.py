"""Where a detector looks: AnchorPoints and AnchorBoxes, over feature maps of several levels.

They read nothing but the sizes of the maps: with known sizes the result is a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.boxes import BOX_FORMAT, convert
from archonnx.compiler.layers.common import KerasLayer, counted, require_rank
from archonnx.compiler.layers.domains import DataFormat, Flag, Real, Repeated
from archonnx.compiler.layers.windows import axis_names, spatial_axes

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim

_DATA_FORMAT = 'Place of the channels of the maps: "channels_last" (None) or "channels_first".'
_POSITIVE = Real(above=0.0)


class _Anchors(KerasLayer):
    """A layer over feature maps [batch, height, width, channels], one a level."""

    abstract = True
    inputs = ("*features",)
    masking = "drop"
    strides: Any
    offset: Any
    data_format: Any

    def maps(self, features: Sequence[TensorType]) -> list[tuple[Dim, Dim]]:
        """Height and width of each map. E0302 for what is no map, E0344 where strides are more or fewer than maps."""
        first = self.data_format == "channels_first"
        for number, x in enumerate(features):
            require_rank(self, x, axis_names(2, first), number)
        if len(self.strides) != len(features):
            raise LayerError(
                "E0344",
                f"{self.type_name} has {counted(self.strides, 'stride')} for {counted(features, 'feature map')}",
                argument="strides",
                help="one stride for each feature map, in pixels of the image for each cell",
            )
        height, width = spatial_axes(2, first)
        return [(x.shape[height], x.shape[width]) for x in features]

    def points(self, b: Builder, size: tuple[Dim, Dim], scale: float) -> Tensor:
        """[height * width, 2]: x and y of the cells, row after row, `offset` added, then times `scale`."""
        height, width = (b.known(d) for d in size)
        across, down = (self._places(b, d, scale) for d in (width, height))
        grid = (height, width, 1)
        x = b.expand(b.reshape(across, (1, width, 1)), grid)
        y = b.expand(b.reshape(down, (height, 1, 1)), grid)
        return b.reshape(b.concat((x, y), -1), (height * width, 2))

    def _places(self, b: Builder, size: Dim, scale: float) -> Tensor:
        """[size]: the place of each cell along an axis."""
        import numpy as np

        if isinstance(size, int):
            return b.constant((np.arange(size) + self.offset) * scale, self.compute_dtype)
        bounds = (b.constant(0, "int64"), b.dim(size), b.constant(1, "int64"))
        cells = b.cast(b.op("Range", *bounds, result=TensorType("int64", (size,))), self.compute_dtype)
        moved = cells if self.offset == 0 else b.op("Add", cells, b.like(cells, self.offset), result=cells.type)
        return moved if scale == 1 else b.op("Mul", moved, b.like(moved, scale), result=moved.type)


class AnchorPoints(_Anchors):
    """The cells of feature maps as points [A, 2], x and y in cells, with their strides [A, 1]; A cells in all maps.

    What YOLOv8 calls make_anchors; with `pixels` the points of FCOS.
    """

    strides = arg(Repeated(_POSITIVE, least=1), doc="Pixels of the image for each cell, one a map.")
    offset = arg(Real(), default=0.5, doc="Where in its cell a point lies, 0.5 being the middle.")
    pixels = arg(Flag(), default=False, doc="Whether points are in pixels of the image instead of cells.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    onnx = ("Range", "Add", "Mul", "Expand", "Concat")
    formula = "points of a map: (column + offset, row + offset), row after row, times its stride where `pixels`"
    example = (
        "input p3: float32[N, H, W, 8]\ninput p4: float32[N, P, Q, 8]\n"
        "(points, strides) = (p3, p4) -> AnchorPoints((8, 16))\noutput points\noutput strides"
    )

    def infer(self, c: Context, *features: TensorType) -> tuple[TensorType, ...]:
        cells: Dim = 0
        for height, width in self.maps(features):
            cells = cells + height * width
        cells = c.facts.normalize(cells)
        return TensorType(self.compute_dtype, (cells, 2)), TensorType(self.compute_dtype, (cells, 1))

    def lower(self, b: Builder, *features: Tensor) -> tuple[Tensor, ...]:
        points, strides = [], []
        for size, stride in zip(self.maps([x.type for x in features]), self.strides, strict=True):
            points.append(self.points(b, size, stride if self.pixels else 1.0))
            strides.append(b.expand(b.constant([[stride]], self.compute_dtype), (points[-1].shape[0], 1)))
        return b.concat(points, 0), b.concat(strides, 0)


class AnchorBoxes(_Anchors):
    """Boxes around the cells of feature maps: [A, 4] in pixels, every size in every proportion at each cell.

    Row after row, at each cell the proportions in order, for each of them the sizes (RetinaNet, Faster R-CNN, SSD).
    """

    sizes = arg(
        Repeated(Repeated(_POSITIVE, least=1), alone=False, least=1),
        doc="Sides of the square boxes in pixels: a number, or several, for each map.",
    )
    strides = arg(Repeated(_POSITIVE, least=1), doc="Pixels of the image for each cell, one a map.")
    aspect_ratios = arg(
        Repeated(_POSITIVE, least=1), default=(0.5, 1.0, 2.0), doc="Proportions, height by width, at equal area."
    )
    offset = arg(Real(), default=0.5, doc="Where in its cell a box has its centre, 0.5 being the middle.")
    rounded = arg(Flag(), default=False, doc="Whether corners around the centre are rounded, as torchvision does.")
    box_format = arg(BOX_FORMAT, default="xyxy", doc="The form of the result.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    onnx = ("Range", "Add", "Mul", "Expand", "Concat", "Split", "Sub", "Gather")
    formula = (
        "centre = ((column + offset) * stride, (row + offset) * stride)\n"
        "width = size / sqrt(ratio), height = size * sqrt(ratio)"
    )
    example = (
        "input p3: float32[N, 8, 8, 4]\ninput p4: float32[N, H, W, 4]\n"
        "(p3, p4) -> AnchorBoxes(sizes=((32, 40), (64, 80)), strides=(8, 16))"
    )

    def _checked(self, features: Sequence[TensorType]) -> list[tuple[Dim, Dim]]:
        maps = self.maps(features)
        if len(self.sizes) != len(maps):
            raise LayerError(
                "E0344",
                f"AnchorBoxes has sizes for {counted(self.sizes, 'level')}, and {counted(maps, 'feature map')}",
                argument="sizes",
                help="a number, or a tuple of numbers, for each feature map",
            )
        return maps

    def infer(self, c: Context, *features: TensorType) -> TensorType:
        count: Dim = 0
        for (height, width), sizes in zip(self._checked(features), self.sizes, strict=True):
            count = count + height * width * len(sizes) * len(self.aspect_ratios)
        return TensorType(self.compute_dtype, (c.facts.normalize(count), 4))

    def lower(self, b: Builder, *features: Tensor) -> Tensor:
        levels = []
        maps = self._checked([x.type for x in features])
        for size, stride, sizes in zip(maps, self.strides, self.sizes, strict=True):
            points = self.points(b, size, stride)
            around = self._around(sizes)
            twice = b.expand_dims(b.concat((points, points), -1), [1])
            boxes = b.op("Add", twice, b.constant(around, points.dtype))
            levels.append(b.reshape(boxes, (points.shape[0] * len(around), 4)))
        return convert(b, b.concat(levels, 0), "xyxy", self.box_format)

    def _around(self, sizes: Sequence[float]) -> Any:
        """[proportions * sizes, 4]: the corners of the boxes around a centre at 0."""
        import numpy as np

        tall = np.sqrt(np.asarray(self.aspect_ratios))
        widths = (np.asarray(sizes) / tall[:, None]).reshape(-1)
        heights = (np.asarray(sizes) * tall[:, None]).reshape(-1)
        corners = np.stack((-widths, -heights, widths, heights), 1) / 2
        return np.round(corners) if self.rounded else corners
