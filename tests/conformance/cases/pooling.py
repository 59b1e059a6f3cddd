"""Pools."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each

CASES = [
    *each(
        """
        MaxPooling2D()
        MaxPooling2D(3, 2, "same")
        MaxPooling2D((2, 3), strides=1, padding="same")
        MaxPooling2D(2, 3)
        AveragePooling2D(2)
        AveragePooling2D(3, 2, "same")
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
        MaxPooling2D(3, 2, "same")
        MaxPooling2D(2)
        AveragePooling2D(3, 2, "same")
        AveragePooling2D(2)
        GlobalAveragePooling2D()
        GlobalMaxPooling2D()
        """,
        OPEN,
    ),
    # Everything below zero: a pool that padded with zeros would show.
    Case('MaxPooling2D(3, 2, "same")', IMAGE, low=-5.0, high=-1.0),
    Case('MaxPooling2D(3, 2, "same")', OPEN, low=-5.0, high=-1.0),
    Case('AveragePooling2D(3, 2, "same")', IMAGE, low=1.0, high=5.0),
    Case("MaxPooling2D()", ("uint8[N, 8, 8, 3]",), high=255),
    Case("GlobalAveragePooling2D()", ("uint8[N, 8, 8, 3]",), high=255),
    Case("GlobalMaxPooling2D()", ("int32[N, 8, 8, 3]",), high=255),
    Case('GlobalAveragePooling2D(data_format="channels_first")', FIRST),
    Case('GlobalMaxPooling2D("channels_first", True)', FIRST),
    Case('MaxPooling2D(2, data_format="channels_first")', FIRST),
    *each(
        """
        MaxPooling1D()
        MaxPooling1D(3, 2, "same")
        AveragePooling1D(2)
        AveragePooling1D(3, 2, "same")
        GlobalAveragePooling1D()
        GlobalMaxPooling1D()
        GlobalMaxPooling1D(keepdims=True)
        """,
        STEPS,
    ),
    Case("GlobalAveragePooling1D()", ("float32[N, T, 3]",), before="Masking(0.0)"),
    Case("GlobalAveragePooling1D(keepdims=True)", ("float32[N, T, 3]",)),
    *each(
        """
        MaxPooling3D(2)
        MaxPooling3D(3, 2, "same")
        AveragePooling3D(2)
        AveragePooling3D((3, 2, 2), 2, "same")
        GlobalAveragePooling3D()
        GlobalMaxPooling3D()
        """,
        VOLUME,
    ),
]
