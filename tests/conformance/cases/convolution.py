"""Convolutions: ordinary, depthwise, separable, transposed."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each

CASES = [
    *each(
        """
        Conv2D(4, 3)
        Conv2D(4, (3, 2), strides=(2, 1), padding="same", activation="relu")
        Conv2D(4, (5, 4), (2, 3), "same")
        Conv2D(4, 3, dilation_rate=2, padding="same")
        Conv2D(4, (2, 3), dilation_rate=(2, 1), use_bias=False)
        Conv2D(6, 3, groups=3, padding="same")
        Conv2D(6, 1, groups=2, activation="softmax")
        Conv2D(4, (2, 2), (3, 3), padding="SAME")
        DepthwiseConv2D(3)
        DepthwiseConv2D(3, 2, "same", 2, activation="swish")
        DepthwiseConv2D((2, 3), dilation_rate=2, depth_multiplier=3, use_bias=False)
        SeparableConv2D(5, 3)
        SeparableConv2D(5, 3, 2, "same", depth_multiplier=2, activation="relu")
        SeparableConv2D(5, 3, dilation_rate=2, use_bias=False)
        Conv2DTranspose(4, 3)
        Conv2DTranspose(4, 3, 2, "same", activation="relu")
        Conv2DTranspose(4, 2, strides=2)
        Conv2DTranspose(4, (4, 3), strides=(2, 3), padding="same", use_bias=False)
        Conv2DTranspose(4, 1, strides=3)
        Conv2DTranspose(4, 1, strides=3, padding="same")
        Conv2DTranspose(4, 5, strides=3, padding="valid", output_padding=2)
        Conv2DTranspose(4, 5, strides=3, padding="same", output_padding=1)
        """,
        IMAGE,
    ),
    *each(
        """
        Conv2D(4, 3, strides=2, padding="same")
        Conv2D(4, 5, strides=3, padding="same", groups=2)
        Conv2D(4, 4, padding="same")
        Conv2D(4, 3, 2)
        DepthwiseConv2D(3, strides=2, padding="same")
        Conv2DTranspose(4, 3, strides=2, padding="same")
        """,
        OPEN,
    ),
    Case('SeparableConv2D(4, 3, strides=2, padding="same")', OPEN),
    Case('Conv2D(4, 3, strides=2, padding="same")', ("float32[N, 2 * H, 2 * W, 3]",)),
    Case('Conv2D(4, 3, strides=2, padding="same")', OPEN, sizes={"H": 8, "W": 11}),
    Case('Conv2D(4, 3, data_format="channels_first")', FIRST),
    # Five filters: where a result is as wide as it has filters, Keras 3.15 adds a channels-first bias along the width.
    Case('Conv2D(5, 3, data_format="channels_first", strides=2, padding="same")', FIRST),
    *each(
        """
        Conv1D(4, 3)
        Conv1D(4, 3, 2, "same", activation="tanh")
        Conv1D(4, 3, padding="causal", dilation_rate=2)
        Conv1D(4, 4, strides=3, padding="causal")
        Conv1D(6, 2, groups=2)
        DepthwiseConv1D(3, padding="same", depth_multiplier=2)
        DepthwiseConv1D(3, 2)
        SeparableConv1D(5, 3, depth_multiplier=2)
        SeparableConv1D(5, 3, 2, "same", use_bias=False)
        SeparableConv1D(5, 3, padding="same", dilation_rate=2)
        Conv1DTranspose(4, 3, strides=2, padding="same")
        Conv1DTranspose(4, 3)
        """,
        STEPS,
    ),
    *each(
        """
        Conv3D(3, 2)
        Conv3D(3, (2, 3, 1), strides=2, padding="same", activation="relu")
        Conv3D(4, 3, groups=2, padding="same")
        Conv3DTranspose(3, 2, strides=2)
        Conv3DTranspose(3, 3, strides=2, padding="same")
        """,
        VOLUME,
    ),
]
