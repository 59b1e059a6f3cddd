"""Layers that change the size of images: Resizing, CenterCrop, UpSampling1D/2D/3D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import LayerError, arg
from archonnx.compiler.layers.common import KerasLayer, decide, require_rank, require_text
from archonnx.compiler.layers.domains import Choice, DataFormat, Flag, Numbers, Real, Whole
from archonnx.compiler.layers.interpolation import (
    ANTIALIASED,
    INTERPOLATIONS,
    between,
    by_operator,
    needs_known_size,
    repeat,
    resize,
)
from archonnx.compiler.layers.windows import axis_names, channel_axis, spatial_axes, with_sizes
from archonnx.contract.dims import dim_max, dim_min
from archonnx.contract.dtypes import DTYPES

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder
    from archonnx.contract.dims import Dim, Facts

_DATA_FORMAT = 'Place of the channels: "channels_last" (None) or "channels_first".'


LARGEST = 1 << 20  # pixels along an axis: places are computed while compiling
ANTIALIASED_SINCE = 18  # the operator set since which ONNX's Resize antialiases
# The most weights of one interpolation matrix: 256 MB in float32.
MATRIX_LIMIT = 1 << 26


def require_sizes(
    layer: KerasLayer,
    x: TensorType,
    axes: Sequence[int],
    sizes: Sequence[Dim],
    targets: Sequence[Dim],
    interpolation: str,
    antialias: bool,
    shown: TensorType | None = None,
) -> None:
    """E0313 where an interpolation is a matrix and a size is symbolic; E0314 where the matrix would be too large."""
    if not needs_known_size(interpolation, antialias):
        return
    kind = "antialiasing" if antialias else f'"{interpolation}"'
    if antialias and interpolation in ANTIALIASED and x.dtype == "float64":
        kind += " in float64"
    if antialias and by_operator(interpolation, x.dtype, [*sizes, *targets]):
        return
    for axis, size, target in zip(axes, sizes, targets, strict=True):
        if not isinstance(size, int) or not isinstance(target, int):
            raise LayerError(
                "E0313",
                f"{layer.type_name} needs a known height and width for {kind}, got {shown or x}",
                input=0,
                axis=axis,
                label="this axis is symbolic",
                help=f'give the axes sizes, or interpolate "bilinear"{" without antialiasing" if antialias else ""}',
            )
        if size * target > MATRIX_LIMIT:
            raise LayerError(
                "E0314",
                f"{layer.type_name} would need a matrix of {target} by {size} numbers for {kind}",
                input=0,
                axis=axis,
                label=f"{size} here",
                help='interpolate "bilinear" without antialiasing, or "nearest"',
            )


class _Image(KerasLayer):
    """A layer of images, [batch, height, width, channels]."""

    abstract = True
    inputs = ("images",)
    masking = "drop"
    height: Any
    width: Any
    data_format: Any

    @property
    def channels_first(self) -> bool:
        return bool(self.data_format == "channels_first")

    @property
    def axes(self) -> range:
        """The axes of height and width."""
        return spatial_axes(2, self.channels_first)

    def sizes(self, x: TensorType) -> tuple[Dim, Dim]:
        """Height and width."""
        return x.shape[self.axes[0]], x.shape[self.axes[1]]

    def resized(self, x: TensorType) -> TensorType:
        """The type of an image of the layer's own height and width."""
        return with_sizes(
            x, self.channels_first, (self.height, self.width), x.shape[channel_axis(2, self.channels_first)]
        )

    def fitted(self, b: Builder, x: Tensor) -> Tensor:
        """The middle of the image, as large as the layer's proportions allow (keras/src/utils/image_utils.py)."""
        height, width = self.sizes(x.type)
        tall, wide = self.fitted_sizes(b.facts, x.type)
        starts = (b.known((height - tall) // 2), b.known((width - wide) // 2))
        ends = (b.known(starts[0] + tall), b.known(starts[1] + wide))
        shape = list(x.shape)
        shape[self.axes[0]], shape[self.axes[1]] = tall, wide
        return b.slice(x, starts, ends, self.axes, shape=shape)

    def fitted_sizes(self, facts: Facts, x: TensorType) -> tuple[Dim, Dim]:
        """Height and width of `fitted`."""
        height, width = self.sizes(x)
        tall = dim_max(dim_min(height, width * self.height // self.width), 1)
        wide = dim_max(dim_min(width, height * self.width // self.height), 1)
        return facts.normalize(tall), facts.normalize(wide)


class Resizing(_Image):
    """Images brought to a size, in floats: [batch, rows, columns, channels] to [batch, height, width, channels]."""

    # Keras announces a floating result for whole numbers too, and gives whole ones, rounded: the announced is meant.

    height = arg(Whole(1, LARGEST, symbolic=True), doc="Height of the result.")
    width = arg(Whole(1, LARGEST, symbolic=True), doc="Width of the result.")
    interpolation = arg(Choice(*INTERPOLATIONS), default="bilinear", doc="How values between pixels are found.")
    crop_to_aspect_ratio = arg(Flag(), default=False, doc="Whether the image is cut to the result's proportions first.")
    pad_to_aspect_ratio = arg(
        Flag(), default=False, doc="Whether the image is padded to the result's proportions first."
    )
    fill_mode = arg(Choice("constant"), default="constant", doc="What is padded with.")
    fill_value = arg(Real(), default=0.0, doc="The value that is padded with.")
    antialias = arg(Flag(), default=False, doc="Whether pixels are averaged where the image shrinks.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "Resizing"
    torch = "Resize"
    onnx = ("Resize", "Gather", "MatMul", "Mul", "Div", "Floor")
    formula = """y[i, j] = images at ((i + 0.5) * rows / height - 0.5, (j + 0.5) * columns / width - 0.5)
between pixels by interpolation; rows, columns: those of images, once cropped or padded"""
    example = "input photo: uint8[N, H, W, 3]\nResizing(224, 224)"

    def validate(self) -> None:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise LayerError(
                "E0416",
                "Resizing can crop or pad to the proportions, not both",
                argument="pad_to_aspect_ratio",
                help="leave one of them out",
            )

    def infer(self, c: Context, images: TensorType) -> TensorType:
        require_rank(self, images, axis_names(2, self.channels_first))
        x = self.floating(images)
        self._require_pixels(c.facts)
        before, after = self._before(c.facts, x), (self.height, self.width)
        require_sizes(self, x, self.axes, before, after, self.interpolation, self.antialias, shown=images)
        by_onnx = self.antialias and by_operator(self.interpolation, x.dtype, [*before, *after])
        if by_onnx and c.opset < ANTIALIASED_SINCE:
            raise LayerError(
                "E0902",
                f"Resizing with antialiasing to or from sizes that are symbolic needs opset {ANTIALIASED_SINCE}, "
                f"and this is opset {c.opset}",
                help=f"build with --opset {ANTIALIASED_SINCE}, or give the axes sizes",
            )
        return self.resized(x)

    def _require_pixels(self, facts: Facts) -> None:
        """E0309 where a symbolic height or width is not known to be 1 or more."""
        for argument in ("height", "width"):
            size = facts.normalize(self.arguments[argument])
            if not isinstance(size, int) and not decide(facts, ">=", size, 1):
                raise LayerError(
                    "E0309",
                    f"Resizing cannot tell whether its {argument} {size} is at least 1",
                    argument=argument,
                    help=f"state it: {require_text('>=', size, 1)}",
                )

    def _before(self, facts: Facts, x: TensorType) -> tuple[Dim, Dim]:
        """Height and width of what is resized."""
        if self.crop_to_aspect_ratio:
            return self.fitted_sizes(facts, x)
        height, width = self.sizes(x)
        if self.pad_to_aspect_ratio:
            above, left = self._margins(facts, x)
            return facts.normalize(height + 2 * above), facts.normalize(width + 2 * left)
        return height, width

    def _margins(self, facts: Facts, x: TensorType) -> tuple[Dim, Dim]:
        """What is padded above and below, and left and right."""
        height, width = self.sizes(x)
        tall = dim_max(height, width * self.height // self.width)
        wide = dim_max(width, height * self.width // self.height)
        return facts.normalize((tall - height) // 2), facts.normalize((wide - width) // 2)

    def lower(self, b: Builder, images: Tensor) -> Tensor:
        x = self.cast_floating(b, images)
        if self.crop_to_aspect_ratio:
            x = self.fitted(b, x)
        elif self.pad_to_aspect_ratio:
            margins: list[Dim] = [0] * x.rank
            for axis, margin in zip(self.axes, self._margins(b.facts, x.type), strict=True):
                margins[axis] = margin
            x = b.pad(x, margins, margins, self.fill_value)
        return resize(b, x, self.axes, (self.height, self.width), self.interpolation, self.antialias)


class CenterCrop(_Image):
    """The middle of images, in floating numbers: [batch, rows, columns, channels] to [batch, height, width, channels].

    Of an image that is too small, its middle enlarged, as Keras does.
    """

    height = arg(Whole(1, LARGEST), doc="Height of the result.")
    width = arg(Whole(1, LARGEST), doc="Width of the result.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "CenterCrop"
    torch = "CenterCrop"
    onnx = ("Slice", "Resize")
    formula = """y[i, j] = images[i + (rows - height) // 2, j + (columns - width) // 2]
rows, columns: those of images"""
    example = "input photo: uint8[N, 256, 256, 3]\nCenterCrop(224, 224)"

    def infer(self, c: Context, images: TensorType) -> TensorType:
        require_rank(self, images, axis_names(2, self.channels_first))
        if self._large_enough(c.facts, images) is None:
            wanted = [
                require_text(">=", size, least).removeprefix("require ")
                for size, least in zip(self.sizes(images), (self.height, self.width), strict=True)
                if decide(c.facts, ">=", size, least) is None
            ]
            raise LayerError(
                "E0309",
                f"CenterCrop cannot tell whether {images} is at least {self.height} by {self.width}",
                input=0,
                help=f"state it: require {' and '.join(wanted)}",
            )
        return self.resized(self.floating(images))

    def _large_enough(self, facts: Facts, x: TensorType) -> bool | None:
        """Whether the crop lies within the image; None where that is not known."""
        height, width = self.sizes(x)
        tall, wide = decide(facts, ">=", height, self.height), decide(facts, ">=", width, self.width)
        if tall is False or wide is False:
            return False
        return True if tall and wide else None

    def lower(self, b: Builder, images: Tensor) -> Tensor:
        x = self.cast_floating(b, images)
        if not self._large_enough(b.facts, x.type):
            return resize(b, self.fitted(b, x), self.axes, (self.height, self.width), "bilinear", False)
        height, width = self.sizes(x.type)
        starts = (b.known((height - self.height) // 2), b.known((width - self.width) // 2))
        ends = (b.known(starts[0] + self.height), b.known(starts[1] + self.width))
        return b.slice(x, starts, ends, self.axes, shape=self.resized(x.type).shape)


class _UpSampling(KerasLayer):
    """Images enlarged by whole factors."""

    abstract = True
    inputs = ("inputs",)
    masking = "drop"
    rank: ClassVar[int] = 2
    size: Any
    onnx: ClassVar[tuple[str, ...]] = ("Resize",)
    formula = """y[p, c] = inputs[p // size, c]
p: a place, a number for each spatial axis; other interpolations take inputs at (p + 0.5) / size - 0.5"""

    @property
    def channels_first(self) -> bool:
        return bool(self.arguments.get("data_format") == "channels_first")

    @property
    def method(self) -> str:
        return str(self.arguments.get("interpolation", "nearest"))

    def infer(self, c: Context, inputs: TensorType) -> TensorType:
        require_rank(self, inputs, axis_names(self.rank, self.channels_first))
        x = self.kept(inputs) if self.method == "nearest" else self.floating(inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        sizes = [x.shape[axis] for axis in axes]
        targets = [size * factor for size, factor in zip(sizes, self.size, strict=True)]
        require_sizes(self, inputs, axes, sizes, targets, self.method, False)
        return with_sizes(x, self.channels_first, targets, x.shape[channel_axis(self.rank, self.channels_first)])

    def lower(self, b: Builder, inputs: Tensor) -> Tensor:
        x = self.cast_kept(b, inputs) if self.method == "nearest" else self.cast_floating(b, inputs)
        axes = spatial_axes(self.rank, self.channels_first)
        if self.method == "nearest" and (x.dtype == "float64" or DTYPES[x.dtype].kind != "float"):
            return repeat(b, x, axes, self.size)  # onnxruntime's Resize takes float32, and float16 as such
        if needs_known_size(self.method, False):
            sizes = [b.known(x.shape[axis] * factor) for axis, factor in zip(axes, self.size, strict=True)]
            return resize(b, x, axes, [size for size in sizes if isinstance(size, int)], self.method, False)
        if x.dtype == "float64":
            return between(b, x, axes, [x.shape[axis] * factor for axis, factor in zip(axes, self.size, strict=True)])
        y = x if self.channels_first else b.channels_first(x)
        linear = self.method == "bilinear"
        spatial = [size * factor for size, factor in zip(y.shape[2:], self.size, strict=True)]
        options: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        if not linear:
            options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        y = b.op(
            "Resize",
            y,
            None,
            b.constant([1.0, 1.0, *map(float, self.size)]),
            result=TensorType(y.dtype, (*y.shape[:2], *spatial)),
            **options,
        )
        return y if self.channels_first else b.channels_last(y)


class UpSampling1D(_UpSampling):
    """Each step repeated: [batch, steps, channels]."""

    rank = 1
    size = arg(Numbers(1), default=(2,), doc="How often.")
    keras = "UpSampling1D"
    example = "input x: float32[N, 10, 8]\nUpSampling1D(2)"


class UpSampling2D(_UpSampling):
    """Images enlarged by whole factors: [batch, height, width, channels]."""

    rank = 2
    size = arg(Numbers(2), default=(2, 2), doc="Factors of height and width.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    interpolation = arg(
        Choice("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
        default="nearest",
        doc="How values between pixels are found.",
    )
    keras = "UpSampling2D"
    onnx = ("Resize", "MatMul")
    torch = "Upsample"
    example = "input image: float32[N, 8, 8, 3]\nUpSampling2D(2)"


class UpSampling3D(_UpSampling):
    """Each place repeated: [batch, depth, height, width, channels]."""

    rank = 3
    size = arg(Numbers(3), default=(2, 2, 2), doc="Factors of depth, height and width.")
    data_format = arg(DataFormat(), default=None, doc=_DATA_FORMAT)
    keras = "UpSampling3D"
    example = "input volume: float32[N, 4, 4, 4, 2]\nUpSampling3D(2)"
