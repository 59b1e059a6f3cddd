"""Training's random changes of images' places: flips, crops, rotations. At inference images are handed on.

Keras applies these layers in training alone; here they are what a Keras model has left of them when it is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from archonnx.compiler.graph import TensorType
from archonnx.compiler.layers.base import Layer, arg
from archonnx.compiler.layers.common import KerasLayer, require_rank
from archonnx.compiler.layers.domains import Choice, DataFormat, Domain, Ignored, Optional, Real, Repeated, Whole
from archonnx.compiler.layers.domains_single import is_number
from archonnx.compiler.layers.windows import axis_names

if TYPE_CHECKING:
    from archonnx.compiler.ir import Tensor
    from archonnx.compiler.layers.base import Context
    from archonnx.compiler.lowering.builder import Builder

TRAINING = "Used in training only."

INTERPOLATION = Choice("nearest", "bilinear")
FILL_MODE = Choice("reflect", "wrap", "constant", "nearest")


class Factor(Domain):
    """How strong a random change is: a number, or the least and the largest. The one form is what was given."""

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        self.low, self.high = low, high
        self.examples = (high / 2, (low, high))

    def parse(self, value: Any) -> Any:
        if is_number(value) and self.low <= value <= self.high:
            return float(value)
        pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(is_number(v) for v in value)
        if pair and value[0] <= self.high and value[1] >= self.low:  # as Keras looks at them
            return (float(value[0]), float(value[1]))
        raise self.fail()

    def describe(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}, or two of them, the least and the largest"


class Span(Repeated):
    """The least and the largest value of a pixel."""

    def __init__(self) -> None:
        super().__init__(Real(), 2, alone=False)
        self.examples = ((0, 255), (0, 1))

    def parse(self, value: Any) -> tuple[Any, ...]:
        span = super().parse(value)
        if span[0] == span[1]:
            raise self.fail()
        return span

    def describe(self) -> str:
        return "two numbers, the least and the largest value of a pixel"


RANGE = Span()


class Augmentation(KerasLayer):
    """A layer that changes images in training: [batch, height, width, channels], or one image without the batch.

    `casts`: whether whole numbers become floats on the way, as in Keras they do or do not.
    """

    abstract = True
    inputs = ("data",)
    masking = "drop"
    casts: ClassVar[bool] = True
    bounding_box_format = arg(Ignored(), default=None, doc="For boxes beside the images in training.", keras=False)
    data_format = arg(DataFormat(), default=None, doc=TRAINING, keras=False)
    formula = "y = x"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # What Keras takes by keyword only stands behind what it takes by position.
        last = [n for n in ("data_format", "bounding_box_format", "dtype") if not cls.declared[n].keras or n == "dtype"]
        cls.declared = {n: cls.declared[n] for n in (*(n for n in cls.declared if n not in last), *last)}

    def infer(self, c: Context, data: TensorType) -> TensorType:
        x = self.floating(data)
        require_image(self, data)
        return x if self.casts else self.kept(data)

    def lower(self, b: Builder, data: Tensor) -> Tensor:
        return b.identity(self.cast_floating(b, data) if self.casts else self.cast_kept(b, data))


def require_image(layer: Layer, x: TensorType) -> None:
    """E0302 unless there are the axes of one image or of several."""
    if x.rank != 3:
        first = layer.arguments.get("data_format") == "channels_first"
        require_rank(layer, x, axis_names(2, first))


class RandomFlip(Augmentation):
    """Flips images at random in training; hands them on at inference."""

    mode = arg(
        Choice("horizontal", "vertical", "horizontal_and_vertical"),
        default="horizontal_and_vertical",
        doc="Along which axes images are flipped in training.",
    )
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomFlip"
    example = 'input image: uint8[N, 32, 32, 3]\nRandomFlip("horizontal")'


class RandomCrop(Augmentation):
    """Crops images at random in training; hands them on at inference, in their own type and size.

    Keras 3.15 announces images of height by width, and its documentation speaks of images cropped to fit; what it runs
    at inference hands them on. CenterCrop and Resizing crop.
    """

    height = arg(Whole(1), doc="Height of the crop in training.")
    width = arg(Whole(1), doc="Width of the crop in training.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    dtype = arg(Ignored(), default=None, doc="Images keep their type.")
    keras = "RandomCrop"
    example = "input image: uint8[N, 32, 32, 3]\nRandomCrop(24, 24)"

    def infer(self, c: Context, data: TensorType) -> TensorType:
        super().infer(c, data)
        return data

    def lower(self, b: Builder, data: Tensor) -> Tensor:
        return b.identity(data)


class RandomTranslation(Augmentation):
    """Moves images at random in training; hands them on at inference."""

    height_factor = arg(Factor(), doc="How far up and down in training, as a part of the height.")
    width_factor = arg(Factor(), doc="How far left and right in training, as a part of the width.")
    fill_mode = arg(FILL_MODE, default="reflect", doc=TRAINING)
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomTranslation"
    example = "input image: uint8[N, 32, 32, 3]\nRandomTranslation(0.1, 0.1)"


class RandomRotation(Augmentation):
    """Turns images at random in training; hands them on at inference."""

    factor = arg(Factor(), doc="How far images are turned in training, in parts of a full turn.")
    fill_mode = arg(FILL_MODE, default="reflect", doc=TRAINING)
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomRotation"
    example = "input image: uint8[N, 32, 32, 3]\nRandomRotation(0.1)"


class RandomZoom(Augmentation):
    """Enlarges and shrinks images at random in training; hands them on at inference."""

    height_factor = arg(Factor(), doc="How much the height changes in training; below 0 images grow.")
    width_factor = arg(Optional(Factor()), default=None, doc="The same of the width; None keeps the proportions.")
    fill_mode = arg(FILL_MODE, default="reflect", doc=TRAINING)
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomZoom"
    example = "input image: uint8[N, 32, 32, 3]\nRandomZoom(0.2)"


class RandomShear(Augmentation):
    """Shears images at random in training; hands them on at inference."""

    x_factor = arg(Factor(0.0), default=0.0, doc="How far along x in training.")
    y_factor = arg(Factor(0.0), default=0.0, doc="How far along y in training.")
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    fill_mode = arg(FILL_MODE, default="reflect", doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomShear"
    example = "input image: uint8[N, 32, 32, 3]\nRandomShear(0.2, 0.1)"


class RandomPerspective(Augmentation):
    """Changes images' perspective at random in training; hands them on at inference."""

    factor = arg(Factor(), default=1.0, doc="Share of the images that are changed in training.")
    scale = arg(Real(0.0, 1.0), default=1.0, doc="How far corners move in training.")
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomPerspective"
    example = "input image: uint8[N, 32, 32, 3]\nRandomPerspective(0.5)"


class RandomElasticTransform(Augmentation):
    """Distorts images at random in training; hands them on at inference."""

    factor = arg(Factor(0.0), default=1.0, doc="Share of the images that are changed in training.")
    scale = arg(Factor(0.0), default=1.0, doc="How strong the distortion is in training.")
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    fill_mode = arg(Choice("constant", "nearest", "wrap", "mirror", "reflect"), default="reflect", doc=TRAINING)
    fill_value = arg(Real(), default=0.0, doc=TRAINING)
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomElasticTransform"
    example = "input image: uint8[N, 32, 32, 3]\nRandomElasticTransform(0.5)"


class RandomErasing(Augmentation):
    """Blanks a rectangle at random in training; hands images on at inference."""

    factor = arg(Factor(0.0), default=1.0, doc="Share of the images that are changed in training.")
    scale = arg(Factor(0.0), default=(0.02, 0.33), doc="The rectangle's share of the area in training.")
    fill_value = arg(Optional(Real()), default=None, doc="What stands in the rectangle; None: noise.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomErasing"
    example = "input image: uint8[N, 32, 32, 3]\nRandomErasing(0.5)"
