"""The table: for each operator, what of its outputs stays the same where its inputs have more tokens behind a mask.

An operator that is not here is taken to change what it gives. One whose inputs hold no tokens gives the same, where it
is one of ONNX's own and draws nothing.
"""

from __future__ import annotations

from archonnx.runtime.batching.table import MICROSOFT
from archonnx.runtime.padding import along as al
from archonnx.runtime.padding import functions as fn
from archonnx.runtime.padding import moving as mv
from archonnx.runtime.padding import products as pr
from archonnx.runtime.padding.attending import attention
from archonnx.runtime.padding.ordinals import gather_nd
from archonnx.runtime.padding.quantizing import dequantize, quantize
from archonnx.runtime.padding.ranges import Range
from archonnx.runtime.padding.states import Rule

_REDUCTIONS = "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare".split()

TABLE: dict[tuple[str, str], Rule] = {
    **{("", name): fn.elementwise for name in sorted(fn.PLACES)},
    **{("", name): al.reduction for name in _REDUCTIONS},
    ("", "Attention"): attention,
    ("", "BatchNormalization"): al.normalize_batch,
    ("", "CastLike"): fn.cast_like,
    ("", "Clip"): fn.clip,
    ("", "Concat"): mv.concat,
    ("", "ConstantOfShape"): mv.filled,
    ("", "CumSum"): al.cumulative,
    ("", "DequantizeLinear"): dequantize,
    ("", "Dropout"): fn.dropout,
    ("", "Einsum"): pr.einsum,
    ("", "Expand"): mv.expand,
    ("", "Flatten"): mv.flatten,
    ("", "Gather"): mv.gather,
    ("", "GatherElements"): mv.gather_elements,
    ("", "GatherND"): gather_nd,
    ("", "Gemm"): pr.gemm,
    ("", "Identity"): mv.identity,
    ("", "LayerNormalization"): al.normalized,
    ("", "LogSoftmax"): al.softmax(logarithm=True),
    ("", "LpNormalization"): al.along(-1, lambda x: Range(-1, 1, x.nan or x.most == float("inf") or x.holds(0))),
    ("", "MatMul"): pr.matmul,
    ("", "Pad"): mv.pad,
    ("", "QuantizeLinear"): quantize,
    ("", "RMSNormalization"): al.normalized,
    ("", "Range"): mv.counted,
    ("", "Reshape"): mv.reshape,
    ("", "SimplifiedLayerNormalization"): al.normalized,
    ("", "Slice"): mv.cut,
    ("", "Softmax"): al.softmax(),
    ("", "Split"): mv.split,
    ("", "Squeeze"): mv.squeeze,
    ("", "Tile"): mv.tile,
    ("", "Transpose"): mv.transpose,
    ("", "Trilu"): mv.triangle,
    ("", "Unsqueeze"): mv.unsqueeze,
    (MICROSOFT, "BiasGelu"): fn.elementwise,
    (MICROSOFT, "FastGelu"): fn.elementwise,
    (MICROSOFT, "FusedMatMul"): pr.fused_matmul,
    (MICROSOFT, "Gelu"): fn.elementwise,
    (MICROSOFT, "QuickGelu"): fn.elementwise,
    (MICROSOFT, "SkipLayerNormalization"): al.skip_normalized(centred=True),
    (MICROSOFT, "SkipSimplifiedLayerNormalization"): al.skip_normalized(centred=False),
}

# Why some are not here, for the message; of others it is that no rule is known.
REASONS = {
    "ArgMax": "it looks for a place among the tokens",
    "ArgMin": "it looks for a place among the tokens",
    "AveragePool": "it works along the tokens",
    "Conv": "it may look at the tokens beside a token, those behind the mask too",
    "ConvTranspose": "it may look at the tokens beside a token, those behind the mask too",
    "DynamicQuantizeLinear": "its scale is that of all tokens together, those behind the mask too",
    "DynamicQuantizeMatMul": "its scale is that of all tokens together, those behind the mask too",
    "GRU": "it goes through the tokens, those behind the mask too",
    "GlobalAveragePool": "it takes the mean over the tokens",
    "GlobalMaxPool": "it takes the largest of the tokens",
    "If": "graphs inside of nodes are not followed",
    "LSTM": "it goes through the tokens, those behind the mask too",
    "Loop": "graphs inside of nodes are not followed",
    "MaxPool": "it works along the tokens",
    "NonZero": "it lists places of all tokens together",
    "RNN": "it goes through the tokens, those behind the mask too",
    "ReduceProd": "it multiplies tokens",
    "ReverseSequence": "it turns the tokens round",
    "Scan": "graphs inside of nodes are not followed",
    "TopK": "it looks for places among the tokens",
}
