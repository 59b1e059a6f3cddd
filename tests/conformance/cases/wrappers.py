"""Layers around layers."""

from __future__ import annotations

from keras_harness import Case, each

FRAMES = ("float32[N, 3, 9, 8, 6]",)
STEPS = ("float32[N, 5, 6]",)

CASES = [
    *each(
        """
        TimeDistributed(Dense(3))
        TimeDistributed(Dense(3, activation="relu", use_bias=False))
        TimeDistributed(layer=Dense(3))
        TimeDistributed(Activation("tanh"))
        TimeDistributed(LayerNormalization())
        TimeDistributed(Reshape((2, 3)))
        TimeDistributed(Softmax())
        """,
        STEPS,
    ),
    *each(
        """
        TimeDistributed(Conv2D(4, 3))
        TimeDistributed(Conv2D(4, 3, strides=2, padding="same"))
        TimeDistributed(ZeroPadding2D(1, data_format="channels_first"))
        TimeDistributed(DepthwiseConv2D(3))
        TimeDistributed(MaxPooling2D())
        TimeDistributed(GlobalAveragePooling2D())
        TimeDistributed(BatchNormalization())
        TimeDistributed(Flatten())
        TimeDistributed(UpSampling2D(2))
        TimeDistributed(ZeroPadding2D(1))
        TimeDistributed(TimeDistributed(Conv1D(4, 3)))
        TimeDistributed(TimeDistributed(Dense(4)))
        """,
        FRAMES,
    ),
    Case("TimeDistributed(Dense(3))", ("float32[N, T, 6]",)),
    Case("TimeDistributed(Conv2D(4, 3))", ("float32[N, T, 9, 8, 6]",)),
    Case("TimeDistributed(Conv2D(4, 3))", ("float32[N, T, H, W, 6]",)),
    Case('TimeDistributed(Conv2D(4, 3, strides=2, padding="same"))', ("float32[N, T, H, W, 6]",)),
    Case("TimeDistributed(GlobalAveragePooling2D())", ("float32[N, T, H, W, 6]",), opset=17),
    Case("TimeDistributed(Embedding(9, 4))", ("int32[N, T, 6]",), low=0, high=8),
    Case("TimeDistributed(GlobalMaxPooling1D())", ("float32[N, T, 4, 3]",), sizes={"T": 1}),
]
