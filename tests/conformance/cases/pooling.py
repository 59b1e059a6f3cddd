"""Pools."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each
from torch_harness import TorchCase

STEPS_FIRST = ("float32[N, 6, 10]",)
VOLUME_FIRST = ("float32[N, 4, 5, 6, 7]",)
OPEN_STEPS = ("float32[N, T, 6]",)
OPEN_VOLUME = ("float32[N, D, H, W, 2]",)
# Everything on one side of zero: a pool that counted what is added would show.
BELOW = {"low": -5.0, "high": -1.0}
ABOVE = {"low": 1.0, "high": 5.0}

CASES = [
    *each(
        """
        MaxPooling2D()
        MaxPooling2D(1)
        MaxPooling2D((9, 8))
        MaxPooling2D(3, 2, "same")
        MaxPooling2D((2, 3), strides=1, padding="same")
        MaxPooling2D(2, 3)
        MaxPooling2D(2, (1, 5), "valid")
        MaxPooling2D(11, 4, "same")
        MaxPooling2D((4, 1), (3, 2), padding="same", data_format="channels_last")
        AveragePooling2D(2)
        AveragePooling2D(1, 3)
        AveragePooling2D((9, 8))
        AveragePooling2D(3, 2, "same")
        AveragePooling2D(2, (1, 5), "valid")
        AveragePooling2D((3, 2), strides=(1, 2), padding="same")
        GlobalAveragePooling2D()
        GlobalAveragePooling2D(keepdims=True)
        GlobalMaxPooling2D()
        GlobalMaxPooling2D(keepdims=True)
        """,
        IMAGE,
    ),
    *each(
        """
        MaxPooling2D(2)
        MaxPooling2D((2, 5), 2, "same")
        MaxPooling2D(2, 2, "same")
        MaxPooling2D(1, 3, "same")
        MaxPooling2D((2, 3), (4, 3), "same")
        MaxPooling2D(3, 5, "same")
        MaxPooling2D(14, 2, "same")
        AveragePooling2D(3, 2, "same")
        AveragePooling2D(2)
        AveragePooling2D((2, 5), 2, "same")
        AveragePooling2D(2, 2, "same")
        AveragePooling2D((2, 3), (4, 3), "same")
        GlobalAveragePooling2D()
        GlobalMaxPooling2D()
        GlobalMaxPooling2D(keepdims=True)
        """,
        OPEN,
    ),
    Case('MaxPooling2D(3, 2, padding="same")', IMAGE, **BELOW),
    Case('MaxPooling2D(3, 4, "same")', OPEN, **BELOW),
    Case('MaxPooling2D((3, 4), 6, "same")', OPEN, **BELOW),
    Case('AveragePooling2D((4, 3), (3, 2), "same")', IMAGE, **ABOVE),
    Case('AveragePooling2D(5, 1, "same")', IMAGE, **ABOVE),
    # Shorter windows than strides: onnxruntime's own "same" would begin before the image.
    Case('AveragePooling2D(3, 5, "same")', OPEN, **ABOVE),
    Case('AveragePooling3D(3, 5, "same")', ("float32[N, D, H, W, 2]",), **ABOVE),
    Case('AveragePooling2D((3, 4), 6, "same")', OPEN, sizes={"H": 6, "W": 13}, **ABOVE),
    Case('AveragePooling2D((4, 3), (3, 2), "same")', ("float32[N, 10, W, 6]",), **ABOVE),
    Case('AveragePooling2D(3, 2, "same")', OPEN, opset=17),
    Case('AveragePooling2D(3, 2, "same")', OPEN, opset=25),
    Case('MaxPooling2D(3, 2, "same")', OPEN, opset=17),
    Case('MaxPooling2D(3, 2, "same")', OPEN, opset=25),
    Case("MaxPooling2D()", ("uint8[N, 8, 8, 3]",), high=255),
    Case("GlobalAveragePooling2D()", ("uint8[N, 8, 8, 3]",), high=255),
    Case("GlobalMaxPooling2D()", ("int32[N, 8, 8, 3]",), high=255),
    Case("GlobalAveragePooling2D()", OPEN, opset=17),
    Case("GlobalMaxPooling2D()", OPEN, opset=17),
    *each(
        """
        MaxPooling2D(2, data_format="channels_first")
        MaxPooling2D((3, 2), 2, "same", "channels_first")
        AveragePooling2D(2, data_format="channels_first")
        AveragePooling2D((3, 2), 2, "same", "channels_first")
        GlobalAveragePooling2D(data_format="channels_first")
        GlobalAveragePooling2D("channels_first", True)
        GlobalMaxPooling2D("channels_first", True)
        GlobalMaxPooling2D("channels_first")
        """,
        FIRST,
    ),
    *each(
        """
        MaxPooling2D(3, 2, "same", dtype="float64")
        AveragePooling2D(3, 2, "valid", dtype="float64")
        AveragePooling2D(3, 2, "same", dtype="float64")
        GlobalAveragePooling2D(dtype="float64")
        GlobalMaxPooling2D(dtype="float64")
        """,
        IMAGE,
    ),
    Case('AveragePooling2D((4, 3), (3, 2), "same", dtype="float64")', OPEN, **ABOVE),
    Case('MaxPooling2D((3, 4), 6, "same", dtype="float64")', OPEN, **BELOW),
    Case('AveragePooling2D(3, 2, "same", dtype="float16")', IMAGE, tolerance=2e-3),
    Case('MaxPooling2D(3, 2, "same", dtype="float16")', IMAGE, tolerance=2e-3),
    *each(
        """
        MaxPooling1D()
        MaxPooling1D(3, 2, "same")
        MaxPooling1D(10)
        MaxPooling1D(4, 3, "valid")
        MaxPooling1D((2,), (5,), "same")
        AveragePooling1D(2)
        AveragePooling1D(3, 2, "same")
        AveragePooling1D(4, 3, "same")
        AveragePooling1D(4, 1, "valid")
        GlobalAveragePooling1D()
        GlobalMaxPooling1D()
        GlobalMaxPooling1D(keepdims=True)
        """,
        STEPS,
    ),
    *each(
        """
        MaxPooling1D(3, 2, "same")
        MaxPooling1D(2)
        MaxPooling1D(3, 5, "same")
        AveragePooling1D(4, 3, "same")
        AveragePooling1D(3, 5, "same")
        AveragePooling1D(2)
        GlobalAveragePooling1D()
        GlobalMaxPooling1D()
        """,
        OPEN_STEPS,
    ),
    *each(
        """
        MaxPooling1D(2, data_format="channels_first")
        MaxPooling1D(3, 2, "same", "channels_first")
        AveragePooling1D(2, data_format="channels_first")
        AveragePooling1D(3, 2, "same", "channels_first")
        GlobalAveragePooling1D("channels_first")
        GlobalAveragePooling1D("channels_first", True)
        GlobalMaxPooling1D("channels_first")
        GlobalMaxPooling1D("channels_first", keepdims=True)
        """,
        STEPS_FIRST,
    ),
    Case("GlobalAveragePooling1D()", ("float32[N, T, 3]",), before="Masking(0.0)"),
    Case("GlobalAveragePooling1D()", ("int32[N, T]",), before="Embedding(4, 5, mask_zero=True)", low=0, high=3),
    Case("GlobalAveragePooling1D(keepdims=True)", ("float32[N, T, 3]",)),
    Case("GlobalAveragePooling1D(keepdims=True)", ("float32[N, T, 3]",), before="Masking(0.0)"),
    Case('GlobalAveragePooling1D(data_format="channels_first")', ("float32[N, 4, 5]",)),
    *each(
        """
        MaxPooling3D(2)
        MaxPooling3D((1, 2, 3))
        MaxPooling3D(3, 2, "same")
        MaxPooling3D(2, (1, 3, 2), "valid")
        AveragePooling3D(2)
        AveragePooling3D((1, 2, 3), 1)
        AveragePooling3D((3, 2, 2), 2, "same")
        AveragePooling3D(3, (1, 3, 2), "valid")
        GlobalAveragePooling3D()
        GlobalAveragePooling3D(keepdims=True)
        GlobalMaxPooling3D()
        GlobalMaxPooling3D(keepdims=True)
        """,
        VOLUME,
    ),
    *each(
        """
        MaxPooling3D(3, 2, "same")
        AveragePooling3D((3, 2, 4), 2, "same")
        GlobalMaxPooling3D()
        """,
        OPEN_VOLUME,
    ),
    *each(
        """
        MaxPooling3D(2, data_format="channels_first")
        AveragePooling3D((3, 2, 2), 2, "same", "channels_first")
        GlobalAveragePooling3D("channels_first")
        GlobalAveragePooling3D("channels_first", keepdims=True)
        GlobalMaxPooling3D("channels_first")
        GlobalMaxPooling3D(data_format="channels_first", keepdims=True)
        """,
        VOLUME_FIRST,
    ),
    # Open sizes with channels first, and with other operator sets, over every number of axes.
    *each(
        """
        MaxPooling1D(3, 2, "same", "channels_first")
        MaxPooling1D(2, 5, data_format="channels_first")
        AveragePooling1D(4, 3, "same", "channels_first")
        AveragePooling1D(2, 1, "valid", "channels_first")
        GlobalAveragePooling1D("channels_first")
        GlobalMaxPooling1D("channels_first", True)
        """,
        ("float32[N, 6, T]",),
    ),
    *each(
        """
        MaxPooling2D((3, 2), (2, 4), "same", "channels_first")
        AveragePooling2D((2, 4), 3, "same", "channels_first")
        AveragePooling2D(3, data_format="channels_first")
        GlobalAveragePooling2D("channels_first", True)
        GlobalMaxPooling2D("channels_first")
        """,
        ("float32[N, 6, H, W]",),
    ),
    *each(
        """
        MaxPooling3D((1, 3, 2), 2, "same", "channels_first")
        MaxPooling3D(2, data_format="channels_first")
        AveragePooling3D((3, 2, 2), (1, 2, 3), "same", "channels_first")
        AveragePooling3D(2, 1, data_format="channels_first")
        GlobalAveragePooling3D("channels_first")
        GlobalMaxPooling3D("channels_first", keepdims=True)
        """,
        ("float32[N, 4, D, H, W]",),
    ),
    *each(
        """
        MaxPooling3D((2, 1, 3))
        MaxPooling3D(2, 3, "same")
        AveragePooling3D(2)
        AveragePooling3D(3, (2, 1, 4), "same")
        GlobalAveragePooling3D()
        """,
        OPEN_VOLUME,
    ),
    *each(
        """
        MaxPooling2D(3, 2, "same")
        AveragePooling2D((2, 3), 2, "same")
        """,
        ("float32[N, 2 * H, W + 1, 3]",),
    ),
    *(
        Case(call, inputs, opset=opset)
        for opset in (17, 24)
        for call, inputs in (
            ('MaxPooling1D(3, 2, "same")', OPEN_STEPS),
            ('AveragePooling1D(3, 2, "same")', OPEN_STEPS),
            ('AveragePooling1D(3, 5, "same")', OPEN_STEPS),
            ('MaxPooling3D(3, 2, "same")', OPEN_VOLUME),
            ('AveragePooling3D(3, 2, "same")', OPEN_VOLUME),
            ("GlobalAveragePooling1D()", OPEN_STEPS),
            ("GlobalMaxPooling3D()", OPEN_VOLUME),
        )
    ),
]

_SHAPES = {1: "float32[N, 6, T]", 2: "float32[N, 6, H, W]", 3: "float32[N, 6, D, H, W]"}


def _pool(rank: int, ours: str, theirs: str) -> TorchCase:
    call = ours.replace("Pooling", f"Pooling{rank}D").replace(")", ', data_format="channels_first")')
    return TorchCase(call.replace("(, ", "("), (_SHAPES[rank],), module=f"nn.{theirs.replace('Pool', f'Pool{rank}d')}")


TORCH_CASES = [
    *(_pool(rank, "MaxPooling(2)", "MaxPool(2)") for rank in (1, 2, 3)),
    *(_pool(rank, "MaxPooling(3, 2)", "MaxPool(3, 2)") for rank in (1, 2, 3)),
    *(_pool(rank, 'MaxPooling(3, 1, "same")', "MaxPool(3, 1, padding=1)") for rank in (1, 2, 3)),
    *(_pool(rank, "AveragePooling(2)", "AvgPool(2)") for rank in (1, 2, 3)),
    *(_pool(rank, "AveragePooling(3, 2)", "AvgPool(3, 2)") for rank in (1, 2, 3)),
    *(
        _pool(rank, 'AveragePooling(3, 1, "same")', "AvgPool(3, 1, padding=1, count_include_pad=False)")
        for rank in (1, 2, 3)
    ),
    *(_pool(rank, "GlobalAveragePooling(keepdims=True)", "AdaptiveAvgPool(1)") for rank in (1, 2, 3)),
    *(_pool(rank, "GlobalMaxPooling(keepdims=True)", "AdaptiveMaxPool(1)") for rank in (1, 2, 3)),
]
