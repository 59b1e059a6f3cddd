"""Transposed convolutions. TensorFlow dilates none on a CPU: what is dilated is held against PyTorch."""

from __future__ import annotations

from keras_harness import FIRST, IMAGE, OPEN, STEPS, VOLUME, Case, each
from torch_harness import TorchCase

CASES = [
    *each(
        """
        Conv2DTranspose(4, 3)
        Conv2DTranspose(4, 1)
        Conv2DTranspose(4, 3, 2, "same", activation="relu")
        Conv2DTranspose(4, 2, strides=2)
        Conv2DTranspose(4, 5, padding="same")
        Conv2DTranspose(4, (4, 3), strides=(2, 3), padding="same", use_bias=False)
        Conv2DTranspose(4, (5, 2), strides=(1, 4))
        Conv2DTranspose(4, 1, strides=3)
        Conv2DTranspose(4, 1, strides=3, padding="same")
        Conv2DTranspose(4, 2, strides=(5, 3), padding="same")
        Conv2DTranspose(4, 5, strides=3, padding="valid", output_padding=2)
        Conv2DTranspose(4, 5, strides=3, padding="same", output_padding=1)
        Conv2DTranspose(4, 4, strides=(3, 2), padding="same", output_padding=(2, 1))
        Conv2DTranspose(4, (3, 4), strides=(2, 3), padding="valid", output_padding=(1, 0))
        """,
        IMAGE,
    ),
    *each(
        """
        Conv2DTranspose(4, 3, strides=2, padding="same")
        Conv2DTranspose(4, 3)
        Conv2DTranspose(4, (5, 2), strides=(2, 3))
        Conv2DTranspose(4, 4, strides=3, padding="same", output_padding=2)
        Conv2DTranspose(4, 1, strides=2, padding="same")
        """,
        OPEN,
    ),
    *each(
        """
        Conv2DTranspose(5, 3, data_format="channels_first")
        Conv2DTranspose(5, (4, 3), 2, "same", data_format="channels_first")
        Conv2DTranspose(5, 3, 2, "same", 1, "channels_first")
        """,
        FIRST,
    ),
    Case('Conv2DTranspose(5, 3, 2, "same", None, "channels_first")', ("float32[N, 6, H, W]",)),
    Case('Conv2DTranspose(4, (4, 3), strides=2, padding="same")', IMAGE, opset=17),
    Case('Conv2DTranspose(4, (4, 3), strides=2, padding="same")', IMAGE, opset=25),
    Case('Conv2DTranspose(4, 3, strides=2, padding="same", dtype="float64")', IMAGE),
    Case('Conv2DTranspose(4, 2, strides=(3, 1), padding="same", dtype="float64")', OPEN),
    Case('Conv2DTranspose(4, 4, 3, "same", 2, dtype="float64")', OPEN),
    Case('Conv2DTranspose(4, 3, 2, dtype="float16")', IMAGE, tolerance=2e-3),
    *each(
        """
        Conv1DTranspose(4, 3, strides=2, padding="same")
        Conv1DTranspose(4, 3)
        Conv1DTranspose(4, 2, strides=5)
        Conv1DTranspose(4, 2, strides=5, padding="same")
        Conv1DTranspose(4, 5, 3, "valid", 1)
        Conv1DTranspose(4, 5, 3, "same", 2, activation="tanh")
        """,
        STEPS,
    ),
    *each(
        """
        Conv1DTranspose(4, 3, strides=2, padding="same")
        Conv1DTranspose(4, 5, 3, "same", 0)
        """,
        ("float32[N, T, 6]",),
    ),
    Case('Conv1DTranspose(5, 3, 2, "same", data_format="channels_first")', ("float32[N, 6, 10]",)),
    *each(
        """
        Conv3DTranspose(3, 2, strides=2)
        Conv3DTranspose(3, 3, strides=2, padding="same")
        Conv3DTranspose(3, (2, 3, 1), strides=(1, 2, 3), padding="same", activation="relu")
        Conv3DTranspose(3, 3, strides=2, padding="same", output_padding=1, use_bias=False)
        Conv3DTranspose(3, 3, 2, "valid", None, (1, 0, 1))
        """,
        VOLUME,
    ),
    Case('Conv3DTranspose(3, 3, strides=2, padding="same")', ("float32[N, D, H, W, 2]",)),
    Case('Conv3DTranspose(5, 3, 2, "same", "channels_first")', ("float32[N, 4, 5, 6, 7]",)),
    Case('Conv3DTranspose(3, 3, 2, "same", dtype="float64")', VOLUME),
    Case("Conv1DTranspose(4, 3, strides=2, use_bias=False)", STEPS),
    Case("Conv3DTranspose(3, 2, (2, 1, 2), use_bias=False)", VOLUME),
    *each(
        """
        Conv1DTranspose(4, 3)
        Conv1DTranspose(4, 2, strides=5, padding="valid")
        Conv1DTranspose(4, 4, 3, "valid", 2, activation="relu")
        Conv1DTranspose(4, 4, 3, "same", use_bias=False)
        """,
        ("float32[N, T, 6]",),
    ),
    *each(
        """
        Conv1DTranspose(5, 4, 3, "same", 1, "channels_first")
        Conv1DTranspose(5, 2, 3, data_format="channels_first")
        """,
        ("float32[N, 6, T]",),
    ),
    *each(
        """
        Conv2DTranspose(4, (4, 3), strides=(2, 3), padding="same")
        Conv2DTranspose(4, (2, 5), 3, "valid", (2, 1))
        """,
        ("float32[N, 2 * H, W + 1, 3]",),
    ),
    *each(
        """
        Conv2DTranspose(5, (4, 3), (3, 2), "valid", None, "channels_first")
        Conv2DTranspose(5, 3, 3, "same", 2, "channels_first", activation="tanh")
        """,
        ("float32[N, 6, H, W]",),
    ),
    *each(
        """
        Conv3DTranspose(3, 2, 3)
        Conv3DTranspose(3, (3, 2, 4), (2, 3, 1), padding="valid", output_padding=(1, 2, 0))
        Conv3DTranspose(3, (1, 4, 2), 2, "same", activation="relu")
        """,
        ("float32[N, D, H, W, 2]",),
    ),
    *each(
        """
        Conv3DTranspose(5, 2, 2, "valid", "channels_first")
        Conv3DTranspose(5, 3, (1, 2, 3), "same", "channels_first")
        """,
        ("float32[N, 4, D, H, W]",),
    ),
    *(
        Case(call, inputs, opset=opset)
        for opset in (17, 24)
        for call, inputs in (
            ('Conv1DTranspose(4, 4, 3, "same")', ("float32[N, T, 6]",)),
            ('Conv2DTranspose(4, 3, 2, "same", 1)', OPEN),
            ('Conv3DTranspose(3, 3, 2, "same")', ("float32[N, D, H, W, 2]",)),
        )
    ),
]

_KERNEL = {1: "w['kernel'].transpose(2, 1, 0)", 2: "w['kernel'].transpose(3, 2, 0, 1)"}
_KERNEL[3] = "w['kernel'].transpose(4, 3, 0, 1, 2)"
_SHAPES = {1: "float32[N, 6, T]", 2: "float32[N, 6, H, W]", 3: "float32[N, 6, D, H, W]"}


def _transposed(rank: int, ours: str, theirs: str) -> TorchCase:
    return TorchCase(
        f'Conv{rank}DTranspose(4, {ours}, data_format="channels_first")',
        (_SHAPES[rank],),
        module=f"nn.ConvTranspose{rank}d(6, 4, {theirs})",
        state={"weight": _KERNEL[rank], "bias": "w['bias']"},
    )


TORCH_CASES = [
    _transposed(1, "3", "3"),
    _transposed(1, "4, strides=2", "4, stride=2"),
    _transposed(2, "3", "3"),
    _transposed(2, "(4, 2), strides=2", "(4, 2), stride=2"),
    _transposed(1, "3, dilation_rate=3", "3, dilation=3"),
    _transposed(1, '3, dilation_rate=3, padding="same"', "3, dilation=3, padding=3"),
    _transposed(2, "3, dilation_rate=2", "3, dilation=2"),
    _transposed(2, "(3, 2), dilation_rate=(2, 3)", "(3, 2), dilation=(2, 3)"),
    _transposed(2, '3, dilation_rate=2, padding="same"', "3, dilation=2, padding=2"),
    _transposed(3, "2, dilation_rate=(1, 2, 3)", "2, dilation=(1, 2, 3)"),
    # Keras' "same" cuts extent - stride places, fewer of them before: PyTorch's `padding` cuts both sides alike.
    _transposed(2, '4, strides=2, padding="same"', "4, stride=2, padding=1"),
    _transposed(2, '3, padding="same"', "3, padding=1"),
    _transposed(2, "5, strides=3, output_padding=2", "5, stride=3, output_padding=2"),
    _transposed(3, "2, strides=2", "2, stride=2"),
    # Even windows without output_padding: Keras says the size, and its TensorFlow backend refuses it.
    _transposed(1, '4, strides=2, padding="same", output_padding=0', "4, stride=2, padding=2"),
    _transposed(2, '(2, 4), strides=3, padding="same", output_padding=0', "(2, 4), stride=3, padding=(1, 2)"),
    _transposed(3, '2, strides=2, padding="same", output_padding=0', "2, stride=2, padding=1"),
    _transposed(1, "3, strides=4, output_padding=3", "3, stride=4, output_padding=3"),
    _transposed(3, "(3, 1, 2), strides=(1, 2, 3)", "(3, 1, 2), stride=(1, 2, 3), output_padding=(0, 1, 1)"),
]
