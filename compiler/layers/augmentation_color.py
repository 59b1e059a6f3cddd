"""Training's random changes of images' colours. At inference images are handed on."""

from __future__ import annotations

from typing import Any

from archonnx.compiler.layers.augmentation import RANGE, TRAINING, Augmentation, Factor
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import DataFormat, Ignored, Optional, Real, Repeated, Whole


class Odd(Repeated):
    """An odd whole number, or two."""

    def __init__(self) -> None:
        super().__init__(Whole(1), 2)
        self.examples = (3, (3, 5))

    def parse(self, value: Any) -> tuple[Any, ...]:
        numbers = super().parse(value)
        if any(n % 2 == 0 for n in numbers):
            raise self.fail()
        return numbers

    def describe(self) -> str:
        return "an odd whole number, or two of them"


ODD = Odd()


class RandomBrightness(Augmentation):
    """Brightens and darkens images at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(), doc="How much is added in training, as a part of the range.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomBrightness"
    example = "input image: uint8[N, 32, 32, 3]\nRandomBrightness(0.2)"


class RandomContrast(Augmentation):
    """Changes images' contrast at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(0.0), doc="How much the contrast changes in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomContrast"
    example = "input image: uint8[N, 32, 32, 3]\nRandomContrast(0.2)"


class RandomColorDegeneration(Augmentation):
    """Takes colour out of images at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(), doc="How much colour is taken in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomColorDegeneration"
    example = "input image: uint8[N, 32, 32, 3]\nRandomColorDegeneration(0.5)"


class RandomColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue at random in training; hands images on at inference."""

    casts = False
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    brightness_factor = arg(Optional(Factor()), default=None, doc="As of RandomBrightness.")
    contrast_factor = arg(Optional(Factor(0.0)), default=None, doc="As of RandomContrast.")
    saturation_factor = arg(Optional(Factor()), default=None, doc="As of RandomSaturation.")
    hue_factor = arg(Optional(Factor(0.0)), default=None, doc="As of RandomHue.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomColorJitter"
    example = "input image: uint8[N, 32, 32, 3]\nRandomColorJitter(brightness_factor=0.2)"


class RandomGaussianBlur(Augmentation):
    """Blurs images at random in training; hands them on at inference."""

    factor = arg(Factor(0.0), default=1.0, doc="Share of the images that are changed in training.")
    kernel_size = arg(ODD, default=3, doc="Width of the blur in training, odd.")
    sigma = arg(Factor(0.0), default=1.0, doc="Strength of the blur in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomGaussianBlur"
    example = "input image: uint8[N, 32, 32, 3]\nRandomGaussianBlur(0.5)"


class RandomGrayscale(Augmentation):
    """Takes all colour out of images at random in training; hands them on at inference."""

    casts = False
    factor = arg(Real(0.0, 1.0), default=0.5, doc="Share of the images that are changed in training.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomGrayscale"
    example = "input image: uint8[N, 32, 32, 3]\nRandomGrayscale(0.5)"


class RandomHue(Augmentation):
    """Changes images' hue at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(0.0), doc="How far the hue is turned in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomHue"
    example = "input image: uint8[N, 32, 32, 3]\nRandomHue(0.2)"


class RandomInvert(Augmentation):
    """Inverts images' colours at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(0.0), default=1.0, doc="Share of the images that are changed in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandomInvert"
    example = "input image: uint8[N, 32, 32, 3]\nRandomInvert(0.5)"


class RandomPosterization(Augmentation):
    """Takes bits off pixels at random in training; hands images on at inference."""

    casts = False
    factor = arg(Factor(1.0, 8.0), doc="How many bits stay in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomPosterization"
    example = "input image: uint8[N, 32, 32, 3]\nRandomPosterization(4)"


class RandomSaturation(Augmentation):
    """Changes images' saturation at random in training; hands them on at inference."""

    casts = False
    factor = arg(Factor(), doc="How much the saturation changes in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomSaturation"
    example = "input image: uint8[N, 32, 32, 3]\nRandomSaturation(0.2)"


class RandomSharpness(Augmentation):
    """Sharpens images at random in training; hands them on at inference."""

    factor = arg(Factor(0.0), doc="How much images are sharpened in training.")
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "RandomSharpness"
    example = "input image: uint8[N, 32, 32, 3]\nRandomSharpness(0.5)"


class Solarization(Augmentation):
    """Inverts what is bright at random in training; hands images on at inference."""

    addition_factor = arg(Factor(0.0), default=0.0, doc="What is added in training, as a part of the range.")
    threshold_factor = arg(
        Factor(0.0), default=0.0, doc="Above which part of the range pixels are inverted in training."
    )
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "Solarization"
    example = "input image: uint8[N, 32, 32, 3]\nSolarization(0.2, 0.5)"


class Equalization(Augmentation):
    """Spreads the values of each channel evenly in training; hands images on at inference."""

    casts = False
    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    bins = arg(Whole(1), default=256, doc="Bins of the histogram in training.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "Equalization"
    example = "input image: uint8[N, 32, 32, 3]\nEqualization()"
