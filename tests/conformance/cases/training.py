"""What does something in training alone; masks."""

from __future__ import annotations

from keras_harness import IMAGE, STEPS, VECTOR, VOLUME, Case, each

CASES = [
    *each(
        """
    Identity()
    Dropout(0.5)
    Dropout(0.5, None, 7)
    AlphaDropout(0.1)
    GaussianDropout(0.1)
    GaussianNoise(0.1)
    ActivityRegularization(0.1, 0.2)
    """,
        VECTOR,
    ),
    Case("SpatialDropout1D(0.2)", STEPS),
    Case("SpatialDropout2D(0.2)", IMAGE),
    Case('SpatialDropout2D(0.2, data_format="channels_first")', IMAGE),
    Case("SpatialDropout3D(0.2)", VOLUME),
    Case('SpatialDropout3D(0.2, data_format="channels_first")', VOLUME),
    Case("Identity()", ("int32[N, 3]",), high=9),
    Case("Masking()", ("int32[N, T, 2]",), low=0, high=1),
    Case("Masking(1.0)", ("float32[N, T, 2]",)),
]
