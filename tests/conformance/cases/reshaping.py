"""Shapes, borders."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VECTOR, VOLUME, Case, each

CASES = [
    Case("Flatten()", IMAGE),
    Case("Flatten()", ("float32[N, H, 4]",)),
    Case("Flatten()", ("float32[N]",)),
    Case("Flatten()", ("int32[N, 3, 4]",), high=9),
    Case('Flatten("channels_first")', FIRST),
    Case("Reshape((3, 2))", VECTOR),
    Case("Reshape((-1, 4))", IMAGE),
    Case("Reshape((-1,))", ("float32[N, H, W, 4]",)),
    Case("Reshape((-1, 2))", ("float32[N, H, W, 4]",)),
    Case("Reshape((1, 6, 1))", VECTOR),
    Case("Permute((2, 1))", STEPS),
    Case("Permute((3, 1, 2))", OPEN),
    Case("RepeatVector(3)", VECTOR),
    *each(
        """
        ZeroPadding2D()
        ZeroPadding2D(3)
        ZeroPadding2D((1, 2))
        ZeroPadding2D(((1, 0), (2, 3)))
        Cropping2D(1)
        Cropping2D(((1, 2), (0, 3)))
        Cropping2D((2, 1))
        """,
        IMAGE,
    ),
    Case("ZeroPadding2D(2)", OPEN),
    Case("Cropping2D(2)", OPEN),
    Case('ZeroPadding2D(2, data_format="channels_first")', FIRST),
    Case('Cropping2D(2, data_format="channels_first")', FIRST),
    Case("ZeroPadding2D(1)", ("uint8[N, 4, 4, 3]",), high=255),
    Case("ZeroPadding1D(2)", STEPS),
    Case("ZeroPadding1D((1, 3))", STEPS),
    Case("Cropping1D((1, 2))", STEPS),
    Case("Cropping1D()", STEPS),
    Case("ZeroPadding3D()", VOLUME),
    Case("ZeroPadding3D((1, 2, 0))", VOLUME),
    Case("Cropping3D(((1, 0), (1, 1), (2, 2)))", VOLUME),
]
