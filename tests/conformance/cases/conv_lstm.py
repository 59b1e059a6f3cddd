"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D."""

from __future__ import annotations

from keras_harness import Case, each

ROWS = ("float32[N, 4, 9, 3]",)
VIDEO = ("float32[N, 4, 7, 6, 3]",)
VOLUMES = ("float32[N, 3, 4, 5, 6, 2]",)
OPEN = ("float32[N, T, 7, 6, 3]",)
FROM_TWO = "layer(x0, initial_state=[x1, x2])"

CASES = [
    *each(
        """
        ConvLSTM2D(4, 3)
        ConvLSTM2D(1, 1)
        ConvLSTM2D(filters=4, kernel_size=(3, 2))
        ConvLSTM2D(4, 3, padding="same")
        ConvLSTM2D(4, 2, strides=2, padding="same")
        ConvLSTM2D(4, (3, 2), (2, 1), "valid")
        ConvLSTM2D(4, 2, dilation_rate=2)
        ConvLSTM2D(4, 2, dilation_rate=(1, 3), padding="same")
        ConvLSTM2D(4, 3, activation="relu", recurrent_activation="hard_sigmoid")
        ConvLSTM2D(4, 3, activation="softmax", recurrent_activation="gelu")
        ConvLSTM2D(4, 3, use_bias=False)
        ConvLSTM2D(4, 3, unit_forget_bias=False)
        ConvLSTM2D(4, 3, dropout=0.2, recurrent_dropout=0.1)
        ConvLSTM2D(4, 3, return_sequences=True)
        ConvLSTM2D(4, 3, go_backwards=True)
        ConvLSTM2D(4, 3, go_backwards=True, return_sequences=True)
        ConvLSTM2D(4, 3, zero_output_for_mask=True)
        Bidirectional(ConvLSTM2D(4, 3, return_sequences=True))
        Bidirectional(ConvLSTM2D(4, 3), merge_mode="sum")
        """,
        VIDEO,
    ),
    *each(
        """
        ConvLSTM1D(4, 3)
        ConvLSTM1D(filters=4, kernel_size=3, padding="same", use_bias=True, return_sequences=True)
        ConvLSTM1D(4, 3, strides=2)
        ConvLSTM1D(4, 3, dilation_rate=2, padding="same", activation="elu", recurrent_activation="sigmoid")
        ConvLSTM1D(4, 2, go_backwards=True, dropout=0.1, recurrent_dropout=0.1, unit_forget_bias=True)
        ConvLSTM1D(4, 2, zero_output_for_mask=True)
        """,
        ROWS,
    ),
    *each(
        """
        ConvLSTM3D(3, 2)
        ConvLSTM3D(filters=3, kernel_size=(2, 3, 1), padding="same", use_bias=True, return_sequences=True)
        ConvLSTM3D(3, 2, strides=2, padding="same")
        ConvLSTM3D(3, 2, dilation_rate=2, activation="elu", recurrent_activation="hard_sigmoid")
        ConvLSTM3D(3, 2, go_backwards=True, dropout=0.1, recurrent_dropout=0.1, unit_forget_bias=True)
        ConvLSTM3D(3, 2, zero_output_for_mask=True)
        """,
        VOLUMES,
    ),
    Case('ConvLSTM2D(4, 3, data_format="channels_first")', ("float32[N, 4, 3, 7, 6]",)),
    Case('ConvLSTM2D(4, 3, padding="same", data_format="channels_first", return_sequences=True)', ("float32[N, T, 3, 7, 6]",)),
    Case('ConvLSTM1D(4, 3, data_format="channels_first", return_sequences=True)', ("float32[N, 4, 3, 9]",)),
    Case('ConvLSTM3D(3, 2, data_format="channels_first")', ("float32[N, 3, 2, 4, 5, 6]",)),
    Case('ConvLSTM2D(4, 3, data_format="channels_first", return_state=True)', ("float32[N, 4, 3, 7, 6]",), results=3),
    *[Case(f"ConvLSTM2D(4, 3, return_sequences={s})", OPEN, opset=opset) for s in (True, False) for opset in (17, None, 24, 28)],
    # Sizes that are open for us are known to Keras when it is built.
    Case("ConvLSTM2D(4, 3)", ("float32[N, T, H, W, 3]",), again=None),
    Case('ConvLSTM2D(4, 3, padding="same", return_sequences=True)', ("float32[N, T, H, W, 3]",), again=None),
    Case('ConvLSTM2D(4, 3, strides=2, padding="same")', ("float32[N, T, H, W, 3]",), again=None),
    Case('ConvLSTM1D(4, 2, strides=3, padding="same")', ("float32[N, T, W, 3]",), again=None),
    Case("ConvLSTM2D(4, 3, activation=LeakyReLU(0.3))", VIDEO),
    Case("ConvLSTM2D(4, 3, return_sequences=True)", ("float32[N, 1, 7, 6, 3]",)),
    Case('ConvLSTM2D(4, 3, dtype="float64")', ("float64[N, T, 7, 6, 3]",)),
    Case('ConvLSTM1D(4, 3, padding="same", dtype="float64", return_sequences=True)', ("float64[N, T, 9, 3]",)),
    # States
    Case("ConvLSTM1D(4, 3, return_state=True)", ROWS, results=3),
    Case("ConvLSTM3D(3, 2, return_state=True)", VOLUMES, results=3),
    Case("ConvLSTM2D(4, 3, return_sequences=True, return_state=True)", OPEN, results=3),
    Case(
        "ConvLSTM2D(4, 3, return_sequences=True, return_state=True)",
        (*OPEN, "float32[N, 5, 4, 4]", "float32[N, 5, 4, 4]"), apply=FROM_TWO, results=3,
    ),
    Case(
        "ConvLSTM1D(4, 3, return_state=True, go_backwards=True)",
        (*ROWS, "float32[N, 7, 4]", "float32[N, 7, 4]"), apply=FROM_TWO, results=3,
    ),
]  # fmt: skip
