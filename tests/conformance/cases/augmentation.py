"""Augmentation as it is at inference, and the two of its layers that act there too."""

from __future__ import annotations

from keras_harness import Case

RUN = "layer(x0, training=False)"
IMAGE = ("float32[N, 8, 9, 3]",)
CALLS = """
RandomFlip()
RandomFlip("vertical", 7)
RandomFlip("horizontal", data_format="channels_first")
RandomCrop(4, 5)
RandomCrop(4, 5, 1, "channels_first")
RandomTranslation(0.1, (-0.2, 0.3))
RandomTranslation(0.1, 0.2, "wrap", "nearest", 3, 1.5, "channels_last")
RandomRotation(0.1)
RandomRotation((-0.2, 0.1), "constant", "nearest", 3, 1.5, "channels_last")
RandomZoom(0.2)
RandomZoom(0.2, (0.1, 0.3), "nearest", "nearest", 3, 1.5, "channels_last")
RandomShear(0.2)
RandomShear(0.2, (0.1, 0.3), "nearest", "wrap", 1.5, "channels_last", 3)
RandomPerspective()
RandomPerspective(0.5, 0.5, "nearest", 1.5, 3, "channels_last")
RandomElasticTransform()
RandomElasticTransform(0.5, 0.5, "nearest", "mirror", 1.5, (0, 1), 3, "channels_last")
RandomErasing()
RandomErasing(0.5, 0.2, 1.5, (0, 1), 3, "channels_last")
RandomBrightness(0.2)
RandomBrightness((-0.1, 0.2), [0, 1], 3, data_format="channels_first")
RandomContrast(0.2)
RandomContrast((0.1, 0.2), [0, 1], 3, data_format="channels_first")
RandomColorDegeneration(0.2)
RandomColorDegeneration(0.2, (0, 1), "channels_first", 3)
RandomColorJitter()
RandomColorJitter((0, 1), 0.1, 0.2, 0.3, 0.4, 3, "channels_last")
RandomGaussianBlur()
RandomGaussianBlur(0.5, (3, 5), 0.5, (0, 1), "channels_last", 3)
RandomGrayscale()
RandomGrayscale(0.2, "channels_last", 3)
RandomHue(0.2)
RandomHue((0.1, 0.2), (0, 1), "channels_last", 3)
RandomInvert()
RandomInvert(0.5, (0, 1), 3, "channels_last")
RandomPosterization(4)
RandomPosterization((2, 5), (0, 1), "channels_last", 3)
RandomSaturation(0.2)
RandomSaturation((0.1, 0.2), (0, 1), "channels_last", 3)
RandomSharpness(0.2)
RandomSharpness((0.1, 0.2), (0, 1), "channels_last", 3)
Solarization()
Solarization(0.1, (0.2, 0.3), (0, 1), 3, data_format="channels_last")
Equalization()
Equalization((0, 1), 64, "channels_last")
AugMix()
AugMix((0, 1), 2, 1, 0.5, 0.7, False, "nearest", 3, "channels_last")
RandAugment()
RandAugment((0, 1), 1, 0.2, "nearest", 3, "channels_last")
CutMix()
CutMix(0.5, 3, "channels_last")
MixUp()
MixUp(0.5, "channels_last", 3)
MaxNumBoundingBoxes(5)
MaxNumBoundingBoxes(5, 0, data_format="channels_last", bounding_box_format="xyxy")
""".strip().splitlines()
# What each layer makes of other types; one image without a batch.
KINDS = ("uint8[N, H, W, 3]", "float64[N, H, W, 3]", "bool[2, 8, 9, 3]", "int32[8, 9, 3]")
FIRST = [
    next(call for call in CALLS if call.startswith(f"{name}("))
    for name in dict.fromkeys(c.partition("(")[0] for c in CALLS)
]

EVEN = ("float32[N, 16, 12, 3]",)
ODD = ("float32[N, 19, 13, 2]",)
OPEN = ("float32[N, H, W, 3]",)
CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"
SIZES = {"H": 17, "W": 21}


def _clahe(arguments: str, inputs: tuple[str, ...], **options: object) -> Case:
    return Case(f"{CLAHE}({arguments})", inputs, apply=RUN, **({"low": 0.0, "high": 255.0} | options))  # type: ignore[arg-type]


CASES = [
    *(Case(call, IMAGE, apply=RUN) for call in CALLS),
    *(Case(call, (kind,), apply=RUN, high=99) for call in FIRST for kind in KINDS),
    *(Case(f'{call[:-1]}{"" if call.endswith("()") else ", "}dtype="float16")', IMAGE, apply=RUN) for call in FIRST),
    *(
        Case(call, kind, apply=RUN, low=20, high=220)
        for call in (
            "AutoContrast()",
            "AutoContrast((0, 300))",
            "AutoContrast([1, -1])",
            'AutoContrast(dtype="float64")',
        )
        for kind in (IMAGE, OPEN, ("uint8[N, H, W, 3]",), ("float64[8, 9, 3]",))
    ),
    Case("AutoContrast()", ("int32[N, 1, 1, 3]",), apply=RUN, low=20, high=220),
    Case("AutoContrast((0, 1))", ("float32[N, 1, 1, 3]",), apply=RUN, low=-1, high=1),
    Case("AutoContrast()", OPEN, apply=RUN, low=20, high=220, opset=17),
    _clahe("", EVEN),
    _clahe("", ODD),
    _clahe("(0, 255), 4.0, (4, 3)", EVEN),
    _clahe("clip_limit=0, tile_grid_size=(4, 3)", EVEN),
    _clahe("clip_limit=1.5, tile_grid_size=(4, 3)", ODD),
    _clahe("clip_limit=-1, tile_grid_size=(1, 1)", ODD),
    _clahe("(0, 1), tile_grid_size=(2, 5)", ODD, high=1.0),
    _clahe("(-1, 1), 2.0, (3, 2)", ODD, low=-1.0, high=1.0),
    _clahe("tile_grid_size=(4, 3)", OPEN, sizes=SIZES),
    _clahe("tile_grid_size=(4, 3)", OPEN, sizes=SIZES, opset=17),
    _clahe('tile_grid_size=(4, 3), data_format="channels_first"', ("float32[N, 2, 16, 13]",)),
    _clahe('tile_grid_size=(4, 3), data_format="channels_first"', ("float32[2, 16, 13]",)),
    _clahe("tile_grid_size=(4, 3)", ("float32[16, 13, 1]",)),
    _clahe('tile_grid_size=(4, 3), dtype="float64"', ("float64[N, 16, 13, 1]",)),
    # Whole numbers are cut, so that a sum that rounds another way shows: without a limit all sums are of whole numbers.
    _clahe("clip_limit=0, tile_grid_size=(4, 3)", ("uint8[N, 16, 13, 3]",)),
    _clahe("clip_limit=0, tile_grid_size=(4, 3)", ("int32[N, H, W, 3]",), sizes=SIZES),
]
