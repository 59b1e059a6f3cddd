"""Augmentation: the values its arguments take, the inputs it takes, and that nothing of it is left in a model."""

from __future__ import annotations

import pytest
from diagnosing import error_of

import archonnx
from archonnx.compiler.layers.augmentation import Augmentation
from archonnx.compiler.layers.registry import find_layer, layer_names
from archonnx.contract.diagnostics import Diagnostic

IMAGE = "float32[N, 8, 9, 3]"


def text(line: str, kind: str) -> str:
    return f"model A():\n    input x: {kind}\n    {line}\n"


def diagnose(line: str, kind: str = IMAGE) -> Diagnostic:
    return error_of(text(line, kind))


BAD = [
    ('RandomFlip("sideways")', 'mode of RandomFlip is "horizontal", "vertical" or "horizontal_and_vertical", got'),
    ('RandomFlip(data_format="last")', 'data_format of RandomFlip is "channels_last" or "channels_first", got "last"'),
    ("RandomCrop(0, 4)", "height of RandomCrop is a whole number, at least 1, got 0"),
    ("RandomCrop(4, 2.5)", "width of RandomCrop is a whole number, at least 1, got 2.5"),
    (
        "RandomTranslation(2, 0)",
        "height_factor of RandomTranslation is a number from -1 to 1, or two of them, the least",
    ),
    ("RandomTranslation(0, (0, 0, 0))", "width_factor of RandomTranslation is a number from -1 to 1, or two of them"),
    (
        'RandomTranslation(0, 0, "mirror")',
        'fill_mode of RandomTranslation is "reflect", "wrap", "constant" or "nearest"',
    ),
    ('RandomRotation(0, interpolation="cubic")', 'interpolation of RandomRotation is "nearest" or "bilinear", got'),
    ('RandomRotation("a")', "factor of RandomRotation is a number from -1 to 1"),
    ("RandomRotation(0, fill_value=None)", "fill_value of RandomRotation is a number, got None"),
    ("RandomZoom((2, 3))", "height_factor of RandomZoom is a number from -1 to 1"),
    ("RandomZoom(0.1, 4)", "width_factor of RandomZoom is a number from -1 to 1, or two of them, the least and the"),
    ("RandomShear(-0.5)", "x_factor of RandomShear is a number from 0 to 1"),
    ("RandomShear(0, True)", "y_factor of RandomShear is a number from 0 to 1"),
    ("RandomPerspective(scale=2)", "scale of RandomPerspective is a number from 0 to 1, got 2"),
    (
        'RandomElasticTransform(fill_mode="edge")',
        'fill_mode of RandomElasticTransform is "constant", "nearest", "wrap"',
    ),
    ("RandomErasing(scale=(0.1,))", "scale of RandomErasing is a number from 0 to 1, or two of them"),
    ('RandomErasing(fill_value="noise")', "fill_value of RandomErasing is a number, or None"),
    (
        "RandomBrightness(0.1, 255)",
        "value_range of RandomBrightness is two numbers, the least and the largest value of",
    ),
    ("RandomBrightness(0.1, (0, 1, 2))", "value_range of RandomBrightness is two numbers"),
    ("RandomContrast(-0.1)", "factor of RandomContrast is a number from 0 to 1"),
    ("RandomColorDegeneration(None)", "factor of RandomColorDegeneration is a number from -1 to 1"),
    (
        "RandomColorJitter(hue_factor=-0.1)",
        "hue_factor of RandomColorJitter is a number from 0 to 1, or two of them, the",
    ),
    (
        "RandomGaussianBlur(kernel_size=4)",
        "kernel_size of RandomGaussianBlur is an odd whole number, or two of them, got 4",
    ),
    ("RandomGaussianBlur(kernel_size=-3)", "kernel_size of RandomGaussianBlur is an odd whole number"),
    ("RandomGaussianBlur(sigma=2)", "sigma of RandomGaussianBlur is a number from 0 to 1"),
    ("RandomGrayscale((0, 1))", "factor of RandomGrayscale is a number from 0 to 1, got (0, 1)"),
    ("RandomHue(2)", "factor of RandomHue is a number from 0 to 1"),
    ("RandomInvert(-1)", "factor of RandomInvert is a number from 0 to 1"),
    ("RandomPosterization(0)", "factor of RandomPosterization is a number from 1 to 8"),
    ("RandomSaturation(1.5)", "factor of RandomSaturation is a number from -1 to 1"),
    ("RandomSharpness(1.5)", "factor of RandomSharpness is a number from 0 to 1"),
    ("Solarization(threshold_factor=-1)", "threshold_factor of Solarization is a number from 0 to 1"),
    ("Equalization(bins=0)", "bins of Equalization is a whole number, at least 1, got 0"),
    ("AugMix(num_chains=0)", "num_chains of AugMix is a whole number, at least 1, got 0"),
    ("AugMix(alpha=0)", "alpha of AugMix is a number, above 0, got 0"),
    ("AugMix(all_ops=1)", "all_ops of AugMix is True or False, got 1"),
    ("RandAugment(num_ops=-1)", "num_ops of RandAugment is a whole number, at least 0, got -1"),
    ("CutMix(2)", "factor of CutMix is a number from 0 to 1"),
    ("MixUp(-1)", "alpha of MixUp is a number, above 0, got -1"),
    ("MaxNumBoundingBoxes(0)", "max_number of MaxNumBoundingBoxes is a whole number, at least 1, got 0"),
    ("MaxNumBoundingBoxes(1, 0.5)", "fill_value of MaxNumBoundingBoxes is a whole number, got 0.5"),
    (
        "AutoContrast(1)",
        "value_range of AutoContrast is two numbers, the least and the largest value of a pixel, got 1",
    ),
    (
        "ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(0, 8))",
        "tile_grid_size of ContrastLimitedAdaptiveHistogramEqualization is a tuple of 2, each a whole number from 1 to",
    ),
    (
        "ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=8)",
        "tile_grid_size of ContrastLimitedAdaptiveHistogramEqualization is a tuple of 2",
    ),
    (
        'ContrastLimitedAdaptiveHistogramEqualization(clip_limit="no")',
        "clip_limit of ContrastLimitedAdaptiveHistogramEqualization is a number, got",
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[case[0] for case in BAD])
def test_arguments(line: str, message: str) -> None:
    found = diagnose(line)
    assert (found.code, message) == ("E0403", message if message in found.message else found.message)


# Tiles of an image so low that what they lack is more than it has.
LOW = "ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(4, 1))"


@pytest.mark.parametrize(
    ("line", "kind", "code", "message"),
    [
        (
            "RandomFlip()",
            "float32[N, 8]",
            "E0302",
            "RandomFlip needs 4 axes (batch, height, width, channels), got float",
        ),
        (
            'MixUp(data_format="channels_first")',
            "float32[N, 8]",
            "E0302",
            "MixUp needs 4 axes (batch, channels, height, width), got float32[N, 8]",
        ),
        ("RandomHue(0.1)", "string[N, 8, 8, 3]", "E0303", "RandomHue needs numbers, got string[N, 8, 8, 3]"),
        ("RandomCrop(4, 4)", "string[N, 8, 8, 3]", "E0303", "RandomCrop needs numbers, got string[N, 8, 8, 3]"),
        ("AutoContrast()", "float32[N, 8, 3, 1, 1]", "E0302", "AutoContrast needs 4 axes"),
        ("AutoContrast()", "string[N, 8, 3]", "E0303", "AutoContrast needs numbers"),
        (LOW, "float32[N, 1, 9, 3]", "E0304", "lays 4 tiles over 1 place, and 3 are missing"),
        (LOW, "float32[9, 3]", "E0302", "ContrastLimitedAdaptiveHistogramEqualization needs 4 axes"),
    ],
)
def test_inputs(line: str, kind: str, code: str, message: str) -> None:
    found = diagnose(line, kind)
    assert (found.code, message) == (code, message if message in found.message else found.message)


AUGMENTATION = [name for name in layer_names() if issubclass(find_layer(name) or object, Augmentation)]


def test_there_are_as_many_as_keras_has() -> None:
    assert len(AUGMENTATION) == 27


@pytest.mark.parametrize("name", AUGMENTATION)
def test_nothing_is_left_of_it_but_a_cast(name: str) -> None:
    layer = find_layer(name)
    assert layer is not None
    line = layer.example.splitlines()[-1]
    model = archonnx.compile(text=text(line, IMAGE))
    assert {o.type for o in model.lower().operators} <= {"Identity"}
    assert {o.type for o in archonnx.compile(text=text(line, "uint8[N, 8, 9, 3]")).lower().operators} <= {
        "Identity",
        "Cast",
    }
