"""The table: for each operator, where the rows are in its outputs, given where they are in its inputs.

An operator that is not here is taken to mix rows. One whose inputs hold none gives the same for all, where it is one of
ONNX's own and draws nothing.
"""

from __future__ import annotations

from archonnx.runtime.batching import examples as ex
from archonnx.runtime.batching import moving as mv
from archonnx.runtime.batching import spreading as sp
from archonnx.runtime.batching.nodes import Rule

MICROSOFT, ML = "com.microsoft", "ai.onnx.ml"

PLACE_BY_PLACE = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast Ceil
    Celu Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN
    LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink
    Sigmoid Sign Sin Sinh Softplus Softsign Sqrt StringConcat Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
""".split()
_REDUCTIONS = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
""".split()
_BY_EXAMPLE = """
    AveragePool Conv ConvInteger ConvTranspose DepthToSpace GlobalAveragePool GlobalLpPool GlobalMaxPool
    GroupNormalization InstanceNormalization LpPool LRN QLinearConv SpaceToDepth
""".split()

_TABLES = ("Linear", "SVM", "TreeEnsemble")

TABLE: dict[tuple[str, str], Rule] = {
    **{("", name): sp.elementwise for name in PLACE_BY_PLACE},
    **{("", name): sp.reduction for name in _REDUCTIONS},
    **{("", name): ex.examples(0) for name in _BY_EXAMPLE},
    ("", "ArgMax"): sp.best,
    ("", "ArgMin"): sp.best,
    ("", "Attention"): ex.attention,
    ("", "BatchNormalization"): ex.normalize_batch,
    ("", "CastLike"): sp.cast_like,
    ("", "Clip"): sp.scalars_after(1),
    ("", "Concat"): mv.concat,
    ("", "ConstantOfShape"): mv.filled,
    ("", "CumSum"): sp.cumulative,
    ("", "DFT"): ex.sequences,
    ("", "DequantizeLinear"): sp.quantize,
    ("", "Dropout"): ex.dropout,
    ("", "Einsum"): sp.einsum,
    ("", "Expand"): mv.expand,
    ("", "Flatten"): mv.flatten,
    ("", "GRU"): ex.recurrent,
    ("", "Gather"): mv.gather,
    ("", "GatherElements"): mv.gather_elements,
    ("", "GatherND"): mv.gather_nd,
    ("", "Gemm"): sp.gemm,
    ("", "GridSample"): ex.examples(0, 1),
    ("", "Hardmax"): sp.along(-1, flat=13),
    ("", "LSTM"): ex.recurrent,
    ("", "LayerNormalization"): sp.from_axis(-1),
    ("", "LogSoftmax"): sp.along(-1, flat=13),
    ("", "LpNormalization"): sp.along(-1),
    ("", "MatMul"): sp.matmul,
    ("", "MatMulInteger"): sp.integer_matmul,
    ("", "MaxPool"): ex.single(ex.examples(0)),
    ("", "MeanVarianceNormalization"): sp.all_axes("axes", [0, 2, 3]),
    ("", "OneHot"): mv.one_hot,
    ("", "Pad"): mv.pad,
    ("", "QLinearMatMul"): sp.quantized_matmul,
    ("", "QuantizeLinear"): sp.quantize,
    ("", "RMSNormalization"): sp.from_axis(-1),
    ("", "RNN"): ex.recurrent,
    ("", "Reshape"): mv.reshape,
    ("", "Resize"): mv.resize,
    ("", "ReverseSequence"): mv.turned,
    ("", "RotaryEmbedding"): ex.rotated(3),
    ("", "STFT"): ex.examples(0, rank=4),
    ("", "ScatterElements"): mv.scatter_elements,
    ("", "Shape"): mv.measured,
    ("", "SimplifiedLayerNormalization"): sp.from_axis(-1),
    ("", "Size"): mv.counted,
    ("", "Slice"): mv.cut,
    ("", "Softmax"): sp.along(-1, flat=13),
    ("", "Split"): mv.split,
    ("", "Squeeze"): mv.squeeze,
    ("", "Tile"): mv.tile,
    ("", "TopK"): sp.top,
    ("", "Transpose"): mv.transpose,
    ("", "Trilu"): sp.triangle,
    ("", "Unsqueeze"): mv.unsqueeze,
    ("", "Upsample"): mv.upsample,
    (MICROSOFT, "Attention"): ex.fused_attention,
    (MICROSOFT, "BiasGelu"): sp.elementwise,
    (MICROSOFT, "EmbedLayerNormalization"): ex.embedding,
    (MICROSOFT, "FastGelu"): sp.elementwise,
    (MICROSOFT, "FusedMatMul"): sp.fused_matmul,
    (MICROSOFT, "Gelu"): sp.elementwise,
    (MICROSOFT, "MatMulNBits"): sp.few_bits,
    (MICROSOFT, "MultiHeadAttention"): ex.multi_head,
    (MICROSOFT, "QuickGelu"): sp.elementwise,
    (MICROSOFT, "RotaryEmbedding"): ex.rotated(1),
    (MICROSOFT, "SkipLayerNormalization"): ex.examples(0, 1, like=True),
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): ex.examples(0, 1, like=True),
    (ML, "Binarizer"): sp.elementwise,
    (ML, "LabelEncoder"): sp.elementwise,
    (ML, "Imputer"): sp.elementwise,
    **{(ML, f"{kind}{task}"): ex.table for kind in _TABLES for task in ("Classifier", "Regressor")},
    (ML, "Scaler"): ex.examples(0, like=True),
}

# Why some mix rows, for the message; of others it is that no rule is known.
REASONS = {
    "DynamicQuantizeLinear": "its scale is that of all rows together",
    "DynamicQuantizeMatMul": "its scale is that of all rows together",
    "NonZero": "it lists places of all rows together",
    "Unique": "it lists what is different among all rows",
    "Compress": "it takes some of the rows",
    "NonMaxSuppression": "it lists boxes of all rows together",
    "ScatterND": "it writes to places of all rows together",
    "Range": "it counts the rows",
    "Scan": "what its rounds do with the rows is not followed",
    "MaxUnpool": "it takes places that are counted over the whole batch",
}
DRAWS = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
