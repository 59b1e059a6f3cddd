"""Convolutions: ordinary, depthwise, separable."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each
from torch_harness import TorchCase

OPEN_FIRST = ("float32[N, 6, H, W]",)
OPEN_STEPS = ("float32[N, T, 6]",)
OPEN_VOLUME = ("float32[N, D, H, W, 2]",)
STEPS_FIRST = ("float32[N, 6, 10]",)
VOLUME_FIRST = ("float32[N, 4, 5, 6, 7]",)
# TensorFlow convolves channels-first on some processors only: theirs is given the channels last (keras_harness.py). Five
# filters: where a result is as wide as it has filters, Keras 3.15 adds a channels-first bias along the width.

CASES = [
    *each(
        """
        Conv2D(4, 3)
        Conv2D(4, 1)
        Conv2D(1, (9, 8))
        Conv2D(4, (3, 2), strides=(2, 1), padding="same", activation="relu")
        Conv2D(4, (5, 4), (2, 3), "same")
        Conv2D(4, 3, dilation_rate=2, padding="same")
        Conv2D(4, (2, 3), dilation_rate=(2, 1), use_bias=False)
        Conv2D(4, (3, 2), dilation_rate=(3, 4), padding="same")
        Conv2D(6, 3, groups=3, padding="same")
        Conv2D(6, 3, groups=6)
        Conv2D(12, 2, groups=6, strides=2)
        Conv2D(6, 1, groups=2, activation="softmax")
        Conv2D(4, (2, 2), (3, 3), padding="SAME")
        Conv2D(4, 11, padding="same")
        Conv2D(4, (10, 2), strides=(4, 5), padding="same")
        Conv2D(4, 1, strides=3, padding="same")
        Conv2D(4, 1, strides=(2, 5))
        Conv2D(4, 2, strides=4, padding="valid")
        Conv2D(4, 2, strides=10, padding="same")
        Conv2D(4, 3, 1, "valid", "channels_last", (1, 2), 2, "tanh", True)
        Conv2D(8, 3, activation="glu")
        DepthwiseConv2D(3)
        DepthwiseConv2D(1)
        DepthwiseConv2D((9, 2), padding="same")
        DepthwiseConv2D(3, 2, "same", 2, activation="swish")
        DepthwiseConv2D((2, 4), strides=3, padding="valid")
        DepthwiseConv2D((4, 2), strides=3, padding="same", depth_multiplier=3)
        DepthwiseConv2D((2, 3), dilation_rate=2, depth_multiplier=3, use_bias=False)
        DepthwiseConv2D((3, 2), dilation_rate=(2, 3), padding="same")
        SeparableConv2D(5, 3)
        SeparableConv2D(5, 1)
        SeparableConv2D(5, 3, 2, "same", depth_multiplier=2, activation="relu")
        SeparableConv2D(5, (4, 3), strides=3, padding="valid")
        SeparableConv2D(5, 3, dilation_rate=2, use_bias=False)
        SeparableConv2D(5, (2, 3), dilation_rate=(3, 2), padding="same", depth_multiplier=3)
        """,
        IMAGE,
    ),
    *each(
        """
        Conv2D(4, 3)
        Conv2D(4, 3, strides=2, padding="same")
        Conv2D(4, 5, strides=3, padding="same", groups=2)
        Conv2D(4, 4, padding="same")
        Conv2D(4, (2, 5), strides=(1, 4), padding="same")
        Conv2D(4, (1, 6), strides=(5, 2), padding="same", use_bias=False)
        Conv2D(4, 1, strides=2, padding="same")
        Conv2D(4, 13, padding="same")
        Conv2D(4, 15, strides=2, padding="same")
        Conv2D(4, 3, dilation_rate=2, padding="same")
        Conv2D(4, (3, 2), dilation_rate=(2, 3))
        Conv2D(4, 3, 2)
        Conv2D(4, (7, 2), (3, 2))
        DepthwiseConv2D(3)
        DepthwiseConv2D(3, strides=2, padding="same")
        DepthwiseConv2D((5, 2), strides=3, padding="same", depth_multiplier=2)
        DepthwiseConv2D(3, dilation_rate=3, padding="same")
        SeparableConv2D(4, 3, strides=2, padding="same")
        SeparableConv2D(4, (4, 1), strides=3, padding="valid")
        SeparableConv2D(4, 3, dilation_rate=2, padding="same")
        """,
        OPEN,
    ),
    *each(
        """
        Conv2D(5, 3, data_format="channels_first")
        Conv2D(5, 3, data_format="channels_first", strides=2, padding="same")
        Conv2D(5, (4, 3), data_format="channels_first", dilation_rate=2, padding="same", use_bias=False)
        Conv2D(10, 3, data_format="CHANNELS_FIRST", groups=2)
        DepthwiseConv2D(3, data_format="channels_first", depth_multiplier=2)
        DepthwiseConv2D((4, 3), 2, "same", data_format="channels_first")
        SeparableConv2D(5, 3, data_format="channels_first")
        SeparableConv2D(5, (4, 3), 2, "same", data_format="channels_first", depth_multiplier=2)
        """,
        FIRST,
    ),
    *each(
        """
        Conv2D(5, 3, 2, "same", "channels_first")
        Conv2D(5, (2, 3), (1, 4), "same", "channels_first", groups=1)
        DepthwiseConv2D(3, 2, "same", data_format="channels_first")
        SeparableConv2D(5, 3, 2, "same", "channels_first")
        """,
        OPEN_FIRST,
    ),
    # One axis known, the other open: ONNX's auto_pad must pad both as numbers would.
    *each(
        """
        Conv2D(4, (4, 3), strides=(3, 2), padding="same")
        DepthwiseConv2D((4, 3), strides=2, padding="same")
        """,
        ("float32[N, 10, W, 6]",),
    ),
    Case('Conv2D(4, 4, strides=3, padding="same")', ("float32[N, H, 11, 6]",)),
    Case('Conv2D(4, 3, strides=2, padding="same")', ("float32[N, 2 * H, 2 * W, 3]",)),
    Case('Conv2D(4, 4, strides=3, padding="same")', ("float32[N, 3 * H + 1, 3 * W + 2, 3]",)),
    Case('Conv2D(4, 3, strides=2, padding="same")', OPEN, sizes={"H": 8, "W": 11}),
    Case('Conv2D(4, 3, strides=2, padding="same")', OPEN, sizes={"H": 1, "W": 2}),
    Case('Conv2D(4, 5, strides=4, padding="same")', OPEN, sizes={"H": 3, "W": 5}),
    Case('Conv2D(4, 3, strides=2, padding="same")', OPEN, opset=17),
    Case('Conv2D(4, 3, strides=2, padding="same")', OPEN, opset=25),
    Case('Conv2D(4, (4, 3), strides=(3, 2), padding="same", groups=2)', IMAGE, opset=17),
    Case('Conv2D(4, (4, 3), strides=(3, 2), padding="same", groups=2)', IMAGE, opset=25),
    Case("Conv2D(4, 3)", ("float32[1, 3, 3, 1]",)),
    Case('Conv2D(4, 3, strides=5, padding="same")', OPEN),
    Case('Conv2D(4, (4, 3), strides=(9, 2), padding="same")', OPEN),
    Case('Conv2D(4, 3, strides=4, padding="same")', ("float32[N, 4 * H, 9, 6]",)),
    Case('DepthwiseConv2D(3, strides=6, padding="same")', OPEN),
    Case('SeparableConv2D(4, (1, 3), strides=6, padding="same")', OPEN),
    Case('Conv2D(4, 3, strides=6, padding="same", groups=2)', OPEN, sizes={"H": 6, "W": 12}),
    Case('Conv2D(4, (4, 3), strides=(3, 2), padding="same", dtype="float64")', IMAGE),
    Case('Conv2D(4, (4, 3), strides=(3, 2), padding="same", dtype="float64")', OPEN),
    Case('Conv2D(4, 3, dilation_rate=2, groups=2, dtype="float64")', OPEN),
    Case('Conv2D(4, 3, dtype="float16")', IMAGE, tolerance=2e-3),
    Case('Conv3D(3, 2, 2, "same", dtype="float64")', VOLUME),
    Case('DepthwiseConv2D(3, strides=2, padding="same", dtype="float64")', IMAGE),
    Case('SeparableConv2D(4, 3, padding="same", dtype="float64")', IMAGE),
    *each(
        """
        Conv1D(4, 3)
        Conv1D(4, 1)
        Conv1D(4, 10)
        Conv1D(4, (3,), strides=(2,), dilation_rate=(1,))
        Conv1D(4, 3, 2, "same", activation="tanh")
        Conv1D(4, 13, padding="same")
        Conv1D(4, 4, strides=3, padding="same", use_bias=False)
        Conv1D(4, 3, padding="same", dilation_rate=3)
        Conv1D(4, 3, padding="causal")
        Conv1D(4, 3, padding="causal", dilation_rate=2)
        Conv1D(4, 4, strides=3, padding="causal")
        Conv1D(4, 13, padding="causal")
        Conv1D(6, 2, groups=2)
        Conv1D(6, 3, padding="causal", groups=3)
        DepthwiseConv1D(3)
        DepthwiseConv1D(3, padding="same", depth_multiplier=2)
        DepthwiseConv1D(3, 2)
        DepthwiseConv1D(4, 3, "same", activation="relu")
        DepthwiseConv1D(3, dilation_rate=2, use_bias=False)
        SeparableConv1D(5, 3, depth_multiplier=2)
        SeparableConv1D(5, 3, 2, "same", use_bias=False)
        SeparableConv1D(5, 3, padding="same", dilation_rate=2)
        SeparableConv1D(5, 4, strides=3, activation="elu")
        """,
        STEPS,
    ),
    *each(
        """
        Conv1D(4, 3)
        Conv1D(4, 3, padding="causal")
        Conv1D(4, 4, strides=3, padding="causal")
        Conv1D(4, 3, padding="causal", dilation_rate=4)
        Conv1D(4, 4, strides=3, padding="same")
        Conv1D(4, 2, strides=2, padding="same", groups=2)
        DepthwiseConv1D(4, strides=2, padding="same")
        SeparableConv1D(5, 4, strides=3, padding="same")
        """,
        OPEN_STEPS,
    ),
    *each(
        """
        Conv1D(5, 3, data_format="channels_first")
        Conv1D(5, 4, 2, "same", "channels_first")
        Conv1D(5, 3, padding="valid", data_format="channels_first", dilation_rate=2, groups=1)
        DepthwiseConv1D(3, data_format="channels_first", depth_multiplier=2)
        DepthwiseConv1D(4, 2, "same", data_format="channels_first")
        SeparableConv1D(5, 3, data_format="channels_first")
        SeparableConv1D(5, 4, 2, "same", "channels_first")
        """,
        STEPS_FIRST,
    ),
    Case('Conv1D(5, 3, 2, "same", "channels_first")', ("float32[N, 6, T]",)),
    Case('Conv1D(4, 3, padding="causal", dtype="float64")', STEPS),
    Case('Conv1D(4, 3, padding="causal", dilation_rate=2, groups=2, dtype="float64")', OPEN_STEPS),
    Case('Conv1D(5, 3, padding="causal", data_format="channels_first")', STEPS_FIRST),
    *each(
        """
        Conv3D(3, 2)
        Conv3D(3, (5, 6, 7))
        Conv3D(3, (2, 3, 1), strides=2, padding="same", activation="relu")
        Conv3D(3, (1, 2, 3), strides=(1, 2, 3), padding="same", use_bias=False)
        Conv3D(3, (2, 1, 3), dilation_rate=(1, 3, 2))
        Conv3D(3, 3, dilation_rate=2, padding="same")
        Conv3D(3, 8, padding="same")
        Conv3D(4, 3, groups=2, padding="same")
        """,
        VOLUME,
    ),
    *each(
        """
        Conv3D(3, 2)
        Conv3D(3, (3, 2, 4), strides=(2, 3, 1), padding="same")
        """,
        OPEN_VOLUME,
    ),
    *each(
        """
        Conv3D(5, 3, data_format="channels_first")
        Conv3D(5, (3, 2, 4), 2, "same", "channels_first")
        """,
        VOLUME_FIRST,
    ),
    # Open sizes with channels first, dilated, in groups, and with other operator sets, over every number of axes.
    *each(
        """
        Conv1D(4, 3, dilation_rate=3, padding="same")
        Conv1D(6, 5, strides=2, padding="valid", groups=3, activation="relu")
        Conv1D(4, 1, strides=4, padding="same")
        DepthwiseConv1D(3, dilation_rate=2, depth_multiplier=2)
        DepthwiseConv1D(3, padding="same", dilation_rate=4)
        SeparableConv1D(5, 3, dilation_rate=2, depth_multiplier=2)
        SeparableConv1D(5, 1, strides=3, padding="same", use_bias=False)
        """,
        OPEN_STEPS,
    ),
    *each(
        """
        Conv1D(5, 3, dilation_rate=2, padding="same", data_format="channels_first")
        Conv1D(10, 4, 3, "same", "channels_first", groups=2)
        Conv1D(5, 4, 3, "causal", "channels_first")
        Conv1D(5, 3, padding="causal", dilation_rate=3, data_format="channels_first")
        DepthwiseConv1D(4, 3, "same", 2, "channels_first")
        DepthwiseConv1D(3, dilation_rate=2, data_format="channels_first")
        SeparableConv1D(5, 4, 3, "same", "channels_first")
        SeparableConv1D(5, 3, dilation_rate=2, data_format="channels_first")
        """,
        ("float32[N, 6, T]",),
    ),
    *each(
        """
        Conv2D(10, 3, dilation_rate=(1, 2), padding="same", data_format="channels_first", groups=2)
        DepthwiseConv2D(3, dilation_rate=2, data_format="channels_first", depth_multiplier=2)
        SeparableConv2D(5, (2, 3), padding="same", dilation_rate=2, data_format="channels_first")
        """,
        OPEN_FIRST,
    ),
    *each(
        """
        Conv3D(3, 3, dilation_rate=(1, 2, 1), padding="same")
        Conv3D(4, (1, 2, 2), strides=(1, 3, 2), padding="valid", groups=2, use_bias=False)
        Conv3D(3, 2, strides=3, padding="same", activation="elu")
        """,
        OPEN_VOLUME,
    ),
    *each(
        """
        Conv3D(5, 2, data_format="channels_first")
        Conv3D(5, 3, 2, "same", "channels_first")
        Conv3D(10, 3, 1, "same", "channels_first", (1, 2, 3), 2)
        """,
        ("float32[N, 4, D, H, W]",),
    ),
    *each(
        """
        Conv2D(4, 3, strides=2, padding="same")
        DepthwiseConv2D(4, strides=3, padding="same")
        SeparableConv2D(4, 3, strides=2)
        """,
        ("float32[N, 2 * H, W + 1, 4]",),
    ),
    *(
        Case(call, inputs, opset=opset)
        for opset in (17, 24)
        for call, inputs in (
            ('Conv1D(4, 3, padding="causal", strides=2)', OPEN_STEPS),
            ('Conv3D(3, 3, 2, "same")', OPEN_VOLUME),
            ('DepthwiseConv1D(3, 2, "same")', OPEN_STEPS),
            ('DepthwiseConv2D(3, 2, "same", 2)', OPEN),
            ('SeparableConv1D(5, 3, 2, "same")', OPEN_STEPS),
            ('SeparableConv2D(5, 3, dilation_rate=2, padding="same")', OPEN),
        )
    ),
]

# PyTorch's kernels are (filters, channels / groups, ...).
_KERNEL = {1: "w['kernel'].transpose(2, 1, 0)", 2: "w['kernel'].transpose(3, 2, 0, 1)"}
_KERNEL[3] = "w['kernel'].transpose(4, 3, 0, 1, 2)"
_SHAPES = {1: "float32[N, 6, T]", 2: "float32[N, 6, H, W]", 3: "float32[N, 6, D, H, W]"}


def _conv(rank: int, ours: str, theirs: str, *, filters: int = 4, bias: bool = True, **options: object) -> TorchCase:
    state = {"weight": _KERNEL[rank]} | ({"bias": "w['bias']"} if bias else {})
    return TorchCase(
        f'Conv{rank}D({filters}, {ours}, data_format="channels_first")',
        (_SHAPES[rank],),
        module=f"nn.Conv{rank}d(6, {filters}, {theirs})",
        state=state,
        sizes={"D": 8, "H": 13, "W": 10, "T": 13},
        again={"D": 9, "H": 14, "W": 16, "T": 12},
        **options,  # type: ignore[arg-type]
    )


TORCH_CASES = [
    _conv(1, "3", "3"),
    _conv(1, "4, strides=3", "4, stride=3"),
    _conv(1, "3, dilation_rate=2, groups=2", "3, dilation=2, groups=2"),
    _conv(1, '3, padding="same"', "3, padding='same'"),
    _conv(1, '5, padding="same", dilation_rate=3', "5, padding='same', dilation=3"),
    _conv(2, "3", "3"),
    _conv(2, "(3, 5), use_bias=False", "(3, 5), bias=False", bias=False),
    _conv(2, "3, strides=(2, 3)", "3, stride=(2, 3)"),
    _conv(2, "(2, 4), dilation_rate=(3, 2)", "(2, 4), dilation=(3, 2)"),
    _conv(2, "3, groups=3", "3, groups=3", filters=6),
    _conv(2, "3, groups=6", "3, groups=6", filters=12),
    _conv(2, '(5, 3), padding="same"', "(5, 3), padding='same'"),
    _conv(2, '5, padding="same", dilation_rate=2', "5, padding='same', dilation=2"),
    _conv(3, "3", "3"),
    _conv(3, "(1, 2, 3), strides=2", "(1, 2, 3), stride=2"),
    _conv(3, '3, padding="same", groups=2', "3, padding='same', groups=2"),
    TorchCase(
        'DepthwiseConv2D(3, depth_multiplier=2, data_format="channels_first")',
        OPEN_FIRST,
        module="nn.Conv2d(6, 12, 3, groups=6)",
        state={"weight": "w['kernel'].transpose(2, 3, 0, 1).reshape(12, 1, 3, 3)", "bias": "w['bias']"},
    ),
    TorchCase(
        'DepthwiseConv1D(3, strides=2, data_format="channels_first")',
        ("float32[N, 6, T]",),
        module="nn.Conv1d(6, 6, 3, stride=2, groups=6)",
        state={"weight": "w['kernel'].transpose(1, 2, 0)", "bias": "w['bias']"},
    ),
    TorchCase(
        'SeparableConv2D(5, 3, data_format="channels_first")',
        OPEN_FIRST,
        module="nn.Sequential(nn.Conv2d(6, 6, 3, groups=6, bias=False), nn.Conv2d(6, 5, 1))",
        state={
            "0.weight": "w['depthwise_kernel'].transpose(2, 3, 0, 1)",
            "1.weight": "w['pointwise_kernel'].transpose(3, 2, 0, 1)",
            "1.bias": "w['bias']",
        },
    ),
]
