"""Images made larger and smaller."""

from __future__ import annotations

from keras_harness import FIRST, STEPS, VOLUME, Case, each
from torch_harness import TorchCase

PHOTO = ("float32[N, 9, 14, 3]",)
OPEN = ("float32[N, H, W, 3]",)
PHOTO_FIRST = ("float32[N, 3, 9, 14]",)
OPEN_FIRST = ("float32[N, 3, H, W]",)
KINDS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")

CASES = [
    *(
        Case(f'Resizing({height}, {width}, "{kind}")', PHOTO)
        for kind in KINDS
        for height, width in ((12, 5), (9, 14), (9, 28), (20, 31), (3, 3), (1, 1))
    ),
    *(
        Case(f'Resizing({height}, {width}, "{kind}", antialias=True)', PHOTO)
        for kind in KINDS
        for height, width in ((12, 5), (20, 31), (3, 3))
    ),
    *(Case(f'Resizing(6, 5, "{kind}", data_format="channels_first")', PHOTO_FIRST) for kind in KINDS),
    *(Case(f'Resizing(6, 5, "{kind}", antialias=True, data_format="channels_first")', PHOTO_FIRST) for kind in KINDS),
    *(Case(f'Resizing(6, 5, "{kind}", crop_to_aspect_ratio=True)', PHOTO) for kind in KINDS),
    *(Case(f'Resizing(6, 5, "{kind}", pad_to_aspect_ratio=True, fill_value=-1.5)', PHOTO) for kind in KINDS),
    *(Case(f'Resizing(6, 5, "{kind}", dtype="float64")', PHOTO) for kind in KINDS),
    *(Case(f'Resizing(12, 5, "{kind}", dtype="float16")', PHOTO, tolerance=2e-3) for kind in ("bilinear", "nearest")),
    Case('Resizing(6, 5, dtype="float64")', OPEN),
    Case('Resizing(9, 20, "nearest", dtype="float64")', OPEN),
    *(
        Case(f'Resizing({height}, {width}, "{kind}", antialias=True)', OPEN, sizes={"H": 19, "W": 7})
        for kind in ("bilinear", "bicubic")
        for height, width in ((6, 5), (40, 3), (19, 30))
    ),
    Case('Resizing(6, 5, "bicubic", antialias=True, data_format="channels_first")', ("float32[N, 3, H, W]",)),
    Case("Resizing(6, 5, crop_to_aspect_ratio=True, antialias=True)", OPEN, sizes={"H": 9, "W": 14}),
    Case("Resizing(6, 5, antialias=True)", OPEN, opset=18),
    Case('Resizing(6, 5, antialias=True, dtype="float16")', OPEN, tolerance=2e-3),
    Case("Resizing(6, 5)", OPEN),
    Case("Resizing(1, 40)", OPEN),
    Case("Resizing(6, 5)", ("float32[N, 9, W, 3]",)),
    Case("Resizing(9, 5)", ("float32[N, H, 14, 3]",)),
    Case("Resizing(6, 5)", OPEN, opset=17),
    Case("Resizing(6, 5)", OPEN, opset=25),
    Case("Resizing(6, 5)", PHOTO, opset=17),
    Case("Resizing(6, 5)", PHOTO, opset=25),
    Case('Resizing(6, 5, "lanczos3", False, False, "constant", 0.0, True, "channels_last")', PHOTO),
    *(
        Case(f'Resizing({height}, {width}, "nearest")', OPEN, sizes={"H": 56, "W": 60})
        for height, width in ((6, 7), (12, 224), (56, 60), (33, 41))
    ),
    Case("Resizing(6, 5, crop_to_aspect_ratio=True)", OPEN, sizes={"H": 9, "W": 14}),
    Case("Resizing(5, 6, crop_to_aspect_ratio=True)", OPEN, sizes={"H": 19, "W": 14}),
    Case("Resizing(5, 6, crop_to_aspect_ratio=True)", PHOTO),
    Case("Resizing(14, 9, crop_to_aspect_ratio=True, antialias=True)", PHOTO),
    Case('Resizing(6, 5, crop_to_aspect_ratio=True, data_format="channels_first")', OPEN_FIRST),
    Case("Resizing(6, 5, pad_to_aspect_ratio=True)", OPEN, sizes={"H": 9, "W": 14}),
    Case("Resizing(16, 5, pad_to_aspect_ratio=True, fill_mode='constant', fill_value=2)", PHOTO),
    Case('Resizing(6, 5, "nearest", pad_to_aspect_ratio=True)', OPEN, sizes={"H": 19, "W": 14}),
    Case('Resizing(6, 5, pad_to_aspect_ratio=True, data_format="channels_first")', OPEN_FIRST),
    Case('Resizing(6, 5, "nearest", data_format="channels_first")', OPEN_FIRST),
    Case('Resizing(6, 5, data_format="channels_first")', OPEN_FIRST),
    Case("CenterCrop(4, 5)", PHOTO),
    Case("CenterCrop(height=9, width=14)", PHOTO),
    Case("CenterCrop(9, 1)", PHOTO),
    Case("CenterCrop(5, 4)", ("uint8[N, 9, 14, 3]",), high=255),
    # Of a smaller image the middle is enlarged.
    Case("CenterCrop(12, 9)", PHOTO),
    Case("CenterCrop(12, 20)", PHOTO),
    Case("CenterCrop(5, 20)", PHOTO),
    Case("CenterCrop(10, 10)", ("uint8[N, 9, 14, 3]",), high=255),
    Case("CenterCrop(4, 5)", OPEN, require=("H >= 4", "W >= 6")),
    Case("CenterCrop(12, 5)", ("float32[N, 9, W, 3]",)),
    Case('CenterCrop(4, 5, data_format="channels_first")', PHOTO_FIRST),
    Case('CenterCrop(12, 9, "channels_first")', PHOTO_FIRST),
    Case('CenterCrop(4, 5, dtype="float64")', PHOTO),
    *each(
        """
        UpSampling2D()
        UpSampling2D(1)
        UpSampling2D((2, 3))
        UpSampling2D(2, interpolation="bilinear")
        UpSampling2D((1, 3), None, "bilinear")
        UpSampling2D((3, 2), interpolation="bicubic")
        UpSampling2D(2, interpolation="lanczos3")
        UpSampling2D((2, 1), interpolation="lanczos5")
        UpSampling2D(2, dtype="float64")
        UpSampling2D((2, 3), interpolation="bilinear", dtype="float64")
        UpSampling2D(2, interpolation="bicubic", dtype="float64")
        """,
        ("float32[N, 5, 6, 3]",),
    ),
    *each(
        """
        UpSampling2D(3)
        UpSampling2D((2, 3), interpolation="bilinear")
        UpSampling2D((2, 3), interpolation="bilinear", dtype="float64")
        """,
        OPEN,
    ),
    Case("UpSampling2D((2, 3))", ("int64[N, H, W, 3]",), high=99),
    *each(
        """
        UpSampling2D(2, data_format="channels_first")
        UpSampling2D((3, 1), "channels_first", "bilinear")
        UpSampling2D((3, 2), "channels_first", "lanczos3")
        """,
        FIRST,
    ),
    Case('UpSampling2D((2, 3), "channels_first", "bilinear")', OPEN_FIRST),
    Case('UpSampling2D((2, 3), interpolation="bilinear")', OPEN, opset=17),
    Case('UpSampling2D((2, 3), interpolation="bilinear")', OPEN, opset=25),
    Case("UpSampling2D((2, 3))", OPEN, opset=25),
    Case("UpSampling2D(2, dtype='float16')", OPEN),
    *each(
        """
        UpSampling2D((3, 1))
        UpSampling2D(2, interpolation="bilinear")
        """,
        ("float32[N, 2 * H, W + 1, 3]",),
    ),
    Case("UpSampling2D(2, data_format='channels_first')", OPEN_FIRST),
    Case("UpSampling3D((2, 1, 3), 'channels_first')", ("float32[N, 2, D, H, W]",)),
    Case("UpSampling3D(2)", ("float32[N, D, H, W, 2]",), opset=17),
    Case("UpSampling3D(2)", ("float32[N, D, H, W, 2]",), opset=24),
    Case("UpSampling1D(3)", ("float32[N, T, 3]",), opset=17),
    Case("UpSampling1D(3)", ("float32[N, T, 3]",), opset=24),
    Case("Resizing(6, 5)", ("float32[N, 2 * H, W + 1, 3]",)),
    Case('Resizing(6, 5, "nearest")', ("float32[N, 2 * H, W + 1, 3]",)),
    Case("UpSampling1D()", STEPS),
    Case("UpSampling1D(3)", STEPS),
    Case("UpSampling1D(size=2)", ("float32[N, T, 3]",)),
    Case("UpSampling1D(3)", ("bool[N, T, 3]",)),
    Case("UpSampling3D()", VOLUME),
    Case("UpSampling3D((1, 2, 3))", VOLUME),
    Case("UpSampling3D(2)", ("float32[N, D, H, W, 2]",)),
    Case('UpSampling3D((3, 1, 2), data_format="channels_first")', VOLUME),
]


def _upsample(ours: str, theirs: str, inputs: tuple[str, ...] = OPEN_FIRST) -> TorchCase:
    return TorchCase(ours, inputs, module=f"nn.Upsample({theirs})")


TORCH_CASES = [
    _upsample('UpSampling2D(2, "channels_first")', "scale_factor=2"),
    _upsample('UpSampling2D((2, 3), "channels_first")', "scale_factor=(2, 3)"),
    _upsample('UpSampling2D((2, 3), "channels_first", "bilinear")', "scale_factor=(2, 3), mode='bilinear'"),
    _upsample('UpSampling3D(2, "channels_first")', "scale_factor=2", ("float32[N, 3, D, H, W]",)),
    _upsample('Resizing(6, 25, data_format="channels_first")', "size=(6, 25), mode='bilinear'"),
    _upsample('Resizing(20, 7, "nearest", data_format="channels_first")', "size=(20, 7), mode='nearest-exact'"),
    TorchCase(
        'Resizing(6, 25, "bilinear", antialias=True, data_format="channels_first")',
        PHOTO_FIRST,
        module="None",
        run="torch.nn.functional.interpolate(x0, (6, 25), mode='bilinear', antialias=True)",
    ),
    TorchCase(
        'Resizing(12, 5, data_format="channels_first")',
        ("uint8[N, 3, H, W]",),
        high=255,
        module="nn.Upsample((12, 5), mode='bilinear')",
        run="layer(x0.float())",
    ),
    TorchCase(
        'Resizing(3, 7, "area", data_format="channels_first")',
        PHOTO_FIRST,
        module="None",
        run="torch.nn.functional.interpolate(x0, (3, 7), mode='area')",
    ),
]
