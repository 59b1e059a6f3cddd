"""What a layer of ours is called elsewhere, and what other tools count differently.

A layer's class names its counterparts in Keras 3 and PyTorch (`LayerRow.also`); here stand the names of older
versions, PyTorch's names by rank, and activations, which are layers of their own in one tool and an argument in
another.
"""

from __future__ import annotations

import re

from archonnx.compiler.analysis.reference import ReferenceRow
from archonnx.compiler.analysis.summary import LayerRow

# Names that other versions and tools give to Keras 3's layers.
NAMES: dict[str, tuple[str, ...]] = {
    "Convolution1D": ("Conv1D",),
    "Convolution2D": ("Conv2D",),
    "Convolution3D": ("Conv3D",),
    "AtrousConvolution1D": ("Conv1D",),
    "AtrousConvolution2D": ("Conv2D",),
    "SeparableConvolution2D": ("SeparableConv2D",),
    "Deconvolution2D": ("Conv2DTranspose",),
    "Convolution2DTranspose": ("Conv2DTranspose",),
    "Merge": ("Add", "Concatenate", "Multiply", "Average", "Maximum", "Subtract", "Dot"),
    "BatchNormalizationV1": ("BatchNormalization",),
    "BatchNormalizationV2": ("BatchNormalization",),
    "SyncBatchNormalization": ("BatchNormalization",),
    "CuDNNLSTM": ("LSTM",),
    "CuDNNGRU": ("GRU",),
    "GroupedQueryAttention": ("GroupQueryAttention",),
    "LSTMV1": ("LSTM",),
    "GRUV1": ("GRU",),
    "Conv1d": ("Conv1D", "DepthwiseConv1D"),
    "Conv2d": ("Conv2D", "DepthwiseConv2D"),
    "Conv3d": ("Conv3D",),
    "Conv2dSame": ("Conv2D", "DepthwiseConv2D"),
    "ConvTranspose1d": ("Conv1DTranspose",),
    "ConvTranspose2d": ("Conv2DTranspose",),
    "ConvTranspose3d": ("Conv3DTranspose",),
    "BatchNorm1d": ("BatchNormalization",),
    "BatchNorm2d": ("BatchNormalization",),
    "BatchNorm3d": ("BatchNormalization",),
    "SyncBatchNorm": ("BatchNormalization",),
    "LayerNorm": ("LayerNormalization",),
    "GroupNorm": ("GroupNormalization",),
    "RMSNorm": ("RMSNormalization",),
    "Linear": ("Dense", "EinsumDense"),
    "NonDynamicallyQuantizableLinear": ("Dense",),
    "MaxPool1d": ("MaxPooling1D",),
    "MaxPool2d": ("MaxPooling2D",),
    "MaxPool3d": ("MaxPooling3D",),
    "AvgPool1d": ("AveragePooling1D",),
    "AvgPool2d": ("AveragePooling2D",),
    "AvgPool3d": ("AveragePooling3D",),
    "AdaptiveAvgPool1d": ("GlobalAveragePooling1D",),
    "AdaptiveAvgPool2d": ("GlobalAveragePooling2D",),
    "AdaptiveMaxPool1d": ("GlobalMaxPooling1D",),
    "AdaptiveMaxPool2d": ("GlobalMaxPooling2D",),
    "ZeroPad2d": ("ZeroPadding2D",),
    "Upsample": ("UpSampling2D",),
    "RNN": ("SimpleRNN",),
    "MultiheadAttention": ("MultiHeadAttention",),
}
# Layers that change nothing when a model is run: a summary with them and one without agree.
OPTIONAL = {
    *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("AlphaDropout", "FeatureAlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization"),
    *("Identity", "DropPath", "StochasticDepth"),
    # What masks are computed by, which Keras prints of functional models.
    *("Any", "NotEqual", "LogicalAnd", "LogicalNot", "LogicalOr", "logical_and", "logical_not", "logical_or"),
}
# Operators that Keras wraps when a tensor is used as a number: the type says nothing of what they do.
WRAPPED = {"TFOpLambda", "SlicingOpLambda", "Lambda", "TensorFlowOpLayer"}
# The layers of Keras 3.15 and the modules of PyTorch 2.13 that are not above, without 1D, 2D, 3D.
LIBRARY = frozenset(
    """
    ActivityRegularization AdaptiveAveragePooling AdaptiveAvgPool AdaptiveMaxPool AdaptiveMaxPooling Add
    AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling AvgPool BatchNorm
    BatchNormalization Bidirectional Bilinear CategoryEncoding CenterCrop ChannelShuffle CircularPad Concatenate
    ConstantPad Conv ConvLSTM ConvTranspose Convolution ConvolutionTranspose CosineSimilarity Cropping CutMix Dense
    DepthwiseConv Discretization Dot EinsumDense Embedding EmbeddingBag Equalization Flatten Fold FractionalMaxPool
    GRU GRUCell GlobalAveragePooling GlobalAvgPool GlobalMaxPool GlobalMaxPooling GroupNorm GroupNormalization
    GroupQueryAttention Hardshrink HashedCrossing Hashing InstanceNorm IntegerLookup LPPool LSTM LSTMCell LayerNorm
    LayerNormalization Linear LocalResponseNorm Masking MaxPool MaxPooling MaxUnpool Maximum MelSpectrogram Minimum
    MixUp MultiHeadAttention Multiply Normalization PairwiseDistance Permute PixelShuffle PixelUnshuffle RMSNorm
    RMSNormalization RNN RNNCell RReLU RandomBrightness RandomContrast RandomCrop RandomErasing RandomFlip
    RandomRotation RandomTranslation RandomZoom ReflectionPad RepeatVector ReplicationPad Rescaling Reshape Resizing
    ReversibleEmbedding SeparableConv SeparableConvolution SimpleRNN SimpleRNNCell Softshrink SpectralNormalization
    StackedRNNCells StringLookup Subtract Tanhshrink TextVectorization Threshold TimeDistributed Unflatten Unfold
    UnitNormalization UpSampling Upsample UpsamplingBilinear UpsamplingNearest ZeroPad ZeroPadding
    """.split()
)
ACTIVATIONS = {
    *(
        "relu",
        "relu6",
        "leakyrelu",
        "prelu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "hardsigmoid",
        "tanh",
    ),
    *(
        "hardtanh",
        "hardswish",
        "softmax",
        "logsoftmax",
        "softplus",
        "softsign",
        "softmin",
        "logsigmoid",
        "glu",
        "linear",
    ),
}


def activation_of(kind: str, argument: str | None = None) -> str | None:
    """The activation that a layer type is, in one spelling; "" for an `Activation` of any kind, None if it is none."""
    if kind == "Activation":
        return _spelling(argument) if argument else ""
    name = _spelling(kind)
    return name if name in ACTIVATIONS else None


def _spelling(name: str) -> str:
    plain = name.lower().replace("_", "")
    return {"swish": "silu", "hardsilu": "hardswish"}.get(plain, plain)


def is_library(kind: str) -> bool:
    """Whether Keras or PyTorch have a layer of this name: a row of another type may be a whole model."""
    stem = re.sub(r"[123][dD](?=$|Transpose)", "", kind)
    return kind in NAMES or kind in OPTIONAL or kind in WRAPPED or stem in LIBRARY or activation_of(kind) is not None


def same_type(ours: LayerRow, theirs: ReferenceRow, torch: bool = False) -> bool:
    """Whether a row's type may name our layer; where it was cut its beginning decides."""
    names = {ours.type, *ours.also}
    if theirs.type_cut:
        if any(name.startswith(theirs.type) for name in names):
            return True
        return any(
            set(targets) & names for name, targets in NAMES.items() if theirs.type and name.startswith(theirs.type)
        )
    if theirs.type in names or theirs.type in WRAPPED or names & set(NAMES.get(theirs.type, ())):
        return True
    mine, other = activation_of(ours.type, ours.activation), activation_of(theirs.type)
    if mine is None or other is None:
        return theirs.type.lower() == ours.type.lower()
    if mine == "relu6" and not torch:
        mine = "relu"  # Keras' layer ReLU may have an upper bound, which no summary shows
    return mine == other or "" in (mine, other)


def optional(kind: str) -> bool:
    """Whether a row of this type may be missing on either side."""
    return kind in OPTIONAL


def torch_parameters(row: LayerRow) -> tuple[int, ...]:
    """What torchinfo may print for our row: no moving statistics; a second bias in recurrent layers."""
    own = row.parameters - row.counted.buffers
    return (own, own + row.second_biases) if row.second_biases else (own,)
