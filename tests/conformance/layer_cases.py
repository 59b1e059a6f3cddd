"""What is run against Keras: calls that both read alike, a table for each family of layers."""

from __future__ import annotations

from keras_harness import Case

IMAGE = ("float32[N, 9, 8, 6]",)
FIRST = ("float32[N, 6, 9, 8]",)
OPEN = ("float32[N, H, W, 6]",)
STEPS = ("float32[N, 10, 6]",)
VOLUME = ("float32[N, 5, 6, 7, 4]",)
VECTOR = ("float32[N, 6]",)


def each(calls: str, inputs: tuple[str, ...], **options: object) -> list[Case]:
    """A case for each line."""
    return [Case(line.strip(), inputs, **options) for line in calls.strip().splitlines()]  # type: ignore[arg-type]


# TensorFlow on a CPU computes neither grouped nor channels-first convolutions' every form: what it refuses is not here.
CONVOLUTIONS = [
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

POOLS = [
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

DENSE = [
    Case("Dense(5)", VECTOR),
    Case('Dense(5, "relu", False)', VECTOR),
    Case('Dense(5, activation="softmax")', STEPS),
    Case("Dense(5, use_bias=False)", ("float32[N, H, W, 3]",)),
    Case('Dense(4, activation="glu")', VECTOR),
    Case("Dense(5, activation=LeakyReLU(0.1))", VECTOR),
    Case("Dense(5, activation=Softmax())", VECTOR),
    Case("Dense(5)", ("int32[N, 6]",), high=9),
    Case("Dense(5)", ("bool[N, 6]",)),
    Case("Dense(3)", ("float64[N, 6]",)),
    Case("Dense(3)", ("float16[N, 6]",)),
    Case('Dense(3, dtype="float64")', VECTOR),
    Case('Dense(3, dtype="float16")', VECTOR, tolerance=1e-3),
    Case("Embedding(10, 4)", ("int32[N, T]",), low=0, high=9),
    Case("Embedding(10, 4)", ("uint8[N]",), low=0, high=9),
    Case("Embedding(10, 4, mask_zero=True)", ("int64[N, T]",), low=0, high=9),
]

RESHAPING = [
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

NORMALIZING = [
    *each(
        """
        BatchNormalization()
        BatchNormalization(epsilon=1e-5, center=False)
        BatchNormalization(scale=False)
        BatchNormalization(1)
        BatchNormalization(axis=2, center=False, scale=False)
        LayerNormalization()
        LayerNormalization(epsilon=1e-6, center=False)
        LayerNormalization(scale=False)
        LayerNormalization(axis=(1, 2, 3))
        LayerNormalization(axis=(3, 1))
        LayerNormalization(axis=1, scale=False, center=False)
        """,
        IMAGE,
    ),
    Case("BatchNormalization()", VECTOR),
    Case("BatchNormalization()", STEPS),
    Case("BatchNormalization()", ("uint8[N, 3, 3, 4]",), high=255),
    Case("LayerNormalization()", VECTOR),
    Case("LayerNormalization()", ("float32[N, T, 8]",), opset=17),
    Case('LayerNormalization(dtype="float64")', IMAGE),
    Case('BatchNormalization(dtype="float64")', IMAGE),
    Case("Rescaling(1 / 255)", ("uint8[N, 5, 5, 3]",), high=255),
    Case("Rescaling(1 / 127.5, offset=-1)", ("uint8[N, 5, 5, 3]",), high=255),
    Case("Rescaling([0.1, 0.2, 0.3], [1, 2, 3])", ("float32[N, H, W, 3]",)),
    Case("Normalization()", VECTOR),
    Case("Normalization()", OPEN),
    Case("Normalization(axis=None)", VECTOR),
    Case("Normalization(axis=(1, 3))", IMAGE),
    Case("Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 4.0])", ("float32[N, H, W, 3]",)),
    Case("Normalization(mean=0.5, variance=0.25)", VECTOR),
    Case("Normalization(mean=0.5, variance=0.0)", VECTOR),
    Case("Normalization(axis=None, mean=2.0, variance=4.0, invert=True)", VECTOR),
    Case("Normalization(invert=True)", VECTOR),
    Case("Normalization(axis=(1, 3), mean=[1, 2, 3, 4, 5, 6], variance=[1, 2, 3, 4, 5, 6])", IMAGE),
]

NAMES = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink"
).split()

ACTIVATIONS = [
    *(Case(f'Activation("{name}")', ("float32[N, 40, 6]",), low=-6.0, high=6.0) for name in NAMES),
    *(
        Case(f'Activation("{name}")', ("float32[N, 4, 6]",), opset=17)
        for name in ("gelu", "mish", "sparsemax", "relu6")
    ),
    Case('Activation("sparsemax")', ("float32[N, H]",)),
    Case("Activation(None)", ("int32[N, 3]",), high=9),
    *each(
        """
        ReLU()
        ReLU(6)
        ReLU(6.0)
        ReLU(max_value=1.5, negative_slope=0.1)
        ReLU(negative_slope=0.2)
        ReLU(threshold=0.7)
        ReLU(1.0, 0.1, 0.5)
        ReLU(negative_slope=0.3, threshold=0.5)
        LeakyReLU()
        LeakyReLU(0.1)
        ELU()
        ELU(0.7)
        PReLU()
        PReLU(shared_axes=[1])
        Softmax()
        Softmax(1)
        Softmax(axis=(1, 2))
        Softmax([-1])
        """,
        STEPS,
    ),
    Case("PReLU(shared_axes=(1, 2))", OPEN),
    Case("Softmax(axis=[1, 2])", ("float32[N, 4, 5, 3]",), opset=17),
]

MERGING = [
    *(
        Case(f"{name}()", ("float32[N, 4, 6]", "float32[N, 4, 6]"))
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    ),
    *(
        Case(f"{name}()", ("float32[N, 4, 6]", "float32[N, 1, 6]", "float32[N, 4, 1]"))
        for name in ("Add", "Multiply", "Average", "Maximum", "Minimum")
    ),
    Case("Add()", ("float32[N, 4, 6]", "float32[N, 6]")),
    Case("Add()", ("float32[N, H, W, 3]", "float32[N, H, W, 3]")),
    Case("Multiply()", ("float32[N, H, W, 3]", "float32[N, 1, 1, 3]")),
    Case("Multiply()", ("int32[N, 3]", "int32[N, 3]"), high=9),
    Case("Average()", ("uint8[N, 3]", "uint8[N, 3]"), high=9),
    Case("Concatenate(axis=1)", ("float32[N, 4, 6]", "float32[N, 3, 6]", "float32[N, 1, 6]")),
    Case("Concatenate(1)", ("float32[N, T, 6]", "float32[N, S, 6]")),
    Case("Concatenate()", ("float32[N, T, 6]", "float32[N, T, 2]")),
    Case("Dot(1)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(axes=1, normalize=True)", ("float32[N, 6]", "float32[N, 6]")),
    Case("Dot(axes=(2, 1))", ("float32[N, 3, 5]", "float32[N, 5, 4]")),
    Case("Dot(-1)", ("float32[N, 3, 5]", "float32[N, 4, 5]")),
    Case("Dot((1, 2), normalize=True)", ("float32[N, 3, 5]", "float32[N, 4, 3]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5]", "float32[N, 5]")),
    Case("Dot((2, 1))", ("float32[N, 3, 5, 2]", "float32[N, 5, 4, 3]")),
]

RESIZING = [
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

TRAINING = [
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
    Case("SpatialDropout3D(0.2)", VOLUME),
    Case("Identity()", ("int32[N, 3]",), high=9),
    Case("Masking()", ("int32[N, T, 2]",), low=0, high=1),
    Case("Masking(1.0)", ("float32[N, T, 2]",)),
]

CASES = [
    *CONVOLUTIONS,
    *POOLS,
    *DENSE,
    *RESHAPING,
    *NORMALIZING,
    *ACTIVATIONS,
    *MERGING,
    *RESIZING,
    *TRAINING,
]
