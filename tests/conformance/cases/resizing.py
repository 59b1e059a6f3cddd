"""Images made larger and smaller."""

from __future__ import annotations

from keras_harness import FIRST, STEPS, VOLUME, Case, each

CASES = [
    *(
        Case(f'Resizing({height}, {width}, "{kind}")', ("float32[N, 9, 14, 3]",))
        for kind in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5", "area")
        for height, width in ((12, 5), (9, 14), (20, 31), (3, 3), (1, 1))
    ),
    *(
        Case(f'Resizing({height}, {width}, "{kind}", antialias=True)', ("float32[N, 9, 14, 3]",))
        for kind in ("bilinear", "bicubic", "lanczos3")
        for height, width in ((12, 5), (20, 31), (3, 3))
    ),
    Case("Resizing(6, 5)", ("float32[N, H, W, 3]",)),
    Case("Resizing(6, 5)", ("float32[N, H, W, 3]",), opset=17),
    Case("Resizing(6, 5)", ("float32[N, 9, 14, 3]",), opset=17),
    *(
        Case(f'Resizing({height}, {width}, "nearest")', ("float32[N, H, W, 3]",), sizes={"H": 56, "W": 60})
        for height, width in ((6, 7), (12, 224), (56, 60), (33, 41))
    ),
    Case("Resizing(6, 5, crop_to_aspect_ratio=True)", ("float32[N, 9, 14, 3]",)),
    Case("Resizing(6, 5, crop_to_aspect_ratio=True)", ("float32[N, H, W, 3]",), sizes={"H": 9, "W": 14}),
    Case("Resizing(5, 6, crop_to_aspect_ratio=True)", ("float32[N, H, W, 3]",), sizes={"H": 19, "W": 14}),
    Case("Resizing(6, 5, pad_to_aspect_ratio=True, fill_value=0.5)", ("float32[N, 9, 14, 3]",)),
    Case("Resizing(6, 5, pad_to_aspect_ratio=True)", ("float32[N, H, W, 3]",), sizes={"H": 9, "W": 14}),
    Case('Resizing(6, 5, "nearest", pad_to_aspect_ratio=True)', ("float32[N, H, W, 3]",), sizes={"H": 19, "W": 14}),
    Case('Resizing(6, 5, data_format="channels_first")', ("float32[N, 3, 9, 14]",)),
    Case('Resizing(6, 5, "bicubic", data_format="channels_first")', ("float32[N, 3, 9, 14]",)),
    Case('Resizing(6, 5, "nearest", data_format="channels_first")', ("float32[N, 3, H, W]",)),
    Case("CenterCrop(4, 5)", ("float32[N, 9, 14, 3]",)),
    Case("CenterCrop(9, 14)", ("float32[N, 9, 14, 3]",)),
    Case("CenterCrop(5, 4)", ("uint8[N, 9, 14, 3]",), high=255),
    Case("CenterCrop(12, 9)", ("float32[N, 9, 14, 3]",)),
    Case("CenterCrop(12, 20)", ("float32[N, 9, 14, 3]",)),
    Case("CenterCrop(4, 5)", ("float32[N, H, W, 3]",), require=("H >= 4", "W >= 6")),
    Case('CenterCrop(4, 5, data_format="channels_first")', ("float32[N, 3, 9, 14]",)),
    *each(
        """
        UpSampling2D()
        UpSampling2D((2, 3))
        UpSampling2D(2, interpolation="bilinear")
        UpSampling2D((3, 2), interpolation="bicubic")
        UpSampling2D(2, interpolation="lanczos3")
        UpSampling2D(2, interpolation="lanczos5")
        """,
        ("float32[N, 5, 6, 3]",),
    ),
    Case("UpSampling2D(3)", ("float32[N, H, W, 3]",)),
    Case('UpSampling2D((2, 3), interpolation="bilinear")', ("float32[N, H, W, 3]",)),
    Case("UpSampling2D((2, 3))", ("int64[N, H, W, 3]",), high=99),
    Case('UpSampling2D(2, data_format="channels_first")', FIRST),
    Case("UpSampling1D(3)", STEPS),
    Case("UpSampling3D((1, 2, 3))", VOLUME),
]
