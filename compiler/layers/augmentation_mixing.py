"""Training's changes by policy and of several images at once. At inference images are handed on."""

from __future__ import annotations

from archonnx.compiler.layers.augmentation import INTERPOLATION, RANGE, TRAINING, Augmentation, Factor
from archonnx.compiler.layers.base import arg
from archonnx.compiler.layers.domains import DataFormat, Flag, Ignored, Real, Whole


class AugMix(Augmentation):
    """Mixes chains of random changes into images in training; hands them on at inference."""

    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    num_chains = arg(Whole(1), default=3, doc="Chains in training.")
    chain_depth = arg(Whole(1), default=3, doc="Changes of a chain in training.")
    factor = arg(Factor(0.0), default=0.3, doc="Strength of the changes in training.")
    alpha = arg(Real(above=0.0), default=1.0, doc="How evenly chains are mixed in training.")
    all_ops = arg(Flag(), default=True, doc="Whether every kind of change is used in training.")
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "AugMix"
    example = "input image: uint8[N, 32, 32, 3]\nAugMix()"


class RandAugment(Augmentation):
    """Applies a number of random changes in training; hands images on at inference."""

    value_range = arg(RANGE, default=(0, 255), doc="The least and the largest value of a pixel.")
    num_ops = arg(Whole(0), default=2, doc="Changes in training.")
    factor = arg(Factor(0.0), default=0.5, doc="Strength of the changes in training.")
    interpolation = arg(INTERPOLATION, default="bilinear", doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "RandAugment"
    example = "input image: uint8[N, 32, 32, 3]\nRandAugment()"


class CutMix(Augmentation):
    """Pastes a part of one image into another at random in training; hands them on at inference."""

    factor = arg(Factor(0.0), default=1.0, doc="How large the parts are in training.")
    seed = arg(Ignored(), default=None, doc=TRAINING)
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    keras = "CutMix"
    example = "input image: uint8[N, 32, 32, 3]\nCutMix()"


class MixUp(Augmentation):
    """Adds two images at random in training; hands them on at inference."""

    casts = False
    alpha = arg(Real(above=0.0), default=0.2, doc="How evenly images are added in training.")
    data_format = arg(DataFormat(), default=None, doc=TRAINING)
    seed = arg(Ignored(), default=None, doc=TRAINING)
    keras = "MixUp"
    example = "input image: uint8[N, 32, 32, 3]\nMixUp()"


class MaxNumBoundingBoxes(Augmentation):
    """Fills the boxes beside images up to a number; hands images, which alone are inputs here, on."""

    casts = False
    max_number = arg(Whole(1), doc="Boxes of an image.")
    fill_value = arg(Whole(), default=-1, doc="What stands where boxes are fewer.")
    keras = "MaxNumBoundingBoxes"
    example = "input image: uint8[N, 32, 32, 3]\nMaxNumBoundingBoxes(10)"
